#ifndef CRC_H
#define CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32(uint32_t crc, const void *bytes, size_t length);
uint16_t crc16_ccitt(uint16_t crc, const void *bytes, size_t length);

#endif
