/* The decoder on a bare Cortex-M4, for the emulator: one container from flash, the result compared, instructions and stack
   counted. The emulator's clock goes on by a nanosecond with each instruction, and the timer below by one in 40. */
#include "../decoder.h"

#include <string.h>

enum { NANOSECONDS_PER_TICK = 40, STACK_WORDS = 2048, WORKSPACE_BYTES = 1 << 20 };
static const uint32_t PAINT = 0xDEADBEEF;

extern const uint8_t old_image[], old_end[], new_image[], new_end[], container[], container_end[];
static uint32_t workspace[WORKSPACE_BYTES / 4];
static uint32_t stack[STACK_WORDS];

typedef struct {
  volatile uint32_t control;
  volatile uint32_t value;
  volatile uint32_t reload;
} timer;
#define TIMER ((timer *)0x40000000u)

static uint32_t calls, matching;

static int read_old(void *context, uint32_t offset, uint8_t *into, uint32_t bytes) {
  (void)context;
  calls++;
  memcpy(into, old_image + offset, bytes);
  return 0;
}

static int write_page(void *context, uint32_t offset, const uint8_t *page, uint32_t bytes) {
  (void)context;
  if (memcmp(new_image + offset, page, bytes) == 0) matching += bytes;
  return 0;
}

static void semihosting(uint32_t operation, const void *argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(const char *name, uint32_t value) {
  char text[12], *p = text + sizeof text;
  *--p = 0;
  do *--p = (char)('0' + value % 10);
  while (value /= 10);
  semihosting(4, name);
  semihosting(4, p);
  semihosting(4, "\n");
}

static void run(void) {
  uint32_t begin, i, unused = 0;
  cs_ports ports = {0, read_old, write_page, 0, 0, 0, WORKSPACE_BYTES};
  cs_decoder *d;
  cs_status status;
  ports.new_bytes = (uint32_t)(new_end - new_image);
  ports.old_bytes = (uint32_t)(old_end - old_image);
  ports.slot_bytes = ports.new_bytes;
  TIMER->reload = TIMER->value = 0xFFFFFFFFu;
  TIMER->control = 1;
  begin = TIMER->value;
  d = cs_begin(workspace, &ports);
  cs_push(d, container, (uint32_t)(container_end - container));
  status = cs_finish(d);
  i = begin - TIMER->value;
  print("status ", status);
  print("wrong bytes ", ports.new_bytes - matching);
  print("reads ", calls);
  print("thousand instructions ", i / (1000 / NANOSECONDS_PER_TICK));
  while (stack[unused] == PAINT) unused++;
  print("stack bytes ", 4 * (STACK_WORDS - unused));
  semihosting(0x18, (const void *)0x20026);
}

static void reset(void) {
  uint32_t i, *top = stack + STACK_WORDS - 16;
  for (i = 0; stack + i < top; i++) stack[i] = PAINT;
  run();
  for (;;) continue;
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {stack + STACK_WORDS, (void *)reset};
