/* Line editor, tokenizer and command table for the service port. */
#ifndef SHELL_H
#define SHELL_H

#include <stdbool.h>
#include <stdint.h>

#define SHELL_ARGS_MAX 8

typedef struct {
  const char *name;
  const char *usage;
  const char *help;
  uint8_t args_min, args_max; /* not counting the name */
  bool (*run)(int count, char **args);
} command;

void shell_begin(const command *commands, unsigned count, const char *prompt);
void shell_poll(void *context);
bool shell_execute(char *line);
bool parse_int(const char *text, long low, long high, long *value);
bool parse_float(const char *text, float low, float high, float *value);
int parse_choice(const char *text, const char *const *choices, unsigned count);
int parse_hex(const char *text, uint8_t *bytes, unsigned capacity);

#endif
