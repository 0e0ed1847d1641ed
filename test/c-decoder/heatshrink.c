#include "internal.h"

#include <string.h>

static uint32_t window_mask(const cs_decoder *d) { return ((uint32_t)1 << FIRST(d)) - 1; }

/* Zeros stand before the first byte of every block. */
void cs_heatshrink_block(cs_decoder *d) { memset(cs_tables(d), 0, window_mask(d) + 1); }

static void emit(cs_decoder *d, uint8_t byte) {
  byte_state *b = &d->in.bytes;
  if (cs_commands_done(d)) {
    cs_refuse(d, CS_BAD_DELTA); /* a reference that goes on beyond the block */
    return;
  }
  cs_tables(d)[b->window_at & window_mask(d)] = byte;
  b->window_at++;
  cs_command(d, byte);
}

static void refer(cs_decoder *d, uint32_t distance, uint32_t bytes) {
  byte_state *b = &d->in.bytes;
  while (bytes-- > 0 && d->status == CS_OK) emit(d, cs_tables(d)[(b->window_at - distance) & window_mask(d)]);
}

/* Takes the token at the head of the bits if all of it is there. */
static int token(cs_decoder *d) {
  byte_state *b = &d->in.bytes;
  unsigned w = FIRST(d), l = SECOND(d), size;
  uint32_t bits;
  if (b->bit_count == 0 || cs_commands_done(d)) return 0;
  size = b->bits >> (b->bit_count - 1) & 1 ? 9 : 1 + w + l;
  if (b->bit_count < size) return 0;
  b->bit_count = (uint8_t)(b->bit_count - size);
  bits = b->bits >> b->bit_count;
  b->bits &= ((uint32_t)1 << b->bit_count) - 1;
  if (size == 9 && bits & 0x100) emit(d, (uint8_t)bits);
  else refer(d, (bits >> l) + 1, (bits & (((uint32_t)1 << l) - 1)) + 1);
  return d->status == CS_OK;
}

void cs_heatshrink_push(cs_decoder *d, uint8_t byte) {
  byte_state *b = &d->in.bytes;
  b->bits = b->bits << 8 | byte;
  b->bit_count = (uint8_t)(b->bit_count + 8);
  while (token(d)) continue;
  if (d->status == CS_OK && cs_commands_done(d) && b->bits != 0) cs_refuse(d, CS_BAD_DELTA);
}
