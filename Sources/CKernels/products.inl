// Products of strips of rows with panels of columns; for tiles.inl.
//
// A product is computed STRIP rows × PANEL columns at a time, which stay in registers while its
// inner dimension runs past: STRIP · 2 accumulators, two vectors of B, one broadcast of A.

#ifndef VECTORS
#define VECTORS 2
#endif
enum { PANEL = VECTORS * LANES };

/// c (+)= a · b of m rows × PANEL columns; a[i, k] at a + i · ai + k · ak, b a panel.
INLINE void block(const int m, int32_t inner, const float *a, ptrdiff_t ai, ptrdiff_t ak,
                  const float *b, float *c, ptrdiff_t ci, int adds) {
  lanes sums[STRIP][VECTORS];
#pragma clang loop unroll(full)
  for (int i = 0; i < m; i++)
#pragma clang loop unroll(full)
    for (int v = 0; v < VECTORS; v++) sums[i][v] = (lanes){};
  for (int32_t k = 0; k < inner; k++, a += ak, b += PANEL) {
    lanes values[VECTORS];
#pragma clang loop unroll(full)
    for (int v = 0; v < VECTORS; v++) values[v] = load(b + v * LANES);
#pragma clang loop unroll(full)
    for (int i = 0; i < m; i++) {
      const lanes factor = all(a[i * ai]);
#pragma clang loop unroll(full)
      for (int v = 0; v < VECTORS; v++) sums[i][v] += factor * values[v];
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < m; i++, c += ci)
#pragma clang loop unroll(full)
    for (int v = 0; v < VECTORS; v++) {
      float *to = c + v * LANES;
      store(to, adds ? load(to) + sums[i][v] : sums[i][v]);
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
