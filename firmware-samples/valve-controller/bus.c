#include "bus.h"

#include <string.h>

#include "cbor.h"
#include "crypto.h"
#include "descriptor.h"
#include "events.h"
#include "flow.h"
#include "program.h"
#include "store.h"
#include "valve.h"

#define KEY_KEY 0x20
#define COUNTER_KEY 0x21
#define MAC_BYTES 16

enum { COMMAND_GOAL = 1, COMMAND_HOME, COMMAND_CLOCK };

size_t bus_status(uint8_t *out, size_t capacity) {
  const flow_status *f = flow_now();
  cbor_writer w;
  cbor_begin(&w, out, capacity);
  cbor_map(&w, 6);
  cbor_uint(&w, 1), cbor_text(&w, descriptor_version());
  cbor_uint(&w, 2), cbor_uint(&w, program_clock());
  cbor_uint(&w, 3), cbor_uint(&w, valve_now());
  cbor_uint(&w, 4), cbor_array(&w, 2), cbor_int(&w, valve_position()), cbor_int(&w, valve_target());
  cbor_uint(&w, 5), cbor_array(&w, 4);
  cbor_float(&w, f->litres_per_minute), cbor_float(&w, f->upstream_bar);
  cbor_float(&w, f->downstream_bar), cbor_float(&w, f->total_litres);
  cbor_uint(&w, 6), cbor_array(&w, 2), cbor_bool(&w, f->leaking), cbor_bool(&w, f->dry);
  return w.overflow ? 0 : w.length;
}

static int authentic(const uint8_t *message, size_t length) {
  uint8_t key[32], mac[32];
  if (length <= MAC_BYTES) return BUS_SHAPE;
  if (store_get(KEY_KEY, key, sizeof key) != sizeof key) return BUS_MAC;
  hmac_sha256(key, sizeof key, message, length - MAC_BYTES, mac);
  return same_bytes(mac, message + length - MAC_BYTES, MAC_BYTES) ? BUS_DONE : BUS_MAC;
}

/* The counter is stored before the command is obeyed: a restart must not make an old command new. */
static int fresh(int64_t counter) {
  uint32_t seen = 0;
  store_get(COUNTER_KEY, &seen, sizeof seen);
  if (counter <= (int64_t)seen || counter > UINT32_MAX) return BUS_REPLAY;
  uint32_t now = (uint32_t)counter;
  return store_put(COUNTER_KEY, &now, sizeof now) ? BUS_DONE : BUS_VALUE;
}

static int obey(int64_t kind, cbor_reader *r) {
  float value;
  int64_t seconds;
  switch (kind) {
    case COMMAND_GOAL:
      if (!cbor_read_float(r, &value) || !(value >= 0.0f && value <= 60.0f)) return BUS_VALUE;
      flow_set_goal(value);
      return BUS_DONE;
    case COMMAND_HOME:
      valve_home();
      return BUS_DONE;
    case COMMAND_CLOCK:
      if (!cbor_read_int(r, &seconds) || seconds < 0 || seconds > UINT32_MAX) return BUS_VALUE;
      program_set_clock((uint32_t)seconds);
      return BUS_DONE;
    default: return BUS_KIND;
  }
}

static int handle(const uint8_t *message, size_t length) {
  cbor_reader r;
  cbor_item list;
  int64_t counter, kind;
  int result = authentic(message, length);
  if (result != BUS_DONE) return result;
  cbor_open(&r, message, length - MAC_BYTES);
  if (!cbor_next(&r, &list) || list.type != CBOR_ARRAY || list.value != 3) return BUS_SHAPE;
  if (!cbor_read_int(&r, &counter) || !cbor_read_int(&r, &kind)) return BUS_SHAPE;
  result = fresh(counter);
  return result == BUS_DONE ? obey(kind, &r) : result;
}

int bus_handle(const uint8_t *message, size_t length) {
  int result = handle(message, length);
  if (result != BUS_DONE) log_event(EVENT_MESSAGE, result, 0);
  return result;
}
