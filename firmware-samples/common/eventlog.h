/* The last events, in memory, as code and two numbers; words are added when someone reads them. */
#ifndef EVENTLOG_H
#define EVENTLOG_H

#include <stdint.h>

typedef enum { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_LEVELS } log_level;

typedef struct {
  uint8_t level;
  const char *format; /* may use the two numbers as %ld */
} event_kind;

void log_begin(const event_kind *kinds, unsigned count);
void log_event(unsigned kind, int32_t a, int32_t b);
void log_set_echo(log_level lowest);
void log_print(log_level lowest);
uint32_t log_count(log_level level);

#endif
