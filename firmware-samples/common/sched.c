#include "sched.h"

#include <stddef.h>

#include "hal.h"

static task tasks[SCHED_TASKS_MAX];
static unsigned task_count;
static uint32_t busy_ms, window_start_ms, load_percent;

#define LOAD_WINDOW_MS 5000u

int sched_add(const char *name, uint8_t priority, uint32_t period_ms, task_function run, void *context) {
  if (task_count == SCHED_TASKS_MAX) return -1;
  tasks[task_count] = (task){
    .name = name, .run = run, .context = context, .period_ms = period_ms,
    .due_ms = clock_ms() + period_ms, .priority = priority, .ready = period_ms != 0,
  };
  return (int)task_count++;
}

void sched_wake(int id, uint32_t after_ms) {
  if (id < 0 || (unsigned)id >= task_count) return;
  tasks[id].due_ms = clock_ms() + after_ms;
  tasks[id].ready = true;
}

void sched_stop(int id) {
  if (id >= 0 && (unsigned)id < task_count) tasks[id].ready = false;
}

void sched_set_period(int id, uint32_t period_ms) {
  if (id < 0 || (unsigned)id >= task_count) return;
  tasks[id].period_ms = period_ms;
  if (period_ms) sched_wake(id, period_ms);
}

/* The clock wraps after 49 days, so due times are compared by signed difference. */
static bool is_due(const task *t, uint32_t now) {
  return t->ready && (int32_t)(now - t->due_ms) >= 0;
}

static task *most_urgent(uint32_t now) {
  task *best = NULL;
  for (unsigned i = 0; i < task_count; i++)
    if (is_due(&tasks[i], now) && (!best || tasks[i].priority < best->priority)) best = &tasks[i];
  return best;
}

static void rearm(task *t, uint32_t now) {
  if (t->period_ms == 0) {
    t->ready = false;
    return;
  }
  t->due_ms += t->period_ms;
  if ((int32_t)(now - t->due_ms) < 0) return;
  t->late++;
  t->due_ms = now + t->period_ms;
}

static void account(uint32_t now, uint32_t spent_ms) {
  busy_ms += spent_ms;
  if (now - window_start_ms < LOAD_WINDOW_MS) return;
  load_percent = busy_ms * 100u / (now - window_start_ms);
  window_start_ms = now;
  busy_ms = 0;
}

bool sched_run_once(void) {
  uint32_t start = clock_ms();
  task *t = most_urgent(start);
  if (!t) {
    account(start, 0);
    return false;
  }
  rearm(t, start);
  t->run(t->context);
  uint32_t end = clock_ms();
  t->runs++;
  if (end - start > t->longest_ms) t->longest_ms = end - start;
  account(end, end - start);
  return true;
}

unsigned sched_count(void) {
  return task_count;
}

const task *sched_task(unsigned index) {
  return index < task_count ? &tasks[index] : NULL;
}

uint32_t sched_load_percent(void) {
  return load_percent;
}
