// Squares of 16 × 16 words of four bytes: floats, or pairs of bfloat16.

#include <stddef.h>
#include <stdint.h>

#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

typedef uint32_t sixteen __attribute__((vector_size(64)));
typedef sixteen loose_sixteen __attribute__((aligned(2), may_alias));
typedef uint16_t short_sixteen __attribute__((vector_size(32), aligned(2), may_alias));

/// Lane l of two vectors: of those whose index lacks bit d, and of those that have it.
#define LACKING(d, l) ((l) & (d) ? 16 + (l) - (d) : (l))
#define HAVING(d, l) ((l) & (d) ? 16 + (l) : (l) + (d))
#define MIX(which, d, a, b)                                                                      \
  __builtin_shufflevector(a, b, which(d, 0), which(d, 1), which(d, 2), which(d, 3), which(d, 4), \
                          which(d, 5), which(d, 6), which(d, 7), which(d, 8), which(d, 9),       \
                          which(d, 10), which(d, 11), which(d, 12), which(d, 13), which(d, 14),  \
                          which(d, 15))
/// Exchanges bit d of the row and of the lane of everything in 16 rows of 16.
#define EXCHANGE(d, rows)                     \
  for (int i = 0; i < 16; i++) {              \
    if (i & (d)) continue;                    \
    const sixteen a = rows[i], b = rows[i + d]; \
    rows[i] = MIX(LACKING, d, a, b);          \
    rows[i + d] = MIX(HAVING, d, a, b);       \
  }

/// 16 rows of 16 words, `stride` bytes apart, turned: word j of row i becomes word i of row j, of
/// rows `step` bytes apart.
INLINE void turn(const char *from, ptrdiff_t stride, char *to, ptrdiff_t step) {
  sixteen rows[16];
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i++) rows[i] = *(const loose_sixteen *)(from + i * stride);
#pragma clang loop unroll(full)
  EXCHANGE(1, rows)
#pragma clang loop unroll(full)
  EXCHANGE(2, rows)
#pragma clang loop unroll(full)
  EXCHANGE(4, rows)
#pragma clang loop unroll(full)
  EXCHANGE(8, rows)
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i++) *(loose_sixteen *)(to + i * step) = rows[i];
}

/// 16 pairs of bfloat16 in `to`, of two rows, the first in the lower half.
INLINE void pair(const void *first, const void *second, void *to) {
  *(loose_sixteen *)to = __builtin_convertvector(*(const short_sixteen *)first, sixteen) |
                         __builtin_convertvector(*(const short_sixteen *)second, sixteen) << 16;
}
