#ifndef VALVE_H
#define VALVE_H

#include <stdbool.h>
#include <stdint.h>

#define VALVE_STEPS 4800

typedef enum { VALVE_UNKNOWN, VALVE_HOMING, VALVE_HOLDING, VALVE_MOVING, VALVE_JAMMED, VALVE_STATES } valve_state;

void valve_begin(void);
void valve_step(void *context);
bool valve_go(int32_t steps);
void valve_home(void);
valve_state valve_now(void);
int32_t valve_position(void);
int32_t valve_target(void);
uint32_t valve_jams(void);
extern const char *const valve_state_names[VALVE_STATES];

#endif
