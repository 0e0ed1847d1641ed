#ifndef VIBRATION_H
#define VIBRATION_H

#include <stdint.h>

#define VIBRATION_TONES 5

typedef struct {
  float strongest_hz, strongest;
  float rms;
  float tone[VIBRATION_TONES];
} vibration_result;

extern const float vibration_tones_hz[VIBRATION_TONES];

void vibration_measure(void *context);
const vibration_result *vibration_last(void);

#endif
