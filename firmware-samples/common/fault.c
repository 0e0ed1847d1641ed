#include "fault.h"

#include <stddef.h>

#include "crc.h"
#include "hal.h"

#define FAULT_MAGIC 0xfa017001u

__attribute__((section(".noinit"))) static fault_info kept;

static bool kept_valid(void) {
  return kept.magic == FAULT_MAGIC && kept.check == crc32(0, &kept, offsetof(fault_info, check));
}

__attribute__((used)) void fault_record(const uint32_t *frame) {
  uint32_t count = kept_valid() ? kept.count + 1 : 1;
  kept = (fault_info){
    .magic = FAULT_MAGIC, .count = count, .r0 = frame[0], .r1 = frame[1], .r2 = frame[2], .r3 = frame[3],
    .r12 = frame[4], .lr = frame[5], .pc = frame[6], .psr = frame[7],
  };
  kept.check = crc32(0, &kept, offsetof(fault_info, check));
  cpu_restart();
}

bool fault_last(fault_info *info) {
  if (!kept_valid()) return false;
  *info = kept;
  return true;
}

void fault_forget(void) {
  kept.magic = 0;
}
