#include "internal.h"

#include <string.h>

/* Which questions a range-coded block asks, each with its state for lite and its set and contexts for mixing. */

#define MIXES(d) (HAS_CODER(3) && (!HAS_CODER(2) || CODER(d) == MIXING))

static int lite(cs_decoder *d, int32_t state) {
#if HAS_CODER(2)
  return cs_lite(d, state);
#else
  (void)state;
  return cs_bit(d, 0);
#endif
}

static int mixing(cs_decoder *d, uint32_t set, const uint32_t *contexts, unsigned used) {
#if HAS_CODER(3)
  return cs_mixing(d, set, contexts, used);
#else
  (void)set, (void)contexts, (void)used;
  return cs_bit(d, 0);
#endif
}

static int one_context(cs_decoder *d, uint32_t set, int32_t state, uint32_t context) {
  return MIXES(d) ? mixing(d, set, &context, 1) : lite(d, state);
}

static int two_contexts(cs_decoder *d, uint32_t set, int32_t state, uint32_t first, uint32_t second) {
  uint32_t contexts[2];
  contexts[0] = first;
  contexts[1] = second;
  return MIXES(d) ? mixing(d, set, contexts, 2) : lite(d, state);
}

int cs_ask_kind(cs_decoder *d) { return one_context(d, 122, 280, 0x6B696E64); }

/* v + 1 has k + 1 bits: k one by one, then the bits below the highest. */
uint32_t cs_ask_number(cs_decoder *d, unsigned f) {
  uint32_t y = 1, i, k = 0, j;
  while (k < 31 && one_context(d, 112 + 2 * f, (int32_t)(282 + 64 * f + (k < 15 ? k : 15)), 0x1000000 + 64 * f + k)) k++;
  for (i = k; i-- > 0;) {
    int32_t state;
    j = i + 1 == k ? 0 : i + 2 == k ? 1 + y % 2 : 3;
    state = j < 3 ? (int32_t)(298 + 64 * f + 3 * (k < 15 ? k : 15) + j) : -1;
    y = y << 1 | (uint32_t)one_context(d, 113 + 2 * f, state, 0x2000000 + 4 * (32 * (32 * f + k) + i) + j);
  }
  return y - 1;
}

uint8_t cs_ask_literal(cs_decoder *d) {
  uint32_t node = 1, first = 602 + 256 * ((uint32_t)d->in.range.last[0] >> (8 - FIRST(d)));
  unsigned i;
#if HAS_CODER(3)
  if (MIXES(d)) return cs_mixing_literal(d);
#endif
  for (i = 8; i-- > 0;) node = 2 * node + (uint32_t)lite(d, (int32_t)(first + node));
  return (uint8_t)node;
}

/* E, the old bytes as one number. */
static uint32_t old_number(const unit *u) {
  uint32_t e = 0;
  unsigned i;
  for (i = 0; i < u->size && i < 4; i++) e |= (uint32_t)u->old[i] << 8 * i;
  return u->size >= 3 ? e : (e + u->size) * 0x10001u;
}

static int ask_same(cs_decoder *d, const unit *u, uint32_t e) {
  range_state *r = &d->in.range;
  uint32_t k = 2u * u->kind + u->moved, h = r->h, x[6];
  int same;
  if (MIXES(d)) {
    x[0] = 64 * k + h % 64;
    x[1] = 0x100000 + 4096 * k + 256 * (h % 16) + u->old[0];
    x[2] = 0x300000 + 16 * (uint32_t)(r->q >> 2) + k;
    x[3] = 0x1400000 + 16 * h + k;
    x[4] = (e * 0x2C9277B5u) ^ 0x7777;
    x[5] = (e * 0x5BD1E995u) ^ (h % 4);
    same = mixing(d, k, x, 6);
  } else {
    same = lite(d, (int32_t)(8 * k + h % 8));
  }
  r->h = (uint16_t)(2 * h + !same);
  r->q = (uint8_t)(same ? (r->q < 255 ? r->q + 1 : 255) : 0);
  return same;
}

