#if defined(__x86_64__)
// Headers first: they keep the attributes they have.
#include <math.h>
#include <string.h>

#include "include/ballast_kernels.h"
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define STRIP 6
#define LANES 8
#define NAME "avx2"
#define TABLE ballast_tiles_avx2
#include "tiles.inl"
#pragma clang attribute pop
#endif
