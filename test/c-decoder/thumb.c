#include "internal.h"

#define BITS static const uint8_t
BITS low_8[] = {LAST | 7, 0};
BITS low_11[] = {LAST | 10, 0};
BITS compare[] = {9, 9, LAST | 7, 3};
BITS branch_24[] = {26, 26, FLIPPED | 13, 13, FLIPPED | 11, 11, 25, 16, LAST | 10, 0};
BITS branch_20[] = {26, 26, 11, 11, 13, 13, 21, 16, LAST | 10, 0};
BITS literal[] = {23, 23, LAST | 11, 0};

static const row rows[] = {
    {0xFE00, 0xDE00, 0, 2, 0, 0, 0, 1, 0},
    {0xF000, 0xD000, low_8, 2, 5, 4, SIGNED, 2, AT_A4},
    {0xF800, 0xE000, low_11, 2, 4, 4, SIGNED, 2, AT_A4},
    {0xF800, 0x4800, low_8, 2, 7, 5, UNSIGNED, 4, AT_A4_DOWN},
    {0xF500, 0xB100, compare, 2, 6, 4, UNSIGNED, 2, AT_A4},
    {0xF800D000, 0xF000D000, branch_24, 4, 1, 2, SIGNED, 2, AT_A4},
    {0xF800D000, 0xF0009000, branch_24, 4, 2, 3, SIGNED, 2, AT_A4},
    {0xFB80D000, 0xF3808000, 0, 4, 0, 0, 0, 1, 0},
    {0xF800D000, 0xF0008000, branch_20, 4, 3, 3, SIGNED, 2, AT_A4},
    {0xFF7F0000, 0xF85F0000, literal, 4, 8, 5, MAGNITUDE, 1, AT_A4_DOWN},
};

static uint8_t size(const uint8_t *bytes) { return bytes[1] >= 0xE8 ? 4 : 2; }

const instruction_set cs_thumb = {rows, sizeof rows / sizeof *rows, 2, HALVES, size, cs_rows_look, cs_rows_put, cs_rows_tell};
