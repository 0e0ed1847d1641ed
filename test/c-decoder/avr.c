#include "internal.h"

static const uint8_t absolute[] = {24, 20, 16, 16, LAST | 15, 0};
static const uint8_t relative[] = {LAST | 11, 0};
static const uint8_t branch[] = {LAST | 9, 3};
static const uint8_t data[] = {LAST | 15, 0};

static const row rows[] = {
    {0xFE0C0000, 0x940C0000, absolute, 4, 1, 2, UNSIGNED, 2, AT_0},
    {0xE000, 0xC000, relative, 2, 2, 3, SIGNED, 2, AT_A2},
    {0xF800, 0xF000, branch, 2, 3, 4, SIGNED, 2, AT_A2},
    {0xFC0F0000, 0x90000000, data, 4, 4, 7, UNSIGNED, 1, AT_DATA},
};

static uint8_t size(const uint8_t *bytes) {
  (void)bytes;
  return 2;
}

const instruction_set cs_avr = {rows, sizeof rows / sizeof *rows, 2, HALVES, size, cs_rows_look, cs_rows_put, cs_rows_tell};
