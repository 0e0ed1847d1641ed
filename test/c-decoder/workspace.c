#include "internal.h"

/* Where the parts of the workspace lie: state, tables, model, queue, old bytes, page. All begin at multiples of 4. */

uint32_t cs_tables_bytes(unsigned coder, unsigned first, unsigned second) {
  if (coder == HEATSHRINK) return (uint32_t)1 << first;
  if (coder == LITE) return 2 * (602 + 256 * (((uint32_t)1 << first) + second)) + 128;
  if (coder == MIXING) return first == 0 ? 53268 : 977300;
  return 0;
}

uint8_t *cs_tables(cs_decoder *d) { return (uint8_t *)d + CS_STATE_BYTES; }

model *cs_model(cs_decoder *d) {
  return (model *)(void *)(cs_tables(d) + ((cs_tables_bytes(CODER(d), FIRST(d), SECOND(d)) + 3) & ~(uint32_t)3));
}

run *cs_runs(cs_decoder *d) { return (run *)(void *)(cs_model(d) + 1); }

learned *cs_learned(cs_decoder *d) { return (learned *)(void *)(cs_runs(d) + d->runs); }

uint8_t *cs_queue(cs_decoder *d) {
  int has_model = PREDICTOR(d) != NONE || CODER(d) >= LITE;
  return has_model ? (uint8_t *)(cs_learned(d) + d->learned) : (uint8_t *)cs_model(d);
}

uint8_t *cs_cache(cs_decoder *d) { return cs_queue(d) + (CODER(d) >= LITE ? QUEUE_BYTES : 0); }

uint8_t *cs_page(cs_decoder *d) { return cs_cache(d) + OLD_CACHE_BYTES; }
