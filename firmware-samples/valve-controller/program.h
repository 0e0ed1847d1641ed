/* The weekly watering programme. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRAM_SLOTS 12

typedef struct {
  uint8_t weekdays; /* bit 0 is Monday; 0 marks a free slot */
  uint8_t reserved;
  uint16_t start_minute, minutes;
  uint16_t decilitres_per_minute;
} program_slot;

void program_begin(void);
void program_check(void *context);
int program_add(const program_slot *slot);
bool program_remove(unsigned index);
void program_print(void);
uint32_t program_clock(void);
void program_set_clock(uint32_t seconds);
bool program_parse_weekdays(const char *text, uint8_t *weekdays);

#endif
