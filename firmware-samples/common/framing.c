#include "framing.h"

#include <string.h>

#include "crc.h"

static size_t stuff(const uint8_t *in, size_t length, uint8_t *out) {
  size_t code_at = 0, at = 1;
  uint8_t run = 1;
  for (size_t i = 0; i < length; i++) {
    if (in[i]) {
      out[at++] = in[i];
      run++;
      continue;
    }
    out[code_at] = run;
    code_at = at++;
    run = 1;
  }
  out[code_at] = run;
  return at;
}

static int unstuff(const uint8_t *in, size_t length, uint8_t *out) {
  size_t at = 0, written = 0;
  while (at < length) {
    size_t run = in[at];
    if (run == 0 || at + run > length) return -1;
    memcpy(out + written, in + at + 1, run - 1);
    written += run - 1;
    at += run;
    if (at < length) out[written++] = 0;
  }
  return (int)written;
}

size_t frame_encode(const uint8_t *payload, size_t length, uint8_t *out, size_t capacity) {
  uint8_t whole[FRAME_BYTES_MAX];
  if (length + 2 > sizeof whole || capacity < length + 4) return 0;
  uint16_t crc = crc16_ccitt(0xffff, payload, length);
  memcpy(whole, payload, length);
  whole[length] = (uint8_t)(crc >> 8);
  whole[length + 1] = (uint8_t)crc;
  size_t size = stuff(whole, length + 2, out);
  out[size] = 0;
  return size + 1;
}

/* Answers the payload's length when `byte` completes a good packet, else -1. */
int frame_feed(frame_reader *r, uint8_t byte, uint8_t *payload, size_t capacity) {
  if (byte != 0) {
    if (r->length < sizeof r->bytes) r->bytes[r->length++] = byte;
    else r->dropped++;
    return -1;
  }
  uint8_t whole[FRAME_BYTES_MAX + 4];
  int size = unstuff(r->bytes, r->length, whole);
  r->length = 0;
  if (size < 2) return -1;
  size_t length = (size_t)size - 2;
  if (length > capacity || crc16_ccitt(0xffff, whole, (size_t)size) != 0) {
    r->dropped++;
    return -1;
  }
  memcpy(payload, whole, length);
  return (int)length;
}
