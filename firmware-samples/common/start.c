/* Vector table and the way from reset to main. */
#include <stdint.h>

extern uint32_t link_stack_top, link_data_load, link_data_start, link_data_end, link_bss_start, link_bss_end;

int main(void);
void reset_handler(void);
void systick_handler(void);
void fault_record(const uint32_t *frame);

/* Loop here with the watchdog unfed: it restarts the board, and the boot loader counts the failed boot. */
static void halt_handler(void) {
  for (;;) __asm volatile("nop");
}

/* Hand the stacked registers to C, so that the next start can report where it crashed. */
__attribute__((naked)) static void fault_handler(void) {
  __asm volatile(
      "mov r0, sp\n"
      "ldr r1, =fault_record\n"
      "blx r1\n"
      "b .\n");
}

typedef void (*vector)(void);

#define PERIPHERAL_VECTORS 32

__attribute__((section(".vectors"), used)) static const vector vectors[16 + PERIPHERAL_VECTORS] = {
  (vector)&link_stack_top,
  reset_handler,
  halt_handler,  /* NMI */
  fault_handler, /* hard fault */
  fault_handler, /* memory management */
  fault_handler, /* bus fault */
  fault_handler, /* usage fault */
  0, 0, 0, 0,
  halt_handler, /* supervisor call */
  halt_handler, /* debug monitor */
  0,
  halt_handler, /* pended service */
  systick_handler,
  [16 ... 16 + PERIPHERAL_VECTORS - 1] = halt_handler,
};

#define SCB_VTOR (*(volatile uint32_t *)0xe000ed08)

void reset_handler(void) {
  SCB_VTOR = (uint32_t)vectors;
  const uint32_t *from = &link_data_load;
  for (uint32_t *to = &link_data_start; to < &link_data_end;) *to++ = *from++;
  for (uint32_t *to = &link_bss_start; to < &link_bss_end;) *to++ = 0;
  main();
  halt_handler();
}
