// The kernels of ballast_kernels.h for one instruction set. Before this is included, STRIP (rows of
// a product at once), LANES (floats of a vector), NAME and TABLE (what it defines) are set.

#include "vectors.inl"
#include "products.inl"
#include "runs.inl"
#include "random.inl"
#include "gelu.inl"
#include "angles.inl"
#include "softmax.inl"
#if LANES == 16
#include "words.inl"
#endif

/// c = a · panels over rows first ..< last of the tile, where some row of a strip sees a panel.
INLINE void scores(const ballast_tile *tile, ballast_rows a, const float *panels, float *c,
                   int32_t first, int32_t last) {
  const int32_t ci = tile->pitch;
  for (int32_t j = 0; j < tile->keys; j += PANEL) {
    const float *panel = panels + (ptrdiff_t)j * tile->width;
    for (int32_t i = first; i < last; i += STRIP) {
      const int32_t m = least(STRIP, last - i);
      const span keys = seen_by(tile, i, m);
      if (keys.last <= j || keys.first >= j + PANEL) continue;
      const float *from = a.start + i * a.stride;
      float *to = c + (ptrdiff_t)i * ci + j;
      const int32_t count = least(PANEL, tile->keys - j);
      if (count == PANEL || !tile->is_tight)
        row_strip(m, tile->width, from, a.stride, panel, to, ci, 0);
      else
        corner(row_strip, m, count, tile->width, from, a.stride, panel, to, ci, 0);
    }
  }
}

/// c (+)= a · b, with a [rows, keys] of the tile and b the columns of [keys, width].
INLINE void weigh(const ballast_tile *tile, const float *a, const float *b, ballast_rows c,
                  int32_t first, int32_t last, int adds) {
  const int32_t ai = tile->pitch;
  for (int32_t j = 0; j < tile->width; j += PANEL, b += (ptrdiff_t)tile->keys * PANEL) {
    const int32_t columns = least(PANEL, tile->width - j);
    for (int32_t i = first; i < last; i += STRIP) {
      const int32_t m = least(STRIP, last - i);
      const span keys = seen_by(tile, i, m);
      const int32_t inner = keys.last - keys.first;
      const float *from = a + (ptrdiff_t)i * ai + keys.first;
      const float *values = b + (ptrdiff_t)keys.first * PANEL;
      float *to = c.start + i * c.stride + j;
      if (columns == PANEL)
        row_strip(m, inner, from, ai, values, to, c.stride, adds);
      else
        corner(row_strip, m, columns, inner, from, ai, values, to, c.stride, adds);
    }
  }
}

/// c (+)= aᵀ · b over keys first ..< last, with a [rows, keys] of the tile and b the columns of
/// [rows, width].
INLINE void gather(const ballast_tile *tile, const float *a, const float *b, ballast_rows c,
                   int32_t first, int32_t last, int adds) {
  const int32_t ak = tile->pitch, rows = tile->rows;
  for (int32_t j = 0; j < tile->width; j += PANEL, b += (ptrdiff_t)rows * PANEL) {
    const int32_t columns = least(PANEL, tile->width - j);
    int32_t top = 0, end = 0;  // rows in whole strips that see some of the keys
    for (int32_t i = first; i < last; i += STRIP) {
      const int32_t m = least(STRIP, last - i);
      while (top < rows && seen_by(tile, top, least(STRIP, rows - top)).last <= i) top += STRIP;
      if (end < top) end = top;
      while (end < rows && seen_by(tile, end, least(STRIP, rows - end)).first < i + m)
        end += STRIP;
      const int32_t inner = most(least(end, rows) - top, 0);
      const float *from = a + (ptrdiff_t)top * ak + i;
      const float *values = b + (ptrdiff_t)top * PANEL;
      float *to = c.start + i * c.stride + j;
      if (columns == PANEL)
        column_strip(m, inner, from, ak, values, to, c.stride, adds);
      else
        corner(column_strip, m, columns, inner, from, ak, values, to, c.stride, adds);
    }
  }
}

// MARK: Kernels

typedef float four __attribute__((vector_size(16)));
typedef float loose_four __attribute__((vector_size(16), aligned(4)));

