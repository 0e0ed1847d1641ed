#include "eventlog.h"

#include <stdio.h>

#include "calendar.h"
#include "hal.h"

#define EVENTS_KEPT 64

typedef struct {
  uint32_t at_ms;
  uint16_t kind;
  int32_t a, b;
} event;

static const char *const level_names[LOG_LEVELS] = {"debug", "info", "warning", "error"};

static const event_kind *kinds;
static unsigned kind_count;
static event events[EVENTS_KEPT];
static uint32_t written, counts[LOG_LEVELS];
static log_level echo = LOG_WARNING;

void log_begin(const event_kind *table, unsigned count) {
  kinds = table;
  kind_count = count;
}

static void print_event(const event *e) {
  char text[96], when[24];
  const event_kind *k = &kinds[e->kind];
  snprintf(text, sizeof text, k->format, (long)e->a, (long)e->b);
  format_uptime(e->at_ms, when, sizeof when);
  uart_printf("%s %-7s %s\r\n", when, level_names[k->level], text);
}

void log_event(unsigned kind, int32_t a, int32_t b) {
  if (kind >= kind_count) return;
  event *e = &events[written++ % EVENTS_KEPT];
  *e = (event){.at_ms = clock_ms(), .kind = (uint16_t)kind, .a = a, .b = b};
  counts[kinds[kind].level]++;
  if (kinds[kind].level >= (uint8_t)echo) print_event(e);
}

void log_set_echo(log_level lowest) {
  echo = lowest;
}

void log_print(log_level lowest) {
  uint32_t first = written > EVENTS_KEPT ? written - EVENTS_KEPT : 0;
  for (uint32_t i = first; i < written; i++) {
    const event *e = &events[i % EVENTS_KEPT];
    if (kinds[e->kind].level >= (uint8_t)lowest) print_event(e);
  }
}

uint32_t log_count(log_level level) {
  return counts[level];
}
