#ifndef TELEMETRY_H
#define TELEMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void telemetry_begin(void);
void telemetry_report(void *context);
void telemetry_send_soon(void);
size_t telemetry_encode(uint8_t *out, size_t capacity);
bool telemetry_handle(const uint8_t *message, size_t length);
uint32_t wall_clock(void);
void wall_clock_set(uint32_t seconds);

#endif
