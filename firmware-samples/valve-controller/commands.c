#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "bus.h"
#include "calendar.h"
#include "cbor.h"
#include "descriptor.h"
#include "events.h"
#include "flow.h"
#include "hal.h"
#include "program.h"
#include "sched.h"
#include "shell.h"
#include "valve.h"

static bool run_version(int count, char **args) {
  (void)count, (void)args;
  uart_printf("%s %s\r\n", descriptor_product(), descriptor_version());
  return true;
}

static bool run_status(int count, char **args) {
  (void)count, (void)args;
  const flow_status *f = flow_now();
  uart_printf("  valve %s at %ld of %d steps, goal %ld, jams %lu\r\n", valve_state_names[valve_now()],
              (long)valve_position(), VALVE_STEPS, (long)valve_target(), (unsigned long)valve_jams());
  uart_printf("  flow %.2f of %.2f l/min, %.1f l in all\r\n", (double)f->litres_per_minute, (double)flow_goal(),
              (double)f->total_litres);
  uart_printf("  pressure %.2f and %.2f bar%s%s\r\n", (double)f->upstream_bar, (double)f->downstream_bar,
              f->leaking ? ", LEAK" : "", f->dry ? ", DRY" : "");
  return true;
}

static bool run_goal(int count, char **args) {
  (void)count;
  float value;
  if (!parse_float(args[0], 0.0f, 60.0f, &value)) return false;
  flow_set_goal(value);
  return true;
}

static bool run_move(int count, char **args) {
  (void)count;
  long steps;
  return parse_int(args[0], 0, VALVE_STEPS, &steps) && valve_go((int32_t)steps);
}

static bool run_home(int count, char **args) {
  (void)count, (void)args;
  valve_home();
  return true;
}

static bool run_tune(int count, char **args) {
  (void)count;
  float p, i, d;
  return parse_float(args[0], 0.0f, 500.0f, &p) && parse_float(args[1], 0.0f, 500.0f, &i) &&
         parse_float(args[2], 0.0f, 500.0f, &d) && flow_tune(p, i, d);
}

static bool run_program(int count, char **args) {
  (void)count, (void)args;
  program_print();
  return true;
}

static bool run_add(int count, char **args) {
  (void)count;
  program_slot slot = {0};
  unsigned hour, minute;
  long minutes;
  float flow;
  if (!program_parse_weekdays(args[0], &slot.weekdays)) return false;
  if (sscanf(args[1], "%2u:%2u", &hour, &minute) != 2 || hour > 23 || minute > 59) return false;
  if (!parse_int(args[2], 1, 720, &minutes) || !parse_float(args[3], 0.1f, 60.0f, &flow)) return false;
  slot.start_minute = (uint16_t)(hour * 60 + minute);
  slot.minutes = (uint16_t)minutes;
  slot.decilitres_per_minute = (uint16_t)(flow * 10.0f + 0.5f);
  return program_add(&slot) >= 0;
}

static bool run_remove(int count, char **args) {
  (void)count;
  long index;
  return parse_int(args[0], 0, PROGRAM_SLOTS - 1, &index) && program_remove((unsigned)index);
}

static bool run_time(int count, char **args) {
  char text[32];
  civil_time t;
  if (count) {
    if (!civil_parse(args[0], &t)) return false;
    program_set_clock(civil_to_seconds(&t));
  }
  format_civil(program_clock(), text, sizeof text);
  uart_printf("%s\r\n", text);
  return true;
}

static bool run_bus(int count, char **args) {
  uint8_t message[48];
  char text[256];
  if (count) {
    int length = parse_hex(args[0], message, sizeof message);
    return length > 0 && bus_handle(message, (size_t)length) == BUS_DONE;
  }
  uint8_t status[96];
  if (cbor_describe(status, bus_status(status, sizeof status), text, sizeof text) < 0) return false;
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
  {"status", "", "valve, flow and pressure", 0, 0, run_status},
  {"goal", "l/min", "flow to hold, 0 closes", 1, 1, run_goal},
  {"move", "steps", "turn the valve by hand", 1, 1, run_move},
  {"home", "", "find the closed end again", 0, 0, run_home},
  {"tune", "p i d", "gains of the controller", 3, 3, run_tune},
  {"program", "", "the weekly programme", 0, 0, run_program},
  {"add", "days hh:mm minutes l/min", "a slot of the programme", 4, 4, run_add},
  {"remove", "slot", "out of the programme", 1, 1, run_remove},
  {"time", "[YYYY-MM-DDThh:mm:ss]", "show or set the clock", 0, 1, run_time},
  {"bus", "[hex]", "bus status, or obey a message", 0, 1, run_bus},
  {"log", "[level]", "events from that level up", 0, 1, run_log},
  {"tasks", "", "what the scheduler runs", 0, 0, run_tasks},
};

void commands_begin(void) {
  shell_begin(commands, sizeof commands / sizeof *commands, "valve> ");
}
