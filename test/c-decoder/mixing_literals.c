#include "mixing.h"

#include <string.h>

/* Bits of literals in the mixing coder. */

enum { FIRST_WEIGHT = 14000, STATE_VISITS = 30, RUN_VISITS = 127, DECODED = -1 };

/* One literal on its way: what was looked up at its start. */
typedef struct {
  uint32_t contexts[LITERAL_CONTEXTS];
  uint32_t keys[FOLLOWERS];
  uint32_t *words[FOLLOWERS];
  int32_t inputs[LITERAL_INPUTS];
  uint32_t z;
} byte_at_hand;

static unsigned follower_bits(const cs_decoder *d) { return FIRST(d) == 0 ? 8 : 13; }
static uint32_t state_count(const cs_decoder *d) { return (uint32_t)1 << (FIRST(d) == 0 ? 13 : 17); }
static uint32_t place_count(const cs_decoder *d) { return FIRST(d) == 0 ? 32 : 1024; }

/* Behind the states of units: states of literals, followers, run states and sets, place sets. */
static cs_mixed_state *states(cs_decoder *d) { return cs_unit_states(d) + cs_unit_state_count(d); }
static uint32_t *followers(cs_decoder *d) { return (uint32_t *)(void *)(states(d) + state_count(d)); }

static cs_literal_sets *sets(cs_decoder *d) {
  return (cs_literal_sets *)(void *)(followers(d) + ((uint32_t)FOLLOWERS << follower_bits(d)));
}

static int32_t *place_set(cs_decoder *d, uint32_t number) {
  return (int32_t *)(void *)(sets(d) + 1) + number * (LITERAL_INPUTS + 1);
}

static void start(cs_decoder *d, byte_at_hand *h, uint32_t z) {
  const uint8_t *last = d->in.range.last;
  uint32_t a = last[0], b = (uint32_t)last[1] << 8, c = (uint32_t)last[2] << 16, abcd = a | b | c | (uint32_t)last[3] << 24;
  uint32_t ef = (uint32_t)last[5] << 8 | last[4], i;
  uint32_t *x = h->contexts, *key = h->keys;
  h->z = z;
  x[0] = 0;
  x[1] = a;
  x[2] = a | b;
  x[3] = a | b | c;
  x[4] = 4 * (uint32_t)last[3] + z;
  x[5] = (b | c) >> 8;
  x[6] = 4 * (uint32_t)last[1] + z;
  x[7] = 4 * a + z;
  for (i = 0; i < LITERAL_CONTEXTS; i++) x[i] = cs_spread(x[i] + (i + 1) * 0x3D4D51CBu);
  key[0] = cs_spread((a | b) ^ 0x3000000);
  key[1] = cs_spread((a | b | c) ^ 0x4000000);
  key[2] = cs_spread(abcd ^ 0x5550000);
  key[3] = cs_spread((abcd * 0x2C9277B5u) ^ ((ef + 1) * 0x846CA68Bu));
  for (i = 0; i < FOLLOWERS; i++) {
    h->words[i] = followers(d) + (i << follower_bits(d)) + (key[i] >> (32 - follower_bits(d)));
  }
}

/* A word: the key's lower half, the byte that is expected, a count that is 0 for none. */
static int expects(const byte_at_hand *h, unsigned i, uint32_t *byte, uint32_t *count) {
  uint32_t word = *h->words[i];
  *byte = word >> 8 & 255;
  *count = word & 255;
  return word >> 16 == (h->keys[i] & 0xFFFF) && *count != 0;
}

/* The run states that have an input for this bit; answers g. */
static unsigned look_at_runs(cs_decoder *d, byte_at_hand *h, uint32_t node, unsigned bit, cs_mixed_state **runs) {
  unsigned i, g = 0;
  for (i = 0; i < FOLLOWERS; i++) {
    uint32_t byte, count;
    runs[i] = 0;
    h->inputs[LITERAL_CONTEXTS + i] = 0;
    if (!expects(h, i, &byte, &count) || (byte + 256) >> (bit + 1) != node) continue;
    runs[i] = &sets(d)->runs[i][2 * (count < 31 ? count : 31) + (byte >> bit & 1)];
    h->inputs[LITERAL_CONTEXTS + i] = cs_stretch(runs[i]);
    g = i + 1;
  }
  return g;
}

