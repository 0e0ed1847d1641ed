#include "internal.h"

enum { PAIR_8 = 5, PAIR_9 = 6, UPPER = 7, USER = 8, STORE_USER = 9, AUIPC = 10 };
enum { SEARCH_MAX = 12 };

static const uint8_t jal[] = {31, 31, 19, 12, 20, 20, LAST | 30, 21};
static const uint8_t branch[] = {31, 31, 7, 7, 30, 25, LAST | 11, 8};
static const uint8_t c_jump[] = {12, 12, 8, 8, 10, 9, 6, 6, 7, 7, 2, 2, 11, 11, LAST | 5, 3};
static const uint8_t c_branch[] = {12, 12, 6, 5, 2, 2, 11, 10, LAST | 4, 3};
static const uint8_t upper[] = {LAST | 31, 12};
static const uint8_t user[] = {LAST | 31, 20};
static const uint8_t store[] = {31, 25, LAST | 11, 7};

static const row rows[] = {
    {0x7F, 0x6F, jal, 4, 1, 2, SIGNED, 2, AT_A},
    {0x7F, 0x63, branch, 4, 2, 4, SIGNED, 2, AT_A},
    {0x6003, 0x2001, c_jump, 2, 3, 3, SIGNED, 2, AT_A},
    {0xC003, 0xC001, c_branch, 2, 4, 4, SIGNED, 2, AT_A},
    {0x7F, 0x17, upper, 4, AUIPC, SPECIAL, UNSIGNED, 1, AT_0},
    {0x7F, 0x37, upper, 4, UPPER, SPECIAL, UNSIGNED, 1, AT_0},
    {0x7F, 0x67, user, 4, USER, SPECIAL, SIGNED, 1, AT_0},
    {0x7F, 0x03, user, 4, USER, SPECIAL, SIGNED, 1, AT_0},
    {0x7F, 0x07, user, 4, USER, SPECIAL, SIGNED, 1, AT_0},
    {0x707F, 0x13, user, 4, USER, SPECIAL, SIGNED, 1, AT_0},
    {0x7F, 0x23, store, 4, STORE_USER, SPECIAL, SIGNED, 1, AT_0},
    {0x7F, 0x27, store, 4, STORE_USER, SPECIAL, SIGNED, 1, AT_0},
};

static uint8_t size(const uint8_t *bytes) { return (bytes[0] & 3) == 3 ? 4 : 2; }

/* The row of the user at `bytes` if it uses that register, else 0. */
static const row *user_of(const instruction_set *set, const uint8_t *bytes, unsigned reg) {
  const row *r = cs_find(set, bytes, 4);
  if (r == 0 || (r->form != USER && r->form != STORE_USER)) return 0;
  return (cs_le32(bytes) >> 15 & 31) == reg ? r : 0;
}

static uint32_t immediate(const row *r, const uint8_t *bytes) { return (uint32_t)cs_operand(r, cs_le32(bytes)); }

/* A pair's form at these 8 bytes, 0 for none. */
static unsigned pair(const instruction_set *set, const uint8_t *bytes, uint32_t a, uint32_t *target) {
  uint32_t w = cs_le32(bytes);
  const row *r;
  if ((w & 0x7F) != 0x17) return 0;
  r = user_of(set, bytes + 4, w >> 7 & 31);
  if (r == 0) return 0;
  *target = a + (w & 0xFFFFF000u) + immediate(r, bytes + 4);
  return r->form == USER ? PAIR_8 : PAIR_9;
}

static void look_upper(const instruction_set *set, cs_decoder *d, unit *u) {
  uint32_t w = cs_le32(u->old), at = u->old_at + 4;
  unsigned i, rd = w >> 7 & 31;
  cs_model(d)->registers[rd] = w & 0xFFFFF000u;
  u->kind = 0;
  for (i = 0; i < SEARCH_MAX; i++) {
    uint8_t bytes[4];
    const row *r;
    cs_old(d, at, bytes, 4);
    r = user_of(set, bytes, rd);
    if (r != 0) {
      u->target = (w & 0xFFFFF000u) + immediate(r, bytes);
      u->kind = 6;
      return;
    }
    at += size(bytes);
  }
}

static void look_user(cs_decoder *d, unit *u, const row *r) {
  uint32_t held = cs_model(d)->registers[cs_le32(u->old) >> 15 & 31];
  u->kind = held != 0 ? 7 : 0;
  u->target = held + immediate(r, u->old);
}

/* Rule 4: instructions that write a register make it unknown. */
static int forgets(const uint8_t *bytes, unsigned rd) {
  unsigned opcode = bytes[0] & 0x7F;
  uint32_t w = bytes[0] | (uint32_t)bytes[1] << 8;
  if ((bytes[0] & 3) == 3) {
    return opcode != 0x6F && opcode != 0x63 && opcode != 0x17 && opcode != 0x37 && opcode != 0x07 && opcode != 0x23 &&
           opcode != 0x27;
  }
  w &= 0xE003;
  return w == 0x4001 || w == 0x8002 || w == 0x0002 || (w == 0x6001 && rd != 2);
}

static void look(const instruction_set *set, cs_decoder *d, unit *u) {
  unsigned rd = cs_le32(u->old) >> 7 & 31, form;
  cs_rows_look(set, d, u);
  if (u->kind == SPECIAL) {
    u->kind = 0;
    if (u->form == UPPER) {
      look_upper(set, d, u);
    } else if (u->form != AUIPC) {
      look_user(d, u, cs_find(set, u->old, 4));
    } else if ((form = pair(set, u->old, u->a, &u->target)) != 0) {
      u->form = (uint8_t)form;
      u->size = 8;
      u->kind = 2;
    }
  }
  if (forgets(u->old, rd)) cs_model(d)->registers[rd] = 0;
}

static void put_user(const instruction_set *set, uint8_t *bytes, uint32_t low) {
  cs_put_le32(bytes, cs_with_operand(cs_find(set, bytes, 4), cs_le32(bytes), low & 0xFFF));
}

static void put_upper(uint8_t *bytes, uint32_t value) {
  cs_put_le32(bytes, (cs_le32(bytes) & 0xFFF) | ((value + 0x800) & 0xFFFFF000u));
}

static int put(const instruction_set *set, const unit *u, uint8_t *bytes, uint32_t target) {
  if (u->form < PAIR_8) return cs_rows_put(set, u, bytes, target);
  if (u->form == UPPER) put_upper(bytes, target);
  else if (u->form >= USER) put_user(set, bytes, target);
  else {
    put_upper(bytes, target - u->b);
    put_user(set, bytes + 4, target - u->b);
  }
  return 1;
}

static int tell(const instruction_set *set, const unit *u, const uint8_t *bytes, uint32_t *target) {
  if (u->form < PAIR_8) return cs_rows_tell(set, u, bytes, target);
  if (u->form > PAIR_9) return 0;
  return pair(set, bytes, u->b, target) == u->form;
}

const instruction_set cs_riscv = {rows, sizeof rows / sizeof *rows, 2, LITTLE, size, look, put, tell};
