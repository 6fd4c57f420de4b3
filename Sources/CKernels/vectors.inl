// Vectors of one instruction set: LANES floats at a time.

#include <math.h>
#include <string.h>

#include "include/ballast_kernels.h"

#pragma STDC FP_CONTRACT ON

typedef float lanes __attribute__((vector_size(LANES * 4)));
typedef float loose __attribute__((vector_size(LANES * 4), aligned(4)));
typedef double wide __attribute__((vector_size(LANES * 8)));
typedef int32_t bits __attribute__((vector_size(LANES * 4)));

#define INLINE static inline __attribute__((always_inline))

INLINE lanes load(const float *x) { return *(const loose *)x; }
INLINE void store(float *x, lanes value) { *(loose *)x = value; }
INLINE lanes all(float value) { return value - (lanes){}; }
INLINE lanes choose(bits mask, lanes yes, lanes no) {
  return (lanes)((mask & (bits)yes) | (~mask & (bits)no));
}
INLINE lanes larger(lanes x, lanes y) { return choose(x > y, x, y); }
INLINE int32_t least(int64_t x, int64_t y) { return (int32_t)(x < y ? x : y); }
INLINE int32_t most(int64_t x, int64_t y) { return (int32_t)(x > y ? x : y); }
INLINE int32_t padded(int32_t count, int32_t unit) { return (count + unit - 1) / unit * unit; }

/// Lane l of what lies n lanes above it; the upper lanes mean nothing.
#if LANES == 16
#define ABOVE(x, n)                                                                              \
  __builtin_shufflevector(x, x, (n), 1 + (n), 2 + (n), 3 + (n), 4 + (n), 5 + (n), 6 + (n),       \
                          7 + (n), -1, -1, -1, -1, -1, -1, -1, -1)
#elif LANES == 8
#define ABOVE(x, n) \
  __builtin_shufflevector(x, x, (n), 1 + (n), 2 + (n), 3 + (n), -1, -1, -1, -1)
#else
#define ABOVE(x, n) __builtin_shufflevector(x, x, (n), 1 + (n), -1, -1)
#endif

/// The sum of all lanes: halves are added until one lane is left.
INLINE float sum(lanes x) {
#if LANES >= 16
  x += ABOVE(x, 8);
#endif
#if LANES >= 8
  x += ABOVE(x, 4);
#endif
  x += ABOVE(x, 2);
  x += ABOVE(x, 1);
  return x[0];
}
INLINE float top(lanes x) {
#if LANES >= 16
  x = larger(x, ABOVE(x, 8));
#endif
#if LANES >= 8
  x = larger(x, ABOVE(x, 4));
#endif
  x = larger(x, ABOVE(x, 2));
  x = larger(x, ABOVE(x, 1));
  return x[0];
}

/// Σ x · y, summed in float64.
INLINE float product(const float *x, const float *y, int32_t count) {
  wide sums = {};
  int32_t c = 0;
  for (; c + LANES <= count; c += LANES)
    sums += __builtin_convertvector(load(x + c), wide) * __builtin_convertvector(load(y + c), wide);
  double total = 0;
  for (; c < count; c++) total += (double)x[c] * y[c];
  for (int l = 0; l < LANES; l++) total += sums[l];
  return (float)total;
}

/// exp(x) for x up to 88, within 1e-7 of its value; 0 below -87.3 (Cephes' expf, S. Moshier).
INLINE lanes exponential(const lanes given) {
  const lanes lowest = all(-87.3f);
#if LANES == 16
  const lanes x = given;
#else
  const lanes x = larger(given, lowest);
#endif
  const lanes shifter = all(12582912.0f);  // 1.5 · 2²³: what is added loses its fraction
  const lanes n = (x * 1.44269504f + shifter) - shifter;
  const lanes r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  lanes y = all(1.9875691500e-4f);
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = (y * r + 1.0f) * r + 1.0f;
#if LANES == 16
  // y · 2ⁿ, and 0 where x is below; what is not a number is not.
  const __mmask16 held = _mm512_cmp_ps_mask((__m512)given, (__m512)lowest, _CMP_NLT_UQ);
  return (lanes)_mm512_maskz_scalef_ps(held, (__m512)y, (__m512)n);
#else
  const bits power = (__builtin_convertvector(n, bits) + 127) << 23;
  const lanes held = choose(given < lowest, (lanes){}, y * (lanes)power);
  return choose(given == given, held, given);  // what is not a number stays so
#endif
}
