#ifndef SENSORS_H
#define SENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "filter.h"

enum { TEMPERATURE, HUMIDITY, PRESSURE, BATTERY, LIGHT, QUANTITIES };

typedef struct {
  const char *name;
  const char *unit;
  float low, high; /* what a working sensor can read */
  uint8_t decimals;
} quantity_info;

typedef struct {
  float value;
  bool valid;
  running_stats window;
} reading;

extern const quantity_info quantities[QUANTITIES];

void sensors_begin(void);
void sensors_sample(void *context);
const reading *sensors_get(unsigned quantity);
void sensors_new_window(void);
bool sensors_calibrate(unsigned quantity, float true_value);
float sensors_reference_volts(void);
float dew_point(float celsius, float humidity_percent);
float heat_index(float celsius, float humidity_percent);
float altitude_metres(float pascals, float sea_level_pascals);
char board_revision(void);

#endif
