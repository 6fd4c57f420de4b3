// Kernels over runs of neighbouring elements, float32 or bfloat16; the formulas stand in
// ballast_kernels.h.
//
// A kernel is written once, with the types of its elements as constants: calls from `switch`es over
// them are inlined, so that a type costs nothing inside a loop.

typedef uint16_t halves __attribute__((vector_size(LANES * 2), aligned(2), may_alias));
typedef uint32_t words __attribute__((vector_size(LANES * 4)));
typedef words loose_words __attribute__((aligned(4), may_alias));

/// Runs a block for i = 0, LANES, 2 LANES, …, with `count` elements from i on: LANES, a constant,
/// and at last perhaps fewer.
#define EACH(i, count, n, ...)               \
  do {                                       \
    ptrdiff_t i = 0;                         \
    {                                        \
      enum { count = LANES };                \
      for (; i + LANES <= (n); i += LANES) { \
        __VA_ARGS__                          \
      }                                      \
    }                                        \
    if (i < (n)) {                           \
      const int count = (int)((n) - i);      \
      __VA_ARGS__                            \
    }                                        \
  } while (0)

/// Runs a statement with T, or A and B, as constants that the types are.
#define BY_TYPE(type, ...)                              \
  do {                                                  \
    if ((type) == BALLAST_F32) {                        \
      enum { T = BALLAST_F32 };                         \
      __VA_ARGS__;                                      \
    } else {                                            \
      enum { T = BALLAST_BF16 };                        \
      __VA_ARGS__;                                      \
    }                                                   \
  } while (0)
#define BY_TYPES(a_type, b_type, ...)                   \
  BY_TYPE(a_type, enum { A = T }; BY_TYPE(b_type, enum { B = T }; __VA_ARGS__))

/// `count` elements from x[i] on; the lanes behind them are `rest`.
INLINE lanes get(const int type, const void *x, ptrdiff_t i, const int count, float rest) {
  if (type == BALLAST_F32) {
    const float *from = (const float *)x + i;
    if (count == LANES) return load(from);
    float some[LANES];
    for (int l = 0; l < LANES; l++) some[l] = l < count ? from[l] : rest;
    return load(some);
  }
  const uint16_t *from = (const uint16_t *)x + i;
  if (count == LANES) {
    return (lanes)(__builtin_convertvector(*(const halves *)from, words) << 16);
  }
  float some[LANES];
  for (int l = 0; l < LANES; l++) {
    const uint32_t wide = l < count ? (uint32_t)from[l] << 16 : 0;
    memcpy(some + l, &wide, sizeof wide);
    if (l >= count) some[l] = rest;
  }
  return load(some);
}

/// Bits of which the upper halves are the bfloat16 nearest to each lane, ties to even; what is not
/// a number stays so.
INLINE words rounded(lanes value) {
  const words exact = (words)value;
  const words nearest = exact + 0x7fff + ((exact >> 16) & 1);
  const words number = (words)(value == value);
  return (nearest & number) | ((exact | 0x400000) & ~number);
}

#ifdef ROUNDS_IN_HARDWARE
INLINE halves narrowed(lanes value) { return (halves)_mm512_cvtneps_pbh((__m512)value); }
#else
INLINE halves narrowed(lanes value) {
  return __builtin_convertvector(rounded(value) >> 16, halves);
}
#endif

/// The first `count` lanes to y[i] and on.
INLINE void put(const int type, void *y, ptrdiff_t i, lanes value, const int count) {
  if (type == BALLAST_F32) {
    float *to = (float *)y + i;
    if (count == LANES) {
      store(to, value);
      return;
    }
    float some[LANES];
    store(some, value);
    for (int l = 0; l < count; l++) to[l] = some[l];
    return;
  }
  const halves all_of_it = narrowed(value);
  uint16_t *to = (uint16_t *)y + i;
  if (count == LANES) {
    *(halves *)to = all_of_it;
    return;
  }
  for (int l = 0; l < count; l++) to[l] = all_of_it[l];
}

