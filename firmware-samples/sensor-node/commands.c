/* The words of the service port. */
#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include "alarms.h"
#include "calendar.h"
#include "cbor.h"
#include "crypto.h"
#include "descriptor.h"
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

static bool run_version(int count, char **args) {
  (void)count, (void)args;
  uart_printf("%s %s, board revision %c\r\n", descriptor_product(), descriptor_version(), board_revision());
  return true;
}

static bool run_read(int count, char **args) {
  for (unsigned i = 0; i < QUANTITIES; i++) {
    const quantity_info *q = &quantities[i];
    const reading *r = sensors_get(i);
    if (count && strncmp(args[0], q->name, strlen(args[0])) != 0) continue;
    if (!r->valid) {
      uart_printf("  %-12s no valid value\r\n", q->name);
      continue;
    }
    uart_printf("  %-12s %10.*f %-3s (%.*f to %.*f, deviation %.3g, %lu samples)\r\n", q->name, q->decimals,
                (double)r->value, q->unit, q->decimals, (double)r->window.low, q->decimals, (double)r->window.high,
                (double)stats_deviation(&r->window), (unsigned long)r->window.count);
  }
  return true;
}

static bool run_derived(int count, char **args) {
  (void)count, (void)args;
  float celsius = sensors_get(TEMPERATURE)->value, humidity = sensors_get(HUMIDITY)->value;
  uart_printf("  dew point    %6.1f C\r\n", (double)dew_point(celsius, humidity));
#if SINCE(1, 1, 0)
  uart_printf("  felt         %6.1f C\r\n", (double)heat_index(celsius, humidity));
#endif
  uart_printf("  altitude     %6.0f m\r\n",
              (double)altitude_metres(sensors_get(PRESSURE)->value, settings.sea_level_hpa * 100.0f));
  return true;
}

static bool run_calibrate(int count, char **args) {
  (void)count;
  const char *names[QUANTITIES];
  float value;
  for (unsigned i = 0; i < QUANTITIES; i++) names[i] = quantities[i].name;
  int quantity = parse_choice(args[0], names, QUANTITIES);
  return quantity >= 0 && parse_float(args[1], quantities[quantity].low, quantities[quantity].high, &value) &&
         sensors_calibrate((unsigned)quantity, value);
}

static bool run_set(int count, char **args) {
  if (count == 2) return settings_set(args[0], args[1]);
  settings_print();
  return count == 0;
}

static bool run_reset(int count, char **args) {
  (void)count;
  if (strcmp(args[0], "settings") != 0) return false;
  settings_reset();
  return true;
}

static bool run_time(int count, char **args) {
  char text[32];
  civil_time t;
  if (count) {
    if (!civil_parse(args[0], &t)) return false;
    wall_clock_set(civil_to_seconds(&t));
  }
  format_civil(wall_clock(), text, sizeof text);
  uart_printf("%s\r\n", text);
  return true;
}

static bool run_tasks(int count, char **args) {
  (void)count, (void)args;
  uart_printf("  %-10s %4s %8s %8s %6s %8s\r\n", "task", "prio", "period", "runs", "late", "longest");
  for (unsigned i = 0; i < sched_count(); i++) {
    const task *t = sched_task(i);
    uart_printf("  %-10s %4u %6lums %8lu %6lu %6lums\r\n", t->name, t->priority, (unsigned long)t->period_ms,
                (unsigned long)t->runs, (unsigned long)t->late, (unsigned long)t->longest_ms);
  }
  uart_printf("  load %lu %%\r\n", (unsigned long)sched_load_percent());
  return true;
}

static const char *const levels[LOG_LEVELS] = {"debug", "info", "warning", "error"};

static bool run_log(int count, char **args) {
  int level = count ? parse_choice(args[0], levels, LOG_LEVELS) : LOG_INFO;
  if (level >= 0) log_print((log_level)level);
  return level >= 0;
}

static bool run_echo(int count, char **args) {
  (void)count;
  int level = parse_choice(args[0], levels, LOG_LEVELS);
  if (level >= 0) log_set_echo((log_level)level);
  return level >= 0;
}

static bool run_radio(int count, char **args) {
  (void)count, (void)args;
  const radio_counts *c = radio_counters();
  uart_printf("%s, signal %d dBm\r\n", radio_state_name(), radio_signal_dbm());
  uart_printf("  sent %lu, answered %lu, retried %lu, given up %lu, received %lu, refused %lu\r\n",
              (unsigned long)c->sent, (unsigned long)c->acknowledged, (unsigned long)c->retried,
              (unsigned long)c->given_up, (unsigned long)c->received, (unsigned long)c->refused);
  return true;
}

