/* What the program checks of itself and its board before it asks the boot loader to keep it. */
#include "selftest.h"

#include <math.h>
#include <string.h>

#include "cbor.h"
#include "crc.h"
#include "crypto.h"
#include "events.h"
#include "filter.h"
#include "framing.h"
#include "hal.h"
#include "sensors.h"
#include "store.h"

typedef struct {
  const char *name;
  bool (*run)(void);
} check;

/* FIPS 180-4, the digest of "abc". */
static bool check_sha256(void) {
  static const uint8_t expected[8] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
  sha256_state s;
  uint8_t digest[32];
  sha256_begin(&s);
  sha256_add(&s, "abc", 3);
  sha256_end(&s, digest);
  return same_bytes(digest, expected, sizeof expected);
}

static bool check_seal(void) {
  uint8_t key[32], nonce[12] = {7}, text[20] = "nineteen characters", tag[16];
  for (int i = 0; i < 32; i++) key[i] = (uint8_t)(i * 9 + 1);
  aead_seal(key, nonce, "extra", 5, text, sizeof text, tag);
  if (memcmp(text, "nineteen", 8) == 0) return false;
  tag[5] ^= 1;
  if (aead_open(key, nonce, "extra", 5, text, sizeof text, tag)) return false;
  tag[5] ^= 1;
  return aead_open(key, nonce, "extra", 5, text, sizeof text, tag) && memcmp(text, "nineteen", 8) == 0;
}

static bool check_crc(void) {
  return crc32(0, "123456789", 9) == 0xcbf43926u && crc16_ccitt(0xffff, "123456789", 9) == 0x29b1u;
}

static bool check_cbor(void) {
  uint8_t bytes[32];
  cbor_writer w;
  cbor_reader r;
  float value;
  cbor_begin(&w, bytes, sizeof bytes);
  cbor_map(&w, 2);
  cbor_uint(&w, 1), cbor_text(&w, "x");
  cbor_uint(&w, 2), cbor_float(&w, -12.625f);
  cbor_open(&r, bytes, w.length);
  return cbor_find(&r, 2) && cbor_read_float(&r, &value) && value == -12.625f && cbor_at_end(&r);
}

static bool check_framing(void) {
  static const uint8_t payload[6] = {0, 1, 0, 0, 255, 0};
  uint8_t wire[16], back[8];
  frame_reader r = {.length = 0};
  size_t size = frame_encode(payload, sizeof payload, wire, sizeof wire);
  int length = -1;
  for (size_t i = 0; i < size; i++) length = frame_feed(&r, wire[i], back, sizeof back);
  return length == sizeof payload && memcmp(back, payload, sizeof payload) == 0;
}

static bool check_filters(void) {
  biquad f;
  median m;
  float settled = 0.0f, middle = 0.0f;
  biquad_low_pass(&f, 100.0f, 10.0f, 0.7071f);
  for (int i = 0; i < 100; i++) settled = biquad_step(&f, 1.0f);
  median_begin(&m, 5);
  for (int i = 0; i < 5; i++) middle = median_step(&m, i == 3 ? 1000.0f : (float)i);
  return fabsf(settled - 1.0f) < 1e-3f && middle == 2.0f;
}

/* A wrong idea of the reference voltage makes every other reading wrong by the same factor. */
static bool check_reference(void) {
  return fabsf(sensors_reference_volts() - 1.21f) < 0.03f;
}

static bool check_store(void) {
  uint32_t pattern = 0x5aa5c33cu ^ clock_ms(), back = 0;
  return store_put(0x7f00, &pattern, sizeof pattern) && store_get(0x7f00, &back, sizeof back) == sizeof back &&
         back == pattern;
}

static bool check_math(void) {
  return fabsf(dew_point(20.0f, 50.0f) - 9.26f) < 0.05f && fabsf(altitude_metres(89874.0f, 101325.0f) - 1000.0f) < 5.0f;
}

static const check checks[] = {
  {"sha-256", check_sha256}, {"sealing", check_seal},     {"checksums", check_crc},
  {"cbor", check_cbor},      {"framing", check_framing},  {"filters", check_filters},
  {"store", check_store},    {"formulas", check_math},    {"reference", check_reference},
};

#define CHECKS (sizeof checks / sizeof *checks)

static uint16_t failed;

bool selftest_run(void) {
  failed = 0;
  for (unsigned i = 0; i < CHECKS; i++)
    if (!checks[i].run()) failed |= (uint16_t)(1u << i);
  if (failed) log_event(EVENT_SELF_TEST, (int32_t)selftest_failed(), CHECKS);
  return failed == 0;
}

unsigned selftest_failed(void) {
  unsigned count = 0;
  for (unsigned i = 0; i < CHECKS; i++) count += failed >> i & 1u;
  return count;
}

void selftest_print(void) {
  for (unsigned i = 0; i < CHECKS; i++)
    uart_printf("  %-12s %s\r\n", checks[i].name, failed >> i & 1u ? "FAILED" : "passed");
}
