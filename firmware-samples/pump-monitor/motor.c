#include "motor.h"

#include <math.h>
#include <stddef.h>

#include "board.h"
#include "events.h"
#include "filter.h"
#include "hal.h"
#include "release.h"
#include "store.h"

#define MEASURES_PER_SECOND 20.0f
#define SAMPLES 64
#define START_MS 3000u
#define DRY_SECONDS 8u
#define WINDING_CELSIUS_MAX 120.0f
#define RUNNING_AMPERES 0.3f
#define LIMITS_KEY 0x10
#define TOTALS_KEY 0x11
#define SAVE_EVERY_SECONDS 3600u

const char *const motor_state_names[MOTOR_STATES] = {"rests", "starts", "runs", "tripped"};
const char *const trip_names[TRIP_CAUSES] = {"none", "stall", "dry running", "heat", "bearing"};

static const motor_limits factory_limits = {4.2f, 3.5f, 0.55f, 90.0f};

/* Resistance of the winding's sensor in ohms, and the temperature at which it has it. */
static const float sensor_ohms[] = {80.3f, 100.0f, 119.4f, 138.5f, 157.3f};
static const float sensor_celsius[] = {-50.0f, 0.0f, 50.0f, 100.0f, 150.0f};

static motor_limits limits;
static motor_status now;
static motor_state state;
static trip_cause cause;
static uint32_t since_ms, dry_ms, saved_seconds;
static biquad current_filter;
static median winding_filter;

void motor_begin(void) {
  limits = factory_limits;
  store_get(LIMITS_KEY, &limits, sizeof limits);
  store_get(TOTALS_KEY, &now.run_seconds, sizeof now.run_seconds);
  saved_seconds = now.run_seconds;
  biquad_low_pass(&current_filter, MEASURES_PER_SECOND, 2.0f, 0.7071f);
  median_begin(&winding_filter, 7);
  ((gpio_regs *)BOARD_GPIO_BASE)->mode = BOARD_PIN_RELAY | BOARD_PIN_ALARM;
  motor_reset();
}

/* Effective value over three periods of the mains, free of the converter's middle. */
static float effective_amperes(void) {
  int32_t counts[SAMPLES], sum = 0;
  float squares = 0.0f;
  for (int i = 0; i < SAMPLES; i++) sum += counts[i] = adc_read(CHANNEL_CURRENT);
  int32_t middle = sum / SAMPLES;
  for (int i = 0; i < SAMPLES; i++) squares += (float)((counts[i] - middle) * (counts[i] - middle));
  return sqrtf(squares / SAMPLES) * 0.0183f;
}

static float winding_celsius(void) {
  float ratio = (float)adc_read(CHANNEL_WINDING) / 4095.0f;
  float ohms = 220.0f * ratio / fmaxf(0.001f, 1.0f - ratio);
  return median_step(&winding_filter, interpolate(sensor_ohms, sensor_celsius, 5, ohms));
}

/* First order: the winding takes heat with the square of the current and loses it with its own excess. */
static float next_heat(float heat, float amperes) {
  float load = amperes / limits.rated_amperes;
  float change = (load * load - heat) / (limits.heat_seconds * MEASURES_PER_SECOND);
#if SINCE(3, 0, 1)
  if (change < 0.0f) change *= 0.6f; /* a motor at rest has no fan */
#endif
  return fmaxf(0.0f, heat + change);
}

void motor_measure(void *context) {
  (void)context;
  now.amperes = fmaxf(0.0f, biquad_step(&current_filter, effective_amperes()));
  now.winding_celsius = winding_celsius();
  now.heat = next_heat(now.heat, now.amperes);
}

static void enter(motor_state next) {
  uint32_t spent = clock_ms() - since_ms;
  int32_t milliamperes = (int32_t)(now.amperes * 1000.0f);
  if (next == MOTOR_RUNS) log_event(EVENT_RUNS, milliamperes, (int32_t)spent);
  if (next == MOTOR_RESTS && state == MOTOR_RUNS) log_event(EVENT_RESTS, (int32_t)(spent / 1000u), 0);
  if (next == MOTOR_STARTS) now.starts++;
  state = next;
  since_ms = clock_ms();
  dry_ms = 0;
}

void motor_trip(trip_cause why) {
  gpio_regs *gpio = (gpio_regs *)BOARD_GPIO_BASE;
  gpio->clear = BOARD_PIN_RELAY;
  gpio->set = BOARD_PIN_ALARM;
  cause = why;
  now.trips++;
  log_event(EVENT_TRIPPED, (int32_t)why, (int32_t)now.trips);
  enter(MOTOR_TRIPPED);
}

bool motor_reset(void) {
  gpio_regs *gpio = (gpio_regs *)BOARD_GPIO_BASE;
  if (now.heat > 0.8f) return false;
  gpio->clear = BOARD_PIN_ALARM;
  gpio->set = BOARD_PIN_RELAY;
  cause = TRIP_NONE;
  enter(MOTOR_RESTS);
  return true;
}

static void watch_dry(uint32_t period_ms) {
  bool dry = now.amperes < limits.dry_factor * limits.rated_amperes;
  if (dry && dry_ms == 0) log_event(EVENT_DRY, (int32_t)(now.amperes * 1000.0f), 0);
  dry_ms = dry ? dry_ms + period_ms : 0;
  if (dry_ms >= DRY_SECONDS * 1000u) motor_trip(TRIP_DRY);
}

static void watch_running(void) {
  if (now.amperes > limits.stall_factor * limits.rated_amperes) {
    log_event(EVENT_STALLED, (int32_t)(now.amperes * 1000.0f), 0);
    motor_trip(TRIP_STALL);
  } else if (now.heat >= 1.0f || now.winding_celsius > WINDING_CELSIUS_MAX) {
    log_event(EVENT_HOT, (int32_t)(now.winding_celsius * 10.0f), 0);
    motor_trip(TRIP_HEAT);
  } else {
    watch_dry(1000u);
  }
}

static void count_second(void) {
  if (++now.run_seconds - saved_seconds < SAVE_EVERY_SECONDS) return;
  saved_seconds = now.run_seconds;
  store_put(TOTALS_KEY, &saved_seconds, sizeof saved_seconds);
}

void motor_watch(void *context) {
  (void)context;
  bool drawing = now.amperes > RUNNING_AMPERES;
  switch (state) {
    case MOTOR_RESTS:
      if (drawing) enter(MOTOR_STARTS);
      break;
    case MOTOR_STARTS:
      if (!drawing) enter(MOTOR_RESTS);
      else if (clock_ms() - since_ms > START_MS) enter(MOTOR_RUNS);
      break;
    case MOTOR_RUNS:
      count_second();
      if (!drawing) enter(MOTOR_RESTS);
      else watch_running();
      break;
    default: break;
  }
}

bool motor_set_limits(const motor_limits *wanted) {
  limits = *wanted;
  return store_put(LIMITS_KEY, &limits, sizeof limits);
}

const motor_limits *motor_get_limits(void) {
  return &limits;
}

const motor_status *motor_now(void) {
  return &now;
}

motor_state motor_get_state(void) {
  return state;
}

trip_cause motor_last_trip(void) {
  return cause;
}
