#include "internal.h"

/* LEB128 in its shortest form. Value and length stay in d->number and d->number_bytes until the next number begins. */
int cs_number(cs_decoder *d, uint8_t byte, uint32_t limit) {
  uint32_t digit = byte & 0x7F;
  if (d->number_bytes == 0) d->number = 0;
  if (d->number_bytes == 4 && digit > 0x0F) return WRONG;
  d->number |= digit << 7 * d->number_bytes;
  d->number_bytes++;
  if (byte & 0x80) return d->number_bytes == 5 ? WRONG : MORE;
  if (byte == 0 && d->number_bytes > 1) return WRONG;
  if (limit != 0 && d->number >= limit) return WRONG;
  d->number_bytes = 0;
  return DONE;
}

int64_t cs_signed(uint32_t number) {
  int64_t half = number >> 1;
  return number & 1 ? -half - 1 : half;
}
