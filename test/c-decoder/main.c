/* Decodes containers from stdin, one case after another, each in a workspace of exactly its size.

   A case: 7 numbers of 4 bytes, little-endian: old bytes, container bytes, signed new bytes, slot bytes, workspace bytes,
   bytes per push (0: all at once), 1 to start again from the record at each checkpoint; then old image and container.
   The answer: status (4 bytes), image bytes (4 bytes), image. A case of an image in place is written over its base. */
#include "decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLD, CONTAINER, FRESH, SLOT, WORKSPACE, PIECE, RESTARTS, NUMBERS };

typedef struct {
  uint8_t *old; /* in place: the slot, with room for both images */
  uint8_t *fresh;
  uint32_t numbers[NUMBERS];
  uint32_t block; /* bytes of a block if the image is written in place, else 0 */
  uint32_t staged; /* where the block begins that is not in its place yet */
  int has_staged;
  int bad_call;
} store;

static int read_old(void *context, uint32_t offset, uint8_t *into, uint32_t bytes) {
  store *s = context;
  if (offset > s->numbers[OLD] || bytes > s->numbers[OLD] - offset) return s->bad_call = 1;
  memcpy(into, s->old + offset, bytes);
  return 0;
}

/* In place: the staged block goes to its place when the decoder is done with it, which is when it goes on to another, or
   has a checkpoint behind it. That all of its pages have come is not enough: a power cut would find its base destroyed. */
static void settle(store *s) {
  uint32_t left = s->numbers[FRESH] - s->staged;
  if (s->has_staged) memcpy(s->old + s->staged, s->fresh + s->staged, left < s->block ? left : s->block);
  s->has_staged = 0;
}

static int write_page(void *context, uint32_t offset, const uint8_t *page, uint32_t bytes) {
  store *s = context;
  if (offset > s->numbers[FRESH] || bytes > s->numbers[FRESH] - offset) return s->bad_call = 1;
  memcpy(s->fresh + offset, page, bytes);
  if (s->block == 0) return 0;
  if (s->staged != offset / s->block * s->block) settle(s);
  s->staged = offset / s->block * s->block;
  s->has_staged = 1;
  return 0;
}

static int read_all(void *into, size_t bytes) { return fread(into, 1, bytes, stdin) == bytes; }

static void *room(size_t bytes) {
  void *p = malloc(bytes > 0 ? bytes : 1);
  if (p == 0) exit(3);
  memset(p, 0xA5, bytes);
  return p;
}

static uint32_t min(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Is the staged block one that the checkpoint has behind it? */
static int settled_by(const store *s, const uint8_t *record, uint8_t flags) {
  uint32_t out = (uint32_t)record[8] | (uint32_t)record[9] << 8 | (uint32_t)record[10] << 16 | (uint32_t)record[11] << 24;
  return flags & 2 ? s->staged >= out : s->staged < out;
}

/* The power fails at each checkpoint: nothing is left but its record and what was written. */
static cs_status decode(store *s, void *workspace, const cs_ports *ports, const uint8_t *container) {
  uint32_t bytes = s->numbers[CONTAINER], piece = s->numbers[PIECE], at = 0, last = 0;
  cs_decoder *d = cs_begin(workspace, ports);
  cs_status status = d ? CS_OK : CS_NO_MEMORY;
  while (at < bytes && status == CS_OK) {
    uint8_t record[CS_RECORD_MAX];
    uint32_t count = piece == 0 ? bytes - at : min(piece, bytes - at), length;
    status = cs_push(d, container + at, count);
    at += count;
    length = cs_checkpoint(d, record);
    if (status == CS_OK && s->numbers[RESTARTS] && length > 0 && memcmp(&last, record, 4) != 0) {
      cs_rest rest;
      memcpy(&last, record, 4);
      if (s->block && settled_by(s, record, container[4])) settle(s);
      s->has_staged = 0;
      memset(workspace, 0x5A, s->numbers[WORKSPACE]);
      d = cs_resume(workspace, ports, record, length, &status, &rest);
      if (d == 0) return status;
      status = cs_push(d, container + rest.model_at, rest.model_bytes);
      at = rest.stream_at;
    }
  }
  return status == CS_OK ? cs_finish(d) : status;
}

static uint32_t block_bytes(const uint8_t *container, const store *s) {
  if (s->numbers[CONTAINER] < 12 || !(container[4] & 4)) return 0;
  return container[11] == 0 || container[11] > 28 ? s->numbers[FRESH] + 1 : (uint32_t)1 << container[11];
}

static int one_case(void) {
  store s = {0};
  uint8_t numbers[4 * NUMBERS], head[8], *container;
  void *workspace;
  cs_ports ports;
  uint32_t i, answer[2];
  if (!read_all(numbers, sizeof numbers)) return 0;
  for (i = 0; i < NUMBERS; i++) {
    const uint8_t *p = numbers + 4 * i;
    s.numbers[i] = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
  }
  container = room(s.numbers[CONTAINER]);
  s.old = room(s.numbers[OLD] > s.numbers[FRESH] ? s.numbers[OLD] : s.numbers[FRESH]);
  s.fresh = room(s.numbers[FRESH]);
  workspace = room(s.numbers[WORKSPACE]);
  if (!read_all(s.old, s.numbers[OLD]) || !read_all(container, s.numbers[CONTAINER])) exit(2);
  s.block = block_bytes(container, &s);
  ports = (cs_ports){&s, read_old, write_page, s.numbers[FRESH], s.numbers[OLD], s.numbers[SLOT], s.numbers[WORKSPACE]};
  answer[0] = decode(&s, workspace, &ports, container);
  if (s.block) settle(&s);
  if (s.bad_call) exit(4); /* the decoder asked for what is not there, or wrote behind the image */
  answer[1] = answer[0] == CS_OK ? s.numbers[FRESH] : 0;
  for (i = 0; i < 8; i++) head[i] = (uint8_t)(answer[i / 4] >> 8 * (i % 4));
  fwrite(head, 1, sizeof head, stdout);
  fwrite(s.block ? s.old : s.fresh, 1, answer[1], stdout);
  free(container);
  free(s.old);
  free(s.fresh);
  free(workspace);
  return 1;
}

int main(void) {
  while (one_case()) continue;
  return 0;
}
