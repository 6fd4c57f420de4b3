#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <jemalloc/jemalloc.h>

// Swift cannot import function-like macros.

/// The flags of every block: 64-byte aligned, past the thread cache, so that statistics are exact.
static inline int ballast_mallocx_block_flags(void) {
  return MALLOCX_ALIGN(64) | MALLOCX_TCACHE_NONE;
}

/// `ballast_mallocx_block_flags`, and the arena that the block comes from.
static inline int ballast_mallocx_arena_flags(unsigned arena) {
  return MALLOCX_ARENA(arena) | ballast_mallocx_block_flags();
}

// Huge pages by extent hook. Advice on single blocks came too late: their ends are not aligned to
// 2 MiB, and the advice split the mappings. A hook sees whole mappings, once each.

/// jemalloc's own hooks with another way to map; jemalloc hands its address to every hook.
typedef struct {
  extent_hooks_t hooks;
  extent_hooks_t *defaults;
} ballast_huge_hooks;

static inline void *ballast_extent_alloc_huge(
    extent_hooks_t *hooks, void *address, size_t size, size_t alignment, bool *zero, bool *commit,
    unsigned arena) {
  extent_hooks_t *defaults = ((ballast_huge_hooks *)hooks)->defaults;
  void *extent = defaults->alloc(defaults, address, size, alignment, zero, commit, arena);
  // Failed advice changes speed, not meaning.
  if (extent && size >= ((size_t)2 << 20)) (void)madvise(extent, size, MADV_HUGEPAGE);
  return extent;
}

/// Makes hooks that ask for huge pages from jemalloc's own.
static inline ballast_huge_hooks ballast_make_huge_hooks(extent_hooks_t *defaults) {
  ballast_huge_hooks result = {*defaults, defaults};
  result.hooks.alloc = ballast_extent_alloc_huge;
  return result;
}
