#include "program.h"

#include <ctype.h>
#include <string.h>

#include "calendar.h"
#include "events.h"
#include "flow.h"
#include "hal.h"
#include "store.h"

#define SLOT_KEY 0x40
#define CLOCK_UNSET_BEFORE 1600000000u /* no real clock was ever set to less */

static program_slot slots[PROGRAM_SLOTS];
static uint32_t clock_offset;
static int running = -1;

void program_begin(void) {
  for (unsigned i = 0; i < PROGRAM_SLOTS; i++)
    if (store_get((uint16_t)(SLOT_KEY + i), &slots[i], sizeof slots[i]) < 0) slots[i].weekdays = 0;
}

uint32_t program_clock(void) {
  return clock_offset + clock_ms() / 1000u;
}

void program_set_clock(uint32_t seconds) {
  clock_offset = seconds - clock_ms() / 1000u;
}

/* A slot may run past midnight, so the day before is looked at too. */
static bool covers(const program_slot *slot, const civil_time *t) {
  unsigned minute = t->hour * 60u + t->minute, end = slot->start_minute + slot->minutes;
  unsigned yesterday = (t->weekday + 6u) % 7u;
  if (slot->weekdays >> t->weekday & 1u && minute >= slot->start_minute && minute < end) return true;
  return slot->weekdays >> yesterday & 1u && end > 1440u && minute < end - 1440u;
}

static int due(void) {
  civil_time t;
  if (program_clock() < CLOCK_UNSET_BEFORE) return -1;
  civil_from_seconds(program_clock(), &t);
  for (int i = 0; i < PROGRAM_SLOTS; i++)
    if (slots[i].weekdays && covers(&slots[i], &t)) return i;
  return -1;
}

void program_check(void *context) {
  (void)context;
  int slot = due();
  if (slot == running) return;
  log_event(slot < 0 ? EVENT_PROGRAM_END : EVENT_PROGRAM_START, slot < 0 ? running : slot, 0);
  running = slot;
  flow_set_goal(slot < 0 ? 0.0f : (float)slots[slot].decilitres_per_minute / 10.0f);
}

static bool valid(const program_slot *slot) {
  return slot->weekdays && slot->weekdays < 0x80 && slot->start_minute < 1440 && slot->minutes && slot->minutes <= 720;
}

int program_add(const program_slot *slot) {
  if (!valid(slot)) return -1;
  for (int i = 0; i < PROGRAM_SLOTS; i++) {
    if (slots[i].weekdays) continue;
    slots[i] = *slot;
    return store_put((uint16_t)(SLOT_KEY + i), slot, sizeof *slot) ? i : -1;
  }
  return -1;
}

bool program_remove(unsigned index) {
  if (index >= PROGRAM_SLOTS || !slots[index].weekdays) return false;
  slots[index].weekdays = 0;
  return store_remove((uint16_t)(SLOT_KEY + index));
}

static void print_weekdays(uint8_t weekdays) {
  for (int i = 0; i < 7; i++) uart_printf("%s ", weekdays >> i & 1 ? weekday_names[i] : " - ");
}

void program_print(void) {
  for (int i = 0; i < PROGRAM_SLOTS; i++) {
    const program_slot *s = &slots[i];
    if (!s->weekdays) continue;
    uart_printf("%c %2d  ", i == running ? '*' : ' ', i);
    print_weekdays(s->weekdays);
    uart_printf(" %02u:%02u %3u min %5.1f l/min\r\n", s->start_minute / 60u, s->start_minute % 60u, s->minutes,
                (double)s->decilitres_per_minute / 10.0);
  }
}

/* "mon,wed,fri", "daily" or "weekend" */
bool program_parse_weekdays(const char *text, uint8_t *weekdays) {
  *weekdays = 0;
  if (strcmp(text, "daily") == 0) *weekdays = 0x7f;
  else if (strcmp(text, "weekend") == 0) *weekdays = 0x60;
  else
    for (const char *p = text; *p; p += p[3] ? 4 : 3) {
      int day = 0;
      while (day < 7 && strncmp(p, weekday_names[day], 3) != 0) day++;
      if (day == 7 || (p[3] && p[3] != ',')) return false;
      *weekdays |= (uint8_t)(1u << day);
    }
  return *weekdays != 0;
}
