#include "store.h"

#include <string.h>

#include "board.h"
#include "crc.h"
#include "hal.h"

#define PAGE_MAGIC 0x53544f52u
#define ERASED_KEY 0xffffu

typedef struct {
  uint32_t magic;
  uint32_t generation;
} page_header;

typedef struct {
  uint16_t key;
  uint16_t length; /* 0 removes the key */
  uint32_t check;
} record_header;

static const uint32_t pages[2] = {BOARD_STORE_PAGE_A, BOARD_STORE_PAGE_B};
static unsigned active;
static uint32_t end;

static const page_header *header_of(unsigned page) {
  return (const page_header *)pages[page];
}

static bool page_valid(unsigned page) {
  return header_of(page)->magic == PAGE_MAGIC;
}

static uint32_t padded(uint32_t length) {
  return (length + 3u) & ~3u;
}

static uint32_t record_check(uint16_t key, const void *value, size_t length) {
  uint8_t front[4] = {(uint8_t)key, (uint8_t)(key >> 8), (uint8_t)length, (uint8_t)(length >> 8)};
  return crc32(crc32(0, front, sizeof front), value, length);
}

/* The record at `at`, or NULL where the written part of the page ends. */
static const record_header *record_at(uint32_t at) {
  if (at + sizeof(record_header) > pages[active] + BOARD_STORE_PAGE_BYTES) return NULL;
  const record_header *r = (const record_header *)at;
  return r->key == ERASED_KEY || r->length > STORE_VALUE_MAX ? NULL : r;
}

static uint32_t after(uint32_t at, const record_header *r) {
  return at + sizeof *r + padded(r->length);
}

/* A record cut off by a power failure has a wrong check and is passed over. */
static bool intact(const record_header *r) {
  return r->check == record_check(r->key, r + 1, r->length);
}

static const record_header *newest(uint16_t key) {
  const record_header *found = NULL, *r;
  for (uint32_t at = pages[active] + sizeof(page_header); (r = record_at(at)); at = after(at, r))
    if (r->key == key && intact(r)) found = r;
  return found;
}

static bool append(uint16_t key, const void *value, size_t length) {
  uint8_t bytes[sizeof(record_header) + STORE_VALUE_MAX];
  record_header r = {.key = key, .length = (uint16_t)length, .check = record_check(key, value, length)};
  size_t total = sizeof r + padded(length);
  if (end + total > pages[active] + BOARD_STORE_PAGE_BYTES) return false;
  memset(bytes, 0xff, sizeof bytes);
  memcpy(bytes, &r, sizeof r);
  memcpy(bytes + sizeof r, value, length);
  bool done = flash_program(end, bytes, total);
  end += total;
  return done;
}

static bool start_page(unsigned page, uint32_t generation) {
  page_header h = {.magic = PAGE_MAGIC, .generation = generation};
  return flash_program(pages[page], &h, sizeof h);
}

/* The new page gets its header last: until then a power failure leaves the old page in force. */
static bool compact(void) {
  unsigned from = active, to = 1 - active;
  uint32_t generation = header_of(from)->generation + 1;
  if (!flash_erase_page(pages[to])) return false;
  uint32_t write = pages[to] + sizeof(page_header);
  const record_header *r;
  for (uint32_t at = pages[from] + sizeof(page_header); (r = record_at(at)); at = after(at, r)) {
    if (r->length == 0 || r != newest(r->key)) continue;
    if (!flash_program(write, r, sizeof *r + padded(r->length))) return false;
    write += sizeof *r + padded(r->length);
  }
  if (!start_page(to, generation)) return false;
  active = to;
  end = write;
  return true;
}

bool store_open(void) {
  if (!page_valid(0) && !page_valid(1)) {
    if (!flash_erase_page(pages[0]) || !start_page(0, 1)) return false;
  }
  bool second = page_valid(1) && (!page_valid(0) || header_of(1)->generation > header_of(0)->generation);
  active = second ? 1 : 0;
  end = pages[active] + sizeof(page_header);
  for (const record_header *r; (r = record_at(end));) end = after(end, r);
  return true;
}

int store_get(uint16_t key, void *value, size_t capacity) {
  const record_header *r = newest(key);
  if (!r || r->length == 0 || r->length > capacity) return -1;
  memcpy(value, r + 1, r->length);
  return r->length;
}

bool store_put(uint16_t key, const void *value, size_t length) {
  if (key == ERASED_KEY || length > STORE_VALUE_MAX) return false;
  const record_header *r = newest(key);
  if (r && r->length == length && memcmp(r + 1, value, length) == 0) return true;
  return append(key, value, length) || (compact() && append(key, value, length));
}

bool store_remove(uint16_t key) {
  return !newest(key) || store_put(key, "", 0);
}

void store_each(void (*visit)(uint16_t key, const uint8_t *value, size_t length)) {
  const record_header *r;
  for (uint32_t at = pages[active] + sizeof(page_header); (r = record_at(at)); at = after(at, r))
    if (r->length && r == newest(r->key)) visit(r->key, (const uint8_t *)(r + 1), r->length);
}

size_t store_free_bytes(void) {
  return pages[active] + BOARD_STORE_PAGE_BYTES - end;
}
