#include "internal.h"

#include <string.h>

enum { WORKSPACE, MODEL_BYTES, RUNS, LEARNED, NEW_BYTES, OLD_BYTES, FIELDS };
enum { FIXED = 12, TAG_BYTES = 8, RUNS_MAX = 4096, LEARNED_MAX = 32768 };
static const uint32_t NUMBER_LIMIT = (uint32_t)1 << 30;

/* Old bytes that a block learns from: at most twice the size of the new image. */
static int learning_fits(const cs_decoder *d, const uint32_t *fields) {
  unsigned l = SECOND(d), c = BLOCK_BITS(d);
  uint32_t most;
  if (l < 12 || l > 22 || FLAGS(d) & FULL || (c != 0 && l > c)) return 0;
  most = (uint32_t)1 << l;
  return (most < fields[OLD_BYTES] ? most : fields[OLD_BYTES]) <= 2 * fields[NEW_BYTES];
}

static cs_status coder_fault(const cs_decoder *d, const uint32_t *fields) {
  unsigned w = FIRST(d), l = SECOND(d);
  int good;
  if (CODER(d) > MIXING || !HAS_CODER(CODER(d))) return CS_UNSUPPORTED;
  if (CODER(d) == STORED) good = w == 0 && l == 0;
  else if (CODER(d) == HEATSHRINK) good = w >= 4 && w <= 15 && l >= 3 && l <= 8 && l < w;
  else if (CODER(d) == LITE) good = w <= 4 && (l == 4 || l == 10);
  else good = w <= 1 && (l == 0 || learning_fits(d, fields));
  return good ? CS_OK : CS_BAD_DELTA;
}

static cs_status rule_6(const cs_decoder *d) {
  unsigned flags = FLAGS(d);
  if (flags & IN_PLACE) return flags & FULL ? CS_BAD_DELTA : CS_OK;
  return flags & BACKWARD ? CS_UNSUPPORTED : CS_OK;
}

static cs_status rule_5(const cs_decoder *d, const uint32_t *fields) {
  uint32_t entries = fields[LEARNED];
  if (PREDICTOR(d) == NONE) return fields[MODEL_BYTES] | fields[RUNS] | entries ? CS_BAD_DELTA : CS_OK;
  if (FLAGS(d) & FULL || CODER(d) == STORED || fields[NEW_BYTES] == 0) return CS_BAD_DELTA;
  if (fields[RUNS] > RUNS_MAX || entries > LEARNED_MAX || entries & (entries - 1)) return CS_BAD_DELTA;
  return CS_OK;
}

static uint32_t workspace_bytes(const cs_decoder *d, const uint32_t *fields) {
  uint32_t model = PREDICTOR(d) != NONE || CODER(d) >= LITE ? 520 + 8 * fields[RUNS] + 8 * fields[LEARNED] : 0;
  uint32_t queue = CODER(d) >= LITE ? QUEUE_BYTES : 0;
  uint32_t tables = cs_tables_bytes(CODER(d), FIRST(d), SECOND(d));
  return CS_STATE_BYTES + tables + model + queue + OLD_CACHE_BYTES + ((uint32_t)1 << PAGE_BITS(d));
}

static cs_status faults(const cs_decoder *d, const uint32_t *fields) {
  static const uint32_t class_bytes[] = {4096, 8192, 16384, 65536, 1048576};
  unsigned p = PAGE_BITS(d), c = BLOCK_BITS(d);
  cs_status status = rule_6(d);
  if (status == CS_OK && (PREDICTOR(d) > XTENSA_BE || !HAS_PREDICTOR(PREDICTOR(d)))) status = CS_UNSUPPORTED;
  if (status == CS_OK) status = rule_5(d, fields);
  if (status == CS_OK) status = coder_fault(d, fields);
  if (status != CS_OK) return status;
  if (p < 8 || p > 16) return CS_BAD_DELTA;
  if (c != 0 && (c < 12 || c > 28 || c < p)) return CS_BAD_DELTA;
  if (fields[WORKSPACE] != workspace_bytes(d, fields) || fields[WORKSPACE] > class_bytes[CLASS(d)]) return CS_BAD_DELTA;
  if (fields[NEW_BYTES] > d->ports->slot_bytes) return CS_NO_SPACE;
  if (fields[NEW_BYTES] != d->ports->new_bytes) return CS_BAD_DELTA;
  if (!(FLAGS(d) & FULL) && fields[OLD_BYTES] != d->ports->old_bytes) return CS_BAD_DELTA;
  return fields[WORKSPACE] > d->ports->memory_bytes ? CS_NO_MEMORY : CS_OK;
}

/* The fixed bytes are judged as they come, so that a container of another version need not be understood. */
static cs_status fixed_fault(const cs_decoder *d) {
  static const uint8_t magic[] = {0x43, 0x53, 0x44};
  unsigned n = d->header_bytes;
  if (memcmp(d->header, magic, n < 3 ? n : 3) != 0) return CS_BAD_DELTA;
  if (n > 3 && d->header[3] != 2) return CS_UNSUPPORTED;
  if (n > 4 && FLAGS(d) > (FULL | BACKWARD | IN_PLACE)) return CS_BAD_DELTA;
  if (n > 5 && CLASS(d) > 4) return CS_BAD_DELTA;
  return CS_OK;
}

/* Reads the header again with each byte of it: at most 58 times, and nothing but the bytes is kept in between. */
int cs_read_header(cs_decoder *d) {
  uint32_t fields[FIELDS] = {0};
  unsigned at = FIXED, field = 0, count, end;
  cs_status status = fixed_fault(d);
  if (status != CS_OK) {
    cs_refuse(d, status);
    return WRONG;
  }
  if (d->header_bytes < FIXED) return MORE;
  count = FLAGS(d) & FULL ? OLD_BYTES : FIELDS;
  d->number_bytes = 0;
  for (; field < count; at++) {
    int read;
    if (at == d->header_bytes) return MORE;
    read = cs_number(d, d->header[at], NUMBER_LIMIT);
    if (read == WRONG) {
      cs_refuse(d, CS_BAD_DELTA);
      return WRONG;
    }
    if (read == DONE) fields[field++] = d->number;
  }
  end = at + (FLAGS(d) & FULL ? TAG_BYTES : 2 * TAG_BYTES);
  if (d->header_bytes < end) return MORE;
  cs_refuse(d, faults(d, fields));
  d->new_bytes = fields[NEW_BYTES];
  d->old_bytes = fields[OLD_BYTES];
  d->model_bytes = fields[MODEL_BYTES];
  d->runs = (uint16_t)fields[RUNS];
  d->learned = (uint16_t)fields[LEARNED];
  if (d->status == CS_OK) cs_lay_out(d);
  return d->status == CS_OK ? DONE : WRONG;
}
