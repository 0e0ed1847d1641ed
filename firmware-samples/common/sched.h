/* Cooperative scheduler: tasks run to completion, the most urgent due task first. */
#ifndef SCHED_H
#define SCHED_H

#include <stdbool.h>
#include <stdint.h>

#define SCHED_TASKS_MAX 12

typedef void (*task_function)(void *context);

typedef struct {
  const char *name;
  task_function run;
  void *context;
  uint32_t period_ms; /* 0: runs once each time it is woken */
  uint32_t due_ms;
  uint8_t priority; /* 0 is the most urgent */
  bool ready;
  uint32_t runs;
  uint32_t late;
  uint32_t longest_ms;
} task;

int sched_add(const char *name, uint8_t priority, uint32_t period_ms, task_function run, void *context);
void sched_wake(int id, uint32_t after_ms);
void sched_stop(int id);
void sched_set_period(int id, uint32_t period_ms);
bool sched_run_once(void);
unsigned sched_count(void);
const task *sched_task(unsigned index);
uint32_t sched_load_percent(void);

#endif
