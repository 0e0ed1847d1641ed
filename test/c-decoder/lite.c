#include "internal.h"

/* Chances of one context each: 128 numbers of 16 bits with a count of 8, all others of 12 bits with a count of 4. */

enum { FINE = 128, FINE_BYTES = 256, COUNTS = 128 };

static uint16_t *fine(cs_decoder *d) { return (uint16_t *)(void *)cs_tables(d); }
static uint8_t *counts(cs_decoder *d) { return cs_tables(d) + FINE_BYTES; }
static uint16_t *coarse(cs_decoder *d) { return (uint16_t *)(void *)(cs_tables(d) + FINE_BYTES + COUNTS); }
static uint32_t states(const cs_decoder *d) { return 602 + 256 * (((uint32_t)1 << FIRST(d)) + SECOND(d)); }

void cs_lite_block(cs_decoder *d) {
  uint32_t i, others = states(d) - FINE;
  for (i = 0; i < FINE; i++) {
    fine(d)[i] = 0x8000;
    counts(d)[i] = 0;
  }
  for (i = 0; i < others; i++) coarse(d)[i] = 2048 << 4;
}

/* (T - P) × rate[n] >> 16, rounded down: the product has 33 bits. */
static int32_t towards(uint32_t p, uint32_t t, unsigned n) {
  int64_t product = ((int64_t)t - p) * (131072 / (2 * (int32_t)n + 3));
  return (int32_t)(product >= 0 ? product / 65536 : -((-product + 65535) / 65536));
}

static int fine_bit(cs_decoder *d, int32_t state) {
  uint16_t *p = &fine(d)[state];
  uint8_t *n = &counts(d)[state];
  int bit = cs_bit(d, *p < 16 ? 16 : *p > 65520 ? 65520 : *p);
  *p = (uint16_t)(*p + towards(*p, bit ? 65535 : 0, *n));
  if (*n < 254) ++*n;
  return bit;
}

static int coarse_bit(cs_decoder *d, int32_t state) {
  uint16_t *packed = &coarse(d)[state - FINE];
  uint32_t p = *packed >> 4, n = *packed & 15;
  int bit = cs_bit(d, 16 * p + 8);
  p = (uint32_t)((int32_t)p + towards(p, bit ? 4095 : 0, n));
  *packed = (uint16_t)(p << 4 | (n < 15 ? n + 1 : 15));
  return bit;
}

int cs_lite(cs_decoder *d, int32_t state) {
  if (state < 0) return cs_bit(d, 32768);
  return state < FINE ? fine_bit(d, state) : coarse_bit(d, state);
}
