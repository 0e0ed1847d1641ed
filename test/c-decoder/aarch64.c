#include "internal.h"

enum { PAGE = 7, USER = 8, SEARCH_MAX = 8, HOLDS = 1 };

static const uint8_t low_26[] = {LAST | 25, 0};
static const uint8_t middle_19[] = {LAST | 23, 5};
static const uint8_t middle_14[] = {LAST | 18, 5};
static const uint8_t adr[] = {23, 5, LAST | 30, 29};
static const uint8_t user[] = {LAST | 21, 10};

static const row rows[] = {
    {0xFC000000, 0x94000000, low_26, 4, 1, 2, SIGNED, 4, AT_A},
    {0xFC000000, 0x14000000, low_26, 4, 2, 3, SIGNED, 4, AT_A},
    {0xFF000000, 0x54000000, middle_19, 4, 3, 4, SIGNED, 4, AT_A},
    {0x7E000000, 0x34000000, middle_19, 4, 3, 4, SIGNED, 4, AT_A},
    {0x7E000000, 0x36000000, middle_14, 4, 4, 4, SIGNED, 4, AT_A},
    {0x3B000000, 0x18000000, middle_19, 4, 5, 5, SIGNED, 4, AT_A},
    {0x9F000000, 0x10000000, adr, 4, 6, 5, SIGNED, 1, AT_A},
    {0x9F000000, 0x90000000, adr, 4, PAGE, SPECIAL, SIGNED, 1, AT_A},
    {0xFFC00000, 0x91000000, user, 4, USER, SPECIAL, UNSIGNED, 1, AT_A},
    {0x3B000000, 0x39000000, user, 4, USER, SPECIAL, UNSIGNED, 1, AT_A},
};

static int is_add(uint32_t w) { return (w & 0xFFC00000u) == 0x91000000u; }

/* z: the operand counts units of 2^z bytes. */
static unsigned scale_bits(uint32_t w) {
  if (is_add(w)) return 0;
  return (w >> 26 & 1) && (w >> 23 & 1) ? 4 : w >> 30;
}

static uint32_t immediate(const row *r, uint32_t w) { return (uint32_t)cs_operand(r, w) << scale_bits(w); }

static void look_page(const instruction_set *set, cs_decoder *d, unit *u, const row *r) {
  uint32_t w = cs_le32(u->old), i;
  uint32_t page = ((u->a >> 12) + (uint32_t)cs_operand(r, w)) << 12;
  cs_model(d)->registers[w & 31] = page | HOLDS;
  u->kind = 6;
  u->target = page;
  for (i = 1; i <= SEARCH_MAX; i++) {
    uint8_t bytes[4];
    const row *other;
    cs_old(d, u->old_at + 4 * i, bytes, 4);
    other = cs_find(set, bytes, 4);
    if (other == 0 || other->form != USER || (cs_le32(bytes) >> 5 & 31) != (w & 31)) continue;
    u->target = page + immediate(other, cs_le32(bytes));
    return;
  }
}

static void look_user(cs_decoder *d, unit *u, const row *r) {
  uint32_t w = cs_le32(u->old), *registers = cs_model(d)->registers, held = registers[w >> 5 & 31];
  u->kind = held != 0 ? 7 : 0;
  if (held == 0) return;
  u->target = (held & ~(uint32_t)HOLDS) + immediate(r, w);
  if (is_add(w)) registers[w & 31] = 0;
}

static void look(const instruction_set *set, cs_decoder *d, unit *u) {
  cs_rows_look(set, d, u);
  if (u->kind != SPECIAL) return;
  if (u->form == PAGE) look_page(set, d, u, cs_find(set, u->old, 4));
  else look_user(d, u, cs_find(set, u->old, 4));
}

static int put(const instruction_set *set, const unit *u, uint8_t *bytes, uint32_t target) {
  uint32_t w = cs_le32(bytes), q;
  if (u->form < PAGE) return cs_rows_put(set, u, bytes, target);
  if (u->form == PAGE) {
    q = (target >> 12) - (u->b >> 12);
  } else {
    if (target & (((uint32_t)1 << scale_bits(w)) - 1)) return 0;
    q = (target & 0xFFF) >> scale_bits(w);
  }
  cs_put_le32(bytes, cs_with_operand(cs_find(set, bytes, 4), w, q));
  return 1;
}

const instruction_set cs_aarch64 = {rows, sizeof rows / sizeof *rows, 4, LITTLE, cs_size_4, look, put, cs_rows_tell};
