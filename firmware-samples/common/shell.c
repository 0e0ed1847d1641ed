#include "shell.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hal.h"

#define LINE_MAX_CHARS 96
#define HISTORY_LINES 4
#define BYTES_PER_POLL 32 /* a flood on the service port must not starve the other tasks */

static const command *table;
static unsigned table_count;
static const char *prompt_text;
static char line[LINE_MAX_CHARS + 1], history[HISTORY_LINES][LINE_MAX_CHARS + 1];
static unsigned length, history_count, history_at;
static uint8_t escape;

void shell_begin(const command *commands, unsigned count, const char *prompt) {
  table = commands;
  table_count = count;
  prompt_text = prompt;
  uart_print(prompt_text);
}

/* Splits in place at spaces; double quotes hold a phrase together. -1 for an open quote or too many words. */
static int split(char *text, char **args) {
  int count = 0;
  while (*text) {
    while (isspace((unsigned char)*text)) text++;
    if (!*text) break;
    if (count == SHELL_ARGS_MAX) return -1;
    char stop = ' ';
    if (*text == '"') stop = *text++;
    args[count++] = text;
    while (*text && *text != stop && !(stop == ' ' && isspace((unsigned char)*text))) text++;
    if (!*text) return stop == ' ' ? count : -1;
    *text++ = 0;
  }
  return count;
}

static void print_help(const char *name) {
  for (unsigned i = 0; i < table_count; i++) {
    if (name && strcmp(name, table[i].name) != 0) continue;
    uart_printf("  %-10s %-24s %s\r\n", table[i].name, table[i].usage, table[i].help);
  }
}

static const command *find(const char *name) {
  const command *found = NULL;
  size_t given = strlen(name);
  for (unsigned i = 0; i < table_count; i++) {
    if (strncmp(name, table[i].name, given) != 0) continue;
    if (table[i].name[given] == 0) return &table[i];
    if (found) {
      uart_printf("ambiguous: %s or %s\r\n", found->name, table[i].name);
      return NULL;
    }
    found = &table[i];
  }
  if (!found) uart_printf("unknown command '%s', try help\r\n", name);
  return found;
}

bool shell_execute(char *text) {
  char *args[SHELL_ARGS_MAX];
  int count = split(text, args);
  if (count < 0) {
    uart_print("unbalanced quote or too many words\r\n");
    return false;
  }
  if (count == 0) return true;
  if (strcmp(args[0], "help") == 0) {
    print_help(count > 1 ? args[1] : NULL);
    return true;
  }
  const command *c = find(args[0]);
  if (!c) return false;
  if (count - 1 < c->args_min || count - 1 > c->args_max) {
    uart_printf("usage: %s %s\r\n", c->name, c->usage);
    return false;
  }
  bool done = c->run(count - 1, args + 1);
  uart_print(done ? "ok\r\n" : "failed\r\n");
  return done;
}

static void remember(void) {
  if (history_count && strcmp(history[(history_count - 1) % HISTORY_LINES], line) == 0) return;
  strcpy(history[history_count++ % HISTORY_LINES], line);
}

static void recall(int step) {
  unsigned oldest = history_count > HISTORY_LINES ? history_count - HISTORY_LINES : 0;
  unsigned wanted = history_at + (unsigned)step;
  if (wanted < oldest || wanted > history_count) return;
  history_at = wanted;
  strcpy(line, wanted == history_count ? "" : history[wanted % HISTORY_LINES]);
  length = strlen(line);
  uart_printf("\r\x1b[K%s%s", prompt_text, line);
}

static void finish_line(void) {
  line[length] = 0;
  uart_print("\r\n");
  if (length) {
    remember();
    shell_execute(line);
  }
  history_at = history_count;
  length = 0;
  uart_print(prompt_text);
}

static bool in_escape(uint8_t byte) {
  if (escape == 0) {
    escape = byte == 0x1b;
    return escape;
  }
  if (escape == 1 && byte == '[') {
    escape = 2;
    return true;
  }
  if (escape == 2 && byte == 'A') recall(-1);
  if (escape == 2 && byte == 'B') recall(1);
  escape = 0;
  return true;
}

static void take(uint8_t byte) {
  if (in_escape(byte)) return;
  if (byte == '\r' || byte == '\n') finish_line();
  else if (byte == 3) {
    length = 0;
    uart_printf("^C\r\n%s", prompt_text);
  } else if (byte == 8 || byte == 127) {
    if (length) length--, uart_print("\b \b");
  } else if (isprint(byte) && length < LINE_MAX_CHARS) {
    line[length++] = (char)byte;
    line[length] = 0;
    uart_write(&byte, 1);
  }
}

void shell_poll(void *context) {
  (void)context;
  uint8_t byte;
  for (int i = 0; i < BYTES_PER_POLL && uart_read(&byte); i++) take(byte);
}

bool parse_int(const char *text, long low, long high, long *value) {
  char *rest;
  errno = 0;
  *value = strtol(text, &rest, 0);
  if (errno || rest == text || *rest || *value < low || *value > high) {
    uart_printf("'%s': expected a whole number from %ld to %ld\r\n", text, low, high);
    return false;
  }
  return true;
}

bool parse_float(const char *text, float low, float high, float *value) {
  char *rest;
  *value = strtof(text, &rest);
  if (rest == text || *rest || !(*value >= low && *value <= high)) {
    uart_printf("'%s': expected a number from %g to %g\r\n", text, (double)low, (double)high);
    return false;
  }
  return true;
}

int parse_choice(const char *text, const char *const *choices, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    if (strcmp(text, choices[i]) == 0) return (int)i;
  uart_printf("'%s': expected one of", text);
  for (unsigned i = 0; i < count; i++) uart_printf(" %s", choices[i]);
  uart_print("\r\n");
  return -1;
}

static int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = (char)tolower((unsigned char)c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int parse_hex(const char *text, uint8_t *bytes, unsigned capacity) {
  unsigned count = 0;
  for (; text[0]; text += 2) {
    int high = nibble(text[0]), low = text[1] ? nibble(text[1]) : -1;
    if (high < 0 || low < 0 || count == capacity) return -1;
    bytes[count++] = (uint8_t)(high << 4 | low);
  }
  return (int)count;
}
