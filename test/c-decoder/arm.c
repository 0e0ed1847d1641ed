#include "internal.h"

static const uint8_t low_24[] = {LAST | 23, 0};
static const uint8_t literal[] = {23, 23, LAST | 11, 0};

static const row rows[] = {
    {0xF0000000, 0xF0000000, 0, 4, 0, 0, 0, 1, 0},
    {0x0F000000, 0x0B000000, low_24, 4, 1, 2, SIGNED, 4, AT_A8},
    {0x0F000000, 0x0A000000, low_24, 4, 2, 3, SIGNED, 4, AT_A8},
    {0x0F7F0000, 0x051F0000, literal, 4, 3, 5, MAGNITUDE, 1, AT_A8},
};

const instruction_set cs_arm = {rows, sizeof rows / sizeof *rows, 4, LITTLE, cs_size_4, cs_rows_look, cs_rows_put, cs_rows_tell};
