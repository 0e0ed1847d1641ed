#include "internal.h"

#define CODE ((uint32_t)1 << 31)

/* The section is a list of numbers; the step says which one comes. */
enum { POINTER_FLAG, RAM_ADDRESS, RAM_BYTES, OLD_COUNT, OLD_REGIONS, NEW_COUNT, NEW_REGIONS, RAM_RUNS, RUN_PAIRS, END };

static int region_number(cs_decoder *d, region *list, unsigned index, uint32_t image_bytes, unsigned half) {
  if (half == 0) {
    uint32_t distance = d->number >> 1, before = index == 0 ? 0 : list[index - 1].offset & ~CODE;
    if (index == 0 ? distance != 0 : distance == 0 || distance >= image_bytes - before) return WRONG;
    list[index].offset = (before + distance) | (d->number & 1 ? CODE : 0);
    return DONE;
  }
  list[index].address = (uint32_t)cs_signed(d->number);
  if (index > 0) {
    uint32_t distance = (list[index].offset & ~CODE) - (list[index - 1].offset & ~CODE);
    list[index].address += list[index - 1].address + distance;
  }
  return DONE;
}

static int run_number(cs_decoder *d, unsigned index, unsigned half) {
  run *list = cs_runs(d);
  int first = index == 0 || index == (unsigned)(d->runs - d->ram_runs);
  if (half == 0) {
    uint32_t before = first ? 0 : list[index - 1].start;
    if ((d->number == 0 && !first) || d->number > 0xFFFFFFFFu - before) return WRONG;
    list[index].start = before + d->number;
    return DONE;
  }
  list[index].shift = (uint32_t)cs_signed(d->number) + (first ? 0 : list[index - 1].shift);
  return DONE;
}

static int model_number(cs_decoder *d, unsigned step, unsigned index) {
  model *m = cs_model(d);
  switch (step) {
    case POINTER_FLAG:
      d->pointers = (uint8_t)d->number;
      return d->number > 1 ? WRONG : DONE;
    case RAM_ADDRESS:
      m->ram_address = d->number;
      return DONE;
    case RAM_BYTES:
      m->ram_bytes = d->number;
      return DONE;
    case OLD_COUNT:
    case NEW_COUNT:
      if (d->number < 1 || d->number > REGIONS_MAX) return WRONG;
      if (step == OLD_COUNT) d->old_regions = (uint8_t)d->number;
      else d->new_regions = (uint8_t)d->number;
      return DONE;
    case OLD_REGIONS:
      return region_number(d, m->old_regions, index / 2, d->old_bytes, index % 2);
    case NEW_REGIONS:
      return region_number(d, m->new_regions, index / 2, d->new_bytes, index % 2);
    case RAM_RUNS:
      d->ram_runs = (uint16_t)d->number;
      return d->number > d->runs ? WRONG : DONE;
    default:
      return run_number(d, index / 2, index % 2);
  }
}

static unsigned step_numbers(const cs_decoder *d, unsigned step) {
  if (step == OLD_REGIONS) return 2u * d->old_regions;
  if (step == NEW_REGIONS) return 2u * d->new_regions;
  return step == RUN_PAIRS ? 2u * d->runs : 1;
}

int cs_model_byte(cs_decoder *d, uint8_t byte) {
  unsigned step = d->model_phase, index = d->model_step;
  int read;
  if (step == END) return WRONG;
  read = cs_number(d, byte, 0);
  if (read != DONE) return read;
  if (model_number(d, step, index) == WRONG) return WRONG;
  d->model_step++;
  while (d->model_phase < END && d->model_step == step_numbers(d, d->model_phase)) {
    d->model_phase++;
    d->model_step = 0;
  }
  return DONE;
}

int cs_model_complete(const cs_decoder *d) { return d->model_phase == END; }

uint32_t cs_address(const region *list, unsigned count, int64_t offset, int *code) {
  unsigned i = count - 1;
  while (i > 0 && (int64_t)(list[i].offset & ~CODE) > offset) i--;
  if (code) *code = (list[i].offset & CODE) != 0;
  return list[i].address + (uint32_t)(offset - (int64_t)(list[i].offset & ~CODE));
}

int cs_offset(const cs_decoder *d, uint32_t address, uint32_t *offset) {
  const region *list = cs_model((cs_decoder *)d)->old_regions;
  unsigned i;
  for (i = 0; i < d->old_regions; i++) {
    uint32_t begin = list[i].offset & ~CODE;
    uint32_t end = i + 1u < d->old_regions ? list[i + 1].offset & ~CODE : d->old_bytes;
    if (address - list[i].address < end - begin) {
      *offset = begin + (address - list[i].address);
      return 1;
    }
  }
  return 0;
}

int cs_in_ram(const cs_decoder *d, uint32_t address) {
  const model *m = cs_model((cs_decoder *)d);
  return address - m->ram_address < m->ram_bytes;
}

uint32_t cs_shift(const run *list, unsigned count, uint32_t place) {
  unsigned low = 0, high = count;
  if (count == 0) return 0;
  while (high - low > 1) {
    unsigned middle = (low + high) / 2;
    if (list[middle].start <= place) low = middle;
    else high = middle;
  }
  return list[low].shift;
}
