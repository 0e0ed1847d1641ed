/* Pump monitor: watches a motor's current, heat and bearing, and opens its relay before it breaks. */
#include <stddef.h>

#include "bearing.h"
#include "board.h"
#include "commands.h"
#include "crc.h"
#include "crypto.h"
#include "events.h"
#include "fault.h"
#include "hal.h"
#include "motor.h"
#include "release.h"
#include "sched.h"
#include "shell.h"
#include "store.h"

#define WATCHDOG_MS 4000u
#define SUPPLY_COUNTS_MIN 2600u

/* RFC 4231, test case 2, the first bytes. */
static bool crypto_works(void) {
  static const uint8_t expected[4] = {0x5b, 0xdc, 0xc1, 0x46};
  uint8_t mac[32];
  hmac_sha256((const uint8_t *)"Jefe", 4, "what do ya want for nothing?", 28, mac);
  return same_bytes(mac, expected, sizeof expected);
}

static unsigned self_test(void) {
  unsigned failed = 0;
  if (crc32(0, "123456789", 9) != 0xcbf43926u) failed |= 1u;
  if (!crypto_works()) failed |= 2u;
  if (adc_read(CHANNEL_SUPPLY) < SUPPLY_COUNTS_MIN) failed |= 4u;
  return failed;
}

static void report_last_crash(void) {
  fault_info info;
  if (fault_last(&info)) log_event(EVENT_CRASHED, (int32_t)info.pc, (int32_t)info.count);
}

int main(void) {
  clock_init();
  uart_init(115200);
  adc_init();
  watchdog_start(WATCHDOG_MS);
  log_begin(event_kinds, EVENT_KINDS);
  if (!store_open()) log_event(EVENT_STORE_BROKEN, 0, 0);
  report_last_crash();
  unsigned failed = self_test();
  if (failed) log_event(EVENT_SELF_TEST, (int32_t)failed, 0);
  log_event(EVENT_STARTED, (int32_t)failed, 0);
  motor_begin();
  sched_add("measure", 0, 50, motor_measure, NULL);
  sched_add("watch", 1, 1000, motor_watch, NULL);
  sched_add("shell", 4, 20, shell_poll, NULL);
#if SINCE(3, 1, 0)
  bearing_begin();
  sched_add("bearing", 3, 10000, bearing_measure, NULL);
#endif
  commands_begin();
  for (;;) {
    watchdog_feed();
    if (!sched_run_once()) cpu_sleep();
  }
}
