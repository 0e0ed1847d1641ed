#ifndef FLOW_H
#define FLOW_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  float litres_per_minute;
  float upstream_bar, downstream_bar;
  float total_litres;
  bool leaking, dry;
} flow_status;

void flow_begin(void);
void flow_measure(void *context);
void flow_control(void *context);
void flow_set_goal(float litres_per_minute);
float flow_goal(void);
bool flow_tune(float proportional, float integral, float derivative);
const flow_status *flow_now(void);

#endif
