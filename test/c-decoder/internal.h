/* What the rooms of the decoder share. Names of fields are those of docs/FORMAT-DELTA.md. */
#ifndef CS_INTERNAL_H
#define CS_INTERNAL_H

#include "decoder.h"

enum { NONE, THUMB, RISCV, XTENSA, ARM, AARCH64, AVR, XTENSA_BE };
enum { STORED, HEATSHRINK, LITE, MIXING };
enum { FULL = 1, BACKWARD = 2, IN_PLACE = 4 };
enum { PLAIN, POINTER };
enum { REGIONS_MAX = 24, QUEUE_BYTES = 256, OLD_CACHE_BYTES = 128, UNIT_MAX = 8 };

#define HAS_PREDICTOR(n) ((CS_PREDICTORS >> (n)) & 1)
#define HAS_CODER(n) ((CS_CODERS >> (n)) & 1)

typedef struct {
  uint32_t offset; /* bit 31: code */
  uint32_t address;
} region;

typedef struct {
  uint32_t start;
  uint32_t shift;
} run;

typedef struct {
  uint32_t key;
  uint32_t value;
} learned;

/* The fixed part of the model's memory: 520 bytes. Runs and learned entries stand behind it. */
typedef struct {
  uint32_t ram_address;
  uint32_t ram_bytes;
  region old_regions[REGIONS_MAX];
  region new_regions[REGIONS_MAX];
  uint32_t registers[32]; /* what an instruction set remembers within a copy */
} model;

/* A copy of n bytes from old offset s to new offset d. */
typedef struct {
  uint32_t s;
  uint32_t d;
  uint32_t n;
} copy;

typedef struct {
  uint32_t old_at; /* offset in the old image */
  uint32_t a;      /* old address */
  uint32_t b;      /* new address */
  uint32_t target;
  uint32_t made; /* what the rules made of the target */
  uint8_t size;
  uint8_t kind;
  uint8_t form;
  uint8_t moved;
  uint8_t old[UNIT_MAX];
  uint8_t guess[UNIT_MAX];
} unit;

/* Byte commands on their way through a copy. */
typedef struct {
  uint32_t left; /* bytes of this command still to produce */
  uint32_t bits; /* heatshrink: bits not yet used, the lowest `bit_count` */
  uint16_t window_at;
  uint8_t bit_count;
  uint8_t step;
  uint8_t patches;
  uint8_t done; /* bytes of the unit that are produced */
  uint8_t fresh[UNIT_MAX];
  copy at;
  unit u;
} byte_state;

/* Range-coded blocks. */
typedef struct {
  uint32_t range;
  uint32_t code;
  uint32_t coded_left; /* coded bytes of the block that have not come yet */
  uint32_t left;       /* bytes of this command still to produce */
  copy at;
  uint32_t shifts[8];   /* L */
  uint8_t residuals[8]; /* R */
  uint8_t last[6];      /* a to f */
  uint16_t h;
  uint16_t queued;
  uint8_t head;
  uint8_t q;
  uint8_t step;
  uint8_t begun; /* code has its first four bytes */
} range_state;

struct cs_decoder {
  const cs_ports *ports;
  uint32_t new_bytes;
  uint32_t old_bytes;
  uint32_t model_bytes;
  uint32_t number; /* a number that is being read */
  uint32_t position; /* in the container */
  uint32_t block_begin;
  uint32_t block_end;
  uint32_t out;        /* output offset */
  uint32_t old_offset; /* where the next copy is expected */
  uint32_t model_at; /* in the workspace, as the next two */
  uint32_t queue_at;
  uint32_t cache_part_at;
  uint32_t cache_at; /* offset in the old image of the first byte in the cache */
  uint32_t walk; /* the unit at hand: what looks ahead begins there */
  uint32_t mark_position; /* last checkpoint */
  uint32_t mark_old;
  uint32_t mark_out;
  int32_t backward_shift; /* old place less new place of the block's first copy */
  uint16_t runs;
  uint16_t ram_runs;
  uint16_t learned;
  uint16_t model_step; /* numbers of this part of the model section that have come */
  uint8_t model_phase;
  uint8_t pointers;
  uint8_t old_regions;
  uint8_t new_regions;
  uint8_t number_bytes;
  uint8_t phase;
  uint8_t status;
  uint8_t header_bytes;
  uint8_t cache_bytes;
  uint8_t copied; /* the block has had a copy */
  uint8_t header[CS_HEADER_MAX];
  union {
    byte_state bytes;
    range_state range;
  } in;
};

