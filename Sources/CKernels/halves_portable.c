// Squares in plain C: what tests of `halves.inl` use on a processor that multiplies no bfloat16.
#define LANES 4
#define TILES ballast_halves_portable
#include "vectors.inl"
#include "runs.inl"
#include "random.inl"
#include "softmax.inl"

INLINE void begin(void) {}
INLINE void end(void) {}

INLINE float half_at(const char *x) {
  uint16_t bits;
  memcpy(&bits, x, sizeof bits);
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

/// c (+)= a · b of 32 × 32, c's rows c_row elements apart; the rest in bytes.
static void square(const char *a, ptrdiff_t a_row, ptrdiff_t a_step, const char *b,
                   ptrdiff_t b_next, int32_t steps, float *c, ptrdiff_t c_row, int adds) {
  for (int i = 0; i < 32; i++) {
    float sums[32] = {0};
    for (int32_t k = 0; k < 32 * steps; k++) {
      const float factor = half_at(a + i * a_row + k / 32 * a_step + k % 32 * 2);
      const char *pairs = b + k / 32 * 1024 + k % 32 / 2 * 64 + k % 2 * 2;
      for (int j = 0; j < 32; j++)
        sums[j] += factor * half_at(pairs + j / 16 * b_next + j % 16 * 4);
    }
    for (int j = 0; j < 32; j++) c[i * c_row + j] = (adds ? c[i * c_row + j] : 0) + sums[j];
  }
}

#include "halves.inl"
