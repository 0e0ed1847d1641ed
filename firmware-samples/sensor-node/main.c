/* Sensor node: five quantities, alarms, a sealed report to the gateway, a service port. */
#include <string.h>

#include "alarms.h"
#include "board.h"
#include "commands.h"
#include "crypto.h"
#include "events.h"
#include "fault.h"
#include "hal.h"
#include "radio.h"
#include "sched.h"
#include "selftest.h"
#include "sensors.h"
#include "settings.h"
#include "shell.h"
#include "store.h"
#include "telemetry.h"
#include "vibration.h"

#define WATCHDOG_MS 8000u
#define SECRET_KEY 0x300

/* The boot loader keeps the image only if this word holds the agreed value after the first start. */
__attribute__((section(".noinit"))) static volatile uint32_t boot_confirmed;
#define BOOT_CONFIRMED 0xc0f1a3d5u

static void blink(void *context) {
  static bool on;
  (void)context;
  gpio_regs *gpio = (gpio_regs *)BOARD_GPIO_BASE;
  on = !on;
  if (on || alarms_active()) gpio->set = BOARD_PIN_LED;
  else gpio->clear = BOARD_PIN_LED;
}

/* A node without a provisioned secret gets one bound to its chip, so that the gateway can enrol it by its id. */
static void load_secret(uint8_t secret[32]) {
  if (store_get(SECRET_KEY, secret, 32) == 32) return;
  hkdf_sha256(BOARD_UNIQUE_ID, 12, "sensor node, not yet provisioned", secret, 32);
}

static void report_last_crash(void) {
  fault_info info;
  if (fault_last(&info)) log_event(EVENT_CRASHED, (int32_t)info.pc, (int32_t)info.count);
}

static void start(void) {
  uint8_t secret[32];
  clock_init();
  uart_init(115200);
  adc_init();
  watchdog_start(WATCHDOG_MS);
  log_begin(event_kinds, EVENT_KINDS);
  if (!store_open()) log_event(EVENT_STORE_BROKEN, 0, 0);
  settings_load();
  sensors_begin();
  report_last_crash();
  log_event(EVENT_STARTED, board_revision() - 'A', (int32_t)boot_confirmed);
  if (selftest_run()) boot_confirmed = BOOT_CONFIRMED;
  load_secret(secret);
  radio_begin(secret);
  memset(secret, 0, sizeof secret);
}

int main(void) {
  start();
  sched_add("sample", 0, 100, sensors_sample, NULL);
  sched_add("modem", 1, 10, radio_poll, NULL);
  sched_add("link", 2, 100, radio_tick, NULL);
  sched_add("alarms", 2, 1000, alarms_check, NULL);
  sched_add("shell", 4, 20, shell_poll, NULL);
  sched_add("blink", 5, 500, blink, NULL);
#if SINCE(1, 1, 0)
  sched_add("vibration", 4, 60000, vibration_measure, NULL);
#endif
  telemetry_begin();
  commands_begin();
  for (;;) {
    watchdog_feed();
    if (!sched_run_once()) cpu_sleep();
  }
}
