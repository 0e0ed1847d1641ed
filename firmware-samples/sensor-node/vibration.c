/* Listens to the mounting for the tones of a worn pump, once a minute. Since 1.1.0. */
#include "release.h"
#if SINCE(1, 1, 0)

#include "vibration.h"

#include <math.h>

#include "board.h"
#include "events.h"
#include "filter.h"
#include "hal.h"
#include "settings.h"

#define SAMPLES 200
#define SAMPLE_HZ 1000.0f

const float vibration_tones_hz[VIBRATION_TONES] = {24.5f, 49.0f, 98.0f, 147.0f, 312.0f};

static vibration_result last;

static void record(int16_t *samples) {
  biquad no_gravity;
  biquad_high_pass(&no_gravity, SAMPLE_HZ, 5.0f, 0.7071f);
  for (int i = 0; i < SAMPLES; i++) {
    float counts = biquad_step(&no_gravity, (float)adc_read(CHANNEL_VIBRATION) - 2048.0f);
    samples[i] = (int16_t)lrintf(fmaxf(-2048.0f, fminf(2047.0f, counts)) * 16.0f);
    clock_wait_ms(1);
  }
}

static float root_mean_square(const int16_t *samples) {
  int64_t sum = 0;
  for (int i = 0; i < SAMPLES; i++) sum += (int32_t)samples[i] * samples[i];
  return sqrtf((float)sum / SAMPLES) / 32768.0f;
}

void vibration_measure(void *context) {
  (void)context;
  int16_t samples[SAMPLES];
  record(samples);
  last.rms = root_mean_square(samples);
  last.strongest = 0.0f;
  for (int i = 0; i < VIBRATION_TONES; i++) {
    last.tone[i] = goertzel_power(samples, SAMPLES, SAMPLE_HZ, vibration_tones_hz[i]);
    if (last.tone[i] <= last.strongest) continue;
    last.strongest = last.tone[i];
    last.strongest_hz = vibration_tones_hz[i];
  }
  int32_t thousandths = (int32_t)(last.strongest * 1000.0f);
  if (thousandths > (int32_t)settings.vibration_limit)
    log_event(EVENT_VIBRATION, thousandths, (int32_t)last.strongest_hz);
}

const vibration_result *vibration_last(void) {
  return &last;
}

#endif
