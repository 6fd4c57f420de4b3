// The tiles of ballast_kernels.h for rows of bfloat16, by products of 32 × 32 squares of bfloat16
// that are summed in float32. Before this is included, `square`, `begin` and `end` are there, and
// TILES is what it defines.
//
//     a   rows of 32 columns, 64 bytes a row: q, do, P and dS as they lie, Pᵀ and dSᵀ turned
//     b   [columns / 16][inner / 32] tiles of 1 KiB, [16 pairs of inner][16 columns][2]
//
// P and dS are rounded to bfloat16 before they are multiplied, as PyTorch's kernels do it; their
// sums are taken before.

#include "words.inl"

enum { SIDE = 32, TILE = 1024 };

/// Rows of bfloat16; `stride` in bytes.
typedef struct {
  const char *start;
  ptrdiff_t stride;
} half_rows;

/// The keys that some of SIDE rows see, out to whole squares.
INLINE span squares(const ballast_tile *tile, int32_t row) {
  const span keys = seen_by(tile, row, least(SIDE, tile->rows - row));
  return (span){keys.first / SIDE * SIDE, keys.first == keys.last ? keys.first / SIDE * SIDE
                                                                  : padded(keys.last, SIDE)};
}

/// A square of c, of which the first rows and columns are wanted.
INLINE void product_square(half_rows a, ptrdiff_t a_step, const char *b, int32_t b_steps,
                           int32_t steps, float *c, ptrdiff_t c_row, int32_t rows, int32_t columns,
                           int adds) {
  const ptrdiff_t b_next = (ptrdiff_t)b_steps * TILE;
  if (rows >= SIDE && columns >= SIDE) {
    square(a.start, a.stride, a_step, b, b_next, steps, c, c_row, adds);
    return;
  }
  float whole[SIDE * SIDE] __attribute__((aligned(64)));
  square(a.start, a.stride, a_step, b, b_next, steps, whole, SIDE, 0);
  for (int32_t i = 0; i < least(rows, SIDE); i++)
    for (int32_t j = 0; j < least(columns, SIDE); j++)
      c[i * c_row + j] = (adds ? c[i * c_row + j] : 0) + whole[i * SIDE + j];
}

/// Where a tile of b begins, by column and inner index.
INLINE const char *tile_of(const float *b, int32_t b_steps, int32_t column, int32_t inner) {
  return (const char *)b + ((ptrdiff_t)(column / 16) * b_steps + inner / SIDE) * TILE;
}

// MARK: Packing

/// SIDE rows from `first` on as `a` takes them: where they are, or copied to `room` with zeros
/// behind.
INLINE half_rows as_rows(ballast_rows x, int32_t rows, int32_t width, int32_t first, void *room) {
  const char *from = (const char *)x.start + 2 * first * x.stride;
  if (rows - first >= SIDE && width % SIDE == 0) return (half_rows){from, 2 * x.stride};
  const ptrdiff_t stride = 2 * padded(width, SIDE);
  char *to = (char *)room + first * stride;
  memset(to, 0, (size_t)(SIDE * stride));
  for (int32_t i = 0; i < least(SIDE, rows - first); i++)
    memcpy(to + i * stride, from + 2 * i * x.stride, 2 * (size_t)width);
  return (half_rows){to, stride};
}

/// x transposed, as b: inner is its width.
static void half_transpose(ballast_rows x, int32_t rows, int32_t width, float *panels) {
  char *to = (char *)panels;
  for (int32_t j = 0; j < padded(rows, SIDE); j += 16)
    for (int32_t c = 0; c < width; c += SIDE, to += TILE) {
      const char *from = (const char *)x.start + 2 * (j * x.stride + c);
      const int32_t count = most(least(16, rows - j), 0), columns = least(SIDE, width - c);
      if (count == 16 && columns == SIDE) {
        turn(from, 2 * x.stride, to, 64);
        continue;
      }
      char some[TILE] = {0};
      for (int32_t i = 0; i < count; i++)
        memcpy(some + 64 * i, from + 2 * i * x.stride, 2 * (size_t)columns);
      turn(some, 64, to, 64);
    }
}

