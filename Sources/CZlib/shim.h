#pragma once
#include <zlib.h>

// Swift cannot import function-like macros.

/// `inflateInit2` for a file of gzip's: the largest window, and 16 for its header and sums.
static inline int ballast_inflate_init(z_stream *stream) {
  return inflateInit2(stream, 15 + 16);
}