INLINE lanes sigmoid(lanes x) {
  const lanes highest = all(88.0f);
  const lanes most = choose(-x > highest, highest, -x);
  return 1.0f / (1.0f + exponential(most));
}

INLINE void convert_of(const int a, const void *x, const int b, void *y, ptrdiff_t n) {
  EACH(i, count, n, put(b, y, i, get(a, x, i, count, 0), count););
}
static void convert(int32_t x_type, const void *x, int32_t y_type, void *y, ptrdiff_t n) {
  BY_TYPES(x_type, y_type, convert_of(A, x, B, y, n));
}

INLINE void add_of(const int a, const void *x, const int b, void *y, ptrdiff_t n) {
  EACH(i, count, n, put(b, y, i, get(b, y, i, count, 0) + get(a, x, i, count, 0), count););
}
static void add(int32_t x_type, const void *x, int32_t y_type, void *y, ptrdiff_t n) {
  BY_TYPES(x_type, y_type, add_of(A, x, B, y, n));
}

INLINE float dot_of(const int a, const void *x, const int b, const void *y, ptrdiff_t n) {
  lanes sums[4] = {};
  ptrdiff_t start = 0;
  for (; start + 4 * LANES <= n; start += 4 * LANES)
    for (int k = 0; k < 4; k++)
      sums[k] += get(a, x, start + k * LANES, LANES, 0) * get(b, y, start + k * LANES, LANES, 0);
  for (; start < n; start += LANES) {
    const int count = n - start < LANES ? (int)(n - start) : LANES;
    sums[0] += get(a, x, start, count, 0) * get(b, y, start, count, 0);
  }
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}
static float dot(int32_t x_type, const void *x, int32_t y_type, const void *y, ptrdiff_t n) {
  BY_TYPES(x_type, y_type, return dot_of(A, x, B, y, n));
}

INLINE void swiglu_of(const int t, const void *gate, const void *up, void *y, ptrdiff_t n) {
  EACH(i, count, n, {
    const lanes g = get(t, gate, i, count, 0);
    put(t, y, i, g * sigmoid(g) * get(t, up, i, count, 0), count);
  });
}
static void swiglu(int32_t type, const void *gate, const void *up, void *y, ptrdiff_t n) {
  BY_TYPE(type, swiglu_of(T, gate, up, y, n));
}

INLINE void swiglu_gradient_of(const int t, const void *dy, const void *gate, const void *up,
                               void *dgate, void *dup, ptrdiff_t n) {
  EACH(i, count, n, {
    const lanes d = get(t, dy, i, count, 0);
    const lanes g = get(t, gate, i, count, 0);
    const lanes u = get(t, up, i, count, 0);
    const lanes s = sigmoid(g);
    put(t, dgate, i, d * u * s * (1.0f + g * (1.0f - s)), count);
    put(t, dup, i, d * g * s, count);
  });
}
static void swiglu_gradient(int32_t type, const void *dy, const void *gate, const void *up,
                            void *dgate, void *dup, ptrdiff_t n) {
  BY_TYPE(type, swiglu_gradient_of(T, dy, gate, up, dgate, dup, n));
}

INLINE float rms_norm_of(const int a, const void *x, const int b, const void *weight, void *y,
                         ptrdiff_t n, float epsilon) {
  const float rstd = 1 / sqrtf(dot_of(a, x, a, x, n) / (float)n + epsilon);
  EACH(i, count, n, {
    put(a, y, i, get(a, x, i, count, 0) * rstd * get(b, weight, i, count, 0), count);
  });
  return rstd;
}
static float rms_norm(int32_t type, const void *x, int32_t weight_type, const void *weight,
                      void *y, ptrdiff_t n, float epsilon) {
  BY_TYPES(type, weight_type, return rms_norm_of(A, x, B, weight, y, n, epsilon));
}

