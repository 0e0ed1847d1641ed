#include "alarms.h"

#include <stdbool.h>

#include "events.h"
#include "hal.h"
#include "sensors.h"
#include "settings.h"
#include "telemetry.h"

#define HYSTERESIS 0.02f  /* of the span between low and high: a value at the limit does not flutter */
#define HOLD_CHECKS 3     /* consecutive checks before an alarm changes */
#define LOST_AFTER_MS 60000u

static uint8_t active;
static uint8_t differing[QUANTITIES];
static uint32_t last_valid_ms[QUANTITIES];
static bool reported_lost[QUANTITIES];

static bool outside(unsigned quantity, float value) {
  float low = settings.alarm_low[quantity], high = settings.alarm_high[quantity];
  float margin = active >> quantity & 1u ? HYSTERESIS * (high - low) : 0.0f;
  return value < low + margin || value > high - margin;
}

static void change(unsigned quantity, float value) {
  active ^= (uint8_t)(1u << quantity);
  bool on = active >> quantity & 1u;
  log_event(on ? EVENT_ALARM_ON : EVENT_ALARM_OFF, (int32_t)quantity, (int32_t)(value * 100.0f));
  telemetry_send_soon();
}

static void check_lost(unsigned quantity, bool valid) {
  uint32_t now = clock_ms();
  if (valid) {
    last_valid_ms[quantity] = now;
    reported_lost[quantity] = false;
  } else if (!reported_lost[quantity] && now - last_valid_ms[quantity] > LOST_AFTER_MS) {
    reported_lost[quantity] = true;
    log_event(EVENT_SENSOR_LOST, (int32_t)quantity, (int32_t)(LOST_AFTER_MS / 1000u));
  }
}

void alarms_check(void *context) {
  (void)context;
  for (unsigned i = 0; i < QUANTITIES; i++) {
    const reading *r = sensors_get(i);
    check_lost(i, r->valid);
    if (!r->valid || !settings.alarms_on) continue;
    bool on = active >> i & 1u;
    differing[i] = outside(i, r->value) != on ? differing[i] + 1 : 0;
    if (differing[i] < HOLD_CHECKS) continue;
    differing[i] = 0;
    change(i, r->value);
  }
}

uint8_t alarms_active(void) {
  return active;
}
