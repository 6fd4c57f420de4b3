// Attention whose probabilities are kept: passes over rows of them, for tiles.inl.

/// body(c, count, k) for every vector of a row's span, the last perhaps in part: `count` elements of
/// it count. k, 0 to 3, says which of four sums takes it, so that none waits for the one before.
#define FOR_EACH_VECTOR(keys, body)                             \
  do {                                                          \
    int32_t c = (keys).first;                                   \
    for (; c + 4 * LANES <= (keys).last; c += 4 * LANES) {      \
      body(c, LANES, 0);                                        \
      body(c + LANES, LANES, 1);                                \
      body(c + 2 * LANES, LANES, 2);                            \
      body(c + 3 * LANES, LANES, 3);                            \
    }                                                           \
    for (; c < (keys).last; c += LANES)                         \
      body(c, least(LANES, (keys).last - c), 0);                \
  } while (0)

INLINE float sum_of_four(const lanes x[4]) { return sum((x[0] + x[1]) + (x[2] + x[3])); }
INLINE float top_of_four(const lanes x[4]) {
  return top(larger(larger(x[0], x[1]), larger(x[2], x[3])));
}

INLINE lanes load_some(const float *x, int32_t count, float rest) {
  return count == LANES ? load(x) : get(BALLAST_F32, x, 0, count, rest);
}
INLINE void store_some(float *x, lanes value, int32_t count) {
  if (count == LANES) store(x, value);
  else put(BALLAST_F32, x, 0, value, count);
}

/// Zeros beside a row's span.
INLINE void clear_beside(float *row, span keys, int32_t count) {
  memset(row, 0, (size_t)keys.first * sizeof(float));
  memset(row + keys.last, 0, (size_t)(count - keys.last) * sizeof(float));
}

static void all_scores(const ballast_tile *tile, ballast_rows a, const float *panels, float *c) {
  scores(tile, a, panels, c, 0, tile->rows);
}

static void softmax(const ballast_tile *tile, float *rows, float *log_sum_exp) {
  for (int32_t i = 0; i < tile->rows; i++, rows += tile->pitch) {
    const span keys = seen(tile, i);
    const lanes none = all(-INFINITY);
    lanes high[4] = {none, none, none, none}, sums[4] = {};
#define LARGEST(c, count, k) high[k] = larger(load_some(rows + (c), count, -INFINITY), high[k])
    FOR_EACH_VECTOR(keys, LARGEST);
#undef LARGEST
    const float now = top_of_four(high) * tile->scale;
#define EXPONENTIATE(c, count, k)                                                  \
  do {                                                                             \
    const lanes scaled = load_some(rows + (c), count, -INFINITY) * tile->scale;    \
    const lanes p = exponential(scaled - now);                                     \
    sums[k] += p;                                                                  \
    store_some(rows + (c), p, count);                                              \
  } while (0)
    FOR_EACH_VECTOR(keys, EXPONENTIATE);
#undef EXPONENTIATE
    const float total = sum_of_four(sums), factor = 1 / total;
#define NORMALIZE(c, count, k) \
  store_some(rows + (c), load_some(rows + (c), count, 0) * factor, count)
    FOR_EACH_VECTOR(keys, NORMALIZE);
#undef NORMALIZE
    clear_beside(rows, keys, tile->keys);
    if (log_sum_exp) log_sum_exp[i] = now + logf(total);
  }
}

/// Rows of P that are asked for before they are read: here it comes from memory, a piece of each row.
enum { AHEAD = 8 };

static void row_dots(const ballast_tile *tile, const float *p, ptrdiff_t p_pitch, const float *dp,
                     float *dots, int32_t adds) {
  for (int32_t i = 0; i < tile->rows; i++, p += p_pitch, dp += tile->pitch, dots += 2) {
    const span keys = seen(tile, i);
    if (i + AHEAD < tile->rows)
      for (int32_t c = keys.first; c < keys.last; c += LANES)
        __builtin_prefetch(p + AHEAD * p_pitch + c);
    lanes sums[4] = {}, ones[4] = {};
#define DOT(c, count, k)                                            \
  do {                                                              \
    const lanes weight = load_some(p + (c), count, 0);              \
    sums[k] += weight * load_some(dp + (c), count, 0);              \
    ones[k] += weight;                                              \
  } while (0)
    FOR_EACH_VECTOR(keys, DOT);
#undef DOT
    dots[0] = (adds ? dots[0] : 0) + sum_of_four(sums);
    dots[1] = (adds ? dots[1] : 0) + sum_of_four(ones);
  }
}

static void score_gradient(const ballast_tile *tile, const float *p, ptrdiff_t p_pitch,
                           const float *dots, float *ds) {
  for (int32_t i = 0; i < tile->rows; i++, p += p_pitch, ds += tile->pitch, dots += 2) {
    const span keys = seen(tile, i);
    const float mean = keys.last > keys.first ? dots[0] / dots[1] : 0;
#define CHANGE(c, count, k)                                                              \
  do {                                                                                   \
    const lanes change = load_some(ds + (c), count, 0) - mean;                           \
    store_some(ds + (c), load_some(p + (c), count, 0) * change * tile->scale, count);    \
  } while (0)
    FOR_EACH_VECTOR(keys, CHANGE);
#undef CHANGE
    clear_beside(ds, keys, tile->keys);
  }
}

static void weigh_all(const ballast_tile *tile, const float *a, const float *b, ballast_rows c,
                      int32_t adds) {
  weigh(tile, a, b, c, 0, tile->rows, adds);
}

static void gather_all(const ballast_tile *tile, const float *a, const float *b, ballast_rows c,
                       int32_t adds) {
  gather(tile, a, b, c, 0, tile->keys, adds);
}
