#ifndef SELFTEST_H
#define SELFTEST_H

#include <stdbool.h>

bool selftest_run(void);
unsigned selftest_failed(void);
void selftest_print(void);

#endif
