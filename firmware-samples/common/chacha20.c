#include <string.h>

#include "crypto.h"

static uint32_t load_little(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store_little(uint8_t *p, uint32_t x) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(x >> (8 * i));
}

static uint32_t rotate(uint32_t x, unsigned n) {
  return x << n | x >> (32 - n);
}

static void quarter(uint32_t *x, int a, int b, int c, int d) {
  x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 16);
  x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 12);
  x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 8);
  x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 7);
}

static void key_block(const uint32_t input[16], uint8_t out[64]) {
  uint32_t x[16];
  memcpy(x, input, sizeof x);
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 4; i++) quarter(x, i, i + 4, i + 8, i + 12);
    for (int i = 0; i < 4; i++) quarter(x, i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12);
  }
  for (int i = 0; i < 16; i++) store_little(out + 4 * i, x[i] + input[i]);
}

void chacha20_xor(const uint8_t key[32], uint32_t counter, const uint8_t nonce[12], uint8_t *bytes, size_t length) {
  uint32_t input[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  uint8_t stream[64];
  for (int i = 0; i < 8; i++) input[4 + i] = load_little(key + 4 * i);
  for (int i = 0; i < 3; i++) input[13 + i] = load_little(nonce + 4 * i);
  for (size_t done = 0; done < length; done++) {
    if (done % 64 == 0) {
      input[12] = counter++;
      key_block(input, stream);
    }
    bytes[done] ^= stream[done % 64];
  }
}

/* Numbers modulo 2^130 - 5 as five limbs of 26 bits. */
typedef struct {
  uint32_t r[5], h[5], s[4];
} poly_state;

static void poly_begin(poly_state *p, const uint8_t key[32]) {
  static const uint8_t clamp[16] = {255, 255, 255, 15, 252, 255, 255, 15, 252, 255, 255, 15, 252, 255, 255, 15};
  uint8_t r[20] = {0};
  for (int i = 0; i < 16; i++) r[i] = key[i] & clamp[i];
  for (int i = 0; i < 5; i++) {
    int bit = 26 * i;
    p->r[i] = load_little(r + bit / 8) >> (bit % 8) & 0x3ffffffu;
    p->h[i] = 0;
  }
  for (int i = 0; i < 4; i++) p->s[i] = load_little(key + 16 + 4 * i);
}

static void poly_multiply(poly_state *p) {
  uint64_t d[5] = {0}, carry = 0;
  for (int i = 0; i < 5; i++)
    for (int j = 0; j < 5; j++) {
      uint32_t factor = i + j < 5 ? p->r[j] : 5 * p->r[j];
      d[(i + j) % 5] += (uint64_t)p->h[i] * factor;
    }
  for (int i = 0; i < 5; i++) {
    d[i] += carry;
    p->h[i] = (uint32_t)d[i] & 0x3ffffffu;
    carry = d[i] >> 26;
  }
  p->h[0] += (uint32_t)carry * 5;
  p->h[1] += p->h[0] >> 26;
  p->h[0] &= 0x3ffffffu;
}

/* Whole blocks; a last short one is filled with zeros, as RFC 8439 section 2.8 wants. */
static void poly_padded(poly_state *p, const uint8_t *bytes, size_t length) {
  while (length) {
    size_t take = length < 16 ? length : 16;
    uint8_t block[20] = {0};
    memcpy(block, bytes, take);
    block[16] = 1;
    for (int i = 0; i < 5; i++) p->h[i] += load_little(block + 26 * i / 8) >> (26 * i % 8) & 0x3ffffffu;
    poly_multiply(p);
    bytes += take;
    length -= take;
  }
}

static void poly_reduce(poly_state *p) {
  uint32_t carry = 0, g[5], borrow = 5;
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < 5; i++) {
      p->h[i] += carry;
      carry = p->h[i] >> 26;
      p->h[i] &= 0x3ffffffu;
    }
    carry *= 5;
  }
  p->h[0] += carry;
  for (int i = 0; i < 5; i++) {
    g[i] = p->h[i] + borrow;
    borrow = g[i] >> 26;
    g[i] &= 0x3ffffffu;
  }
  uint32_t mask = 0u - borrow; /* all ones where h was at least the modulus */
  for (int i = 0; i < 5; i++) p->h[i] = (p->h[i] & ~mask) | (g[i] & mask);
}

static void poly_end(poly_state *p, uint8_t tag[16]) {
  poly_reduce(p);
  uint64_t sum = 0;
  for (int i = 0; i < 4; i++) {
    int bit = 32 * i, limb = bit / 26, shift = bit % 26;
    uint64_t word = (uint64_t)p->h[limb] >> shift | (uint64_t)p->h[limb + 1] << (26 - shift);
    sum += (uint32_t)word + (uint64_t)p->s[i];
    store_little(tag + 4 * i, (uint32_t)sum);
    sum >>= 32;
  }
}

void poly1305(const uint8_t key[32], const void *extra, size_t extra_length, const void *bytes, size_t length,
              uint8_t tag[16]) {
  poly_state p;
  uint8_t sizes[16] = {0};
  store_little(sizes, extra_length);
  store_little(sizes + 8, length);
  poly_begin(&p, key);
  poly_padded(&p, extra, extra_length);
  poly_padded(&p, bytes, length);
  poly_padded(&p, sizes, sizeof sizes);
  poly_end(&p, tag);
}

void aead_seal(const uint8_t key[32], const uint8_t nonce[12], const void *extra, size_t extra_length, uint8_t *bytes,
               size_t length, uint8_t tag[16]) {
  uint8_t once[32] = {0};
  chacha20_xor(key, 0, nonce, once, sizeof once);
  chacha20_xor(key, 1, nonce, bytes, length);
  poly1305(once, extra, extra_length, bytes, length, tag);
}

bool aead_open(const uint8_t key[32], const uint8_t nonce[12], const void *extra, size_t extra_length, uint8_t *bytes,
               size_t length, const uint8_t tag[16]) {
  uint8_t once[32] = {0}, expected[16];
  chacha20_xor(key, 0, nonce, once, sizeof once);
  poly1305(once, extra, extra_length, bytes, length, expected);
  if (!same_bytes(expected, tag, sizeof expected)) return false;
  chacha20_xor(key, 1, nonce, bytes, length);
  return true;
}

/* Takes the same time wherever the difference lies. */
bool same_bytes(const uint8_t *a, const uint8_t *b, size_t length) {
  uint8_t difference = 0;
  while (length--) difference |= *a++ ^ *b++;
  return difference == 0;
}
