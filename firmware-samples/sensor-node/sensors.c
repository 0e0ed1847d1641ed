/* From converter counts to physical values. */
#include "sensors.h"

#include <math.h>

#include "board.h"
#include "hal.h"
#include "release.h"
#include "settings.h"

#define ADC_FULL_SCALE 4095.0f
#define SAMPLE_HZ 10.0f
#define KELVIN 273.15f

const quantity_info quantities[QUANTITIES] = {
  [TEMPERATURE] = {"temperature", "C", -40.0f, 85.0f, 2},
  [HUMIDITY] = {"humidity", "%", 0.0f, 100.0f, 1},
  [PRESSURE] = {"pressure", "Pa", 30000.0f, 110000.0f, 0},
  [BATTERY] = {"battery", "V", 1.8f, 4.3f, 3},
  [LIGHT] = {"light", "lx", 0.0f, 120000.0f, 0},
};

/* 31 taps, low pass at a tenth of the sample rate, Hamming window, Q15. */
static const int16_t smoothing_taps[31] = {
  0, 39, 91, 139, 129, 0, -271, -609, -832, -696, 0, 1297, 3011, 4755, 6059, 6542,
  6059, 4755, 3011, 1297, 0, -696, -832, -609, -271, 0, 129, 139, 91, 39, 0,
};

/* Cell voltage to lux of the photodiode's logarithmic amplifier. */
static const float light_volts[] = {0.05f, 0.40f, 0.80f, 1.20f, 1.60f, 2.00f, 2.40f};
static const float light_lux[] = {0.0f, 10.0f, 100.0f, 1000.0f, 10000.0f, 50000.0f, 120000.0f};

static fir_q15 smoothing[QUANTITIES];
static median spikes[QUANTITIES];
static biquad mains_notch;
static kalman pressure_track;
static reading readings[QUANTITIES];
static float full_scale_volts;

char board_revision(void) {
  static const char names[4] = {'A', 'B', 'C', 'D'};
  return names[((gpio_regs *)BOARD_GPIO_BASE)->input & BOARD_REVISION_PINS];
}

/* Revision C has another reference: 2.5 V in place of 3.3 V. */
static float reference_of(char revision) {
#if ONLY(1, 2, 0)
  (void)revision;
  return 3.3f;
#else
  return revision >= 'C' ? 2.5f : 3.3f;
#endif
}

void sensors_begin(void) {
  full_scale_volts = reference_of(board_revision());
  for (int i = 0; i < QUANTITIES; i++) {
    fir_begin(&smoothing[i], smoothing_taps, sizeof smoothing_taps / sizeof *smoothing_taps);
    median_begin(&spikes[i], i == LIGHT ? 9 : 5);
    stats_begin(&readings[i].window);
  }
  biquad_notch(&mains_notch, SAMPLE_HZ, 2.0f, 8.0f);
  kalman_begin(&pressure_track, 101325.0f, 0.4f, 90.0f);
}

static float volts(int16_t counts) {
  return (float)counts / ADC_FULL_SCALE * full_scale_volts;
}

static int16_t oversample(unsigned channel) {
  uint32_t sum = 0;
#if ONLY(1, 2, 0)
  for (int i = 0; i < 4; i++) sum += adc_read(channel);
  return (int16_t)(sum / 4);
#else
  for (int i = 0; i < 16; i++) sum += adc_read(channel);
  return (int16_t)(sum / 16);
#endif
}

/* Thermistor of 10 kohm at 25 C against a resistor of 10 kohm; Steinhart-Hart. */
static float to_celsius(int16_t counts) {
  float ratio = (float)counts / ADC_FULL_SCALE;
  if (ratio < 0.001f || ratio > 0.999f) return NAN;
  float log_ohms = logf(10000.0f * ratio / (1.0f - ratio));
  float inverse = 1.129148e-3f + 2.34125e-4f * log_ohms + 8.76741e-8f * log_ohms * log_ohms * log_ohms;
  return 1.0f / inverse - KELVIN;
}

/* The cell is linear in relative humidity and drifts with temperature. */
static float to_humidity(int16_t counts, float celsius) {
  float raw = (volts(counts) / full_scale_volts - 0.16f) / 0.0062f;
  float humidity = raw / (1.0546f - 0.00216f * celsius);
#if SINCE(1, 0, 1)
  if (humidity > 100.0f) humidity = 100.0f; /* condensation drives the cell past its scale */
#endif
  return humidity;
}

static float to_pascals(int16_t counts) {
  return (volts(counts) / full_scale_volts + 0.095f) / 0.009f * 1000.0f;
}

static float convert(unsigned quantity, int16_t counts) {
  switch (quantity) {
    case TEMPERATURE: return to_celsius(counts);
    case HUMIDITY: return to_humidity(counts, readings[TEMPERATURE].valid ? readings[TEMPERATURE].value : 25.0f);
    case PRESSURE: return kalman_step(&pressure_track, to_pascals(counts));
    case BATTERY: return 2.0f * biquad_step(&mains_notch, volts(counts));
    default: return interpolate(light_volts, light_lux, sizeof light_lux / sizeof *light_lux, volts(counts));
  }
}

static void take(unsigned quantity) {
  static const uint8_t channels[QUANTITIES] = {
    CHANNEL_THERMISTOR, CHANNEL_HUMIDITY, CHANNEL_PRESSURE, CHANNEL_BATTERY, CHANNEL_LIGHT,
  };
  reading *r = &readings[quantity];
  int16_t counts = fir_step(&smoothing[quantity], oversample(channels[quantity]));
  float value = median_step(&spikes[quantity], convert(quantity, counts));
  value = value * settings.gain[quantity] + settings.offset[quantity];
  r->valid = isfinite(value) && value >= quantities[quantity].low && value <= quantities[quantity].high;
  if (!r->valid) return;
  r->value = value;
  stats_add(&r->window, value);
}

void sensors_sample(void *context) {
  (void)context;
  for (unsigned i = 0; i < QUANTITIES; i++) take(i);
}

const reading *sensors_get(unsigned quantity) {
  return &readings[quantity];
}

void sensors_new_window(void) {
  for (int i = 0; i < QUANTITIES; i++) stats_begin(&readings[i].window);
}

bool sensors_calibrate(unsigned quantity, float true_value) {
  if (quantity >= QUANTITIES || !readings[quantity].valid) return false;
  settings.offset[quantity] += true_value - readings[quantity].value;
  return settings_save();
}

/* The band-gap cell gives 1.21 V whatever the reference is, so it tells whether the assumed reference is right. */
float sensors_reference_volts(void) {
  return volts(oversample(CHANNEL_REFERENCE));
}

#if !SINCE(1, 3, 0)
/* Magnus formula with the constants for water between -45 and 60 C. */
float dew_point(float celsius, float humidity_percent) {
  float gamma = logf(fmaxf(humidity_percent, 1.0f) / 100.0f) + 17.62f * celsius / (243.12f + celsius);
  return 243.12f * gamma / (17.62f - gamma);
}

#if SINCE(1, 1, 0)
/* Felt temperature from air temperature and vapour pressure, for shade without wind. */
float heat_index(float celsius, float humidity_percent) {
  float vapour_hpa = humidity_percent / 100.0f * 6.105f * expf(17.27f * celsius / (237.7f + celsius));
  return celsius + 0.33f * vapour_hpa - 4.0f;
}
#endif

float altitude_metres(float pascals, float sea_level_pascals) {
  return 44330.0f * (1.0f - powf(pascals / sea_level_pascals, 0.190295f));
}
#endif
