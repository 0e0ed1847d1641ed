#include "internal.h"

#include <string.h>

static const instruction_set *instructions(const cs_decoder *d) {
  switch (PREDICTOR(d)) {
#if HAS_PREDICTOR(1)
    case THUMB: return &cs_thumb;
#endif
#if HAS_PREDICTOR(2)
    case RISCV: return &cs_riscv;
#endif
#if HAS_PREDICTOR(3)
    case XTENSA: return &cs_xtensa;
#endif
#if HAS_PREDICTOR(4)
    case ARM: return &cs_arm;
#endif
#if HAS_PREDICTOR(5)
    case AARCH64: return &cs_aarch64;
#endif
#if HAS_PREDICTOR(6)
    case AVR: return &cs_avr;
#endif
#if HAS_PREDICTOR(7)
    case XTENSA_BE: return &cs_xtensa_be;
#endif
    default: return 0;
  }
}

/* A pointer's word: big-endian with predictor 7 alone. */
static uint32_t word(const cs_decoder *d, const uint8_t *p) {
  if (PREDICTOR(d) != XTENSA_BE) return cs_le32(p);
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_word(const cs_decoder *d, uint8_t *p, uint32_t value) {
  unsigned i;
  for (i = 0; i < 4; i++) p[PREDICTOR(d) == XTENSA_BE ? 3 - i : i] = (uint8_t)(value >> 8 * i);
}

/* Rule 1: is there a pointer at this offset, which lies at address a? */
static int pointer_at(cs_decoder *d, uint32_t offset, uint32_t a, uint32_t *target) {
  uint8_t bytes[4];
  uint32_t place;
  if (!d->pointers || a % 4 != 0) return 0;
  cs_old(d, offset, bytes, 4);
  *target = word(d, bytes);
  return cs_offset(d, *target, &place) || cs_in_ram(d, *target);
}

static learned *slot(cs_decoder *d, uint32_t target) {
  unsigned bits = 0;
  while (((uint32_t)1 << bits) < d->learned) bits++;
  return &cs_learned(d)[bits == 0 ? 0 : target * 0x9E3779B1u >> (32 - bits)];
}

static uint32_t becomes(cs_decoder *d, const copy *c, uint32_t target) {
  const model *m = cs_model(d);
  const run *runs = cs_runs(d);
  unsigned image_runs = (unsigned)d->runs - d->ram_runs;
  uint32_t x = 0;
  int inside = cs_offset(d, target, &x);
  if (inside && x - c->s < c->n) {
    return cs_address(m->new_regions, d->new_regions, (int64_t)x - c->s + c->d, 0);
  }
  if (d->learned != 0) {
    const learned *entry = slot(d, target);
    if (entry->key == target) return entry->value;
  }
  if (!inside) {
    if (!cs_in_ram(d, target)) return target;
    return target + cs_shift(runs + image_runs, d->ram_runs, target - m->ram_address);
  }
  return cs_address(m->new_regions, d->new_regions, (int64_t)x + cs_signed32(cs_shift(runs, image_runs, x)), 0);
}

/* Rules 1 to 5: size, kind, form and target of the unit at u->old_at. */
static void measure(cs_decoder *d, uint32_t left, unit *u) {
  const instruction_set *set = instructions(d);
  uint32_t target, next;
  int code;
  u->a = cs_address(cs_model(d)->old_regions, d->old_regions, u->old_at, &code);
  u->kind = PLAIN;
  u->form = 0;
  next = 4 - u->a % 4;
  if (pointer_at(d, u->old_at, u->a, &u->target)) {
    u->size = 4;
    u->kind = POINTER;
  } else if (!code || set == 0) {
    u->size = (uint8_t)next;
  } else if (u->a % set->align != 0) {
    u->size = 1;
  } else {
    set->look(set, d, u);
    if (set->align == 1 && next < u->size && pointer_at(d, u->old_at + next, u->a + next, &target)) {
      u->size = (uint8_t)next;
      u->kind = PLAIN;
    }
  }
  if (u->size > left) {
    u->size = (uint8_t)left;
    u->kind = PLAIN;
  }
}

/* The unit that begins when `done` bytes of the copy stand. */
void cs_look(cs_decoder *d, const copy *c, uint32_t done, unit *u) {
  memset(u, 0, sizeof *u);
  u->old_at = c->s + done;
  d->walk = u->old_at;
  cs_old(d, u->old_at, u->old, UNIT_MAX);
  measure(d, c->n - done, u);
  memcpy(u->guess, u->old, UNIT_MAX);
  if (u->kind == PLAIN) return;
  u->b = cs_address(cs_model(d)->new_regions, d->new_regions, (int64_t)c->d + done, 0);
  u->made = becomes(d, c, u->target);
  cs_put(d, u, u->guess, u->made);
  u->moved = memcmp(u->guess, u->old, u->size) != 0;
}

int cs_put(const cs_decoder *d, const unit *u, uint8_t *bytes, uint32_t target) {
  if (u->kind != POINTER) return instructions(d)->put(instructions(d), u, bytes, target);
  put_word(d, bytes, target);
  return 1;
}

void cs_learn(cs_decoder *d, const unit *u, const uint8_t *fresh) {
  learned *entry;
  uint32_t found;
  if (d->learned == 0 || u->kind == PLAIN) return;
  if (u->kind == POINTER) found = word(d, fresh);
  else if (!instructions(d)->tell(instructions(d), u, fresh, &found)) return;
  if (found == u->made) return;
  entry = slot(d, u->target);
  entry->key = u->target;
  entry->value = found;
}