/// Rows first ..< last of x, as b: inner are all the rows. Behind the last row are zeros.
static void half_columns(ballast_rows x, int32_t rows, int32_t width, int32_t first, int32_t last,
                         float *panels) {
  const int32_t steps = padded(rows, SIDE) / SIDE;
  const int32_t end = last == rows ? padded(rows, SIDE) : last;
  for (int32_t c = 0; c < padded(width, SIDE); c += 16) {
    const int32_t columns = most(least(16, width - c), 0);
    for (int32_t i = first; i < end; i += 2) {
      const uint16_t *from = (const uint16_t *)x.start + i * x.stride + c;
      char *to = (char *)tile_of(panels, steps, c, i) + i % SIDE * 32;
      if (columns == 16 && i + 1 < last) {
        pair(from, from + x.stride, to);
        continue;
      }
      uint16_t some[2][16] = {{0}};
      for (int32_t r = 0; r < least(2, last - i); r++)
        memcpy(some[r], from + r * x.stride, 2 * (size_t)columns);
      pair(some[0], some[1], to);
    }
  }
}

/// Two lanes of bfloat16 in one, the first in the lower half.
INLINE words paired(lanes low, lanes high) {
  return __builtin_convertvector(narrowed(low), words) |
         __builtin_convertvector(narrowed(high), words) << 16;
}

// MARK: Kernels

/// SIDE rows of scores, a · panels, of the keys in whole squares.
INLINE void half_scores(const ballast_tile *tile, half_rows a, const float *panels, span keys,
                        float *c) {
  const int32_t steps = padded(tile->width, SIDE) / SIDE;
  for (int32_t j = keys.first; j < keys.last; j += SIDE)
    square(a.start, a.stride, 64, tile_of(panels, steps, j, 0), (ptrdiff_t)steps * TILE, steps,
           c + j, tile->pitch, 0);
}

/// SIDE rows of c (+)= a · b, with a of bfloat16 in the first halves of its rows of [rows, pitch].
INLINE void half_weigh(const ballast_tile *tile, const float *a, const float *b, span keys,
                       ballast_rows c, int32_t first, int adds) {
  const int32_t steps = padded(tile->keys, SIDE) / SIDE;
  const half_rows rows = {(const char *)a + 2 * keys.first, 4 * tile->pitch};
  for (int32_t j = 0; j < tile->width; j += SIDE)
    product_square(rows, 64, tile_of(b, steps, j, keys.first), steps,
                   (keys.last - keys.first) / SIDE, c.start + first * c.stride + j, c.stride,
                   tile->rows - first, tile->width - j, adds);
}

static void half_forward(const ballast_forward *pass) {
  const ballast_tile *tile = &pass->tile;
  begin();
  for (int32_t i = 0; i < tile->rows; i += SIDE) {
    const span keys = squares(tile, i);
    float *rows = pass->scores + (ptrdiff_t)i * tile->pitch;
    half_scores(tile, as_rows(pass->q, tile->rows, tile->width, i, pass->q_room), pass->k_panels,
                keys, rows);
    for (int32_t r = i; r < least(i + SIDE, tile->rows); r++) {
      const float correction =
          soften(BALLAST_BF16, pass->scores + (ptrdiff_t)r * tile->pitch, seen(tile, r), keys,
                 tile->scale, pass->maxima + r, pass->sums + r, pass->is_first);
      if (tile->drops)
        drop_row(tile, r, BALLAST_BF16, pass->scores + (ptrdiff_t)r * tile->pitch, keys.first,
                 keys.last);
      if (!pass->v_columns || pass->is_first || correction == 1) continue;
      float *o = pass->output.start + r * pass->output.stride;
      for (int32_t c = 0; c < tile->width; c++) o[c] *= correction;
    }
    if (pass->v_columns)
      half_weigh(tile, rows, pass->v_columns, keys, pass->output, i, !pass->is_first);
  }
  end();
}