INLINE float layer_norm_of(const int a, const void *x, const int b, const void *weight,
                           const void *bias, void *y, ptrdiff_t n, float epsilon, float *mean) {
  lanes sums = {};
  EACH(i, count, n, sums += get(a, x, i, count, 0););
  // Deviations are taken from the float32 mean m, whose own error δ = mean(x - m) corrects both: mean
  // = m + δ, variance = mean((x - m)²) - δ² (Chan et al., The American Statistician 37).
  const float first = sum(sums) / (float)n;
  lanes deviations = {}, squares = {};
  EACH(i, count, n, {
    const lanes p = get(a, x, i, count, first) - first;
    deviations += p;
    squares += p * p;
  });
  const float error = sum(deviations) / (float)n;
  const float variance = sum(squares) / (float)n - error * error, center = first + error;
  const float rstd = 1 / sqrtf((variance < 0 ? 0 : variance) + epsilon);
  EACH(i, count, n, {
    const lanes normal = (get(a, x, i, count, 0) - center) * rstd;
    put(a, y, i, normal * get(b, weight, i, count, 0) + get(b, bias, i, count, 0), count);
  });
  *mean = center;
  return rstd;
}
static float layer_norm(int32_t type, const void *x, int32_t weight_type, const void *weight,
                        const void *bias, void *y, ptrdiff_t n, float epsilon, float *mean) {
  BY_TYPES(type, weight_type, return layer_norm_of(A, x, B, weight, bias, y, n, epsilon, mean));
}

INLINE void norm_gradient_of(const int a, const int b, const ballast_norm_row *row) {
  const ptrdiff_t n = row->count;
  const float rstd = row->rstd, mean = row->has_mean ? row->mean : 0;
  // The weight's sums come first: dx may be the very row that dy is.
  if (row->sums) {
    EACH(i, count, n, {
      const lanes normal = (get(a, row->x, i, count, 0) - mean) * rstd;
      const lanes sums = get(BALLAST_F32, row->sums, i, count, 0);
      put(BALLAST_F32, row->sums, i, sums + get(a, row->dy, i, count, 0) * normal, count);
    });
  }
  if (!row->dx) return;
  lanes gradients = {}, weighted = {};
  EACH(i, count, n, {
    const lanes g = get(a, row->dy, i, count, 0) * get(b, row->weight, i, count, 0);
    gradients += g;
    weighted += g * (get(a, row->x, i, count, mean) - mean);
  });
  const float gradient_mean = row->has_mean ? sum(gradients) / (float)n : 0;
  const float weighted_mean = sum(weighted) * rstd / (float)n;
  EACH(i, count, n, {
    const lanes g = get(a, row->dy, i, count, 0) * get(b, row->weight, i, count, 0);
    const lanes normal = (get(a, row->x, i, count, 0) - mean) * rstd;
    lanes value = rstd * ((g - gradient_mean) - normal * weighted_mean);
    if (row->adds) value += get(a, row->dx, i, count, 0);
    put(a, row->dx, i, value, count);
  });
}
static void norm_gradient(const ballast_norm_row *row) {
  BY_TYPES(row->type, row->weight_type, norm_gradient_of(A, B, row));
}

INLINE void rotate_of(const int t, void *x, const float *cosines, const float *sines,
                      ptrdiff_t half) {
  EACH(i, count, half, {
    const lanes c = get(BALLAST_F32, cosines, i, count, 0);
    const lanes s = get(BALLAST_F32, sines, i, count, 0);
    const lanes first = get(t, x, i, count, 0);
    const lanes second = get(t, x, half + i, count, 0);
    put(t, x, i, first * c - second * s, count);
    put(t, x, half + i, second * c + first * s, count);
  });
}
static void rotate(int32_t type, void *x, const float *cosines, const float *sines,
                   ptrdiff_t half) {
  BY_TYPE(type, rotate_of(T, x, cosines, sines, half));
}

