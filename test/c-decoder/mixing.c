#include "mixing.h"

/* Chances of several contexts each, weighed: what all decisions share, and those that are not bits of a literal. */

enum { UNIT_SETS = 123, UNIT_WEIGHTS = 7, FIRST_WEIGHT = 20000, STATE_VISITS = 30 };

typedef struct {
  int32_t units[UNIT_SETS][UNIT_WEIGHTS];
} sets;

typedef char sizes_are_those_of_the_page[sizeof(cs_mixed_state) == 4 && sizeof(sets) + sizeof(cs_literal_sets) +
                                                     4 * (2048 + 8192 + 1024) + 32 * 52 ==
                                                 53268
                                             ? 1
                                             : -1];

static const uint16_t squash_table[] = {1,    2,    3,    6,    10,   16,   27,   45,   73,   120,  194,
                                        310,  488,  747,  1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785,
                                        3901, 3975, 4024, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094};

static sets *weights(cs_decoder *d) { return (sets *)(void *)cs_tables(d); }

cs_mixed_state *cs_unit_states(cs_decoder *d) { return (cs_mixed_state *)(void *)(weights(d) + 1); }

void cs_mixing_block(cs_decoder *d) {
  uint32_t i;
  int32_t *weight = weights(d)->units[0];
  for (i = 0; i < UNIT_SETS * UNIT_WEIGHTS; i++) weight[i] = FIRST_WEIGHT;
  cs_fresh_states(cs_unit_states(d), cs_unit_state_count(d));
  cs_mixing_literals_block(d);
}

void cs_fresh_states(cs_mixed_state *list, uint32_t count) {
  cs_mixed_state fresh = {0x8000, 0, 0};
  while (count-- > 0) *list++ = fresh;
}

uint32_t cs_spread(uint32_t x) {
  uint32_t h = x * 0x9E3779B1u;
  h = (h ^ h >> 15) * 0x85EBCA6Bu;
  return h ^ h >> 13;
}

cs_mixed_state *cs_find_state(cs_mixed_state *table, uint32_t count, uint32_t h) {
  cs_mixed_state *first = &table[h & (count - 1)], *second = &table[(h & (count - 1)) ^ 1], *taken;
  uint8_t check = (uint8_t)(h >> 24);
  if (first->check == check) return first;
  if (second->check == check) return second;
  taken = second->visits < first->visits ? second : first;
  taken->p = 0x8000;
  taken->check = check;
  taken->visits = 0;
  return taken;
}

/* >> of the page, rounded down for negative numbers too: C leaves that to the compiler. */
static int64_t down(int64_t a, unsigned n) { return a >= 0 ? a >> n : -((-a + ((int64_t)1 << n) - 1) >> n); }

int32_t cs_squash(int32_t x) {
  uint32_t at = (uint32_t)(x + 2048), q = at >> 7, y = at & 127;
  return (int32_t)((squash_table[q] * (128 - y) + squash_table[q + 1] * y + 64) >> 7);
}

/* The least x with squash(x) >= P >> 4: the last entry below it by halves, and the rest of the way by a division. */
int32_t cs_stretch(const cs_mixed_state *state) {
  uint32_t p = state->p >> 4, low = 0, high = 32, rise;
  if (p <= 1) return -2047;
  if (p > 4094) return 2047;
  while (high - low > 1) {
    uint32_t middle = (low + high) / 2;
    if (squash_table[middle] < p) low = middle;
    else high = middle;
  }
  rise = (uint32_t)squash_table[high] - squash_table[low];
  return (int32_t)(128 * low + (128 * (p - squash_table[low]) - 64 + rise - 1) / rise) - 2048;
}

int32_t cs_sum(const int32_t *weight, const int32_t *inputs, unsigned all, unsigned used) {
  int64_t sum = (int64_t)256 * weight[all];
  unsigned i;
  for (i = 0; i < used; i++) sum += (int64_t)inputs[i] * weight[i];
  sum = down(sum, 16);
  return sum < -2047 ? -2047 : sum > 2047 ? 2047 : (int32_t)sum;
}

static void learn_weight(int32_t *weight, int32_t input, int32_t delta) {
  int64_t changed = *weight + down((int64_t)input * delta + 8192, 14);
  *weight = (int32_t)(changed < -0x800000 ? -0x800000 : changed > 0x7FFFFF ? 0x7FFFFF : changed);
}

void cs_learn_weights(int32_t *weight, const int32_t *inputs, unsigned all, unsigned used, int32_t x, int bit) {
  int32_t delta = 10 * ((bit ? 4096 : 0) - cs_squash(x));
  unsigned i;
  for (i = 0; i < used; i++) learn_weight(&weight[i], inputs[i], delta);
  learn_weight(&weight[all], 256, delta);
}

void cs_learn_state(cs_mixed_state *state, int bit, unsigned visits_max) {
  int64_t towards = (bit ? 65535 : 0) - (int64_t)state->p;
  state->p = (uint16_t)(state->p + down(towards * (131072 / (2 * (int32_t)state->visits + 3)), 16));
  if (state->visits < visits_max) state->visits++;
}

int cs_mixing(cs_decoder *d, uint32_t set, const uint32_t *contexts, unsigned used) {
  int32_t *weight = weights(d)->units[set], inputs[UNIT_WEIGHTS - 1], x;
  cs_mixed_state *states[UNIT_WEIGHTS - 1];
  uint32_t i;
  int bit;
  for (i = 0; i < used; i++) {
    states[i] = cs_find_state(cs_unit_states(d), cs_unit_state_count(d), cs_spread(contexts[i] + i * 0x3D4D51CBu));
    inputs[i] = cs_stretch(states[i]);
  }
  x = cs_sum(weight, inputs, UNIT_WEIGHTS - 1, used);
  bit = cs_bit(d, (uint32_t)(16 * cs_squash(x) + 8));
  cs_learn_weights(weight, inputs, UNIT_WEIGHTS - 1, used, x, bit);
  for (i = 0; i < used; i++) cs_learn_state(states[i], bit, STATE_VISITS);
  return bit;
}
