/* Reports out and requests in, both CBOR maps with small integer keys. */
#include "telemetry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alarms.h"
#include "cbor.h"
#include "descriptor.h"
#include "events.h"
#include "hal.h"
#include "radio.h"
#include "sched.h"
#include "sensors.h"
#include "settings.h"
#include "vibration.h"

enum { KEY_SEQUENCE = 1, KEY_TIME, KEY_VERSION, KEY_NAME, KEY_READINGS, KEY_ALARMS, KEY_HEALTH, KEY_DERIVED,
       KEY_VIBRATION };
enum { REQUEST_KIND = 1, REQUEST_TIME, REQUEST_SETTING, REQUEST_VALUE };
enum { KIND_SET_TIME = 1, KIND_SET, KIND_REPORT_NOW, KIND_RESTART };
enum { REFUSED_SHAPE = 1, REFUSED_KIND, REFUSED_VALUE };

static uint32_t sequence, clock_offset;
static int report_task;

uint32_t wall_clock(void) {
  return clock_offset + clock_ms() / 1000u;
}

void wall_clock_set(uint32_t seconds) {
  int32_t moved = (int32_t)(seconds - wall_clock());
  clock_offset = seconds - clock_ms() / 1000u;
  if (abs(moved) > 2) log_event(EVENT_TIME_SET, moved, 0);
}

void telemetry_begin(void) {
  report_task = sched_add("report", 3, settings.report_seconds * 1000u, telemetry_report, NULL);
}

void telemetry_send_soon(void) {
  sched_wake(report_task, 250);
}

static float rounded(float value, uint8_t decimals) {
  float scale = powf(10.0f, decimals);
  return roundf(value * scale) / scale;
}

/* [value, least, most, deviation], or null where the sensor gave nothing valid. */
static void encode_reading(cbor_writer *w, unsigned quantity) {
  const reading *r = sensors_get(quantity);
  uint8_t decimals = quantities[quantity].decimals;
  if (!r->valid || r->window.count == 0) {
    cbor_null(w);
    return;
  }
  cbor_array(w, 4);
  cbor_float(w, rounded(r->value, decimals));
  cbor_float(w, rounded(r->window.low, decimals));
  cbor_float(w, rounded(r->window.high, decimals));
  cbor_float(w, rounded(stats_deviation(&r->window), decimals + 1));
}

static void encode_derived(cbor_writer *w) {
  float celsius = sensors_get(TEMPERATURE)->value, humidity = sensors_get(HUMIDITY)->value;
#if SINCE(1, 1, 0)
  cbor_array(w, 3);
  cbor_float(w, rounded(heat_index(celsius, humidity), 1));
#else
  cbor_array(w, 2);
#endif
  cbor_float(w, rounded(dew_point(celsius, humidity), 1));
  cbor_float(w, rounded(altitude_metres(sensors_get(PRESSURE)->value, settings.sea_level_hpa * 100.0f), 0));
}

static void encode_health(cbor_writer *w) {
  cbor_array(w, 4);
  cbor_uint(w, clock_ms() / 1000u);
  cbor_uint(w, sched_load_percent());
  cbor_uint(w, log_count(LOG_ERROR));
  cbor_int(w, radio_signal_dbm());
}

#if SINCE(1, 1, 0)
static void encode_vibration(cbor_writer *w) {
  const vibration_result *v = vibration_last();
  cbor_array(w, 3);
  cbor_float(w, rounded(v->rms, 4));
  cbor_float(w, rounded(v->strongest_hz, 1));
  cbor_array(w, VIBRATION_TONES);
  for (int i = 0; i < VIBRATION_TONES; i++) cbor_uint(w, (uint64_t)(v->tone[i] * 1000.0f));
}
#endif

size_t telemetry_encode(uint8_t *out, size_t capacity) {
  cbor_writer w;
  cbor_begin(&w, out, capacity);
  cbor_map(&w, SINCE(1, 1, 0) ? 9 : 8);
  cbor_uint(&w, KEY_SEQUENCE), cbor_uint(&w, sequence);
  cbor_uint(&w, KEY_TIME), cbor_uint(&w, wall_clock());
  cbor_uint(&w, KEY_VERSION), cbor_text(&w, descriptor_version());
  cbor_uint(&w, KEY_NAME), cbor_text(&w, settings.name);
  cbor_uint(&w, KEY_READINGS), cbor_array(&w, QUANTITIES);
  for (unsigned i = 0; i < QUANTITIES; i++) encode_reading(&w, i);
  cbor_uint(&w, KEY_ALARMS), cbor_uint(&w, alarms_active());
  cbor_uint(&w, KEY_HEALTH), encode_health(&w);
  cbor_uint(&w, KEY_DERIVED), encode_derived(&w);
#if SINCE(1, 1, 0)
  cbor_uint(&w, KEY_VIBRATION), encode_vibration(&w);
#endif
  return w.overflow ? 0 : w.length;
}

void telemetry_report(void *context) {
  (void)context;
  uint8_t message[RADIO_MESSAGE_MAX];
  sequence++;
  size_t length = telemetry_encode(message, sizeof message);
  if (length == 0 || !radio_send(sequence, message, length)) return;
  sensors_new_window();
}

static bool refuse(int reason, size_t length) {
  log_event(EVENT_BAD_MESSAGE, reason, (int32_t)length);
  return false;
}

static bool field(const uint8_t *message, size_t length, uint64_t key, cbor_reader *r) {
  cbor_open(r, message, length);
  return cbor_find(r, key);
}

static bool handle_time(const uint8_t *message, size_t length) {
  cbor_reader r;
  int64_t seconds;
  if (!field(message, length, REQUEST_TIME, &r) || !cbor_read_int(&r, &seconds)) return refuse(REFUSED_SHAPE, length);
  if (seconds < 0 || seconds > UINT32_MAX) return refuse(REFUSED_VALUE, length);
  wall_clock_set((uint32_t)seconds);
  return true;
}

static bool handle_setting(const uint8_t *message, size_t length) {
  cbor_reader r;
  char name[24], text[32];
  if (!field(message, length, REQUEST_SETTING, &r) || !cbor_read_text(&r, name, sizeof name) ||
      !field(message, length, REQUEST_VALUE, &r) || !cbor_read_text(&r, text, sizeof text))
    return refuse(REFUSED_SHAPE, length);
  return settings_set(name, text) || refuse(REFUSED_VALUE, length);
}

bool telemetry_handle(const uint8_t *message, size_t length) {
  cbor_reader r;
  int64_t kind;
  if (!field(message, length, REQUEST_KIND, &r) || !cbor_read_int(&r, &kind)) return refuse(REFUSED_SHAPE, length);
  switch (kind) {
    case KIND_SET_TIME: return handle_time(message, length);
    case KIND_SET: return handle_setting(message, length);
    case KIND_REPORT_NOW: telemetry_send_soon(); return true;
    case KIND_RESTART: cpu_restart(); return true;
    default: return refuse(REFUSED_KIND, length);
  }
}
