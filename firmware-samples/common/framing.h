/* Packets on a byte stream: consistent overhead byte stuffing, a zero byte between packets, CRC-16 at the end. */
#ifndef FRAMING_H
#define FRAMING_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_BYTES_MAX 240 /* below 254, so that one stuffing run covers any frame */

typedef struct {
  uint8_t bytes[FRAME_BYTES_MAX + 4];
  size_t length;
  uint32_t dropped;
} frame_reader;

size_t frame_encode(const uint8_t *payload, size_t length, uint8_t *out, size_t capacity);
int frame_feed(frame_reader *r, uint8_t byte, uint8_t *payload, size_t capacity);

#endif
