#pragma once
#include <stddef.h>
#include <stdint.h>

// Attention over tiles of rows × keys, in float32, and kernels over runs of elements, at the width of
// the processor's vectors.
//
// The same source (tiles.inl, runs.inl) is compiled for each instruction set; ballast_kernels() chooses once.
// A tile lies in cache between the products, so that scaling, mask and exp find it there. Strides
// are in elements; rows of a matrix are contiguous. Nothing here allocates or starts threads.

#ifdef __cplusplus
extern "C" {
#endif

/// What tiles are padded to: a multiple of every instruction set's panel.
enum { BALLAST_PAD = 64 };

/// Some rows of a matrix of float32; where `ballast_tiles` says so, `start` points at bfloat16.
typedef struct {
  float *start;
  ptrdiff_t stride;
} ballast_rows;

/// Which elements a dropout keeps: those whose number, mixed, is at least `threshold` in its upper
/// half (CounterRandom in Swift).
typedef struct {
  uint64_t key;
  uint64_t threshold;  // 2³² · probability
  float scale;         // 1 / (1 - probability)
} ballast_dropout;

/// Which keys rows see: row i of a tile the keys j with i + lead - window < j <= i + lead.
typedef struct {
  int32_t rows, keys;
  int32_t width;   // d_head
  int32_t pitch;   // elements from a row of scores to the next
  int32_t is_tight;  // rows of scores end at their last key: nothing may be written behind it
  int64_t lead;    // position of the first row - position of the first key
  int64_t window;  // 0: none
  float scale;
  int32_t drops;              // whether probabilities are dropped, each by its number
  ballast_dropout dropout;
  uint64_t number, numbers;   // of row 0 and key 0; from a row to the next
} ballast_tile;

/// Forward of one tile. scores is [rows, pitch]; maxima and sums are [rows].
///
///     S = scale · q kᵀ    m' = max(m, S)    P = exp(S - m')    l = l · exp(m - m') + Σ P
///                                                              o = o · exp(m - m') + drop(P) v
typedef struct {
  ballast_tile tile;
  ballast_rows q;             // [rows, width], of the tiles' type
  void *q_room;               // for a copy, [padded rows, padded width]; for bfloat16 alone
  const float *k_panels;      // keys transposed, of ballast_kernel_table.transpose
  const float *v_columns;     // of ballast_tiles.columns; NULL where no output is wanted
  float *scores;
  ballast_rows output;        // [rows, width], the sum so far
  float *maxima, *sums;
  int32_t is_first;           // nothing stands in output, maxima and sums
} ballast_forward;

/// Backward of one tile. p and ds are [rows, pitch] and stay for the keys' half.
///
///     P = exp(scale · q kᵀ - lse)    dP = drop(do vᵀ)    dS = scale · P (dP - D)    D = do · o, or
///     dq += dS k                                       where the tile has every key: Σ P · dP / Σ P
///     dv += drop(P)ᵀ do        dk += dSᵀ q
typedef struct {
  ballast_tile tile;
  ballast_rows q, d_output, output;  // of the tiles' type; output.start is NULL where D is summed
                                     // in the tile
  void *q_room, *d_output_room;      // as in ballast_forward
  const float *k_panels;
  const float *v_panels;      // NULL where the scores' gradient is not wanted
  const float *k_columns;     // for dq
  float *q_columns, *d_output_columns;  // room, which backward_rows fills for backward_keys
  const float *log_sum_exp;   // [rows]
  float *p, *ds;
  float *p_turned, *ds_turned;  // room, [padded rows, pitch] of bfloat16; for bfloat16 alone
  ballast_rows dq, dk, dv;    // start is NULL where not wanted
  int32_t adds_dq, adds_dk, adds_dv;
} ballast_backward;

// MARK: Runs of elements

/// The types of elements; where a function takes a type, it is that of the pointer after it.
enum { BALLAST_F32 = 0, BALLAST_BF16 = 1 };

/// Gradient of one row of a normalisation, x̂ = (x - mean) · rstd, g = dy · weight:
///
///     sums += dy · x̂        dx (+)= rstd · (g - mean(g) - x̂ · mean(g · x̂))
typedef struct {
  int32_t type;            // of dy, x and dx
  int32_t weight_type;
  const void *dy, *x;
  const void *weight;
  void *dx;                // may be dy; NULL where not wanted
  float *sums;             // NULL where not wanted
  ptrdiff_t count;
  float mean, rstd;
  int32_t has_mean;        // else x̂ = x · rstd, and mean(g) goes
  int32_t adds;            // dx += in place of dx =
} ballast_norm_row;

/// Kernels over `count` neighbouring elements, computed in float32 and rounded once, to nearest
/// even. Sums are float32, in an order that the count alone sets.
typedef struct {
  /// y = x.
  void (*convert)(int32_t x_type, const void *x, int32_t y_type, void *y, ptrdiff_t count);
  /// y += x.
  void (*add)(int32_t x_type, const void *x, int32_t y_type, void *y, ptrdiff_t count);
  /// Σ x · y.
  float (*dot)(int32_t x_type, const void *x, int32_t y_type, const void *y, ptrdiff_t count);
  /// y = gate · σ(gate) · up, all of a type.
  void (*swiglu)(int32_t type, const void *gate, const void *up, void *y, ptrdiff_t count);
  /// dgate = dy · up · σ · (1 + gate · (1 - σ)), dup = dy · gate · σ, all of a type.
  void (*swiglu_gradient)(int32_t type, const void *dy, const void *gate, const void *up,
                          void *dgate, void *dup, ptrdiff_t count);
  /// y = x · Φ(x), or with is_tanh x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))); y may be x.
  void (*gelu)(int32_t is_tanh, int32_t type, const void *x, void *y, ptrdiff_t count);
  /// dx = dy · gelu′(x), all of a type; dx may be dy.
  void (*gelu_gradient)(int32_t is_tanh, int32_t type, const void *dy, const void *x, void *dx,
                        ptrdiff_t count);
  /// y = x · rstd · weight; returns rstd = 1 / √(mean(x²) + epsilon).
  float (*rms_norm)(int32_t type, const void *x, int32_t weight_type, const void *weight, void *y,
                    ptrdiff_t count, float epsilon);
  /// y = (x - mean) · rstd · weight + bias; returns rstd = 1 / √(variance + epsilon).
  float (*layer_norm)(int32_t type, const void *x, int32_t weight_type, const void *weight,
                      const void *bias, void *y, ptrdiff_t count, float epsilon, float *mean);
  void (*norm_gradient)(const ballast_norm_row *row);
  /// Cosines and sines of the float32 products position · frequencies[i].
  void (*angles)(float position, const float *frequencies, ptrdiff_t count, float *cosines,
                 float *sines);
  /// Pairs (x[i], x[half + i]) turned by angles of which cosines and sines are given.
  void (*rotate)(int32_t type, void *x, const float *cosines, const float *sines, ptrdiff_t half);
  /// The largest scale · x; -∞ of none.
  float (*maximum)(const float *x, ptrdiff_t count, float scale);
  /// y = exp(scale · x - less), an exponent up to 88; returns Σ y before rounding. y may be x.
  float (*exponentiate)(const float *x, int32_t y_type, void *y, ptrdiff_t count, float scale,
                        float less);
  /// y = x · factor; y may be x.
  void (*scale)(const float *x, int32_t y_type, void *y, ptrdiff_t count, float factor);
  /// dp = scale · p · (dp - mean), with the mean given, or Σ p · dp / Σ p where it is NULL.
  void (*softmax_gradient)(float *dp, int32_t p_type, const void *p, ptrdiff_t count, float scale,
                           const float *mean);
  /// log Σ exp(x), read from memory once; the sum in float64 but for pieces of a row.
  float (*log_sum_exp)(int32_t type, const void *x, ptrdiff_t count);
  /// x = factor · exp(x - less), an exponent up to 88.
  void (*normalize)(int32_t type, void *x, ptrdiff_t count, float less, float factor);
  /// y = factor · numbers of mean 0 and variance 1, which depend on the key and the numbers of the
  /// elements, from `first` on: the sum of four uniform ones of 16 bits (Irwin and Hall).
  void (*draw)(uint64_t key, uint64_t first, int32_t type, void *y, ptrdiff_t count, float factor);
  /// y = scale · x where the dropout keeps an element, else 0, even where x is not finite; they are
  /// numbered from `first` on. `mask` receives 1 and 0 unless NULL; y may be x.
  void (*drop)(const ballast_dropout *dropout, uint64_t first, int32_t type, const void *x, void *y,
               uint8_t *mask, ptrdiff_t count);
  /// y = scale · x where `mask` is not 0, else 0, even where x is not finite; y may be x.
  void (*drop_masked)(const uint8_t *mask, float scale, int32_t type, const void *x, void *y,
                      ptrdiff_t count);
} ballast_runs;

/// Kernels of tiles whose rows of q, k, v, dO and O are of a type. Sums are float32.
typedef struct {
  int32_t type;
  /// Rows that a product computes at once.
  int32_t strip;
  /// Panels of `rows` rows of x, transposed: [⌈rows / panel⌉, width, panel], zeros at the end; for
  /// bfloat16 see halves.inl.
  void (*transpose)(ballast_rows x, int32_t rows, int32_t width, float *panels);
  /// Rows first ..< last of x in panels of columns: [⌈width / panel⌉, rows, panel], zeros at the
  /// end.
  void (*columns)(ballast_rows x, int32_t rows, int32_t width, int32_t first, int32_t last,
                  float *panels);
  void (*forward)(const ballast_forward *pass);
  /// Output = o / l; lse = m + log l, unless NULL.
  void (*finish)(const ballast_forward *pass, float *log_sum_exp);
  /// P, dS and dq of the tile's rows first ..< last, which are multiples of strip or the end.
  void (*backward_rows)(const ballast_backward *pass, int32_t first, int32_t last);
  /// dk and dv of the tile's keys first ..< last, when the rows are done.
  void (*backward_keys)(const ballast_backward *pass, int32_t first, int32_t last);
} ballast_tiles;

typedef struct {
  const char *name;
  ballast_tiles tiles;

  // Parts of the same, for probabilities that are kept: tiles lie side by side in their rows.

  /// c = a · panels, where a row of a strip sees some of a panel; c is [rows, pitch].
  void (*scores)(const ballast_tile *tile, ballast_rows a, const float *panels, float *c);
  /// P = softmax(scale · S) in place, 0 where a row sees nothing; lse unless NULL.
  void (*softmax)(const ballast_tile *tile, float *scores, float *log_sum_exp);
  /// dots (+)= (Σ P · dP, Σ P) of every row; p is [rows, p_pitch], dp [rows, pitch], dots [rows, 2].
  void (*row_dots)(const ballast_tile *tile, const float *p, ptrdiff_t p_pitch, const float *dp,
                   float *dots, int32_t adds);
  /// dS = scale · P (dP - Σ P · dP / Σ P) in place of dP, with the sums of row_dots over every key
  /// that a row sees; 0 where it sees nothing.
  void (*score_gradient)(const ballast_tile *tile, const float *p, ptrdiff_t p_pitch,
                         const float *dots, float *ds);
  /// c (+)= a · b, with a [rows, pitch] and b the columns of [keys, width].
  void (*weigh)(const ballast_tile *tile, const float *a, const float *b, ballast_rows c,
                int32_t adds);
  /// c (+)= aᵀ · b, with a [rows, pitch] and b the columns of [rows, width].
  void (*gather)(const ballast_tile *tile, const float *a, const float *b, ballast_rows c,
                 int32_t adds);

  ballast_runs runs;
} ballast_kernel_table;

/// The kernels of this processor. BALLAST_KERNELS=portable|avx2|avx512|avx512bf16|amx|halves in the
/// environment asks for one that it has, for tests; `halves` for the tiles of bfloat16 in plain C.
const ballast_kernel_table *ballast_kernels(void);
/// What BALLAST_KERNELS asks for, where nothing has that name or the processor lacks it; else NULL.
const char *ballast_missing_kernels(void);
/// Those of an instruction set by name; NULL where the processor lacks it.
const ballast_kernel_table *ballast_kernels_named(const char *name);

/// Tiles for rows of bfloat16, on AMX or else on AVX-512 BF16; NULL where the processor has neither, or
/// BALLAST_KERNELS asks for another instruction set than `amx`, `avx512bf16` or `halves`.
const ballast_tiles *ballast_half_tiles(void);

// MARK: Panels

/// The second operand of a product, [inner, columns], of which either the rows or the columns are
/// contiguous; multiples of 32 and 64.
typedef struct {
  int32_t type;
  const void *start;
  ptrdiff_t inner, columns;
  ptrdiff_t row, column;  // elements from a row, or a column, to the next
  void *panels;           // as many elements as the operand has, aligned to 64 bytes
} ballast_operand_panels;

/// Packs rows first ..< last of the inner dimension, multiples of 32, into panels.c's panels.
typedef void (*ballast_packer)(const ballast_operand_panels *x, ptrdiff_t first, ptrdiff_t last);
/// NULL where the processor lacks AVX-512, without which oneDNN does not multiply panels.
ballast_packer ballast_find_packer(void);

#ifdef __cplusplus
}
#endif
