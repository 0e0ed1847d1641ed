#include "settings.h"

#include <stddef.h>
#include <string.h>

#include "hal.h"
#include "shell.h"
#include "store.h"

node_settings settings;

typedef enum { KIND_FLOAT, KIND_U8, KIND_U16, KIND_U32, KIND_TEXT } setting_kind;

typedef struct {
  uint16_t key;
  const char *name;
  setting_kind kind;
  uint16_t offset;
  float low, high, initial;
} setting;

#define PER_QUANTITY(base, label, q, factory_low, factory_high) \
  {base + 0x00 + q, label ".gain", KIND_FLOAT, offsetof(node_settings, gain[q]), 0.5f, 2.0f, 1.0f}, \
  {base + 0x10 + q, label ".offset", KIND_FLOAT, offsetof(node_settings, offset[q]), -1e5f, 1e5f, 0.0f}, \
  {base + 0x20 + q, label ".low", KIND_FLOAT, offsetof(node_settings, alarm_low[q]), -1e5f, 1.2e5f, factory_low}, \
  {base + 0x30 + q, label ".high", KIND_FLOAT, offsetof(node_settings, alarm_high[q]), -1e5f, 1.2e5f, factory_high}

static const setting table[] = {
  PER_QUANTITY(0x100, "temperature", TEMPERATURE, -20.0f, 60.0f),
  PER_QUANTITY(0x100, "humidity", HUMIDITY, 5.0f, 95.0f),
  PER_QUANTITY(0x100, "pressure", PRESSURE, 80000.0f, 106000.0f),
  PER_QUANTITY(0x100, "battery", BATTERY, 3.1f, 4.25f),
  PER_QUANTITY(0x100, "light", LIGHT, 0.0f, 110000.0f),
  {0x200, "report.seconds", KIND_U16, offsetof(node_settings, report_seconds), 5, 43200, 300},
  {0x201, "sea.level", KIND_U16, offsetof(node_settings, sea_level_hpa), 900, 1100, 1013},
  {0x202, "radio.retries", KIND_U8, offsetof(node_settings, retries), 0, 10, 4},
  {0x203, "alarms", KIND_U8, offsetof(node_settings, alarms_on), 0, 1, 1},
  {0x204, "vibration.limit", KIND_U32, offsetof(node_settings, vibration_limit), 1, 1000, 120},
  {0x205, "name", KIND_TEXT, offsetof(node_settings, name), 0, 0, 0},
};

#define SETTINGS (sizeof table / sizeof *table)

static void *place(const setting *s) {
  return (uint8_t *)&settings + s->offset;
}

static size_t width(const setting *s) {
  static const uint8_t widths[] = {4, 1, 2, 4, NODE_NAME_MAX};
  return widths[s->kind];
}

static void assign(const setting *s, float value) {
  switch (s->kind) {
    case KIND_FLOAT: *(float *)place(s) = value; break;
    case KIND_U8: *(uint8_t *)place(s) = (uint8_t)value; break;
    case KIND_U16: *(uint16_t *)place(s) = (uint16_t)value; break;
    case KIND_U32: *(uint32_t *)place(s) = (uint32_t)value; break;
    default: strcpy(place(s), "node"); break;
  }
}

static float number(const setting *s) {
  switch (s->kind) {
    case KIND_FLOAT: return *(float *)place(s);
    case KIND_U8: return *(uint8_t *)place(s);
    case KIND_U16: return *(uint16_t *)place(s);
    case KIND_U32: return (float)*(uint32_t *)place(s);
    default: return 0.0f;
  }
}

void settings_load(void) {
  for (unsigned i = 0; i < SETTINGS; i++) {
    assign(&table[i], table[i].initial);
    store_get(table[i].key, place(&table[i]), width(&table[i]));
  }
  settings.name[NODE_NAME_MAX - 1] = 0;
}

bool settings_save(void) {
  bool done = true;
  for (unsigned i = 0; i < SETTINGS; i++)
    done = store_put(table[i].key, place(&table[i]), width(&table[i])) && done;
  return done;
}

void settings_reset(void) {
  for (unsigned i = 0; i < SETTINGS; i++) store_remove(table[i].key);
  settings_load();
}

bool settings_set(const char *name, const char *text) {
  for (unsigned i = 0; i < SETTINGS; i++) {
    const setting *s = &table[i];
    float value;
    if (strcmp(name, s->name) != 0) continue;
    if (s->kind == KIND_TEXT) {
      if (strlen(text) >= NODE_NAME_MAX) return false;
      strncpy(place(s), text, NODE_NAME_MAX);
    } else {
      if (!parse_float(text, s->low, s->high, &value)) return false;
      assign(s, value);
    }
    return store_put(s->key, place(s), width(s));
  }
  uart_printf("no setting '%s'\r\n", name);
  return false;
}

void settings_print(void) {
  for (unsigned i = 0; i < SETTINGS; i++) {
    const setting *s = &table[i];
    if (s->kind == KIND_TEXT) uart_printf("  %-20s \"%s\"\r\n", s->name, (const char *)place(s));
    else uart_printf("  %-20s %-12g (%g to %g)\r\n", s->name, (double)number(s), (double)s->low, (double)s->high);
  }
  uart_printf("  %u bytes free\r\n", (unsigned)store_free_bytes());
}