/* Of the header, where it was kept as it came. */
#define FLAGS(d) ((d)->header[4])
#define CLASS(d) ((d)->header[5])
#define PREDICTOR(d) ((d)->header[6])
#define CODER(d) ((d)->header[7])
#define FIRST(d) ((d)->header[8])
#define SECOND(d) ((d)->header[9])
#define PAGE_BITS(d) ((d)->header[10])
#define BLOCK_BITS(d) ((d)->header[11])

/* workspace.c: where the parts lie. */
uint32_t cs_tables_bytes(unsigned coder, unsigned first, unsigned second);
void cs_lay_out(cs_decoder *);
static inline uint8_t *cs_tables(cs_decoder *d) { return (uint8_t *)d + CS_STATE_BYTES; }
static inline model *cs_model(cs_decoder *d) { return (model *)(void *)((uint8_t *)d + d->model_at); }
static inline run *cs_runs(cs_decoder *d) { return (run *)(void *)(cs_model(d) + 1); }
static inline learned *cs_learned(cs_decoder *d) { return (learned *)(void *)(cs_runs(d) + d->runs); }
static inline uint8_t *cs_queue(cs_decoder *d) { return (uint8_t *)d + d->queue_at; }
static inline uint8_t *cs_cache(cs_decoder *d) { return (uint8_t *)d + d->cache_part_at; }
static inline uint8_t *cs_page(cs_decoder *d) { return cs_cache(d) + OLD_CACHE_BYTES; }

/* header.c */
int cs_read_header(cs_decoder *); /* of the bytes of it that have come */

/* number.c */
enum { MORE, DONE, WRONG };
int cs_number(cs_decoder *, uint8_t byte, uint32_t limit); /* limit: all numbers are below it; 0 for 2^32 */
int64_t cs_signed(uint32_t number);

/* model.c */
int cs_model_byte(cs_decoder *, uint8_t byte);
int cs_model_complete(const cs_decoder *);
uint32_t cs_address(const region *list, unsigned count, int64_t offset, int *code);
int cs_offset(const cs_decoder *, uint32_t address, uint32_t *offset); /* in the old image */
int cs_in_ram(const cs_decoder *, uint32_t address);
uint32_t cs_shift(const run *list, unsigned count, uint32_t place);

/* output.c: whatever fails there is kept in d->status. */
void cs_out(cs_decoder *, uint8_t byte);
int cs_copy_begins(cs_decoder *, int64_t s, uint32_t n); /* refuses it, or moves the old offset to it */
void cs_old(cs_decoder *, uint32_t offset, uint8_t *into, unsigned bytes);

/* predict.c */
void cs_look(cs_decoder *, const copy *, uint32_t done, unit *);
void cs_learn(cs_decoder *, const unit *, const uint8_t *fresh);
int cs_put(const cs_decoder *, const unit *, uint8_t *bytes, uint32_t target);

/* A line of an instruction set's table. */
typedef struct {
  uint32_t mask;
  uint32_t value;
  const uint8_t *operand; /* pairs of highest and lowest bit, the last pair with LAST */
  uint8_t size;
  uint8_t form;
  uint8_t kind;
  uint8_t type;
  uint8_t scale;
  uint8_t base;
} row;

