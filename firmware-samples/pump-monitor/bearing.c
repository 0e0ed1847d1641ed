#include "bearing.h"

#include "release.h"

#if SINCE(3, 1, 0)

#include <math.h>

#include "board.h"
#include "events.h"
#include "filter.h"
#include "hal.h"
#include "motor.h"
#include "store.h"

#define SAMPLES 256
#define SAMPLE_HZ 4000.0f
#define NORMAL_KEY 0x20
#define LEARN_MEASURES 100u
#define WORN_FACTOR 6.0f

/* Outer ring, inner ring, ball and cage of a 6204 at 2,850 turns a minute. */
static const float tones_hz[BEARING_TONES] = {145.4f, 234.6f, 94.7f, 18.2f};

static bearing_status now;

void bearing_begin(void) {
  if (store_get(NORMAL_KEY, now.normal, sizeof now.normal) < 0) bearing_learn();
  else now.measures = LEARN_MEASURES;
}

void bearing_learn(void) {
  for (int i = 0; i < BEARING_TONES; i++) now.normal[i] = 0.0f;
  now.measures = 0;
  now.worn = false;
}

static void record(int16_t *samples) {
  int32_t sum = 0;
  for (int i = 0; i < SAMPLES; i++) sum += samples[i] = (int16_t)adc_read(CHANNEL_VIBRATION);
  for (int i = 0; i < SAMPLES; i++) samples[i] = (int16_t)(samples[i] - sum / SAMPLES);
}

static void compare(int tone) {
  bool worn = now.power[tone] > WORN_FACTOR * now.normal[tone] + 1.0f;
  if (!worn || now.worn) return;
  now.worn = true;
  log_event(EVENT_BEARING, (int32_t)now.power[tone], (int32_t)now.normal[tone]);
}

void bearing_measure(void *context) {
  int16_t samples[SAMPLES];
  (void)context;
  if (motor_get_state() != MOTOR_RUNS) return;
  record(samples);
  bool learning = now.measures < LEARN_MEASURES;
  for (int i = 0; i < BEARING_TONES; i++) {
    float power = goertzel_power(samples, SAMPLES, SAMPLE_HZ, tones_hz[i]);
    now.power[i] = 0.9f * now.power[i] + 0.1f * power;
    if (learning) now.normal[i] += power / LEARN_MEASURES;
    else compare(i);
  }
  if (learning && ++now.measures == LEARN_MEASURES) store_put(NORMAL_KEY, now.normal, sizeof now.normal);
}

const bearing_status *bearing_now(void) {
  return &now;
}

#endif
