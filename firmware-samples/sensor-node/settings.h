#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "sensors.h"

#define NODE_NAME_MAX 16

typedef struct {
  float gain[QUANTITIES], offset[QUANTITIES];
  float alarm_low[QUANTITIES], alarm_high[QUANTITIES];
  uint16_t report_seconds;
  uint16_t sea_level_hpa;
  uint8_t retries;
  uint8_t alarms_on;
  uint32_t vibration_limit; /* thousandths of full scale */
  char name[NODE_NAME_MAX];
} node_settings;

extern node_settings settings;

void settings_load(void);
bool settings_save(void);
void settings_reset(void);
bool settings_set(const char *name, const char *text);
void settings_print(void);

#endif