/* Which shift of the list, or a new one. */
static uint32_t ask_shift(cs_decoder *d, const unit *u) {
  range_state *r = &d->in.range;
  uint32_t h = r->h, shift, i;
  for (i = 0; i < 8; i++) {
    uint32_t first = 0x409F5F + i + 16u * u->kind, second = 0x501E47 + i + 16 * (h % 8);
    if (two_contexts(d, 32 + i, (int32_t)(144 + i), first, second)) break;
  }
  shift = i < 8 ? r->shifts[i] : r->shifts[0] + (uint32_t)cs_signed(cs_ask_number(d, CS_SHIFT));
  memmove(r->shifts + 1, r->shifts, (i < 8 ? i : 7) * sizeof *r->shifts);
  r->shifts[0] = shift;
  return shift;
}

static unsigned ask_mask(cs_decoder *d, const unit *u, uint32_t e) {
  uint32_t s = u->size, mask = 0, i, x[4];
  for (i = 0; i < s; i++) {
    int differs = 1;
    if (i + 1 < s || mask != 0) {
      x[0] = 0x5F2217 + 2048 * (8u * u->kind + s) + 256 * i + mask;
      x[1] = 65536 * (8 * s + i) + 256u * u->old[0] + mask;
      x[2] = 0x7000000 + 65536 * (8 * s + i) + 256u * u->old[i] + mask;
      x[3] = e * 0x9E3779B1u + 512 * i + mask;
      differs = MIXES(d) ? mixing(d, 40 + i, x, 4)
                         : lite(d, (int32_t)(152 + 32 * ((s < 4 ? s : 4) - 1) + 8 * (i % 4) + mask % 8));
    }
    mask |= (uint32_t)differs << i;
  }
  return mask;
}

static uint32_t residual_tree(const cs_decoder *d, uint32_t s, uint32_t i) {
  if (SECOND(d) == 4) return i % 4;
  return s == 1 ? 0 : s == 2 ? 1 + i : s == 3 ? 3 + i : 6 + i % 4;
}

static int residual_bit(cs_decoder *d, const unit *u, const uint8_t *fresh, uint32_t i, unsigned n, uint32_t node) {
  const range_state *r = &d->in.range;
  uint32_t s = u->size, v = 65536 * (8 * s + i) + 256 * node, x[6], before, q;
  if (!MIXES(d)) {
    return lite(d, (int32_t)(602 + 256 * (((uint32_t)1 << FIRST(d)) + residual_tree(d, s, i)) + node));
  }
  before = i == 0 ? r->last[0] : fresh[i - 1];
  q = i > 0 ? u->guess[i - 1] : s > 1 ? u->old[1] : 0;
  x[0] = 0x2000000 + 256 * (8 * s + i) + node;
  x[1] = v + u->guess[i];
  x[2] = 0x30000000 + v + r->residuals[i];
  x[3] = (old_number(u) * 0x9E3779B1u) ^ (node + 256 * i);
  x[4] = (v + before) ^ 0x5A000000;
  x[5] = (65536 * (node + 256 * i) + 256u * u->guess[i] + q) * 0x27D4EB2Du;
  return mixing(d, 48 + 8 * i + n, x, 6);
}

static void ask_bytes(cs_decoder *d, const unit *u, uint32_t e, uint8_t *fresh) {
  unsigned mask = ask_mask(d, u, e), i, n;
  for (i = 0; i < u->size; i++) {
    uint32_t node = 1;
    if (!(mask >> i & 1)) continue;
    for (n = 8; n-- > 0;) node = 2 * node + (uint32_t)residual_bit(d, u, fresh, i, n, node);
    fresh[i] = (uint8_t)(u->guess[i] + node);
    d->in.range.residuals[i] = (uint8_t)node;
  }
}

void cs_ask_unit(cs_decoder *d, const unit *u, uint8_t *fresh) {
  uint32_t e = old_number(u), h, first = u->old[0], k = u->kind;
  memcpy(fresh, u->guess, UNIT_MAX);
  if (ask_same(d, u, e)) return;
  h = d->in.range.h;
  if (u->moved && two_contexts(d, 16 + k, (int32_t)(128 + k), 0x12FD1 + 16 * k + h % 16, 0x1869F + 256 * k + first)) {
    memcpy(fresh, u->old, UNIT_MAX);
    return;
  }
  if (k != PLAIN && two_contexts(d, 24 + k, (int32_t)(136 + k), 0x12D687 + k, 0x315B47 + 256 * k + first)) {
    cs_put(d, u, fresh, u->target + ask_shift(d, u));
    return;
  }
  ask_bytes(d, u, e, fresh);
}
