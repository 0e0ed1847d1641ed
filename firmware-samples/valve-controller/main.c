/* Valve controller: holds a flow, follows a weekly programme, obeys the field bus. */
#include <stddef.h>

#include "board.h"
#include "commands.h"
#include "crc.h"
#include "crypto.h"
#include "events.h"
#include "fault.h"
#include "flow.h"
#include "hal.h"
#include "program.h"
#include "sched.h"
#include "shell.h"
#include "store.h"
#include "valve.h"

#define WATCHDOG_MS 4000u
#define SUPPLY_COUNTS_MIN 2600u

static bool crypto_works(void) {
  static const uint8_t expected[4] = {0xf7, 0xbc, 0x83, 0xf4};
  uint8_t mac[32];
  hmac_sha256((const uint8_t *)"key", 3, "The quick brown fox jumps over the lazy dog", 43, mac);
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
  uart_init(57600);
  adc_init();
  watchdog_start(WATCHDOG_MS);
  log_begin(event_kinds, EVENT_KINDS);
  if (!store_open()) log_event(EVENT_STORE_BROKEN, 0, 0);
  report_last_crash();
  unsigned failed = self_test();
  if (failed) log_event(EVENT_SELF_TEST, (int32_t)failed, 0);
  log_event(EVENT_STARTED, (int32_t)failed, 0);
  valve_begin();
  flow_begin();
  program_begin();
  sched_add("valve", 0, 1, valve_step, NULL);
  sched_add("measure", 1, 500, flow_measure, NULL);
  sched_add("control", 2, 2000, flow_control, NULL);
  sched_add("program", 3, 1000, program_check, NULL);
  sched_add("shell", 4, 20, shell_poll, NULL);
  commands_begin();
  for (;;) {
    watchdog_feed();
    if (!sched_run_once()) cpu_sleep();
  }
}