enum { SPECIAL = 0x80 };                     /* a kind: the row follows rules of its own */
enum { LAST = 0x80, FLIPPED = 0x40 };        /* in an operand's highest bit: `!13` */
enum { SIGNED, UNSIGNED, NEGATIVE, MAGNITUDE }; /* types */
enum { AT_0, AT_A, AT_A2, AT_A4, AT_A8, AT_A4_DOWN, AT_A_DOWN_4, AT_A3_DOWN, AT_DATA }; /* bases */
enum { LITTLE, HALVES, BIG };                /* how bytes are one number */

typedef struct instruction_set instruction_set;
struct instruction_set {
  const row *rows;
  uint8_t count;
  uint8_t align;
  uint8_t order;
  uint8_t (*size)(const uint8_t *bytes); /* where no row agrees */
  void (*look)(const instruction_set *, cs_decoder *, unit *);
  int (*put)(const instruction_set *, const unit *, uint8_t *bytes, uint32_t target);
  int (*tell)(const instruction_set *, const unit *, const uint8_t *bytes, uint32_t *target);
};

/* rows.c */
const row *cs_find(const instruction_set *, const uint8_t *bytes, unsigned size); /* size 0: any */
int32_t cs_operand(const row *, uint32_t number);
uint32_t cs_with_operand(const row *, uint32_t number, uint32_t q);
void cs_rows_look(const instruction_set *, cs_decoder *, unit *);
int cs_rows_put(const instruction_set *, const unit *, uint8_t *bytes, uint32_t target);
int cs_rows_tell(const instruction_set *, const unit *, const uint8_t *bytes, uint32_t *target);
uint8_t cs_size_4(const uint8_t *bytes);

extern const instruction_set cs_thumb, cs_riscv, cs_xtensa, cs_arm, cs_aarch64, cs_avr, cs_xtensa_be;

/* bytes.c, heatshrink.c, range.c: the stream. */
void cs_heatshrink_block(cs_decoder *);
void cs_heatshrink_push(cs_decoder *, uint8_t byte);
void cs_command(cs_decoder *, uint8_t byte);
int cs_commands_done(const cs_decoder *);
void cs_range_block(cs_decoder *, uint32_t coded);
uint32_t cs_range_push(cs_decoder *, const uint8_t *bytes, uint32_t count);
int cs_range_done(const cs_decoder *);

/* lite.c, mixing.c */
void cs_lite_block(cs_decoder *);
int cs_lite(cs_decoder *, int32_t state);
void cs_mixing_block(cs_decoder *);
uint8_t cs_mixing_literal(cs_decoder *);
int cs_mixing(cs_decoder *, uint32_t set, const uint32_t *contexts, unsigned used);
int cs_bit(cs_decoder *, uint32_t chance);
void cs_newest(cs_decoder *, uint8_t byte); /* becomes a, b, c and so on */

/* decisions.c */
enum { CS_INSERT, CS_COPY, CS_SEEK, CS_FILL, CS_SHIFT };
int cs_ask_kind(cs_decoder *);
uint32_t cs_ask_number(cs_decoder *, unsigned field);
uint8_t cs_ask_literal(cs_decoder *);
void cs_ask_unit(cs_decoder *, const unit *, uint8_t *fresh);

static inline uint32_t cs_le32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void cs_put_le32(uint8_t *p, uint32_t value) {
  p[0] = (uint8_t)value;
  p[1] = (uint8_t)(value >> 8);
  p[2] = (uint8_t)(value >> 16);
  p[3] = (uint8_t)(value >> 24);
}

/* signed(x): a cast would leave it to the compiler. */
static inline int32_t cs_signed32(uint32_t x) { return x < 0x80000000u ? (int32_t)x : -(int32_t)~x - 1; }

static inline void cs_refuse(cs_decoder *d, cs_status status) {
  if (d->status == CS_OK) d->status = (uint8_t)status;
}

#endif
