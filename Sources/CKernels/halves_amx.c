#if defined(__x86_64__) && defined(__linux__)
// Squares on the tile registers of AMX.
#include <immintrin.h>
#include <math.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/ballast_kernels.h"
#pragma clang attribute push(                                                    \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,"  \
                          "fma,amx-tile,amx-bf16"))),                            \
    apply_to = function)
#define LANES 16
#define TILES ballast_halves_amx
#define ROUNDS_IN_HARDWARE
#include "vectors.inl"
#include "runs.inl"
#include "random.inl"
#include "softmax.inl"

/// Eight registers of 16 rows of 64 bytes.
static void begin(void) {
  static const struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } shapes = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
  _tile_loadconfig(&shapes);
}
static void end(void) { _tile_release(); }

/// c (+)= a · b of 32 × 32, c's rows c_row elements apart; the rest in bytes.
INLINE void square(const char *a, ptrdiff_t a_row, ptrdiff_t a_step, const char *b,
                   ptrdiff_t b_next, int32_t steps, float *c, ptrdiff_t c_row, int adds) {
  const ptrdiff_t row = c_row * 4;
  char *upper = (char *)c, *lower = upper + 16 * row;
  if (adds) {
    _tile_loadd(0, upper, row);
    _tile_loadd(1, upper + 64, row);
    _tile_loadd(2, lower, row);
    _tile_loadd(3, lower + 64, row);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (; steps > 0; steps--, a += a_step, b += 1024) {
    _tile_loadd(4, a, a_row);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + b_next, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + 16 * a_row, a_row);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, upper, row);
  _tile_stored(1, upper + 64, row);
  _tile_stored(2, lower, row);
  _tile_stored(3, lower + 64, row);
}

#include "halves.inl"
#pragma clang attribute pop

const ballast_tiles *ballast_find_amx(void) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("amx-bf16") || !__builtin_cpu_supports("avx512bf16")) return NULL;
  enum { REQUEST = 0x1023, TILE_DATA = 18 };  // ARCH_REQ_XCOMP_PERM, for every thread from now on
  return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) ? NULL : &TILES;
}
#else
#include "include/ballast_kernels.h"
const ballast_tiles *ballast_find_amx(void) { return 0; }
#endif
