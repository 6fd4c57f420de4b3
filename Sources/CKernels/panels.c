// The second operand of a product as oneDNN multiplies it fastest: panels of 64 columns.
//
//     float32    BA16a64b     [columns / 64][inner][64]
//     bfloat16   BA16a64b2a   [columns / 64][inner / 2][64][2]
#include "include/ballast_kernels.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq"))), \
                             apply_to = function)
#include "words.inl"

enum { PANEL = 64 };

/// Words of four bytes that lie along the inner dimension: squares of 16 × 16 are turned.
INLINE void pack_turned(const ballast_operand_panels *x, ptrdiff_t size, ptrdiff_t first,
                        ptrdiff_t last) {
  const ptrdiff_t words = x->inner * size / 4, stride = x->column * size;
  for (ptrdiff_t j = 0; j < x->columns; j += 16)
    for (ptrdiff_t k = first * size / 4; k < last * size / 4; k += 16)
      turn((const char *)x->start + j * stride + 4 * k, stride,
           (char *)x->panels + 4 * ((j / PANEL * words + k) * PANEL + j % PANEL), 4 * PANEL);
}

/// Rows of float32 that lie along the columns.
INLINE void pack_floats(const ballast_operand_panels *x, ptrdiff_t first, ptrdiff_t last) {
  for (ptrdiff_t j = 0; j < x->columns; j += PANEL)
    for (ptrdiff_t k = first; k < last; k++) {
      const char *from = (const char *)x->start + 4 * (k * x->row + j);
      char *to = (char *)x->panels + 4 * (j * x->inner + k * PANEL);
      for (int v = 0; v < 4; v++)
        *(loose_sixteen *)(to + 64 * v) = *(const loose_sixteen *)(from + 64 * v);
    }
}

/// Rows of bfloat16 that lie along the columns, two of them in pairs.
INLINE void pack_halves(const ballast_operand_panels *x, ptrdiff_t first, ptrdiff_t last) {
  for (ptrdiff_t j = 0; j < x->columns; j += PANEL)
    for (ptrdiff_t k = first; k < last; k += 2) {
      const char *from = (const char *)x->start + 2 * (k * x->row + j);
      char *to = (char *)x->panels + 2 * (j * x->inner + k * PANEL);
      for (int v = 0; v < 4; v++)
        pair(from + 32 * v, from + 2 * x->row + 32 * v, to + 64 * v);
    }
}

static void pack(const ballast_operand_panels *x, ptrdiff_t first, ptrdiff_t last) {
  if (x->column != 1)
    pack_turned(x, x->type == BALLAST_F32 ? 4 : 2, first, last);
  else if (x->type == BALLAST_F32)
    pack_floats(x, first, last);
  else
    pack_halves(x, first, last);
}
#pragma clang attribute pop

ballast_packer ballast_find_packer(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
             ? pack
             : NULL;
}
#else
ballast_packer ballast_find_packer(void) { return NULL; }
#endif
