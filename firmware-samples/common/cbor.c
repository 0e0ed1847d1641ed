#include "cbor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void cbor_begin(cbor_writer *w, uint8_t *buffer, size_t capacity) {
  *w = (cbor_writer){.start = buffer, .capacity = capacity};
}

static void put(cbor_writer *w, const void *bytes, size_t length) {
  if (w->overflow || length > w->capacity - w->length) {
    w->overflow = true;
    return;
  }
  memcpy(w->start + w->length, bytes, length);
  w->length += length;
}

static unsigned argument_bytes(uint64_t value) {
  if (value < 24) return 0;
  if (value <= 0xff) return 1;
  if (value <= 0xffff) return 2;
  return value <= 0xffffffffu ? 4 : 8;
}

static void put_head(cbor_writer *w, cbor_type type, uint64_t value) {
  static const uint8_t info[9] = {[1] = 24, [2] = 25, [4] = 26, [8] = 27};
  uint8_t head[9];
  unsigned width = argument_bytes(value);
  head[0] = (uint8_t)(type << 5 | (width ? info[width] : value));
  for (unsigned i = 0; i < width; i++) head[1 + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
  put(w, head, 1 + width);
}

void cbor_uint(cbor_writer *w, uint64_t value) {
  put_head(w, CBOR_UINT, value);
}

void cbor_int(cbor_writer *w, int64_t value) {
  if (value < 0) put_head(w, CBOR_NINT, (uint64_t)(-1 - value));
  else put_head(w, CBOR_UINT, (uint64_t)value);
}

void cbor_bytes(cbor_writer *w, const void *bytes, size_t length) {
  put_head(w, CBOR_BYTES, length);
  put(w, bytes, length);
}

void cbor_text(cbor_writer *w, const char *text) {
  size_t length = strlen(text);
  put_head(w, CBOR_TEXT, length);
  put(w, text, length);
}

void cbor_array(cbor_writer *w, size_t count) {
  put_head(w, CBOR_ARRAY, count);
}

void cbor_map(cbor_writer *w, size_t pairs) {
  put_head(w, CBOR_MAP, pairs);
}

void cbor_tag(cbor_writer *w, uint64_t tag) {
  put_head(w, CBOR_TAG, tag);
}

void cbor_bool(cbor_writer *w, bool value) {
  put_head(w, CBOR_OTHER, value ? 21 : 20);
}

void cbor_null(cbor_writer *w) {
  put_head(w, CBOR_OTHER, 22);
}

/* The half-precision form of `bits` where it holds the value exactly. */
static bool to_half(uint32_t bits, uint16_t *half) {
  uint32_t sign = bits >> 16 & 0x8000u, mantissa = bits & 0x7fffffu;
  int exponent = (int)(bits >> 23 & 0xffu) - 127;
  if ((bits & 0x7fffffffu) == 0) {
    *half = (uint16_t)sign;
    return true;
  }
  if (exponent == 128) {
    *half = (uint16_t)(sign | 0x7c00u | (mantissa ? 0x200u : 0));
    return true;
  }
  if (exponent < -14 || exponent > 15 || (mantissa & 0x1fffu)) return false;
  *half = (uint16_t)(sign | (uint32_t)(exponent + 15) << 10 | mantissa >> 13);
  return true;
}

void cbor_float(cbor_writer *w, float value) {
  uint32_t bits;
  uint16_t half;
  memcpy(&bits, &value, 4);
  if (to_half(bits, &half)) {
    uint8_t short_form[3] = {0xf9, (uint8_t)(half >> 8), (uint8_t)half};
    put(w, short_form, sizeof short_form);
    return;
  }
  uint8_t form[5] = {0xfa, (uint8_t)(bits >> 24), (uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
  put(w, form, sizeof form);
}

void cbor_open(cbor_reader *r, const void *bytes, size_t length) {
  *r = (cbor_reader){.at = bytes, .end = (const uint8_t *)bytes + length};
}

static bool fail(cbor_reader *r, const char *error) {
  if (!r->error) r->error = error;
  return false;
}

static bool read_argument(cbor_reader *r, uint8_t info, cbor_item *item) {
  if (info < 24) {
    item->value = info;
    item->bits = 5;
    return true;
  }
  if (info > 27) return fail(r, "indefinite or reserved length");
  unsigned width = 1u << (info - 24);
  if ((size_t)(r->end - r->at) < width) return fail(r, "cut short");
  item->value = 0;
  for (unsigned i = 0; i < width; i++) item->value = item->value << 8 | *r->at++;
  item->bits = (uint8_t)(8 * width);
  if (item->type != CBOR_OTHER && argument_bytes(item->value) != width) return fail(r, "not the shortest form");
  return true;
}

bool cbor_next(cbor_reader *r, cbor_item *item) {
  if (r->error) return false;
  if (r->at == r->end) return fail(r, "cut short");
  uint8_t first = *r->at++;
  item->type = (cbor_type)(first >> 5);
  if (!read_argument(r, first & 31u, item)) return false;
  if (item->type != CBOR_BYTES && item->type != CBOR_TEXT) return true;
  if (item->value > (uint64_t)(r->end - r->at)) return fail(r, "string runs past the end");
  item->bytes = r->at;
  r->at += item->value;
  return true;
}

static bool skip_level(cbor_reader *r, unsigned depth) {
  cbor_item item;
  if (depth == CBOR_DEPTH_MAX) return fail(r, "nested too deep");
  if (!cbor_next(r, &item)) return false;
  if (item.type == CBOR_TAG) return skip_level(r, depth + 1);
  if (item.type != CBOR_ARRAY && item.type != CBOR_MAP) return true;
  if (item.value > (uint64_t)(r->end - r->at)) return fail(r, "more items than bytes");
  uint64_t children = item.type == CBOR_MAP ? 2 * item.value : item.value;
  while (children--)
    if (!skip_level(r, depth + 1)) return false;
  return true;
}

bool cbor_skip(cbor_reader *r) {
  return skip_level(r, 0);
}

bool cbor_read_int(cbor_reader *r, int64_t *value) {
  cbor_item item;
  if (!cbor_next(r, &item)) return false;
  if (item.type > CBOR_NINT) return fail(r, "integer expected");
  if (item.value > INT64_MAX) return fail(r, "integer out of range");
  *value = item.type == CBOR_UINT ? (int64_t)item.value : -1 - (int64_t)item.value;
  return true;
}

static float from_half(uint16_t half) {
  int exponent = half >> 10 & 31, mantissa = half & 0x3ff;
  float value;
  if (exponent == 0) value = ldexpf((float)mantissa, -24);
  else if (exponent < 31) value = ldexpf((float)(mantissa + 1024), exponent - 25);
  else value = mantissa ? NAN : INFINITY;
  return half & 0x8000u ? -value : value;
}

bool cbor_read_float(cbor_reader *r, float *value) {
  cbor_item item;
  if (!cbor_next(r, &item)) return false;
  if (item.type == CBOR_UINT) *value = (float)item.value;
  else if (item.type == CBOR_NINT) *value = -1.0f - (float)item.value;
  else if (item.type == CBOR_OTHER && item.bits == 16) *value = from_half((uint16_t)item.value);
  else if (item.type == CBOR_OTHER && item.bits == 32) {
    uint32_t bits = (uint32_t)item.value;
    memcpy(value, &bits, 4);
  } else if (item.type == CBOR_OTHER && item.bits == 64) {
    double wide;
    memcpy(&wide, &item.value, 8);
    *value = (float)wide;
  } else return fail(r, "number expected");
  return true;
}

bool cbor_read_text(cbor_reader *r, char *text, size_t capacity) {
  cbor_item item;
  if (!cbor_next(r, &item)) return false;
  if (item.type != CBOR_TEXT) return fail(r, "text expected");
  if (item.value >= capacity) return fail(r, "text too long");
  memcpy(text, item.bytes, (size_t)item.value);
  text[item.value] = 0;
  return true;
}

bool cbor_find(cbor_reader *r, uint64_t key) {
  cbor_item item;
  if (!cbor_next(r, &item)) return false;
  if (item.type != CBOR_MAP) return fail(r, "map expected");
  for (uint64_t pairs = item.value; pairs; pairs--) {
    cbor_item name;
    if (!cbor_next(r, &name)) return false;
    if (name.type == CBOR_UINT && name.value == key) return true;
    if (!cbor_skip(r)) return false;
  }
  return fail(r, "key not present");
}

bool cbor_at_end(const cbor_reader *r) {
  return !r->error && r->at == r->end;
}

typedef struct {
  char *text;
  size_t capacity;
  size_t length;
} text_out;

static void say(text_out *out, const char *format, uint64_t value) {
  if (out->length >= out->capacity) return;
  int length = snprintf(out->text + out->length, out->capacity - out->length, format, (unsigned long)value);
  if (length > 0) out->length += (size_t)length;
}

static void say_bytes(text_out *out, const cbor_item *item) {
  say(out, item->type == CBOR_TEXT ? "\"" : "h'", 0);
  for (uint64_t i = 0; i < item->value; i++) say(out, item->type == CBOR_TEXT ? "%c" : "%02lx", item->bytes[i]);
  say(out, item->type == CBOR_TEXT ? "\"" : "'", 0);
}

static void say_other(text_out *out, const cbor_item *item) {
  static const char *const simple[] = {"false", "true", "null", "undefined"};
  if (item->bits == 16) say(out, "half(%lx)", item->value);
  else if (item->bits == 32) say(out, "single(%lx)", item->value);
  else if (item->value >= 20 && item->value < 24) say(out, simple[item->value - 20], 0);
  else say(out, "simple(%lu)", item->value);
}

static bool describe_level(cbor_reader *r, text_out *out, unsigned depth);

static bool describe_children(cbor_reader *r, text_out *out, const cbor_item *item, unsigned depth) {
  bool map = item->type == CBOR_MAP;
  if (item->value > (uint64_t)(r->end - r->at)) return fail(r, "more items than bytes");
  say(out, map ? "{" : "[", 0);
  for (uint64_t i = 0; i < item->value; i++) {
    if (i) say(out, ", ", 0);
    if (map) {
      if (!describe_level(r, out, depth + 1)) return false;
      say(out, ": ", 0);
    }
    if (!describe_level(r, out, depth + 1)) return false;
  }
  say(out, map ? "}" : "]", 0);
  return true;
}

static bool describe_level(cbor_reader *r, text_out *out, unsigned depth) {
  cbor_item item;
  if (depth == CBOR_DEPTH_MAX) return fail(r, "nested too deep");
  if (!cbor_next(r, &item)) return false;
  switch (item.type) {
    case CBOR_UINT: say(out, "%lu", item.value); return true;
    case CBOR_NINT: say(out, "-%lu", item.value + 1); return true;
    case CBOR_BYTES:
    case CBOR_TEXT: say_bytes(out, &item); return true;
    case CBOR_TAG: say(out, "%lu:", item.value); return describe_level(r, out, depth + 1);
    case CBOR_OTHER: say_other(out, &item); return true;
    default: return describe_children(r, out, &item, depth);
  }
}

/* Diagnostic notation of one item; answers its length, or -1 where the bytes are not one whole item. */
int cbor_describe(const void *bytes, size_t length, char *text, size_t capacity) {
  cbor_reader r;
  text_out out = {.text = text, .capacity = capacity};
  cbor_open(&r, bytes, length);
  if (!describe_level(&r, &out, 0) || !cbor_at_end(&r)) return -1;
  return (int)(out.length < capacity ? out.length : capacity - 1);
}
