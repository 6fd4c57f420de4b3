// Vectors of four: SSE2 and NEON, which every processor has.
#define STRIP 6
#define LANES 4
#define NAME "portable"
#define TABLE ballast_tiles_portable
#include "tiles.inl"
