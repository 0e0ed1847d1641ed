/* Quantities that follow from others. Since 1.3.0 they stand apart from the converters and share the vapour pressure. */
#include <math.h>

#include "release.h"
#include "sensors.h"

#if SINCE(1, 3, 0)

/* Vapour pressure of water in hPa, by Magnus. */
static float vapour_pressure(float celsius, float humidity_percent) {
  return humidity_percent / 100.0f * 6.105f * expf(17.27f * celsius / (237.7f + celsius));
}

float altitude_metres(float pascals, float sea_level_pascals) {
  return 44330.0f * (1.0f - powf(pascals / sea_level_pascals, 0.190295f));
}

/* Felt temperature from air temperature and vapour pressure, for shade without wind. */
float heat_index(float celsius, float humidity_percent) {
  return celsius + 0.33f * vapour_pressure(celsius, humidity_percent) - 4.0f;
}

/* Magnus formula with the constants for water between -45 and 60 C. */
float dew_point(float celsius, float humidity_percent) {
  float gamma = logf(fmaxf(humidity_percent, 1.0f) / 100.0f) + 17.62f * celsius / (243.12f + celsius);
  return 243.12f * gamma / (17.62f - gamma);
}

#endif