static float maximum(const float *x, ptrdiff_t n, float scale) {
  lanes high = all(-INFINITY);
  EACH(i, count, n, high = larger(get(BALLAST_F32, x, i, count, -INFINITY) * scale, high););
  return top(high);
}

INLINE float exponentiate_of(const float *x, const int t, void *y, ptrdiff_t n, float scale,
                             float less) {
  lanes sums = {};
  EACH(i, count, n, {
    const lanes p = exponential(get(BALLAST_F32, x, i, count, -INFINITY) * scale - less);
    sums += p;
    put(t, y, i, p, count);
  });
  return sum(sums);
}
static float exponentiate(const float *x, int32_t y_type, void *y, ptrdiff_t n, float scale,
                          float less) {
  BY_TYPE(y_type, return exponentiate_of(x, T, y, n, scale, less));
}

INLINE void scale_of(const float *x, const int t, void *y, ptrdiff_t n, float factor) {
  EACH(i, count, n, put(t, y, i, get(BALLAST_F32, x, i, count, 0) * factor, count););
}
static void scale(const float *x, int32_t y_type, void *y, ptrdiff_t n, float factor) {
  BY_TYPE(y_type, scale_of(x, T, y, n, factor));
}

INLINE void softmax_gradient_of(float *dp, const int t, const void *p, ptrdiff_t n, float scale,
                                const float *given) {
  float mean = given ? *given : 0;
  if (!given) {
    lanes sums = {}, ones = {};
    EACH(i, count, n, {
      const lanes weight = get(t, p, i, count, 0);
      sums += weight * get(BALLAST_F32, dp, i, count, 0);
      ones += weight;
    });
    mean = sum(sums) / sum(ones);
  }
  EACH(i, count, n, {
    const lanes change = get(BALLAST_F32, dp, i, count, 0) - mean;
    put(BALLAST_F32, dp, i, scale * get(t, p, i, count, 0) * change, count);
  });
}
static void softmax_gradient(float *dp, int32_t p_type, const void *p, ptrdiff_t n, float scale,
                             const float *mean) {
  BY_TYPE(p_type, softmax_gradient_of(dp, T, p, n, scale, mean));
}

/// What is summed in float32 before it joins a row's sum; it stays in the first-level cache between
/// its maximum and its sum.
enum { LOGITS = 4096 };

INLINE float log_sum_exp_of(const int t, const void *x, ptrdiff_t n) {
  float high = -INFINITY;
  double total = 0;
  for (ptrdiff_t first = 0; first < n; first += LOGITS) {
    const char *some = (const char *)x + first * (t == BALLAST_F32 ? 4 : 2);
    const int32_t many = least(LOGITS, n - first);
    lanes tops = all(-INFINITY), sums = {};
    EACH(i, count, many, tops = larger(get(t, some, i, count, -INFINITY), tops););
    const float now = top(tops);
    if (now > high) {
      total *= exp((double)high - now);
      high = now;
    }
    const float less = high == -INFINITY ? 0 : high;  // nothing but -∞ so far: a sum of 0
    EACH(i, count, many, sums += exponential(get(t, some, i, count, -INFINITY) - less););
    total += sum(sums);
  }
  return (float)(high + log(total));
}
static float log_sum_exp(int32_t type, const void *x, ptrdiff_t n) {
  BY_TYPE(type, return log_sum_exp_of(T, x, n));
}

INLINE void normalize_of(const int t, void *x, ptrdiff_t n, float less, float factor) {
  EACH(i, count, n,
       put(t, x, i, exponential(get(t, x, i, count, -INFINITY) - less) * factor, count););
}
static void normalize(int32_t type, void *x, ptrdiff_t n, float less, float factor) {
  BY_TYPE(type, normalize_of(T, x, n, less, factor));
}
