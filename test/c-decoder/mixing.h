#ifndef CS_MIXING_H
#define CS_MIXING_H

#include "internal.h"

/* What the two rooms of the mixing coder share. */
typedef struct {
  uint16_t p;
  uint8_t check;
  uint8_t visits;
} cs_mixed_state;

enum { FOLLOWERS = 4, RUN_SETS = 40, LITERAL_CONTEXTS = 8, LITERAL_INPUTS = 12, RUN_STATES = 64 };

/* The part of the literals' memory whose size is the same in both sizes of the coder; place sets stand behind it. */
typedef struct {
  cs_mixed_state runs[FOLLOWERS][RUN_STATES];
  int32_t run_sets[RUN_SETS][LITERAL_INPUTS + 1];
} cs_literal_sets;

static inline uint32_t cs_unit_state_count(const cs_decoder *d) { return (uint32_t)1 << (FIRST(d) == 0 ? 11 : 16); }

cs_mixed_state *cs_unit_states(cs_decoder *);
void cs_fresh_states(cs_mixed_state *, uint32_t count);
uint32_t cs_spread(uint32_t x);
cs_mixed_state *cs_find_state(cs_mixed_state *table, uint32_t count, uint32_t h);
int32_t cs_squash(int32_t x);
int32_t cs_stretch(const cs_mixed_state *);
/* all: inputs that the set has weights for; used: those that this decision has. */
int32_t cs_sum(const int32_t *weight, const int32_t *inputs, unsigned all, unsigned used);
void cs_learn_weights(int32_t *weight, const int32_t *inputs, unsigned all, unsigned used, int32_t x, int bit);
void cs_learn_state(cs_mixed_state *, int bit, unsigned visits_max);
void cs_mixing_literals_block(cs_decoder *);

#endif
