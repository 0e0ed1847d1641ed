#include "internal.h"

#include <string.h>

enum { HEADER, MODEL, LENGTH, BLOCK, END };

/* C99 has no other way to say it: the state must fit its part of the workspace. */
typedef char state_fits[sizeof(cs_decoder) <= CS_STATE_BYTES ? 1 : -1];
typedef char model_fits[sizeof(model) == 520 ? 1 : -1];

cs_decoder *cs_begin(void *workspace, const cs_ports *ports) {
  cs_decoder *d = workspace;
  if (ports->memory_bytes < CS_STATE_BYTES) return 0;
  memset(d, 0, sizeof *d);
  d->ports = ports;
  return d;
}

static int backward(const cs_decoder *d) { return (FLAGS(d) & BACKWARD) != 0; }

static uint32_t block_bytes(const cs_decoder *d) {
  return BLOCK_BITS(d) == 0 ? d->new_bytes : (uint32_t)1 << BLOCK_BITS(d);
}

static void begin_block(cs_decoder *d, uint32_t begin) {
  uint32_t bytes = block_bytes(d);
  d->block_begin = begin;
  d->block_end = d->new_bytes - begin < bytes ? d->new_bytes : begin + bytes;
  d->out = begin;
  d->copied = 0;
  d->backward_shift = 0;
  d->cache_bytes = 0; /* in place, bytes in it may be gone by now */
  d->number_bytes = 0;
  if (d->learned != 0) memset(cs_learned(d), 0, d->learned * sizeof(learned));
  d->phase = CODER(d) >= LITE ? LENGTH : BLOCK;
#if HAS_CODER(1)
  if (CODER(d) == HEATSHRINK) cs_heatshrink_block(d);
#endif
  if (CODER(d) <= HEATSHRINK) memset(&d->in.bytes, 0, sizeof d->in.bytes);
}

/* Backward, a block cannot know where the one before it ended: it expects its bytes as far away as that one's first. */
static void expect_backward(cs_decoder *d, uint32_t begin) {
  int64_t place = (int64_t)begin + d->backward_shift;
  d->old_offset = place < 0 ? 0 : place > d->old_bytes ? d->old_bytes : (uint32_t)place;
}

static void first_block(cs_decoder *d) {
  uint32_t begin = 0;
  if (d->new_bytes == 0) {
    d->phase = END;
    return;
  }
  if (backward(d)) {
    begin = (d->new_bytes - 1) / block_bytes(d) * block_bytes(d);
    expect_backward(d, begin);
  }
  begin_block(d, begin);
}

static void next_block(cs_decoder *d) {
  uint32_t begin = d->block_end;
  if (backward(d) ? d->block_begin == 0 : d->block_end == d->new_bytes) {
    d->phase = END;
    return;
  }
  if (backward(d)) {
    begin = d->block_begin - block_bytes(d);
    expect_backward(d, begin);
  }
  d->mark_position = d->position;
  d->mark_old = d->old_offset;
  d->mark_out = backward(d) ? d->block_begin : d->block_end;
  begin_block(d, begin);
}

static void model_ready(cs_decoder *d) {
  if (d->mark_position == 0) {
    first_block(d);
    return;
  }
  d->position = d->mark_position;
  d->old_offset = d->mark_old;
  begin_block(d, backward(d) ? d->mark_out - block_bytes(d) : d->mark_out);
}

static void after_header(cs_decoder *d) {
  if (PREDICTOR(d) != NONE) {
    if (d->model_bytes == 0) cs_refuse(d, CS_BAD_DELTA);
    d->phase = MODEL;
    return;
  }
  if (CODER(d) >= LITE) { /* rule 4 of the model section: one region that is not code, at address 0 */
    memset(cs_model(d), 0, sizeof(model));
    d->old_regions = d->new_regions = 1;
  }
  model_ready(d);
}

static void header_byte(cs_decoder *d, uint8_t byte) {
  if (d->header_bytes == CS_HEADER_MAX) cs_refuse(d, CS_BAD_DELTA);
  if (d->status != CS_OK) return;
  d->header[d->header_bytes++] = byte;
  d->position++;
  if (cs_read_header(d) != DONE) return;
  d->number_bytes = 0;
  after_header(d);
}

