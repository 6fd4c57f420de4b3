// Which keys the rows of a tile see, and their softmax.

/// The keys that a row sees, or that any of a strip's rows does.
typedef struct {
  int32_t first, last;
} span;

INLINE span seen(const ballast_tile *tile, int32_t row) {
  const int64_t end = row + tile->lead + 1;
  const int32_t last = least(most(end, 0), tile->keys);
  const int32_t first = tile->window ? least(most(end - tile->window, 0), last) : 0;
  return (span){first, last};
}
INLINE span seen_by(const ballast_tile *tile, int32_t row, int32_t count) {
  const span head = seen(tile, row), tail = seen(tile, row + count - 1);
  return (span){head.first < tail.first ? head.first : tail.first,
                head.last > tail.last ? head.last : tail.last};
}

/// -1 in the lanes from c on that are in the span.
INLINE bits inside(span keys, int32_t c) {
  bits index;
  for (int l = 0; l < LANES; l++) index[l] = c + l;
  return (index >= keys.first) & (index < keys.last);
}

/// Whether all lanes from c on are in the span, or none.
INLINE int is_whole(span keys, int32_t c) { return c >= keys.first && c + LANES <= keys.last; }
INLINE int is_outside(span keys, int32_t c) { return c + LANES <= keys.first || c >= keys.last; }

/// Columns first ..< last of a row of the tile, of a type, dropped in place.
INLINE void drop_row(const ballast_tile *tile, int32_t row, const int type, void *x, int32_t first,
                     int32_t last) {
  char *some = (char *)x + first * (type == BALLAST_F32 ? 4 : 2);
  drop_of(&tile->dropout, tile->number + row * tile->numbers + (uint64_t)first, type, some, some,
          NULL, last - first);
}

/// The softmax of a row of scores against a running maximum; what it was multiplied with is
/// returned. What is stored is of a type, in place.
INLINE float soften(const int type, float *row, span keys, span all_keys, float scale,
                    float *maximum, float *total, int is_first) {
  const int32_t start = all_keys.first / LANES * LANES;
  lanes high = all(-INFINITY);
  for (int32_t c = start; c < all_keys.last; c += LANES) {
    const lanes x = load(row + c);
    high = larger(is_whole(keys, c) ? x : choose(inside(keys, c), x, all(-INFINITY)), high);
  }
  const float before = is_first ? -INFINITY : *maximum;
  // scale > 0, so that it may be taken out of the maximum.
  float now = keys.last > keys.first ? top(high) * scale : -INFINITY;
  now = now > before ? now : before;
  if (now == -INFINITY) {  // nothing seen yet
    for (int32_t c = start; c < all_keys.last; c += LANES) put(type, row, c, (lanes){}, LANES);
    *maximum = now;
    if (is_first) *total = 0;
    return 1;
  }
  lanes sums = {};
  for (int32_t c = start; c < all_keys.last; c += LANES) {
    const lanes scaled = load(row + c) * scale;  // rounded as the maximum was: never above it
    lanes p = exponential(scaled - now);
    if (!is_whole(keys, c)) p = choose(inside(keys, c), p, (lanes){});
    sums += p;
    put(type, row, c, p, LANES);
  }
  const float correction = is_first ? 0 : before == now ? 1 : exponential(all(before - now))[0];
  *maximum = now;
  *total = (is_first ? 0 : *total * correction) + sum(sums);
  return correction;
}

static void finish(const ballast_forward *pass, float *log_sum_exp) {
  for (int32_t i = 0; i < pass->tile.rows; i++) {
    if (log_sum_exp) log_sum_exp[i] = pass->maxima[i] + logf(pass->sums[i]);
    if (!pass->output.start) continue;
    const float factor = 1 / pass->sums[i];
    float *o = pass->output.start + i * pass->output.stride;
    for (int32_t c = 0; c < pass->tile.width; c++) o[c] *= factor;
  }
}

