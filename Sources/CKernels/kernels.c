#include "include/ballast_kernels.h"

#include <stdlib.h>
#include <string.h>

extern const ballast_kernel_table ballast_tiles_portable;
#if defined(__x86_64__)
extern const ballast_kernel_table ballast_tiles_avx2, ballast_tiles_avx512;
#endif

const ballast_kernel_table *ballast_kernels_named(const char *name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!strcmp(name, "avx512"))
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
               ? &ballast_tiles_avx512
               : NULL;
  if (!strcmp(name, "avx2"))
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &ballast_tiles_avx2
                                                                            : NULL;
#endif
  return strcmp(name, "portable") ? NULL : &ballast_tiles_portable;
}

const ballast_kernel_table *ballast_kernels(void) {
  static const ballast_kernel_table *chosen;
  const ballast_kernel_table *table = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
  if (table) return table;
  const char *wish = getenv("BALLAST_KERNELS");
  if (wish) table = ballast_kernels_named(wish);
  if (!table) table = ballast_kernels_named("avx512");
  if (!table) table = ballast_kernels_named("avx2");
  if (!table) table = &ballast_tiles_portable;
  __atomic_store_n(&chosen, table, __ATOMIC_RELEASE);
  return table;
}

void ballast_widen(const uint16_t *x, ptrdiff_t stride, int32_t rows, int32_t width,
                   ballast_rows y) {
  for (int32_t i = 0; i < rows; i++, x += stride) {
    uint32_t *to = (uint32_t *)(y.start + i * y.stride);
    for (int32_t c = 0; c < width; c++) to[c] = (uint32_t)x[c] << 16;
  }
}

/// Nearest, ties to even; what is not a number stays so.
static inline uint16_t rounded(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)((bits >> 16) | 64);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void ballast_round(ballast_rows x, int32_t rows, int32_t width, uint16_t *y, ptrdiff_t stride,
                   int32_t accumulates) {
  for (int32_t i = 0; i < rows; i++, y += stride) {
    const float *from = x.start + i * x.stride;
    for (int32_t c = 0; c < width; c++) {
      float value = from[c];
      if (accumulates) {
        const uint32_t bits = (uint32_t)y[c] << 16;
        float there;
        memcpy(&there, &bits, sizeof there);
        value += there;
      }
      y[c] = rounded(value);
    }
  }
}
