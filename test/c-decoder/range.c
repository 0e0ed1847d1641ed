#include "internal.h"

#include <string.h>

/* Range-coded blocks: a queue, and steps that are taken only when all bytes they can need are in it. No step asks more
   than 125 decisions (the kind of a command and two numbers), and no decision takes more than 2 bytes. */

enum { STEP_BYTES_MAX = 250 };
enum { INSERT, LITERALS, KIND, UNITS, FILLED };

void cs_range_block(cs_decoder *d, uint32_t coded) {
  range_state *r = &d->in.range;
  memset(r, 0, sizeof *r);
  r->coded_left = coded;
  r->range = 0xFFFFFFFFu;
#if HAS_CODER(2)
  if (CODER(d) == LITE) cs_lite_block(d);
#endif
#if HAS_CODER(3)
  if (CODER(d) == MIXING) cs_mixing_block(d);
#endif
}

static uint32_t next_byte(cs_decoder *d) {
  range_state *r = &d->in.range;
  if (r->queued == 0) return 0;
  r->queued--;
  return cs_queue(d)[r->head++];
}

int cs_bit(cs_decoder *d, uint32_t chance) {
  range_state *r = &d->in.range;
  uint32_t bound = (r->range >> 16) * chance;
  int bit = r->code < bound;
  if (bit) {
    r->range = bound;
  } else {
    r->range -= bound;
    r->code -= bound;
  }
  while (r->range < (uint32_t)1 << 24) {
    r->range <<= 8;
    r->code = r->code << 8 | next_byte(d);
  }
  return bit;
}

static void literals_end(cs_decoder *d) {
  range_state *r = &d->in.range;
  r->step = d->out == d->block_end ? INSERT : KIND;
}

static void insert(cs_decoder *d) {
  range_state *r = &d->in.range;
  r->left = cs_ask_number(d, CS_INSERT);
  if (r->left > d->block_end - d->out) {
    cs_refuse(d, CS_BAD_DELTA);
    return;
  }
  r->step = LITERALS;
  if (r->left == 0) literals_end(d);
}

void cs_newest(cs_decoder *d, uint8_t byte) {
  range_state *r = &d->in.range;
  memmove(r->last + 1, r->last, sizeof r->last - 1);
  r->last[0] = byte;
}

static void output(cs_decoder *d, uint8_t byte) {
  cs_newest(d, byte);
  cs_out(d, byte);
}

static void literal(cs_decoder *d) {
  range_state *r = &d->in.range;
  output(d, cs_ask_literal(d));
  if (d->old_offset < d->old_bytes) d->old_offset++;
  if (--r->left == 0) literals_end(d);
}

static void kind(cs_decoder *d) {
  range_state *r = &d->in.range;
  int filled = cs_ask_kind(d);
  uint32_t less = cs_ask_number(d, filled ? CS_FILL : CS_COPY);
  if (less >= d->block_end - d->out) {
    cs_refuse(d, CS_BAD_DELTA);
    return;
  }
  r->left = less + 1;
  r->step = filled ? FILLED : UNITS;
  if (filled) return;
  if (!cs_copy_begins(d, d->old_offset + cs_signed(cs_ask_number(d, CS_SEEK)), r->left)) return;
  r->at.s = d->old_offset;
  r->at.d = d->out;
  r->at.n = r->left;
}

static void fill(cs_decoder *d) {
  range_state *r = &d->in.range;
  uint8_t byte = cs_ask_literal(d);
  uint32_t room = d->old_bytes - d->old_offset;
  d->old_offset += r->left < room ? r->left : room;
  while (r->left > 0 && d->status == CS_OK) {
    cs_out(d, byte);
    r->left--;
  }
  memset(r->last, byte, sizeof r->last);
  r->step = INSERT;
}

static void copy_unit(cs_decoder *d) {
  range_state *r = &d->in.range;
  uint8_t fresh[UNIT_MAX];
  unsigned i;
  unit u;
  cs_look(d, &r->at, r->at.n - r->left, &u);
  if (d->status != CS_OK) return;
  cs_ask_unit(d, &u, fresh);
  cs_learn(d, &u, fresh);
  for (i = 0; i < u.size; i++) output(d, fresh[i]);
  d->old_offset += u.size;
  r->left -= u.size;
  if (r->left == 0) r->step = INSERT;
}

static void step(cs_decoder *d) {
  range_state *r = &d->in.range;
  if (!r->begun) {
    r->begun = 1;
    for (unsigned i = 0; i < 4; i++) r->code = r->code << 8 | next_byte(d);
  }
  switch (r->step) {
    case INSERT: insert(d); return;
    case LITERALS: literal(d); return;
    case KIND: kind(d); return;
    case UNITS: copy_unit(d); return;
    default: fill(d);
  }
}

/* Complete, and every coded byte was needed. */
int cs_range_done(const cs_decoder *d) {
  const range_state *r = &d->in.range;
  return d->out == d->block_end && r->step == INSERT && r->coded_left == 0 && r->queued == 0;
}

uint32_t cs_range_push(cs_decoder *d, const uint8_t *bytes, uint32_t count) {
  range_state *r = &d->in.range;
  uint32_t used = 0;
  for (;;) {
    while (r->queued < QUEUE_BYTES && r->coded_left > 0 && used < count) {
      cs_queue(d)[(uint8_t)(r->head + r->queued)] = bytes[used++];
      r->queued++;
      r->coded_left--;
    }
    if (d->status != CS_OK || (r->queued < STEP_BYTES_MAX && r->coded_left > 0)) return used;
    if (d->out == d->block_end && r->step == INSERT) {
      if (r->queued > 0 || r->coded_left > 0) cs_refuse(d, CS_BAD_DELTA);
      return used;
    }
    step(d);
  }
}
