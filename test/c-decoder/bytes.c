#include "internal.h"

#include <string.h>

/* Byte commands: what coders 0 and 1 hold. One byte at a time, for each may be the last of a piece. */

enum { COMMAND, SEEK, TOKEN, GAP, PATCH, INSERT, FILL };

int cs_commands_done(const cs_decoder *d) { return d->out == d->block_end && d->in.bytes.step == COMMAND; }

static void begin_copy(cs_decoder *d, int64_t s) {
  byte_state *b = &d->in.bytes;
  if (!cs_copy_begins(d, s, b->left)) return;
  b->at.s = d->old_offset;
  b->at.d = d->out;
  b->at.n = b->left;
  b->done = 0;
  b->step = TOKEN;
}

/* The next byte of a copy: what it ought to be, and `difference` to it. */
static void copy_byte(cs_decoder *d, uint8_t difference) {
  byte_state *b = &d->in.bytes;
  uint8_t byte;
  b->left--;
  if (PREDICTOR(d) == NONE) {
    cs_old(d, d->old_offset++, &byte, 1);
    cs_out(d, (uint8_t)(byte + difference));
    return;
  }
  if (b->done == 0) cs_look(d, &b->at, d->out - b->at.d, &b->u);
  byte = (uint8_t)(b->u.guess[b->done] + difference);
  b->fresh[b->done++] = byte;
  d->old_offset++;
  cs_out(d, byte);
  if (b->done < b->u.size) return;
  cs_learn(d, &b->u, b->fresh);
  b->done = 0;
}

/* g bytes as they ought to be; then there are patches, or the copy is complete. */
static void gap(cs_decoder *d, uint32_t g) {
  byte_state *b = &d->in.bytes;
  if (g > b->left) {
    cs_refuse(d, CS_BAD_DELTA);
    return;
  }
  while (g-- > 0 && d->status == CS_OK) copy_byte(d, 0);
  if (b->left == 0 ? b->patches != 1 : b->patches > b->left) cs_refuse(d, CS_BAD_DELTA);
  b->step = b->left == 0 ? COMMAND : PATCH;
}

static void begin_command(cs_decoder *d) {
  byte_state *b = &d->in.bytes;
  uint32_t n = d->number >> 2;
  if (n == 0 || n > d->block_end - d->out) {
    cs_refuse(d, CS_BAD_DELTA);
    return;
  }
  b->left = n;
  switch (d->number & 3) {
    case 0: b->step = SEEK; break;
    case 1: begin_copy(d, d->old_offset); break;
    case 2: b->step = INSERT; break;
    default: b->step = FILL; break;
  }
}

static void number_byte(cs_decoder *d, uint8_t byte) {
  byte_state *b = &d->in.bytes;
  int read = cs_number(d, byte, 0);
  if (read == WRONG) cs_refuse(d, CS_BAD_DELTA);
  if (read != DONE) return;
  if (b->step == COMMAND) {
    begin_command(d);
  } else if (b->step == SEEK) {
    if (d->number == 0) cs_refuse(d, CS_BAD_DELTA);
    else begin_copy(d, d->old_offset + cs_signed(d->number));
  } else if (d->number > b->left) {
    cs_refuse(d, CS_BAD_DELTA); /* before 63 is added, which might wrap */
  } else {
    gap(d, d->number + 63);
  }
}

void cs_command(cs_decoder *d, uint8_t byte) {
  byte_state *b = &d->in.bytes;
  switch (b->step) {
    case TOKEN:
      b->patches = (uint8_t)((byte & 3) + 1);
      if (byte >> 2 == 63) b->step = GAP;
      else gap(d, byte >> 2);
      return;
    case PATCH:
      copy_byte(d, byte);
      if (--b->patches == 0) b->step = b->left == 0 ? COMMAND : TOKEN;
      return;
    case INSERT:
      cs_out(d, byte);
      if (--b->left == 0) b->step = COMMAND;
      return;
    case FILL:
      while (b->left > 0 && d->status == CS_OK) {
        cs_out(d, byte);
        b->left--;
      }
      b->step = COMMAND;
      return;
    default:
      number_byte(d, byte);
  }
}
