/* What the motor does, from its current and its winding's temperature. */
#ifndef MOTOR_H
#define MOTOR_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { MOTOR_RESTS, MOTOR_STARTS, MOTOR_RUNS, MOTOR_TRIPPED, MOTOR_STATES } motor_state;
typedef enum { TRIP_NONE, TRIP_STALL, TRIP_DRY, TRIP_HEAT, TRIP_BEARING, TRIP_CAUSES } trip_cause;

typedef struct {
  float amperes, winding_celsius;
  float heat; /* share of what the winding bears, by the thermal model */
  uint32_t run_seconds, starts, trips;
} motor_status;

typedef struct {
  float rated_amperes, stall_factor, dry_factor, heat_seconds;
} motor_limits;

void motor_begin(void);
void motor_measure(void *context);
void motor_watch(void *context);
void motor_trip(trip_cause cause);
bool motor_reset(void);
bool motor_set_limits(const motor_limits *limits);
const motor_limits *motor_get_limits(void);
const motor_status *motor_now(void);
motor_state motor_get_state(void);
trip_cause motor_last_trip(void);
extern const char *const motor_state_names[MOTOR_STATES];
extern const char *const trip_names[TRIP_CAUSES];

#endif
