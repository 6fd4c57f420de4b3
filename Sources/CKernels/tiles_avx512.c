#if defined(__x86_64__)
// Headers first: they keep the attributes they have.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "include/ballast_kernels.h"
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"))), apply_to = function)
#define STRIP 6
#define VECTORS 4
#define LANES 16
#define NAME "avx512"
#define TABLE ballast_tiles_avx512
#include "tiles.inl"
#pragma clang attribute pop
#endif