static void model_byte(cs_decoder *d, uint8_t byte) {
  d->position++;
  d->model_bytes--;
  if (cs_model_byte(d, byte) == WRONG || cs_model_complete(d) != (d->model_bytes == 0)) cs_refuse(d, CS_BAD_DELTA);
  else if (d->model_bytes == 0) model_ready(d);
}

#if CS_CODERS & 12
/* A block may need no coded bytes at all: so it is looked at before any of them. */
static uint32_t range_push(cs_decoder *d, const uint8_t *bytes, uint32_t count) {
  uint32_t used = 0;
  if (d->phase == LENGTH) {
    int read = cs_number(d, bytes[used++], (uint32_t)1 << 28);
    d->position++;
    if (read == WRONG) cs_refuse(d, CS_BAD_DELTA);
    if (read != DONE) return used;
    d->phase = BLOCK;
    cs_range_block(d, d->number);
  }
  {
    uint32_t taken = cs_range_push(d, bytes + used, count - used);
    d->position += taken;
    used += taken;
  }
  if (d->status == CS_OK && cs_range_done(d)) next_block(d);
  return used;
}
#endif

static void bytes_push(cs_decoder *d, uint8_t byte) {
  d->position++;
#if HAS_CODER(1)
  if (CODER(d) == HEATSHRINK) cs_heatshrink_push(d, byte);
#endif
#if HAS_CODER(0)
  if (CODER(d) == STORED) cs_command(d, byte);
#endif
  if (d->status == CS_OK && cs_commands_done(d)) next_block(d);
}

cs_status cs_push(cs_decoder *d, const uint8_t *bytes, uint32_t count) {
  uint32_t i = 0;
  while (i < count && d->status == CS_OK) {
    if (d->phase == HEADER) header_byte(d, bytes[i++]);
    else if (d->phase == MODEL) model_byte(d, bytes[i++]);
    else if (d->phase == END) cs_refuse(d, CS_BAD_DELTA);
#if CS_CODERS & 12
    else if (CODER(d) >= LITE) i += range_push(d, bytes + i, count - i);
#endif
    else bytes_push(d, bytes[i++]);
  }
  return (cs_status)d->status;
}

cs_status cs_finish(cs_decoder *d) {
  if (d->phase != END) cs_refuse(d, CS_BAD_DELTA);
  return (cs_status)d->status;
}

uint32_t cs_checkpoint(const cs_decoder *d, uint8_t record[CS_RECORD_MAX]) {
  if (d->mark_position == 0) return 0;
  cs_put_le32(record, d->mark_position);
  cs_put_le32(record + 4, d->mark_old);
  cs_put_le32(record + 8, d->mark_out);
  record[12] = d->header_bytes;
  memcpy(record + 13, d->header, d->header_bytes);
  return 13u + d->header_bytes;
}

static cs_status state_fault(const cs_decoder *d) {
  uint32_t first = d->header_bytes + d->model_bytes;
  if (BLOCK_BITS(d) == 0 || d->mark_out == 0 || d->mark_out % block_bytes(d) != 0) return CS_BAD_STATE;
  if (d->mark_out >= d->new_bytes || d->mark_old > d->old_bytes || d->mark_position <= first) return CS_BAD_STATE;
  return CS_OK;
}

cs_decoder *cs_resume(void *workspace, const cs_ports *ports, const uint8_t *record, uint32_t bytes, cs_status *status,
                      cs_rest *rest) {
  cs_decoder *d = cs_begin(workspace, ports);
  uint32_t i;
  int read = MORE;
  *status = CS_NO_MEMORY;
  if (d == 0) return 0;
  *status = CS_BAD_STATE;
  if (bytes < 13 || bytes > CS_RECORD_MAX || record[12] != bytes - 13) return 0;
  for (i = 13; i < bytes && read == MORE; i++) {
    d->header[d->header_bytes++] = record[i];
    read = cs_read_header(d);
  }
  if (read == WRONG) *status = (cs_status)d->status;
  if (read != DONE || i != bytes) return 0;
  d->mark_position = cs_le32(record);
  d->mark_old = cs_le32(record + 4);
  d->mark_out = cs_le32(record + 8);
  *status = state_fault(d);
  if (*status != CS_OK) return 0;
  rest->model_at = d->header_bytes;
  rest->model_bytes = d->model_bytes;
  rest->stream_at = d->mark_position;
  d->number_bytes = 0;
  after_header(d);
  *status = (cs_status)d->status;
  return *status == CS_OK ? d : 0;
}
