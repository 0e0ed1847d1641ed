/* Settings in two flash pages: records are appended, the newest of a key counts, a full page is copied to the other. */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_VALUE_MAX 64

bool store_open(void);
int store_get(uint16_t key, void *value, size_t capacity);
bool store_put(uint16_t key, const void *value, size_t length);
bool store_remove(uint16_t key);
void store_each(void (*visit)(uint16_t key, const uint8_t *value, size_t length));
size_t store_free_bytes(void);

#endif
