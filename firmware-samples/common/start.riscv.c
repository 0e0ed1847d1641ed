/* The way from reset to main, and traps, on RISC-V. It stands in for start.c there. */
#include <stdint.h>

extern uint32_t link_data_load, link_data_start, link_data_end, link_bss_start, link_bss_end;

int main(void);
void reset_handler(void);
void trap_handler(void);
void timer_handler(void);
void fault_record(const uint32_t *frame);
void start_c(void);

/* First in the image: a jump over the descriptor. Then the stack and the thread pointer, which errno lies behind. */
__attribute__((section(".vectors"), naked, used)) void reset_handler(void) {
  __asm volatile(
      ".option arch, +zicsr\n"
      ".option push\n"
      ".option norelax\n"
      "la gp, __global_pointer$\n"
      ".option pop\n"
      "la sp, link_stack_top\n"
      "la tp, link_thread_start\n"
      "la t0, trap_handler\n"
      "csrw mtvec, t0\n"
      "j start_c\n");
}

__attribute__((used)) void start_c(void) {
  const uint32_t *from = &link_data_load;
  for (uint32_t *to = &link_data_start; to < &link_data_end;) *to++ = *from++;
  for (uint32_t *to = &link_bss_start; to < &link_bss_end;) *to++ = 0;
  main();
  for (;;) __asm volatile("nop"); /* the watchdog, unfed, restarts the board */
}

#define TIMER_INTERRUPT 0x80000007u

static void trapped(const uint32_t *frame) {
  uint32_t cause;
  __asm volatile(".option arch, +zicsr\ncsrr %0, mcause" : "=r"(cause));
  if (cause == TIMER_INTERRUPT) timer_handler();
  else fault_record(frame);
}

/* Registers that a called function may change, in the order of fault_info: a0 to a3, t0, ra, then where and how. */
__attribute__((naked, aligned(4))) void trap_handler(void) {
  __asm volatile(
      ".option arch, +zicsr\n"
      "addi sp, sp, -80\n"
      "sw a0, 0(sp)\n sw a1, 4(sp)\n sw a2, 8(sp)\n sw a3, 12(sp)\n sw t0, 16(sp)\n sw ra, 20(sp)\n"
      "csrr t0, mepc\n sw t0, 24(sp)\n csrr t0, mstatus\n sw t0, 28(sp)\n"
      "sw a4, 32(sp)\n sw a5, 36(sp)\n sw a6, 40(sp)\n sw a7, 44(sp)\n sw t1, 48(sp)\n sw t2, 52(sp)\n"
      "sw t3, 56(sp)\n sw t4, 60(sp)\n sw t5, 64(sp)\n sw t6, 68(sp)\n"
      "mv a0, sp\n"
      "call %0\n"
      "lw a0, 0(sp)\n lw a1, 4(sp)\n lw a2, 8(sp)\n lw a3, 12(sp)\n lw t0, 16(sp)\n lw ra, 20(sp)\n"
      "lw a4, 32(sp)\n lw a5, 36(sp)\n lw a6, 40(sp)\n lw a7, 44(sp)\n lw t1, 48(sp)\n lw t2, 52(sp)\n"
      "lw t3, 56(sp)\n lw t4, 60(sp)\n lw t5, 64(sp)\n lw t6, 68(sp)\n"
      "addi sp, sp, 80\n"
      "mret\n" ::"i"(trapped));
}