static bool run_report(int count, char **args) {
  (void)count, (void)args;
  uint8_t message[RADIO_MESSAGE_MAX];
  char text[512];
  size_t length = telemetry_encode(message, sizeof message);
  if (cbor_describe(message, length, text, sizeof text) < 0) return false;
  uart_printf("%u bytes: ", (unsigned)length);
  uart_print(text);
  uart_print("\r\n");
  return true;
}

static bool run_inject(int count, char **args) {
  (void)count;
  uint8_t message[48];
  int length = parse_hex(args[0], message, sizeof message);
  return length > 0 && telemetry_handle(message, (size_t)length);
}

static bool run_test(int count, char **args) {
  (void)count, (void)args;
  bool passed = selftest_run();
  selftest_print();
  return passed;
}

static bool run_crash(int count, char **args) {
  fault_info info;
  if (count && strcmp(args[0], "forget") == 0) fault_forget();
  if (!fault_last(&info)) {
    uart_print("none\r\n");
    return true;
  }
  uart_printf("pc %08lx lr %08lx psr %08lx, %lu in all\r\n", (unsigned long)info.pc, (unsigned long)info.lr,
              (unsigned long)info.psr, (unsigned long)info.count);
  uart_printf("r0 %08lx r1 %08lx r2 %08lx r3 %08lx r12 %08lx\r\n", (unsigned long)info.r0, (unsigned long)info.r1,
              (unsigned long)info.r2, (unsigned long)info.r3, (unsigned long)info.r12);
  return true;
}

static bool run_digest(int count, char **args) {
  (void)count;
  long start, length;
  sha256_state s;
  uint8_t digest[32];
  if (!parse_int(args[0], 0x08000000, 0x0807ffff, &start) || !parse_int(args[1], 1, 0x80000, &length)) return false;
  sha256_begin(&s);
  for (long at = 0; at < length; at += 1024) {
    sha256_add(&s, (const void *)(start + at), (size_t)(length - at < 1024 ? length - at : 1024));
    watchdog_feed();
  }
  sha256_end(&s, digest);
  for (int i = 0; i < 32; i++) uart_printf("%02x", digest[i]);
  uart_print("\r\n");
  return true;
}

#if SINCE(1, 1, 0)
static bool run_vibration(int count, char **args) {
  (void)count, (void)args;
  vibration_measure(NULL);
  const vibration_result *v = vibration_last();
  uart_printf("  rms %.4f, strongest %.4f at %.1f Hz\r\n", (double)v->rms, (double)v->strongest,
              (double)v->strongest_hz);
  for (int i = 0; i < VIBRATION_TONES; i++)
    uart_printf("  %6.1f Hz %8.4f\r\n", (double)vibration_tones_hz[i], (double)v->tone[i]);
  return true;
}
#endif

static bool run_restart(int count, char **args) {
  (void)count, (void)args;
  cpu_restart();
  return true;
}

static const command commands[] = {
  {"version", "", "product, release and board", 0, 0, run_version},
  {"read", "[quantity]", "last values and their window", 0, 1, run_read},
  {"derived", "", "dew point and altitude", 0, 0, run_derived},
  {"calibrate", "quantity value", "make the present value read so", 2, 2, run_calibrate},
  {"set", "[name value]", "show or change settings", 0, 2, run_set},
  {"reset", "settings", "back to factory settings", 1, 1, run_reset},
  {"time", "[YYYY-MM-DDThh:mm:ss]", "show or set the clock", 0, 1, run_time},
  {"tasks", "", "what the scheduler runs", 0, 0, run_tasks},
  {"log", "[level]", "events from that level up", 0, 1, run_log},
  {"echo", "level", "events shown as they happen", 1, 1, run_echo},
  {"radio", "", "link state and counters", 0, 0, run_radio},
  {"report", "", "the next report in words", 0, 0, run_report},
  {"inject", "hex", "handle a message as if received", 1, 1, run_inject},
  {"test", "", "run the self-test", 0, 0, run_test},
  {"crash", "[forget]", "registers of the last crash", 0, 1, run_crash},
  {"digest", "address bytes", "SHA-256 of flash", 2, 2, run_digest},
#if SINCE(1, 1, 0)
  {"vibration", "", "measure the mounting", 0, 0, run_vibration},
#endif
  {"restart", "", "restart the board", 0, 0, run_restart},
};

void commands_begin(void) {
  shell_begin(commands, sizeof commands / sizeof *commands, "node> ");
}
