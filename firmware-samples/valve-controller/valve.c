/* The stepper that turns the ball valve: homing, ramps, and what to do when it jams. */
#include "valve.h"

#include "board.h"
#include "events.h"
#include "hal.h"
#include "release.h"

#define GPIO ((gpio_regs *)BOARD_GPIO_BASE)
#define RAMP_STEPS 200
#define SLOWEST_TICKS 8
#define FASTEST_TICKS 1
#define JAM_CURRENT_COUNTS 3100u
#define JAM_TICKS 40
#define RETREAT_STEPS 60
#define UNJAM_TRIES_MAX 3

const char *const valve_state_names[VALVE_STATES] = {"unknown", "homing", "holding", "moving", "jammed"};

static valve_state state;
static int32_t position, target, wanted;
static uint8_t ticks_left, high_current_ticks, unjam_tries;
static uint32_t jams;
static int32_t moved;

void valve_begin(void) {
  GPIO->mode = BOARD_PIN_STEP | BOARD_PIN_DIRECTION | BOARD_PIN_MOTOR_ON;
  valve_home();
}

void valve_home(void) {
  GPIO->set = BOARD_PIN_MOTOR_ON;
  state = VALVE_HOMING;
  position = VALVE_STEPS + RETREAT_STEPS; /* the farthest it can be from the closed end */
  target = wanted = 0;
  moved = 0;
  unjam_tries = 0;
}

bool valve_go(int32_t steps) {
  if (steps < 0 || steps > VALVE_STEPS || state == VALVE_HOMING || state == VALVE_JAMMED) return false;
  wanted = target = steps;
  unjam_tries = 0;
  if (target == position) return true;
  GPIO->set = BOARD_PIN_MOTOR_ON;
  state = VALVE_MOVING;
  moved = 0;
  log_event(EVENT_MOVING, position, target);
  return true;
}

/* Slow at both ends of the way, fast in the middle. */
static uint8_t pace(void) {
  int32_t to_go = target > position ? target - position : position - target;
  int32_t from_end = moved < to_go ? moved : to_go;
  if (from_end >= RAMP_STEPS) return FASTEST_TICKS;
  return (uint8_t)(SLOWEST_TICKS - (SLOWEST_TICKS - FASTEST_TICKS) * from_end / RAMP_STEPS);
}

static void pulse(void) {
  bool opening = target > position;
  if (opening) GPIO->set = BOARD_PIN_DIRECTION;
  else GPIO->clear = BOARD_PIN_DIRECTION;
  GPIO->set = BOARD_PIN_STEP;
  position += opening ? 1 : -1;
  moved++;
  GPIO->clear = BOARD_PIN_STEP;
}

static void rest(void) {
  state = VALVE_HOLDING;
  GPIO->clear = BOARD_PIN_MOTOR_ON;
  log_event(EVENT_ARRIVED, position, moved);
}

static bool is_jammed(void) {
  bool high = adc_read(CHANNEL_MOTOR_CURRENT) > JAM_CURRENT_COUNTS;
  high_current_ticks = high ? high_current_ticks + 1 : 0;
  return high_current_ticks >= JAM_TICKS;
}

/* Back a little, then again towards the goal; grit in the seat usually gives way. */
static void unjam(void) {
  jams++;
  high_current_ticks = 0;
  log_event(EVENT_JAM, position, unjam_tries);
  if (unjam_tries++ == UNJAM_TRIES_MAX) {
    state = VALVE_JAMMED;
    GPIO->clear = BOARD_PIN_MOTOR_ON;
    return;
  }
  int32_t back = target > position ? position - RETREAT_STEPS : position + RETREAT_STEPS;
  target = back < 0 ? 0 : back > VALVE_STEPS ? VALVE_STEPS : back;
  moved = 0;
}

static void at_closed_end(void) {
  position = target = wanted = 0;
  rest();
}

void valve_step(void *context) {
  (void)context;
  if (state != VALVE_MOVING && state != VALVE_HOMING) return;
  if (state == VALVE_HOMING && !(GPIO->input & BOARD_PIN_END_CLOSED)) {
    at_closed_end();
    return;
  }
#if SINCE(2, 0, 1)
  if (state == VALVE_MOVING && target > position && !(GPIO->input & BOARD_PIN_END_OPEN)) wanted = target = position;
#endif
  if (is_jammed()) unjam();
  if (state == VALVE_JAMMED || ticks_left--) return;
  ticks_left = pace();
  if (position != target) pulse();
  else if (target != wanted) target = wanted, moved = 0;
  else rest();
}

valve_state valve_now(void) {
  return state;
}

int32_t valve_position(void) {
  return position;
}

int32_t valve_target(void) {
  return wanted;
}

uint32_t valve_jams(void) {
  return jams;
}
