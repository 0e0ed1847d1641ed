#include "internal.h"

/* What all instruction sets share: tables of mask and value, operands in pieces, targets by base and scale. */

static uint32_t number_of(const uint8_t *p, unsigned size, unsigned order) {
  if (order == BIG) return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
  if (order == HALVES && size == 4) return ((uint32_t)p[0] | (uint32_t)p[1] << 8) << 16 | p[2] | (uint32_t)p[3] << 8;
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (size > 2 ? (uint32_t)p[2] << 16 : 0) |
         (size > 3 ? (uint32_t)p[3] << 24 : 0);
}

static void put_number(uint8_t *p, unsigned size, unsigned order, uint32_t w) {
  unsigned i;
  if (order == HALVES && size == 4) w = w >> 16 | w << 16;
  for (i = 0; i < size; i++) p[order == BIG ? size - 1 - i : i] = (uint8_t)(w >> 8 * i);
}

const row *cs_find(const instruction_set *set, const uint8_t *bytes, unsigned size) {
  uint32_t of_2 = set->order == BIG ? 0 : number_of(bytes, 2, LITTLE);
  uint32_t of_more = number_of(bytes, set->order == BIG ? 3 : 4, set->order);
  const row *r = set->rows, *end = r + set->count;
  for (; r < end; r++) {
    if (((r->size == 2 ? of_2 : of_more) & r->mask) == r->value && (size == 0 || r->size == size)) return r;
  }
  return 0;
}

static unsigned flip(uint32_t w, unsigned bit) { return (w >> bit ^ w >> 26 ^ 1) & 1; }

static unsigned operand_bits(const row *r) {
  unsigned bits = 0;
  const uint8_t *p = r->operand;
  do bits += (p[0] & 31u) - p[1] + 1;
  while (!(p[0] & LAST) && (p += 2));
  return bits;
}

int32_t cs_operand(const row *r, uint32_t w) {
  uint32_t q = 0, bits = operand_bits(r), top;
  const uint8_t *p = r->operand;
  for (;; p += 2) {
    unsigned high = p[0] & 31u, width = high - p[1] + 1;
    uint32_t piece = p[0] & FLIPPED ? flip(w, high) : w >> p[1] & (((uint32_t)1 << width) - 1);
    q = q << width | piece;
    if (p[0] & LAST) break;
  }
  top = (uint32_t)1 << (bits - 1);
  if (r->type == SIGNED) return (int32_t)(q ^ top) - (int32_t)top;
  if (r->type == NEGATIVE) return (int32_t)q - (int32_t)(2 * top);
  if (r->type == MAGNITUDE) return q & top ? (int32_t)(q & (top - 1)) : -(int32_t)q;
  return (int32_t)q;
}

/* `!13` depends on bit 26, which is part of the operand itself and stands before it: so pieces are written in order. */
uint32_t cs_with_operand(const row *r, uint32_t w, uint32_t q) {
  unsigned left = operand_bits(r);
  const uint8_t *p = r->operand;
  for (;; p += 2) {
    unsigned high = p[0] & 31u, width = high - p[1] + 1;
    uint32_t mask = ((uint32_t)1 << width) - 1, piece;
    left -= width;
    piece = q >> left & mask;
    if (p[0] & FLIPPED) piece = (piece ^ w >> 26 ^ 1) & 1;
    w = (w & ~(mask << p[1])) | piece << p[1];
    if (p[0] & LAST) return w;
  }
}

static uint32_t base(const row *r, uint32_t a) {
  switch (r->base) {
    case AT_A: return a;
    case AT_A2: return a + 2;
    case AT_A4: return a + 4;
    case AT_A8: return a + 8;
    case AT_A4_DOWN: return (a + 4) & ~(uint32_t)3;
    case AT_A_DOWN_4: return (a & ~(uint32_t)3) + 4;
    case AT_A3_DOWN: return (a + 3) & ~(uint32_t)3;
    case AT_DATA: return 0x800000;
    default: return 0;
  }
}

static uint32_t target_of(const instruction_set *set, const row *r, const uint8_t *bytes, uint32_t a) {
  int32_t q = cs_operand(r, number_of(bytes, r->size, set->order));
  return base(r, a) + r->scale * (uint32_t)q;
}

void cs_rows_look(const instruction_set *set, cs_decoder *d, unit *u) {
  const row *r = cs_find(set, u->old, 0);
  (void)d;
  u->size = set->size(u->old);
  if (r == 0 || r->form == 0) return;
  u->size = r->size;
  u->form = r->form;
  u->kind = r->kind;
  if (r->kind != SPECIAL) u->target = target_of(set, r, u->old, u->a);
}

/* Which q can be written; q has at most 26 bits and a sign. */
static int fits(const row *r, int32_t q) {
  int32_t range = (int32_t)1 << operand_bits(r);
  if (r->type == SIGNED) return q >= -range / 2 && q < range / 2;
  if (r->type == NEGATIVE) return q >= -range && q < 0;
  if (r->type == MAGNITUDE) return q > -range / 2 && q < range / 2;
  return q >= 0 && q < range;
}

int cs_rows_put(const instruction_set *set, const unit *u, uint8_t *bytes, uint32_t target) {
  const row *r = cs_find(set, bytes, u->size);
  int32_t distance = cs_signed32(target - base(r, u->b)), q = distance / r->scale;
  uint32_t written = (uint32_t)q;
  if (distance % r->scale != 0 || !fits(r, q)) return 0;
  if (r->type == MAGNITUDE) {
    written = q < 0 ? (uint32_t)-q : (uint32_t)q | (uint32_t)1 << (operand_bits(r) - 1);
  }
  put_number(bytes, r->size, set->order, cs_with_operand(r, number_of(bytes, r->size, set->order), written));
  return 1;
}

int cs_rows_tell(const instruction_set *set, const unit *u, const uint8_t *bytes, uint32_t *target) {
  const row *r = cs_find(set, bytes, u->size);
  if (r == 0 || r->form != u->form || r->kind == SPECIAL) return 0;
  *target = target_of(set, r, bytes, u->b);
  return 1;
}

uint8_t cs_size_4(const uint8_t *bytes) {
  (void)bytes;
  return 4;
}
