/* Deterministic CBOR (RFC 8949 section 4.2.1) for telemetry out and commands in. */
#ifndef CBOR_H
#define CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CBOR_DEPTH_MAX 6

typedef struct {
  uint8_t *start;
  size_t capacity;
  size_t length;
  bool overflow;
} cbor_writer;

typedef enum { CBOR_UINT, CBOR_NINT, CBOR_BYTES, CBOR_TEXT, CBOR_ARRAY, CBOR_MAP, CBOR_TAG, CBOR_OTHER } cbor_type;

typedef struct {
  cbor_type type;
  uint64_t value; /* argument: number, count of items or pairs, or simple value */
  uint8_t bits;   /* width of the argument, tells a float apart from a simple value */
  const uint8_t *bytes;
} cbor_item;

typedef struct {
  const uint8_t *at;
  const uint8_t *end;
  const char *error;
} cbor_reader;

void cbor_begin(cbor_writer *w, uint8_t *buffer, size_t capacity);
void cbor_uint(cbor_writer *w, uint64_t value);
void cbor_int(cbor_writer *w, int64_t value);
void cbor_bytes(cbor_writer *w, const void *bytes, size_t length);
void cbor_text(cbor_writer *w, const char *text);
void cbor_array(cbor_writer *w, size_t count);
void cbor_map(cbor_writer *w, size_t pairs);
void cbor_tag(cbor_writer *w, uint64_t tag);
void cbor_bool(cbor_writer *w, bool value);
void cbor_null(cbor_writer *w);
void cbor_float(cbor_writer *w, float value);

void cbor_open(cbor_reader *r, const void *bytes, size_t length);
bool cbor_next(cbor_reader *r, cbor_item *item);
bool cbor_skip(cbor_reader *r);
bool cbor_read_int(cbor_reader *r, int64_t *value);
bool cbor_read_float(cbor_reader *r, float *value);
bool cbor_read_text(cbor_reader *r, char *text, size_t capacity);
bool cbor_find(cbor_reader *r, uint64_t key);
bool cbor_at_end(const cbor_reader *r);
int cbor_describe(const void *bytes, size_t length, char *text, size_t capacity);

#endif
