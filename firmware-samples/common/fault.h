/* The last crash, kept in memory that a restart does not clear. */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint32_t magic;
  uint32_t count;
  uint32_t r0, r1, r2, r3, r12, lr, pc, psr;
  uint32_t check;
} fault_info;

bool fault_last(fault_info *info);
void fault_forget(void);

#endif
