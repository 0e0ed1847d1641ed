#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "bearing.h"
#include "calendar.h"
#include "cbor.h"
#include "descriptor.h"
#include "events.h"
#include "hal.h"
#include "motor.h"
#include "release.h"
#include "sched.h"
#include "shell.h"

static bool run_version(int count, char **args) {
  (void)count, (void)args;
  uart_printf("%s %s\r\n", descriptor_product(), descriptor_version());
  return true;
}

static bool run_status(int count, char **args) {
  (void)count, (void)args;
  const motor_status *m = motor_now();
  char up[24];
  format_uptime(clock_ms(), up, sizeof up);
  uart_printf("  motor %s, %.2f A, winding %.1f C, heat %.0f %%\r\n", motor_state_names[motor_get_state()],
              (double)m->amperes, (double)m->winding_celsius, (double)m->heat * 100.0);
  uart_printf("  %lu s in all, %lu starts, %lu trips, last %s, up %s\r\n", (unsigned long)m->run_seconds,
              (unsigned long)m->starts, (unsigned long)m->trips, trip_names[motor_last_trip()], up);
  return true;
}

static bool run_limits(int count, char **args) {
  motor_limits l = *motor_get_limits();
  if (count == 4)
    return parse_float(args[0], 0.5f, 40.0f, &l.rated_amperes) && parse_float(args[1], 1.5f, 8.0f, &l.stall_factor) &&
           parse_float(args[2], 0.1f, 0.9f, &l.dry_factor) && parse_float(args[3], 5.0f, 900.0f, &l.heat_seconds) &&
           motor_set_limits(&l);
  uart_printf("  rated %.2f A, stall at %.1f, dry at %.2f, heat in %.0f s\r\n", (double)l.rated_amperes,
              (double)l.stall_factor, (double)l.dry_factor, (double)l.heat_seconds);
  return count == 0;
}

static bool run_reset(int count, char **args) {
  (void)count, (void)args;
  return motor_reset();
}

#if SINCE(3, 1, 0)
static bool run_bearing(int count, char **args) {
  const bearing_status *b = bearing_now();
  if (count) {
    if (strcmp(args[0], "learn") != 0) return false;
    bearing_learn();
    return true;
  }
  for (int i = 0; i < BEARING_TONES; i++)
    uart_printf("  tone %d %10.1f, normal %10.1f\r\n", i, (double)b->power[i], (double)b->normal[i]);
  uart_printf("  %lu measures%s\r\n", (unsigned long)b->measures, b->worn ? ", WORN" : "");
  return true;
}
#endif

static bool run_report(int count, char **args) {
  (void)count, (void)args;
  const motor_status *m = motor_now();
  uint8_t bytes[96];
  char text[256];
  cbor_writer w;
  cbor_begin(&w, bytes, sizeof bytes);
  cbor_map(&w, SINCE(3, 1, 0) ? 5 : 4);
  cbor_uint(&w, 1), cbor_text(&w, descriptor_version());
  cbor_uint(&w, 2), cbor_uint(&w, motor_get_state());
  cbor_uint(&w, 3), cbor_array(&w, 3);
  cbor_float(&w, m->amperes), cbor_float(&w, m->winding_celsius), cbor_float(&w, m->heat);
  cbor_uint(&w, 4), cbor_array(&w, 3);
  cbor_uint(&w, m->run_seconds), cbor_uint(&w, m->starts), cbor_uint(&w, m->trips);
#if SINCE(3, 1, 0)
  cbor_uint(&w, 5), cbor_bool(&w, bearing_now()->worn);
#endif
  if (w.overflow || cbor_describe(bytes, w.length, text, sizeof text) < 0) return false;
  uart_print(text);
  uart_print("\r\n");
  return true;
}

static bool run_log(int count, char **args) {
  static const char *const levels[LOG_LEVELS] = {"debug", "info", "warning", "error"};
  int level = count ? parse_choice(args[0], levels, LOG_LEVELS) : LOG_INFO;
  if (level >= 0) log_print((log_level)level);
  return level >= 0;
}

static bool run_tasks(int count, char **args) {
  (void)count, (void)args;
  for (unsigned i = 0; i < sched_count(); i++) {
    const task *t = sched_task(i);
    uart_printf("  %-10s %6lums %8lu runs %6lu late\r\n", t->name, (unsigned long)t->period_ms,
                (unsigned long)t->runs, (unsigned long)t->late);
  }
  return true;
}

static const command commands[] = {
  {"version", "", "product and release", 0, 0, run_version},
  {"status", "", "motor, current and winding", 0, 0, run_status},
  {"limits", "[amperes stall dry seconds]", "show or set what trips", 0, 4, run_limits},
  {"reset", "", "close the relay after a trip", 0, 0, run_reset},
#if SINCE(3, 1, 0)
  {"bearing", "[learn]", "tones of the bearing", 0, 1, run_bearing},
#endif
  {"report", "", "the report as it would be sent", 0, 0, run_report},
  {"log", "[level]", "events from that level up", 0, 1, run_log},
  {"tasks", "", "what the scheduler runs", 0, 0, run_tasks},
};

void commands_begin(void) {
  shell_begin(commands, sizeof commands / sizeof *commands, "pump> ");
}
