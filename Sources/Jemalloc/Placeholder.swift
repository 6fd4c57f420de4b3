// Jemalloc
