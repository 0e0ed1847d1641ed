/* SHA-256 (FIPS 180-4), HMAC (RFC 2104), HKDF (RFC 5869), ChaCha20-Poly1305 (RFC 8439). */
#ifndef CRYPTO_H
#define CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint32_t state[8];
  uint64_t total;
  uint8_t block[64];
} sha256_state;

void sha256_begin(sha256_state *s);
void sha256_add(sha256_state *s, const void *bytes, size_t length);
void sha256_end(sha256_state *s, uint8_t digest[32]);

void hmac_sha256(const uint8_t *key, size_t key_length, const void *bytes, size_t length, uint8_t mac[32]);
void hkdf_sha256(const uint8_t *secret, size_t secret_length, const char *info, uint8_t *out, size_t length);

void chacha20_xor(const uint8_t key[32], uint32_t counter, const uint8_t nonce[12], uint8_t *bytes, size_t length);
void poly1305(const uint8_t key[32], const void *extra, size_t extra_length, const void *bytes, size_t length,
              uint8_t tag[16]);
void aead_seal(const uint8_t key[32], const uint8_t nonce[12], const void *extra, size_t extra_length, uint8_t *bytes,
               size_t length, uint8_t tag[16]);
bool aead_open(const uint8_t key[32], const uint8_t nonce[12], const void *extra, size_t extra_length, uint8_t *bytes,
               size_t length, const uint8_t tag[16]);
bool same_bytes(const uint8_t *a, const uint8_t *b, size_t length);

#endif