/// Four rows of four, `stride` apart, as four columns, `step` apart.
INLINE void transpose_four(const float *from, ptrdiff_t stride, float *to, ptrdiff_t step) {
  const four a = *(const loose_four *)from, b = *(const loose_four *)(from + stride),
             c = *(const loose_four *)(from + 2 * stride),
             d = *(const loose_four *)(from + 3 * stride);
  const four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
             cd = __builtin_shufflevector(c, d, 0, 4, 1, 5),
             ba = __builtin_shufflevector(a, b, 2, 6, 3, 7),
             dc = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *(loose_four *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
  *(loose_four *)(to + step) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  *(loose_four *)(to + 2 * step) = __builtin_shufflevector(ba, dc, 0, 1, 4, 5);
  *(loose_four *)(to + 3 * step) = __builtin_shufflevector(ba, dc, 2, 3, 6, 7);
}

static void transpose(ballast_rows x, int32_t rows, int32_t width, float *panels) {
  for (int32_t j = 0; j < rows; j += PANEL, panels += (ptrdiff_t)width * PANEL) {
    const int32_t count = least(PANEL, rows - j);
    const float *from = x.start + j * x.stride;
    if (count < PANEL) memset(panels, 0, (size_t)width * PANEL * sizeof(float));
    // Sixteen columns at a time: a cache line of each row.
    for (int32_t c = 0; c < width; c += 16) {
      const int32_t columns = least(16, width - c);
      const int32_t whole_rows = count / 4 * 4, whole = columns / 4 * 4;
      float *to = panels + (ptrdiff_t)c * PANEL;
#if LANES == 16
      if (count == PANEL && columns == 16) {
        for (int32_t i = 0; i < PANEL; i += 16)
          turn((const char *)(from + i * x.stride + c), 4 * x.stride, (char *)(to + i), 4 * PANEL);
        continue;
      }
#endif
      for (int32_t i = 0; i < whole_rows; i += 4)
        for (int32_t l = 0; l < whole; l += 4)
          transpose_four(from + i * x.stride + c + l, x.stride, to + l * PANEL + i, PANEL);
      for (int32_t i = 0; i < count; i++)
        for (int32_t l = i < whole_rows ? whole : 0; l < columns; l++)
          to[l * PANEL + i] = from[i * x.stride + c + l];
    }
  }
}

/// Rows first ..< last of x in their places among the columns of `rows` rows.
static void columns(ballast_rows x, int32_t rows, int32_t width, int32_t first, int32_t last,
                    float *panels) {
  for (int32_t j = 0; j < width; j += PANEL, panels += (ptrdiff_t)rows * PANEL) {
    const int32_t count = least(PANEL, width - j);
    for (int32_t i = first; i < last; i++) {
      const float *from = x.start + i * x.stride + j;
      float *to = panels + (ptrdiff_t)i * PANEL;
      if (count == PANEL) {
        for (int v = 0; v < VECTORS; v++) store(to + v * LANES, load(from + v * LANES));
        continue;
      }
      for (int32_t c = 0; c < PANEL; c++) to[c] = c < count ? from[c] : 0;
    }
  }
}

static void forward(const ballast_forward *pass) {
  const ballast_tile *tile = &pass->tile;
  const int32_t ci = tile->pitch;
  scores(tile, pass->q, pass->k_panels, pass->scores, 0, tile->rows);
  for (int32_t i = 0; i < tile->rows; i++) {
    const int32_t head = i / STRIP * STRIP;
    const span around = seen_by(tile, head, least(STRIP, tile->rows - head));
    const float correction =
        soften(BALLAST_F32, pass->scores + (ptrdiff_t)i * ci, seen(tile, i), around, tile->scale,
               pass->maxima + i, pass->sums + i, pass->is_first);
    if (tile->drops)
      drop_row(tile, i, BALLAST_F32, pass->scores + (ptrdiff_t)i * ci, around.first, around.last);
    if (!pass->v_columns || pass->is_first || correction == 1) continue;
    float *o = pass->output.start + i * pass->output.stride;
    for (int32_t c = 0; c < tile->width; c++) o[c] *= correction;
  }
  if (pass->v_columns)
    weigh(tile, pass->scores, pass->v_columns, pass->output, 0, tile->rows, !pass->is_first);
}

/// exp(scale · s - less) of the scores from c on; 0 behind the keys.
INLINE lanes probability(const float *s, span keys, int32_t c, float scale, float less) {
  if (is_outside(keys, c)) return (lanes){};
  const lanes scaled = load(s) * scale;
  const lanes value = exponential(scaled - less);
  return is_whole(keys, c) ? value : choose(inside(keys, c), value, (lanes){});
}

/// scale · P (dP - dot) from c on; 0 behind the keys.
INLINE lanes score_change(const float *dp, lanes p, span keys, int32_t c, float scale, float dot) {
  if (is_outside(keys, c)) return (lanes){};
  const lanes value = p * (load(dp) - dot) * scale;
  return is_whole(keys, c) ? value : choose(inside(keys, c), value, (lanes){});
}

/// P and dS of columns start ..< end of a row, in place of its scores and dP.
INLINE void backward_row(const ballast_backward *pass, int32_t row, int32_t start, int32_t end) {
  const ballast_tile *tile = &pass->tile;
  const span keys = seen(tile, row);
  float *p = pass->p + (ptrdiff_t)row * tile->pitch, *ds = pass->ds + (ptrdiff_t)row * tile->pitch;
  const float scale = tile->scale, less = pass->log_sum_exp[row];
  if (pass->v_panels && pass->output.start) {
    const float dot = product(pass->d_output.start + row * pass->d_output.stride,
                              pass->output.start + row * pass->output.stride, tile->width);
    for (int32_t c = start; c < end; c += LANES) {
      const lanes value = probability(p + c, keys, c, scale, less);
      store(p + c, value);
      store(ds + c, score_change(ds + c, value, keys, c, scale, dot));
    }
    return;
  }
  lanes sums = {}, ones = {};
  for (int32_t c = start; c < end; c += LANES) {
    const lanes value = probability(p + c, keys, c, scale, less);
    store(p + c, value);
    if (!pass->v_panels) continue;
    const lanes change = load(ds + c);
    sums += value * (is_whole(keys, c) ? change : choose(inside(keys, c), change, (lanes){}));
    ones += value;
  }
  if (!pass->v_panels) return;
  // Σ P is 1 but for rounding, which would be left over in Σ dS.
  const float dot = keys.last > keys.first ? sum(sums) / sum(ones) : 0;
  for (int32_t c = start; c < end; c += LANES)
    store(ds + c, score_change(ds + c, load(p + c), keys, c, scale, dot));
}

static void backward_rows(const ballast_backward *pass, int32_t first, int32_t last) {
  const ballast_tile *tile = &pass->tile;
  const ptrdiff_t ci = tile->pitch;
  scores(tile, pass->q, pass->k_panels, pass->p, first, last);
  if (pass->v_panels) scores(tile, pass->d_output, pass->v_panels, pass->ds, first, last);
  for (int32_t i = first; i < last; i++) {
    const int32_t head = (i - first) / STRIP * STRIP + first;
    const span around = seen_by(tile, head, least(STRIP, last - head));
    // The keys' half takes STRIP keys at once, some of which these rows may not see.
    const int32_t start = most(around.first - STRIP, 0) / LANES * LANES;
    const int32_t end = least(padded(around.last, LANES) + STRIP, tile->pitch);
    if (tile->drops && pass->v_panels)
      drop_row(tile, i, BALLAST_F32, pass->ds + i * ci, start, end);
    backward_row(pass, i, start, end);
    if (tile->drops) drop_row(tile, i, BALLAST_F32, pass->p + i * ci, start, end);
  }
  if (pass->dq.start)
    weigh(tile, pass->ds, pass->k_columns, pass->dq, first, last, pass->adds_dq);
  if (pass->dk.start) columns(pass->q, tile->rows, tile->width, first, last, pass->q_columns);
  if (pass->dv.start)
    columns(pass->d_output, tile->rows, tile->width, first, last, pass->d_output_columns);
}

static void backward_keys(const ballast_backward *pass, int32_t first, int32_t last) {
  const ballast_tile *tile = &pass->tile;
  if (pass->dv.start)
    gather(tile, pass->p, pass->d_output_columns, pass->dv, first, last, pass->adds_dv);
  if (pass->dk.start) gather(tile, pass->ds, pass->q_columns, pass->dk, first, last, pass->adds_dk);
}

#include "kept.inl"

const ballast_kernel_table TABLE = {
    .name = NAME,
    .tiles =
        {
            .type = BALLAST_F32,
            .strip = STRIP,
            .transpose = transpose,
            .columns = columns,
            .forward = forward,
            .finish = finish,
            .backward_rows = backward_rows,
            .backward_keys = backward_keys,
        },
    .scores = all_scores,
    .softmax = softmax,
    .row_dots = row_dots,
    .score_gradient = score_gradient,
    .weigh = weigh_all,
    .gather = gather_all,
    .runs =
        {
            .convert = convert,
            .add = add,
            .dot = dot,
            .swiglu = swiglu,
            .swiglu_gradient = swiglu_gradient,
            .gelu = gelu,
            .gelu_gradient = gelu_gradient,
            .rms_norm = rms_norm,
            .layer_norm = layer_norm,
            .norm_gradient = norm_gradient,
            .angles = angles,
            .rotate = rotate,
            .maximum = maximum,
            .exponentiate = exponentiate,
            .scale = scale,
            .softmax_gradient = softmax_gradient,
            .log_sum_exp = log_sum_exp,
            .normalize = normalize,
            .draw = draw,
            .drop = drop,
            .drop_masked = drop_masked,
        },
};
