/* Digital filters, in fixed point (Q15) and in single precision. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIR_TAPS_MAX 32
#define MEDIAN_MAX 9

typedef struct {
  const int16_t *taps; /* Q15 */
  unsigned count;
  unsigned at;
  int16_t past[FIR_TAPS_MAX];
} fir_q15;

typedef struct {
  float b0, b1, b2, a1, a2;
  float z1, z2;
} biquad;

typedef struct {
  float past[MEDIAN_MAX];
  unsigned size, filled, at;
} median;

typedef struct {
  float estimate, variance;
  float process_noise, measure_noise;
} kalman;

typedef struct {
  uint32_t count;
  float mean, m2, low, high;
} running_stats;

void fir_begin(fir_q15 *f, const int16_t *taps, unsigned count);
int16_t fir_step(fir_q15 *f, int16_t sample);

void biquad_low_pass(biquad *f, float sample_hz, float corner_hz, float q);
void biquad_high_pass(biquad *f, float sample_hz, float corner_hz, float q);
void biquad_notch(biquad *f, float sample_hz, float centre_hz, float q);
float biquad_step(biquad *f, float sample);

void median_begin(median *m, unsigned size);
float median_step(median *m, float sample);

void kalman_begin(kalman *k, float first, float process_noise, float measure_noise);
float kalman_step(kalman *k, float measured);

void stats_begin(running_stats *s);
void stats_add(running_stats *s, float sample);
float stats_deviation(const running_stats *s);

float goertzel_power(const int16_t *samples, unsigned count, float sample_hz, float tone_hz);
float interpolate(const float *xs, const float *ys, unsigned count, float x);

#endif
