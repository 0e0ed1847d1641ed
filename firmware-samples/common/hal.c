#include "hal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "board.h"

#ifdef __riscv
#define TIMER_NOW (*(volatile uint32_t *)(BOARD_TIMER_BASE + 0xbff8u))
#define TIMER_DUE ((volatile uint32_t *)(BOARD_TIMER_BASE + 0x4000u))
#else
#define SYSTICK_CONTROL (*(volatile uint32_t *)0xe000e010)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xe000e014)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xe000e018)
#define SCB_AIRCR (*(volatile uint32_t *)0xe000ed0c)
#endif

#define UART ((uart_regs *)BOARD_UART_BASE)
#define ADC ((adc_regs *)BOARD_ADC_BASE)
#define FLASHC ((flash_regs *)BOARD_FLASHC_BASE)
#define WATCHDOG ((watchdog_regs *)BOARD_WATCHDOG_BASE)

#define FLASH_BUSY 1u
#define FLASH_ERROR 2u
#define FLASH_PROGRAM 1u
#define FLASH_ERASE 2u
#define FLASH_START 4u
#define FLASH_LOCK 0x80u

static volatile uint32_t ticks;

#ifdef __riscv

#define TICK (BOARD_TIMER_HZ / 1000u)

/* The high word goes to its maximum first, so that no comparison in between is due. */
static void next_tick(uint32_t due) {
  TIMER_DUE[1] = 0xffffffffu;
  TIMER_DUE[0] = due;
  TIMER_DUE[1] = 0;
}

void timer_handler(void) {
  ticks++;
  next_tick(TIMER_DUE[0] + TICK);
}

void clock_init(void) {
  next_tick(TIMER_NOW + TICK);
  __asm volatile(".option arch, +zicsr\ncsrs mie, %0\ncsrs mstatus, %1" ::"r"(0x80u), "r"(0x8u));
}

#else

void systick_handler(void) {
  ticks++;
}

void clock_init(void) {
  SYSTICK_RELOAD = BOARD_CLOCK_HZ / 1000u - 1u;
  SYSTICK_VALUE = 0;
  SYSTICK_CONTROL = 7u;
}

#endif

uint32_t clock_ms(void) {
  return ticks;
}

void clock_wait_ms(uint32_t ms) {
  uint32_t start = ticks;
  while (ticks - start < ms) cpu_sleep();
}

void cpu_sleep(void) {
  __asm volatile("wfi");
}

void cpu_restart(void) {
#ifdef __riscv
  WATCHDOG->reload = 0;
  WATCHDOG->key = 0xccccu;
#else
  __asm volatile("dsb" ::: "memory");
  SCB_AIRCR = 0x05fa0004u;
#endif
  for (;;) __asm volatile("nop");
}

void uart_init(uint32_t baud) {
  UART->divider = (BOARD_CLOCK_HZ + baud / 2u) / baud;
  UART->control = 0x0du; /* enable, receive, transmit */
}

bool uart_read(uint8_t *byte) {
  if (!(UART->status & 1u)) return false;
  *byte = (uint8_t)UART->data;
  return true;
}

void uart_write(const void *bytes, size_t length) {
  const uint8_t *p = bytes;
  for (size_t i = 0; i < length; i++) {
    uint32_t spins = 0;
    while (!(UART->status & 2u))
      if (++spins > SPINS_MAX) return;
    UART->data = p[i];
  }
}

void uart_print(const char *text) {
  uart_write(text, strlen(text));
}

void uart_printf(const char *format, ...) {
  char line[160];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (length < 0) return;
  uart_write(line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

void adc_init(void) {
  ADC->sample_time = BOARD_ADC_SAMPLE_TIME;
  ADC->control = 1u;
}

uint16_t adc_read(unsigned channel) {
  ADC->control = 1u | ((channel & 15u) << 8);
  ADC->control |= 2u;
  for (uint32_t spins = 0; !(ADC->status & 1u); spins++)
    if (spins > SPINS_MAX) return 0;
  return (uint16_t)(ADC->result & 0xfffu);
}

void watchdog_start(uint32_t timeout_ms) {
  WATCHDOG->reload = timeout_ms;
  WATCHDOG->key = 0xccccu;
}

void watchdog_feed(void) {
  WATCHDOG->key = 0xaaaau;
}

static bool flash_wait(void) {
  for (uint32_t spins = 0; FLASHC->status & FLASH_BUSY; spins++)
    if (spins > SPINS_MAX) return false;
  return !(FLASHC->status & FLASH_ERROR);
}

static void flash_unlock(void) {
  if (!(FLASHC->control & FLASH_LOCK)) return;
  FLASHC->key = 0x45670123u;
  FLASHC->key = 0xcdef89abu;
}

bool flash_erase_page(uint32_t address) {
  flash_unlock();
  FLASHC->page = address;
  FLASHC->control = FLASH_ERASE;
  FLASHC->control |= FLASH_START;
  bool done = flash_wait();
  FLASHC->control = FLASH_LOCK;
  return done;
}

bool flash_program(uint32_t address, const void *bytes, size_t length) {
  if ((address | length) & 3u) return false;
  const uint8_t *p = bytes;
  flash_unlock();
  FLASHC->control = FLASH_PROGRAM;
  bool done = true;
  for (size_t i = 0; done && i < length; i += 4) {
    uint32_t word;
    memcpy(&word, p + i, 4);
    *(volatile uint32_t *)(address + i) = word;
    done = flash_wait();
  }
  FLASHC->control = FLASH_LOCK;
  return done && memcmp((const void *)address, bytes, length) == 0;
}