/* One bit; `known` is DECODED where the container says it. */
static int literal_bit(cs_decoder *d, byte_at_hand *h, uint32_t node, unsigned bit, int known) {
  cs_mixed_state *found[LITERAL_CONTEXTS], *runs[FOLLOWERS];
  int32_t *run_set, *places, x, y, half;
  unsigned i;
  for (i = 0; i < LITERAL_CONTEXTS; i++) {
    found[i] = cs_find_state(states(d), state_count(d), cs_spread(h->contexts[i] + node * 0x2545F491u));
    h->inputs[i] = cs_stretch(found[i]);
  }
  run_set = sets(d)->run_sets[8 * look_at_runs(d, h, node, bit, runs) + bit];
  places = place_set(d, FIRST(d) == 0 ? 8 * h->z + bit : 256 * h->z + node);
  x = cs_sum(run_set, h->inputs, LITERAL_INPUTS, LITERAL_INPUTS);
  y = cs_sum(places, h->inputs, LITERAL_INPUTS, LITERAL_INPUTS);
  half = (x + y + 4096) / 2 - 2048; /* rounded down */
  if (known == DECODED) known = cs_bit(d, (uint32_t)(16 * cs_squash(half) + 8));
  cs_learn_weights(run_set, h->inputs, LITERAL_INPUTS, LITERAL_INPUTS, x, known);
  cs_learn_weights(places, h->inputs, LITERAL_INPUTS, LITERAL_INPUTS, y, known);
  for (i = 0; i < LITERAL_CONTEXTS; i++) cs_learn_state(found[i], known, STATE_VISITS);
  for (i = 0; i < FOLLOWERS; i++) {
    if (runs[i] != 0) cs_learn_state(runs[i], known, RUN_VISITS);
  }
  return known;
}

static void follow(const byte_at_hand *h, uint32_t byte) {
  unsigned i;
  for (i = 0; i < FOLLOWERS; i++) {
    uint32_t next = byte, expected, count;
    if (!expects(h, i, &expected, &count)) {
      count = 1;
    } else if (expected == byte) {
      count = count < 255 ? count + 1 : 255;
    } else if (count > 2) {
      next = expected;
      count >>= 1;
    } else {
      count = 1;
    }
    *h->words[i] = (h->keys[i] & 0xFFFF) << 16 | next << 8 | count;
  }
}

static uint8_t literal(cs_decoder *d, uint32_t z, int known) {
  uint32_t node = 1;
  unsigned bit;
  byte_at_hand h;
  start(d, &h, z);
  for (bit = 8; bit-- > 0;) {
    node = 2 * node + (uint32_t)literal_bit(d, &h, node, bit, known == DECODED ? DECODED : known >> bit & 1);
  }
  follow(&h, node & 255);
  return (uint8_t)node;
}

uint8_t cs_mixing_literal(cs_decoder *d) { return literal(d, d->out % 4, DECODED); }

/* The old bytes around the old offset, as if they were literals that have come already. */
static void learn_from_old(cs_decoder *d) {
  uint32_t most = (uint32_t)1 << SECOND(d), u = most < d->old_bytes ? most : d->old_bytes, half = u >> 1, i;
  uint32_t s = d->old_offset > half ? d->old_offset - half : 0;
  uint8_t *last = d->in.range.last;
  if (s > d->old_bytes - u) s = d->old_bytes - u;
  for (i = 0; i < u && d->status == CS_OK; i++) {
    uint8_t byte;
    d->walk = s + i;
    cs_old(d, s + i, &byte, 1);
    literal(d, (s + i) % 4, byte);
    cs_newest(d, byte);
  }
  memset(last, 0, sizeof d->in.range.last);
}

void cs_mixing_literals_block(cs_decoder *d) {
  uint32_t i, weights = RUN_SETS * (LITERAL_INPUTS + 1);
  int32_t *weight = sets(d)->run_sets[0];
  cs_fresh_states(states(d), state_count(d));
  memset(followers(d), 0, (size_t)4 * FOLLOWERS << follower_bits(d));
  cs_fresh_states(sets(d)->runs[0], FOLLOWERS * RUN_STATES);
  for (i = 0; i < weights; i++) weight[i] = FIRST_WEIGHT;
  weights = place_count(d) * (LITERAL_INPUTS + 1);
  weight = place_set(d, 0);
  for (i = 0; i < weights; i++) weight[i] = FIRST_WEIGHT;
  if (SECOND(d) > 0) learn_from_old(d);
}
