#ifndef ALARMS_H
#define ALARMS_H

#include <stdint.h>

void alarms_check(void *context);
uint8_t alarms_active(void);

#endif
