/* Measures the flow and turns the valve until it is what was asked for. */
#include "flow.h"

#include <math.h>
#include <stddef.h>

#include "board.h"
#include "events.h"
#include "filter.h"
#include "hal.h"
#include "store.h"
#include "valve.h"

#define MEASURE_SECONDS 0.5f
#define PULSES_PER_LITRE 450.0f
#define DEAD_BAND 0.02f
#define LEAK_LITRES_PER_MINUTE 0.15f
#define LEAK_MEASURES 120
#define DRY_BAR 0.2f
#define TUNING_KEY 0x10
#define TOTAL_KEY 0x11
#define SAVE_EVERY_LITRES 50.0f

typedef struct {
  float proportional, integral, derivative;
} tuning;

static const tuning factory_tuning = {90.0f, 22.0f, 8.0f};

/* Per cent of opening at which the ball valve lets each per cent of its flow through. */
static const float flow_percent[] = {0, 2, 8, 20, 38, 60, 82, 95, 100};
static const float open_percent[] = {0, 12, 25, 37, 50, 62, 75, 87, 100};

static flow_status now;
static tuning gains;
static float goal, error_sum, error_before, saved_litres;
static uint32_t counter_before;
static uint16_t leak_measures;
static biquad flow_filter;
static median pressure_filter[2];

void flow_begin(void) {
  gains = factory_tuning;
  store_get(TUNING_KEY, &gains, sizeof gains);
  store_get(TOTAL_KEY, &now.total_litres, sizeof now.total_litres);
  saved_litres = now.total_litres;
  biquad_low_pass(&flow_filter, 1.0f / MEASURE_SECONDS, 0.2f, 0.7071f);
  median_begin(&pressure_filter[0], 5);
  median_begin(&pressure_filter[1], 5);
  counter_before = *BOARD_COUNTER;
}

/* The transmitter gives 0.5 V at 0 bar and 4.5 V at 10 bar, behind a divider by two. */
static float bar(unsigned which, unsigned channel) {
  float volts = 2.0f * 3.3f * (float)adc_read(channel) / 4095.0f;
  return median_step(&pressure_filter[which], (volts - 0.5f) * 2.5f);
}

static void watch_leak(void) {
  bool closed = valve_now() == VALVE_HOLDING && valve_position() == 0;
  bool trickling = closed && now.litres_per_minute > LEAK_LITRES_PER_MINUTE;
  leak_measures = trickling ? leak_measures + 1 : 0;
  bool leaking = leak_measures >= LEAK_MEASURES;
  if (leaking && !now.leaking) log_event(EVENT_LEAK, (int32_t)(now.litres_per_minute * 1000.0f), 0);
  now.leaking = leaking;
}

static void count_litres(float litres) {
  now.total_litres += litres;
  if (now.total_litres - saved_litres < SAVE_EVERY_LITRES) return;
  saved_litres = now.total_litres;
  store_put(TOTAL_KEY, &saved_litres, sizeof saved_litres);
}

void flow_measure(void *context) {
  (void)context;
  uint32_t counter = *BOARD_COUNTER;
  float litres = (float)(counter - counter_before) / PULSES_PER_LITRE;
  counter_before = counter;
  now.litres_per_minute = fmaxf(0.0f, biquad_step(&flow_filter, litres * 60.0f / MEASURE_SECONDS));
  now.upstream_bar = bar(0, CHANNEL_UPSTREAM);
  now.downstream_bar = bar(1, CHANNEL_DOWNSTREAM);
  now.dry = now.upstream_bar < DRY_BAR;
  count_litres(litres);
  watch_leak();
}

/* Steps for a share of full flow: the valve is far from linear, so the controller works on flow, not on angle. */
static int32_t steps_for(float percent) {
  float open = interpolate(flow_percent, open_percent, sizeof open_percent / sizeof *open_percent, percent);
  return (int32_t)lroundf(open * (float)VALVE_STEPS / 100.0f);
}

static float clamp(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

/* Orifice law: full flow grows with the root of the pressure difference. */
static float full_flow(void) {
  return 12.4f * sqrtf(fmaxf(0.05f, now.upstream_bar - now.downstream_bar));
}

void flow_control(void *context) {
  (void)context;
  if (goal <= 0.0f || now.dry) {
    error_sum = error_before = 0.0f;
    if (valve_target() != 0) valve_go(0);
    return;
  }
  float error = (goal - now.litres_per_minute) / full_flow();
  if (fabsf(error) < DEAD_BAND) return;
  error_sum = clamp(error_sum + error, -4.0f, 4.0f);
  float feed_forward = 100.0f * goal / full_flow();
  float correction = gains.proportional * error + gains.integral * error_sum + gains.derivative * (error - error_before);
  error_before = error;
  valve_go(steps_for(clamp(feed_forward + correction, 0.0f, 100.0f)));
}

void flow_set_goal(float litres_per_minute) {
  goal = litres_per_minute;
  error_sum = error_before = 0.0f;
  log_event(EVENT_GOAL, (int32_t)(litres_per_minute * 100.0f), 0);
}

float flow_goal(void) {
  return goal;
}

bool flow_tune(float proportional, float integral, float derivative) {
  gains = (tuning){proportional, integral, derivative};
  return store_put(TUNING_KEY, &gains, sizeof gains);
}

const flow_status *flow_now(void) {
  return &now;
}
