/* Authenticated commands of the field bus, inside the same serial line as the service port. */
#ifndef BUS_H
#define BUS_H

#include <stddef.h>
#include <stdint.h>

size_t bus_status(uint8_t *out, size_t capacity);
int bus_handle(const uint8_t *message, size_t length);

enum { BUS_DONE, BUS_SHAPE, BUS_MAC, BUS_REPLAY, BUS_KIND, BUS_VALUE };

#endif
