#include "filter.h"

#include <math.h>
#include <string.h>

#define TWO_PI 6.28318530717958647692f

void fir_begin(fir_q15 *f, const int16_t *taps, unsigned count) {
  memset(f, 0, sizeof *f);
  f->taps = taps;
  f->count = count < FIR_TAPS_MAX ? count : FIR_TAPS_MAX;
}

int16_t fir_step(fir_q15 *f, int16_t sample) {
  f->past[f->at] = sample;
  int64_t sum = 1 << 14; /* half of the last place: rounds */
  unsigned at = f->at;
  for (unsigned i = 0; i < f->count; i++) {
    sum += (int32_t)f->taps[i] * f->past[at];
    at = at ? at - 1 : f->count - 1;
  }
  f->at = f->at + 1 < f->count ? f->at + 1 : 0;
  sum >>= 15;
  if (sum > INT16_MAX) return INT16_MAX;
  return sum < INT16_MIN ? INT16_MIN : (int16_t)sum;
}

typedef struct {
  float cosine, alpha;
} biquad_angle;

static biquad_angle angle_of(float sample_hz, float hz, float q) {
  float w = TWO_PI * hz / sample_hz;
  return (biquad_angle){cosf(w), sinf(w) / (2.0f * q)};
}

static void biquad_set(biquad *f, biquad_angle w, float b0, float b1, float b2) {
  float a0 = 1.0f + w.alpha;
  *f = (biquad){
    .b0 = b0 / a0, .b1 = b1 / a0, .b2 = b2 / a0, .a1 = -2.0f * w.cosine / a0, .a2 = (1.0f - w.alpha) / a0,
  };
}

void biquad_low_pass(biquad *f, float sample_hz, float corner_hz, float q) {
  biquad_angle w = angle_of(sample_hz, corner_hz, q);
  float side = (1.0f - w.cosine) / 2.0f;
  biquad_set(f, w, side, 2.0f * side, side);
}

void biquad_high_pass(biquad *f, float sample_hz, float corner_hz, float q) {
  biquad_angle w = angle_of(sample_hz, corner_hz, q);
  float side = (1.0f + w.cosine) / 2.0f;
  biquad_set(f, w, side, -2.0f * side, side);
}

void biquad_notch(biquad *f, float sample_hz, float centre_hz, float q) {
  biquad_angle w = angle_of(sample_hz, centre_hz, q);
  biquad_set(f, w, 1.0f, -2.0f * w.cosine, 1.0f);
}

/* Direct form II transposed: two states, and the best behaved form in floating point. */
float biquad_step(biquad *f, float sample) {
  float out = f->b0 * sample + f->z1;
  f->z1 = f->b1 * sample - f->a1 * out + f->z2;
  f->z2 = f->b2 * sample - f->a2 * out;
  return out;
}

void median_begin(median *m, unsigned size) {
  memset(m, 0, sizeof *m);
  m->size = size < MEDIAN_MAX ? size : MEDIAN_MAX;
}

float median_step(median *m, float sample) {
  float sorted[MEDIAN_MAX];
  m->past[m->at] = sample;
  m->at = (m->at + 1) % m->size;
  if (m->filled < m->size) m->filled++;
  for (unsigned i = 0; i < m->filled; i++) {
    unsigned place = i;
    for (; place && sorted[place - 1] > m->past[i]; place--) sorted[place] = sorted[place - 1];
    sorted[place] = m->past[i];
  }
  return sorted[m->filled / 2];
}

void kalman_begin(kalman *k, float first, float process_noise, float measure_noise) {
  *k = (kalman){.estimate = first, .variance = 1.0f, .process_noise = process_noise, .measure_noise = measure_noise};
}

float kalman_step(kalman *k, float measured) {
  k->variance += k->process_noise;
  float gain = k->variance / (k->variance + k->measure_noise);
  k->estimate += gain * (measured - k->estimate);
  k->variance *= 1.0f - gain;
  return k->estimate;
}

void stats_begin(running_stats *s) {
  *s = (running_stats){.low = INFINITY, .high = -INFINITY};
}

/* Welford's recurrence: one pass, no large sums. */
void stats_add(running_stats *s, float sample) {
  s->count++;
  float delta = sample - s->mean;
  s->mean += delta / (float)s->count;
  s->m2 += delta * (sample - s->mean);
  s->low = fminf(s->low, sample);
  s->high = fmaxf(s->high, sample);
}

float stats_deviation(const running_stats *s) {
  return s->count > 1 ? sqrtf(s->m2 / (float)(s->count - 1)) : 0.0f;
}

float goertzel_power(const int16_t *samples, unsigned count, float sample_hz, float tone_hz) {
  float factor = 2.0f * cosf(TWO_PI * tone_hz / sample_hz), s1 = 0.0f, s2 = 0.0f;
  for (unsigned i = 0; i < count; i++) {
    float s0 = (float)samples[i] / 32768.0f + factor * s1 - s2;
    s2 = s1;
    s1 = s0;
  }
  return (s1 * s1 + s2 * s2 - factor * s1 * s2) / (float)count;
}

/* Straight lines between table points (xs rising); flat outside. */
float interpolate(const float *xs, const float *ys, unsigned count, float x) {
  if (x <= xs[0]) return ys[0];
  for (unsigned i = 1; i < count; i++)
    if (x < xs[i]) return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
  return ys[count - 1];
}