/// P of a row in place of its scores; returns D.
INLINE float probabilities(const ballast_backward *pass, int32_t row, span around) {
  const ballast_tile *tile = &pass->tile;
  const span keys = seen(tile, row);
  float *p = pass->p + (ptrdiff_t)row * tile->pitch;
  const float *dp = pass->ds + (ptrdiff_t)row * tile->pitch;
  const int has_sums = pass->v_panels && !pass->output.start;
  lanes sums = {}, ones = {};
  for (int32_t c = around.first; c < around.last; c += LANES) {
    lanes value = exponential(load(p + c) * tile->scale - pass->log_sum_exp[row]);
    const int whole = is_whole(keys, c);
    if (!whole) value = choose(inside(keys, c), value, (lanes){});
    store(p + c, value);
    if (!has_sums) continue;
    const lanes change = load(dp + c);
    sums += value * (whole ? change : choose(inside(keys, c), change, (lanes){}));
    ones += value;
  }
  if (!pass->v_panels) return 0;
  // Σ P is 1 but for rounding, which would be left over in Σ dS.
  if (has_sums) return keys.last > keys.first ? sum(sums) / sum(ones) : 0;
  const uint16_t *x = (const uint16_t *)pass->d_output.start + row * pass->d_output.stride;
  const uint16_t *o = (const uint16_t *)pass->output.start + row * pass->output.stride;
  wide total = {};
  EACH(c, count, tile->width,
       total += __builtin_convertvector(get(BALLAST_BF16, x, c, count, 0), wide) *
                __builtin_convertvector(get(BALLAST_BF16, o, c, count, 0), wide););
  double dot = 0;
  for (int l = 0; l < LANES; l++) dot += total[l];
  return (float)dot;
}

/// Of two rows: dS as bfloat16 in place of dP, and P, rounded and perhaps dropped, and dS in pairs in
/// place of P.
INLINE void pair_rows(const ballast_backward *pass, int32_t row, span around, const float *dots,
                      const int drops) {
  const ballast_tile *tile = &pass->tile;
  float *p[2], *ds[2];
  span keys[2];
  for (int r = 0; r < 2; r++) {
    p[r] = pass->p + (ptrdiff_t)(row + r) * tile->pitch;
    ds[r] = pass->ds + (ptrdiff_t)(row + r) * tile->pitch;
    keys[r] = row + r < tile->rows ? seen(tile, row + r) : (span){0, 0};
  }
  quads states[2];
  if (drops)
    for (int r = 0; r < 2; r++)
      number_from(states + r, tile->dropout.key,
                  tile->number + (row + r) * tile->numbers + (uint64_t)around.first);
  for (int32_t c = around.first; c < around.last; c += LANES) {
    lanes weight[2], change[2] = {{}, {}};
    for (int r = 0; r < 2; r++) {
      const int whole = is_whole(keys[r], c), none = is_outside(keys[r], c);
      weight[r] = none ? (lanes){} : load(p[r] + c);
      if (!pass->v_panels || none) continue;
      change[r] = weight[r] * (load(ds[r] + c) - dots[r]) * tile->scale;
      if (!whole) change[r] = choose(inside(keys[r], c), change[r], (lanes){});
    }
    if (drops)
      for (int r = 0; r < 2; r++) {
        const words stays = draw_staying(&tile->dropout, states + r);
        const lanes value = (lanes)(rounded(weight[r]) & 0xffff0000) * tile->dropout.scale;
        weight[r] = (lanes)((words)value & stays);
      }
    *(loose_words *)(p[0] + c) = paired(weight[0], weight[1]);
    if (!pass->v_panels) continue;
    *(loose_words *)(p[1] + c) = paired(change[0], change[1]);
    for (int r = 0; r < 2; r++) put(BALLAST_BF16, ds[r], c, change[r], LANES);
  }
}

