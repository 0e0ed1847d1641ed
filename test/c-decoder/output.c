#include "internal.h"

#include <string.h>

/* Output in pages, and the old image as the block at hand may still see it. */

void cs_out(cs_decoder *d, uint8_t byte) {
  uint32_t mask = ((uint32_t)1 << PAGE_BITS(d)) - 1;
  uint8_t *page = cs_page(d);
  uint32_t at;
  if (d->status != CS_OK) return;
  page[d->out & mask] = byte;
  at = d->out & ~mask;
  d->out++;
  if ((d->out & mask) != 0 && d->out != d->new_bytes) return;
  if (d->ports->write_page(d->ports->context, at, page, d->out - at) != 0) cs_refuse(d, CS_PORT_FAILED);
}

/* In place, what lies outside of these two is gone: the new image may stand there by now. */
static uint32_t kept_from(const cs_decoder *d) {
  return (FLAGS(d) & (IN_PLACE | BACKWARD)) == IN_PLACE ? d->block_begin : 0;
}

static uint32_t kept_to(const cs_decoder *d) {
  uint32_t border;
  if (!(FLAGS(d) & BACKWARD) || BLOCK_BITS(d) == 0) return d->old_bytes;
  border = d->block_begin + ((uint32_t)1 << BLOCK_BITS(d));
  return border < d->old_bytes ? border : d->old_bytes;
}

int cs_copy_begins(cs_decoder *d, int64_t s, uint32_t n) {
  if (s < kept_from(d) || s + n > kept_to(d)) {
    cs_refuse(d, CS_BAD_DELTA);
    return 0;
  }
  d->old_offset = (uint32_t)s;
  if (!d->copied) d->backward_shift = (int32_t)(s - (int64_t)d->out);
  d->copied = 1;
  if (PREDICTOR(d) != NONE) memset(cs_model(d)->registers, 0, sizeof cs_model(d)->registers);
  return 1;
}

static void fill_cache(cs_decoder *d, uint32_t from) {
  uint32_t end = kept_to(d), bytes = end - from < OLD_CACHE_BYTES ? end - from : OLD_CACHE_BYTES;
  d->cache_bytes = 0;
  if (d->ports->read_old(d->ports->context, from, cs_cache(d), bytes) != 0) {
    cs_refuse(d, CS_PORT_FAILED);
    return;
  }
  d->cache_at = from;
  d->cache_bytes = (uint8_t)bytes;
}

/* Bytes of the old image; 0 for what is gone and for what lies behind the end. */
void cs_old(cs_decoder *d, uint32_t offset, uint8_t *into, unsigned bytes) {
  uint32_t from, to;
  unsigned i;
  if (offset - d->cache_at < d->cache_bytes && bytes <= d->cache_bytes - (offset - d->cache_at)) {
    memcpy(into, cs_cache(d) + (offset - d->cache_at), bytes);
    return;
  }
  from = kept_from(d);
  to = kept_to(d);
  for (i = 0; i < bytes; i++) {
    uint32_t at = offset + i;
    into[i] = 0;
    if (at < from || at >= to) continue;
    if (at - d->cache_at >= d->cache_bytes) {
      /* What looks ahead stays within the cache that begins at the unit, if it can: else each unit would read twice. */
      uint32_t anchor = d->walk >= from && d->walk <= at && at - d->walk < OLD_CACHE_BYTES ? d->walk : at;
      fill_cache(d, anchor);
      if (d->cache_bytes == 0) return;
    }
    into[i] = cs_cache(d)[at - d->cache_at];
  }
}
