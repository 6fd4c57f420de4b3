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

/// What the environment asks for, or NULL.
static const char *wish(void) {
  const char *name = getenv("BALLAST_KERNELS");
  return name && *name ? name : NULL;
}

const ballast_kernel_table *ballast_kernels(void) {
  static const ballast_kernel_table *chosen;
  const ballast_kernel_table *table = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
  if (table) return table;
  if (wish()) table = ballast_kernels_named(wish());
  if (!table) table = ballast_kernels_named("avx512");
  if (!table) table = ballast_kernels_named("avx2");
  if (!table) table = &ballast_tiles_portable;
  __atomic_store_n(&chosen, table, __ATOMIC_RELEASE);
  return table;
}

extern const ballast_tiles ballast_halves_portable;
const ballast_tiles *ballast_find_amx(void);

static const ballast_tiles *find_avx512_bf16(void) {
#if defined(__x86_64__)
  extern const ballast_tiles ballast_halves_avx512;
  if (ballast_kernels_named("avx512") && __builtin_cpu_supports("avx512bf16"))
    return &ballast_halves_avx512;
#endif
  return NULL;
}

const ballast_tiles *ballast_half_tiles(void) {
  const char *name = wish();
  if (name && !strcmp(name, "halves")) return &ballast_halves_portable;
  if (name && !strcmp(name, "amx")) return ballast_find_amx();
  if (name && !strcmp(name, "avx512bf16")) return find_avx512_bf16();
  if (name) return NULL;
  const ballast_tiles *amx = ballast_find_amx();
  return amx ? amx : find_avx512_bf16();
}

const char *ballast_missing_kernels(void) {
  const char *name = wish();
  if (!name || ballast_kernels_named(name) || ballast_half_tiles()) return NULL;
  return name;
}