static void half_backward_rows(const ballast_backward *pass, int32_t first, int32_t last) {
  const ballast_tile *tile = &pass->tile;
  const ptrdiff_t pitch = tile->pitch;
  begin();
  for (int32_t i = first; i < last; i += SIDE) {
    const span keys = squares(tile, i);
    float *p = pass->p + i * pitch, *ds = pass->ds + i * pitch;
    half_scores(tile, as_rows(pass->q, tile->rows, tile->width, i, pass->q_room), pass->k_panels,
                keys, p);
    if (pass->v_panels)
      half_scores(
          tile, as_rows(pass->d_output, tile->rows, tile->width, i, pass->d_output_room),
          pass->v_panels, keys, ds);
    for (int32_t r = i; r < i + SIDE; r += 2) {
      float dots[2] = {0, 0};
      for (int32_t k = 0; k < least(2, tile->rows - r); k++) {
        if (tile->drops && pass->v_panels)
          drop_row(tile, r + k, BALLAST_F32, pass->ds + (r + k) * pitch, keys.first, keys.last);
        dots[k] = probabilities(pass, r + k, keys);
      }
      if (tile->drops) pair_rows(pass, r, keys, dots, 1);
      else pair_rows(pass, r, keys, dots, 0);
    }
    for (int32_t c = keys.first; c < keys.last; c += 16) {
      const ptrdiff_t place = (i / SIDE * pitch + c) * 16;
      if (pass->dv.start)
        turn((const char *)(p + c), 8 * pitch, (char *)(pass->p_turned + place), 64);
      if (pass->dk.start)
        turn((const char *)(p + pitch + c), 8 * pitch, (char *)(pass->ds_turned + place), 64);
    }
    if (pass->dq.start) half_weigh(tile, ds, pass->k_columns, keys, pass->dq, i, pass->adds_dq);
  }
  end();
  if (pass->dk.start)
    half_columns(pass->q, tile->rows, tile->width, first, last, pass->q_columns);
  if (pass->dv.start)
    half_columns(pass->d_output, tile->rows, tile->width, first, last, pass->d_output_columns);
}

/// c (+)= aᵀ · b over keys first ..< last, with a turned and b the columns of [rows, width].
INLINE void half_gather(const ballast_tile *tile, const float *a, const float *b, ballast_rows c,
                        int32_t first, int32_t last, int adds) {
  const int32_t blocks = padded(tile->rows, SIDE) / SIDE;
  int32_t top = 0, bottom = 0;  // squares of rows that see some of the keys
  for (int32_t j = first; j < last; j += SIDE) {
    while (top < blocks && squares(tile, top * SIDE).last <= j) top++;
    if (bottom < top) bottom = top;
    while (bottom < blocks && squares(tile, bottom * SIDE).first <= j) bottom++;
    const half_rows turned = {(const char *)a + ((ptrdiff_t)top * tile->pitch + j) * 64, 64};
    for (int32_t i = 0; i < tile->width; i += SIDE)
      product_square(turned, 64 * (ptrdiff_t)tile->pitch, tile_of(b, blocks, i, top * SIDE),
                     blocks, bottom - top, c.start + j * c.stride + i, c.stride, tile->keys - j,
                     tile->width - i, adds);
  }
}

static void half_backward_keys(const ballast_backward *pass, int32_t first, int32_t last) {
  const ballast_tile *tile = &pass->tile;
  begin();
  if (pass->dv.start)
    half_gather(tile, pass->p_turned, pass->d_output_columns, pass->dv, first, last,
                pass->adds_dv);
  if (pass->dk.start)
    half_gather(tile, pass->ds_turned, pass->q_columns, pass->dk, first, last, pass->adds_dk);
  end();
}

const ballast_tiles TILES = {
    .type = BALLAST_BF16,
    .strip = SIDE,
    .transpose = half_transpose,
    .columns = half_columns,
    .forward = half_forward,
    .finish = finish,
    .backward_rows = half_backward_rows,
    .backward_keys = half_backward_keys,
};
