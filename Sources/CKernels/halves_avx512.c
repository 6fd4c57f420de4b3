#if defined(__x86_64__)
// Squares on the pair products of AVX-512 BF16.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "include/ballast_kernels.h"
#pragma clang attribute push(                                                          \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,fma"))), \
    apply_to = function)
#define LANES 16
#define TILES ballast_halves_avx512
#define ROUNDS_IN_HARDWARE
#include "vectors.inl"
#include "runs.inl"
#include "random.inl"
#include "softmax.inl"

INLINE void begin(void) {}
INLINE void end(void) {}

INLINE __m512bh two_of_each(const char *x) { return (__m512bh)_mm512_loadu_si512(x); }
INLINE __m512bh two_of_one(const char *x) {
  int32_t pair;
  memcpy(&pair, x, sizeof pair);
  return (__m512bh)_mm512_set1_epi32(pair);
}

/// c (+)= a · b of 32 × 32, c's rows c_row elements apart; the rest in bytes. The sums of ROWS rows
/// stay in registers.
INLINE void square(const char *a, ptrdiff_t a_row, ptrdiff_t a_step, const char *b,
                   ptrdiff_t b_next, int32_t steps, float *c, ptrdiff_t c_row, int adds) {
  enum { ROWS = 8 };
  for (int first = 0; first < 32; first += ROWS, a += ROWS * a_row, c += ROWS * c_row) {
    __m512 left[ROWS], right[ROWS];
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      left[i] = adds ? _mm512_loadu_ps(c + i * c_row) : _mm512_setzero_ps();
      right[i] = adds ? _mm512_loadu_ps(c + i * c_row + 16) : _mm512_setzero_ps();
    }
    for (int32_t step = 0; step < steps; step++)
      for (int k = 0; k < 16; k++) {
        const char *pairs = b + step * 1024 + k * 64;
        const __m512bh near = two_of_each(pairs), far = two_of_each(pairs + b_next);
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
          const __m512bh factor = two_of_one(a + step * a_step + i * a_row + k * 4);
          left[i] = _mm512_dpbf16_ps(left[i], factor, near);
          right[i] = _mm512_dpbf16_ps(right[i], factor, far);
        }
      }
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      _mm512_storeu_ps(c + i * c_row, left[i]);
      _mm512_storeu_ps(c + i * c_row + 16, right[i]);
    }
  }
}

#include "halves.inl"
#pragma clang attribute pop
#endif
