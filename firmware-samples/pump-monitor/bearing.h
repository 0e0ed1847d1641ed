/* Wear of the bearing, heard as tones in the housing's vibration. Since 3.1.0. */
#ifndef BEARING_H
#define BEARING_H

#include <stdbool.h>
#include <stdint.h>

#define BEARING_TONES 4

typedef struct {
  float power[BEARING_TONES];
  float normal[BEARING_TONES];
  uint32_t measures;
  bool worn;
} bearing_status;

void bearing_begin(void);
void bearing_measure(void *context);
void bearing_learn(void);
const bearing_status *bearing_now(void);

#endif
