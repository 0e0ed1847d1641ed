#ifndef RADIO_H
#define RADIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RADIO_MESSAGE_MAX 208 /* the longest report has 204 bytes; with header, tag and CRC it fits one frame */

typedef struct {
  uint32_t sent, acknowledged, retried, given_up, received, refused;
} radio_counts;

void radio_begin(const uint8_t secret[32]);
void radio_poll(void *context);
void radio_tick(void *context);
bool radio_send(uint32_t number, const uint8_t *message, size_t length);
int radio_signal_dbm(void);
const char *radio_state_name(void);
const radio_counts *radio_counters(void);

#endif
