#include "internal.h"

/* Both byte orders: the same instructions with their fields in the opposite order. */

static void look(const instruction_set *set, cs_decoder *d, unit *u) {
  unsigned next = 4 - u->a % 4;
  uint8_t mark = set->order == BIG ? 0x6C : 0x36, first = set->order == BIG ? 0x21 : 0x12;
  uint8_t second = set->order == BIG ? 0x1C : 0xC1;
  if (next < set->size(u->old)) {
    uint8_t there = u->old[next], behind = u->old[next + 1];
    unsigned field = set->order == BIG ? behind >> 4 : behind & 15;
    if ((there == mark && field == 1) || (there == first && behind == second)) {
      u->size = (uint8_t)next;
      return;
    }
  }
  cs_rows_look(set, d, u);
}

#if HAS_PREDICTOR(3)
static const uint8_t high_18[] = {LAST | 23, 6};
static const uint8_t high_16[] = {LAST | 23, 8};
static const uint8_t high_12[] = {LAST | 23, 12};
static const uint8_t high_8[] = {LAST | 23, 16};

static const row rows[] = {
    {0x00000F, 0x000005, high_18, 3, 1, 2, SIGNED, 4, AT_A_DOWN_4},
    {0x00000F, 0x000001, high_16, 3, 2, 5, NEGATIVE, 4, AT_A3_DOWN},
    {0x00003F, 0x000006, high_18, 3, 3, 3, SIGNED, 1, AT_A4},
    {0x00003F, 0x000016, high_12, 3, 4, 4, SIGNED, 1, AT_A4},
    {0x0000FF, 0x000036, 0, 3, 0, 0, 0, 1, 0},
    {0x00000F, 0x000006, high_8, 3, 5, 4, SIGNED, 1, AT_A4},
    {0x00000F, 0x000007, high_8, 3, 5, 4, SIGNED, 1, AT_A4},
};

static uint8_t size(const uint8_t *bytes) { return (bytes[0] & 15) >= 8 && (bytes[0] & 15) <= 13 ? 2 : 3; }

const instruction_set cs_xtensa = {rows, sizeof rows / sizeof *rows, 1, LITTLE, size, look, cs_rows_put, cs_rows_tell};
#endif

#if HAS_PREDICTOR(7)
static const uint8_t low_18[] = {LAST | 17, 0};
static const uint8_t low_16[] = {LAST | 15, 0};
static const uint8_t low_12[] = {LAST | 11, 0};
static const uint8_t low_8[] = {LAST | 7, 0};

static const row rows_be[] = {
    {0xF00000, 0x500000, low_18, 3, 1, 2, SIGNED, 4, AT_A_DOWN_4},
    {0xF00000, 0x100000, low_16, 3, 2, 5, NEGATIVE, 4, AT_A3_DOWN},
    {0xFC0000, 0x600000, low_18, 3, 3, 3, SIGNED, 1, AT_A4},
    {0xFC0000, 0x640000, low_12, 3, 4, 4, SIGNED, 1, AT_A4},
    {0xFF0000, 0x6C0000, 0, 3, 0, 0, 0, 1, 0},
    {0xF00000, 0x600000, low_8, 3, 5, 4, SIGNED, 1, AT_A4},
    {0xF00000, 0x700000, low_8, 3, 5, 4, SIGNED, 1, AT_A4},
};

static uint8_t size_be(const uint8_t *bytes) { return bytes[0] >> 4 >= 8 && bytes[0] >> 4 <= 13 ? 2 : 3; }

const instruction_set cs_xtensa_be = {
    rows_be, sizeof rows_be / sizeof *rows_be, 1, BIG, size_be, look, cs_rows_put, cs_rows_tell};
#endif
