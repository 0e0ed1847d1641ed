/* Seconds since 1970 to a civil date (UTC) and back. */
#ifndef CALENDAR_H
#define CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  int year;
  uint8_t month, day, hour, minute, second;
  uint8_t weekday; /* 0 is Monday */
} civil_time;

void civil_from_seconds(uint32_t seconds, civil_time *time);
uint32_t civil_to_seconds(const civil_time *time);
bool civil_parse(const char *text, civil_time *time);
void format_civil(uint32_t seconds, char *text, size_t capacity);
void format_uptime(uint32_t ms, char *text, size_t capacity);
extern const char *const weekday_names[7];

#endif
