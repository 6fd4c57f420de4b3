// Vectors of one instruction set, and products of strips of rows with panels of columns; for tiles.inl.
//
// A product is computed STRIP rows × PANEL columns at a time, which stay in registers while its
// inner dimension runs past: STRIP · 2 accumulators, two vectors of B, one broadcast of A.

#include <math.h>
#include <string.h>

#include "include/ballast_kernels.h"

#pragma STDC FP_CONTRACT ON

enum { PANEL = 2 * LANES };

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

INLINE float sum(lanes x) {
  float half[LANES];
  store(half, x);
  for (int n = LANES / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++) half[i] += half[i + n];
  return half[0];
}
INLINE float top(lanes x) {
  float half[LANES];
  store(half, x);
  for (int n = LANES / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++) half[i] = half[i] > half[i + n] ? half[i] : half[i + n];
  return half[0];
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
  const lanes x = larger(given, lowest);
  const lanes shifter = all(12582912.0f);  // 1.5 · 2²³: what is added loses its fraction
  const lanes n = (x * 1.44269504f + shifter) - shifter;
  const lanes r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  lanes y = all(1.9875691500e-4f);
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + r + 1.0f;
  const bits power = (__builtin_convertvector(n, bits) + 127) << 23;
  const lanes held = choose(given < lowest, (lanes){}, y * (lanes)power);
  return choose(given == given, held, given);  // what is not a number stays so
}

// MARK: Products

/// c (+)= a · b of m rows × PANEL columns; a[i, k] at a + i · ai + k · ak, b a panel.
INLINE void block(const int m, int32_t inner, const float *a, ptrdiff_t ai, ptrdiff_t ak,
                  const float *b, float *c, ptrdiff_t ci, int adds) {
  lanes sums[STRIP][2];
#pragma clang loop unroll(full)
  for (int i = 0; i < m; i++) sums[i][0] = sums[i][1] = (lanes){};
  for (int32_t k = 0; k < inner; k++, a += ak, b += PANEL) {
    const lanes left = load(b), right = load(b + LANES);
#pragma clang loop unroll(full)
    for (int i = 0; i < m; i++) {
      const lanes factor = all(a[i * ai]);
      sums[i][0] += factor * left;
      sums[i][1] += factor * right;
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < m; i++, c += ci) {
    store(c, adds ? load(c) + sums[i][0] : sums[i][0]);
    store(c + LANES, adds ? load(c + LANES) + sums[i][1] : sums[i][1]);
  }
}

/// A strip of m rows, of which full ones have their count known to the compiler.
INLINE void strip(int32_t m, int32_t inner, const float *a, ptrdiff_t ai, ptrdiff_t ak,
                  const float *b, float *c, ptrdiff_t ci, int adds) {
  if (m == STRIP) {
    block(STRIP, inner, a, ai, ak, b, c, ci, adds);
    return;
  }
  for (; m >= 4; m -= 4, a += 4 * ai, c += 4 * ci) block(4, inner, a, ai, ak, b, c, ci, adds);
  for (; m > 0; m--, a += ai, c += ci) block(1, inner, a, ai, ak, b, c, ci, adds);
}

typedef void strip_product(
    int32_t m, int32_t inner, const float *a, ptrdiff_t step, const float *b, float *c,
    ptrdiff_t ci, int adds);

/// A strip of a's rows, `step` apart.
static void __attribute__((noinline)) row_strip(
    int32_t m, int32_t inner, const float *a, ptrdiff_t step, const float *b, float *c,
    ptrdiff_t ci, int adds) {
  strip(m, inner, a, step, 1, b, c, ci, adds);
}

/// A strip of a's columns, its rows `step` apart.
static void __attribute__((noinline)) column_strip(
    int32_t m, int32_t inner, const float *a, ptrdiff_t step, const float *b, float *c,
    ptrdiff_t ci, int adds) {
  strip(m, inner, a, 1, step, b, c, ci, adds);
}

/// The last columns of c, fewer than a panel; the panel itself ends in zeros.
static void __attribute__((noinline)) corner(
    strip_product *product, int32_t m, int32_t columns, int32_t inner, const float *a,
    ptrdiff_t step, const float *b, float *c, ptrdiff_t ci, int adds) {
  float sums[STRIP * PANEL];
  product(m, inner, a, step, b, sums, PANEL, 0);
  for (int32_t i = 0; i < m; i++)
    for (int32_t j = 0; j < columns; j++)
      c[i * ci + j] = (adds ? c[i * ci + j] : 0) + sums[i * PANEL + j];
}
