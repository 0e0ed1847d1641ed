#include <string.h>

#include "crypto.h"

static const uint32_t round_constant[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n) {
  return x >> n | x << (32 - n);
}

static uint32_t load_big(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void schedule(uint32_t w[64], const uint8_t *block) {
  for (int i = 0; i < 16; i++) w[i] = load_big(block + 4 * i);
  for (int i = 16; i < 64; i++) {
    uint32_t low = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t high = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + low + w[i - 7] + high;
  }
}

static void compress(uint32_t state[8], const uint8_t *block) {
  uint32_t w[64], v[8];
  schedule(w, block);
  memcpy(v, state, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t sum1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
    uint32_t choose = (v[4] & v[5]) ^ (~v[4] & v[6]);
    uint32_t one = v[7] + sum1 + choose + round_constant[i] + w[i];
    uint32_t sum0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
    uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
    memmove(v + 1, v, 7 * sizeof v[0]);
    v[4] += one;
    v[0] = one + sum0 + majority;
  }
  for (int i = 0; i < 8; i++) state[i] += v[i];
}

void sha256_begin(sha256_state *s) {
  static const uint32_t initial[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  };
  memcpy(s->state, initial, sizeof initial);
  s->total = 0;
}

void sha256_add(sha256_state *s, const void *bytes, size_t length) {
  const uint8_t *p = bytes;
  while (length) {
    size_t filled = s->total % 64, take = 64 - filled;
    if (take > length) take = length;
    memcpy(s->block + filled, p, take);
    s->total += take;
    p += take;
    length -= take;
    if (filled + take == 64) compress(s->state, s->block);
  }
}

void sha256_end(sha256_state *s, uint8_t digest[32]) {
  static const uint8_t padding[64] = {0x80};
  uint64_t bits = s->total * 8;
  uint8_t size[8];
  for (int i = 0; i < 8; i++) size[i] = (uint8_t)(bits >> (56 - 8 * i));
  sha256_add(s, padding, (119 - s->total % 64) % 64 + 1);
  sha256_add(s, size, 8);
  for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(s->state[i / 4] >> (24 - 8 * (i % 4)));
}

void hmac_sha256(const uint8_t *key, size_t key_length, const void *bytes, size_t length, uint8_t mac[32]) {
  sha256_state s;
  uint8_t pad[64] = {0};
  if (key_length > sizeof pad) {
    sha256_begin(&s);
    sha256_add(&s, key, key_length);
    sha256_end(&s, pad);
  } else memcpy(pad, key, key_length);
  for (int i = 0; i < 64; i++) pad[i] ^= 0x36;
  sha256_begin(&s);
  sha256_add(&s, pad, sizeof pad);
  sha256_add(&s, bytes, length);
  sha256_end(&s, mac);
  for (int i = 0; i < 64; i++) pad[i] ^= 0x36 ^ 0x5c;
  sha256_begin(&s);
  sha256_add(&s, pad, sizeof pad);
  sha256_add(&s, mac, 32);
  sha256_end(&s, mac);
}

/* Empty salt, one or more output blocks. */
void hkdf_sha256(const uint8_t *secret, size_t secret_length, const char *info, uint8_t *out, size_t length) {
  static const uint8_t no_salt[32];
  uint8_t key[32], input[32 + 64 + 1], block[32];
  size_t info_length = strlen(info), held = 0;
  if (info_length > 64) info_length = 64;
  hmac_sha256(no_salt, sizeof no_salt, secret, secret_length, key);
  for (uint8_t round = 1; length; round++) {
    memcpy(input, block, held);
    memcpy(input + held, info, info_length);
    input[held + info_length] = round;
    hmac_sha256(key, sizeof key, input, held + info_length + 1, block);
    held = sizeof block;
    size_t take = length < held ? length : held;
    memcpy(out, block, take);
    out += take;
    length -= take;
  }
}
