#include "internal.h"

/* Where the parts of the workspace lie: state, tables, model, queue, old bytes, page. All begin at multiples of 4. */

uint32_t cs_tables_bytes(unsigned coder, unsigned first, unsigned second) {
  if (coder == HEATSHRINK) return (uint32_t)1 << first;
  if (coder == LITE) return 2 * (602 + 256 * (((uint32_t)1 << first) + second)) + 128;
  if (coder == MIXING) return first == 0 ? 53268 : 977300;
  return 0;
}

/* Once, when the header is known: each of them is asked for with every byte. */
void cs_lay_out(cs_decoder *d) {
  int has_model = PREDICTOR(d) != NONE || CODER(d) >= LITE;
  d->model_at = CS_STATE_BYTES + ((cs_tables_bytes(CODER(d), FIRST(d), SECOND(d)) + 3) & ~(uint32_t)3);
  d->queue_at = d->model_at + (has_model ? 520 + 8 * ((uint32_t)d->runs + d->learned) : 0);
  d->cache_part_at = d->queue_at + (CODER(d) >= LITE ? QUEUE_BYTES : 0);
}
