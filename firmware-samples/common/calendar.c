#include "calendar.h"

#include <stdio.h>

const char *const weekday_names[7] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

static bool is_leap(int year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned month_days(int year, unsigned month) {
  static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

void civil_from_seconds(uint32_t seconds, civil_time *t) {
  uint32_t days = seconds / 86400u, rest = seconds % 86400u;
  t->weekday = (uint8_t)((days + 3) % 7);
  t->hour = (uint8_t)(rest / 3600u);
  t->minute = (uint8_t)(rest / 60u % 60u);
  t->second = (uint8_t)(rest % 60u);
  t->year = 1970;
  for (uint32_t in_year; days >= (in_year = is_leap(t->year) ? 366 : 365); t->year++) days -= in_year;
  t->month = 1;
  for (uint32_t in_month; days >= (in_month = month_days(t->year, t->month)); t->month++) days -= in_month;
  t->day = (uint8_t)(days + 1);
}

uint32_t civil_to_seconds(const civil_time *t) {
  uint32_t days = t->day - 1u;
  for (int year = 1970; year < t->year; year++) days += is_leap(year) ? 366 : 365;
  for (unsigned month = 1; month < t->month; month++) days += month_days(t->year, month);
  return days * 86400u + t->hour * 3600u + t->minute * 60u + t->second;
}

/* 2031-05-09T13:45:00 */
bool civil_parse(const char *text, civil_time *t) {
  int year, month, day, hour, minute, second, used = 0;
  int found = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &used);
  if (found != 6 || text[used] || year < 1970 || year > 2105 || month < 1 || month > 12) return false;
  if (day < 1 || day > (int)month_days(year, (unsigned)month) || hour > 23 || minute > 59 || second > 59) return false;
  if (hour < 0 || minute < 0 || second < 0) return false;
  *t = (civil_time){
    .year = year, .month = (uint8_t)month, .day = (uint8_t)day,
    .hour = (uint8_t)hour, .minute = (uint8_t)minute, .second = (uint8_t)second,
  };
  civil_from_seconds(civil_to_seconds(t), t);
  return true;
}

void format_civil(uint32_t seconds, char *text, size_t capacity) {
  civil_time t;
  civil_from_seconds(seconds, &t);
  snprintf(text, capacity, "%s %04d-%02u-%02u %02u:%02u:%02u", weekday_names[t.weekday], t.year, t.month, t.day, t.hour,
           t.minute, t.second);
}

void format_uptime(uint32_t ms, char *text, size_t capacity) {
  uint32_t s = ms / 1000u;
  snprintf(text, capacity, "%lud%02lu:%02lu:%02lu.%03lu", (unsigned long)(s / 86400u), (unsigned long)(s / 3600u % 24u),
           (unsigned long)(s / 60u % 60u), (unsigned long)(s % 60u), (unsigned long)(ms % 1000u));
}
