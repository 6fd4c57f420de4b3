// GELU in its two forms, and their derivatives; for tiles.inl.
//
// Both forms are x · s(x) with an s between 0 and 1. Where s vanishes before float32 ends, x is held
// at a bound, so that no infinity meets a 0.

/// x held between -bound and bound; what is not a number stays so.
INLINE lanes held(lanes x, float bound) {
  return larger(all(-bound), choose(x > bound, all(bound), x));
}

typedef struct {
  lanes cumulative, exponential;
} gaussian;

/// Φ(x) = (1 + erf(x / √2)) / 2, within 1e-7, and exp(-x² / 2).
///
/// Up to 1.3 an odd polynomial; beyond, Φ(-a) = exp(-a² / 2) · t · q(t) with t = 1 / (1 + 0.28 a),
/// which keeps its relative accuracy (5e-6) until it vanishes. Both polynomials are minimax fits
/// (Lawson), of 1.5e-8 and 4.8e-8 relative error.
INLINE gaussian normal_of(lanes x) {
  const lanes squares = x * x;
  lanes p = all(-6.632235e-6f);
  p = p * squares + 1.103857e-4f;
  p = p * squares - 1.1829966e-3f;
  p = p * squares + 9.971848e-3f;
  p = p * squares - 6.649013e-2f;
  p = p * squares + 3.9894226e-1f;
  const lanes middle = 0.5f + x * p;

  const lanes magnitude = larger(x, -x);
  const lanes density = exponential(squares * -0.5f);
  const lanes t = 1.0f / (1.0f + 0.28f * magnitude);
  lanes q = all(-5.964581e-2f);
  q = q * t + 1.3201857e-1f;
  q = q * t - 4.4344794e-3f;
  q = q * t + 1.1057784e-1f;
  q = q * t + 9.735376e-2f;
  q = q * t + 1.1237605e-1f;
  q = q * t + 1.116701e-1f;
  const lanes tail = density * t * q;
  const lanes outer = choose(x > 0.0f, 1.0f - tail, tail);
  return (gaussian){choose(magnitude < 1.3f, middle, outer), density};
}

/// From here on exp(-x² / 2) is 0 in float32.
static const float last_deviation = 14;
/// Where σ(2u) is 0 or 1 to float32's last place: 2u is 87.3 here, and exp(-2u) still normal.
static const float tanh_bound = 10;
/// 2u = tanh_a · x + tanh_b · x³: 2 √(2/π), and 0.044715 times it.
static const float tanh_a = 1.5957691f, tanh_b = 0.071354814f;

INLINE void gelu_of(const int t, int32_t is_tanh, const void *x, void *y, ptrdiff_t n) {
  EACH(i, count, n, {
    const lanes value = get(t, x, i, count, 0);
    lanes result;
    if (is_tanh) {
      // x · σ(2u), which is x / 2 · (1 + tanh u).
      const lanes some = larger(all(-tanh_bound), value);
      result = some * sigmoid(some * (tanh_a + tanh_b * (some * some)));
    } else {
      const lanes some = choose(value < -last_deviation, all(-last_deviation), value);
      result = some * normal_of(held(value, last_deviation)).cumulative;
    }
    put(t, y, i, result, count);
  });
}
static void gelu(int32_t is_tanh, int32_t type, const void *x, void *y, ptrdiff_t n) {
  BY_TYPE(type, gelu_of(T, is_tanh, x, y, n));
}

INLINE void gelu_gradient_of(const int t, int32_t is_tanh, const void *dy, const void *x, void *dx,
                             ptrdiff_t n) {
  EACH(i, count, n, {
    const lanes given = get(t, x, i, count, 0);
    lanes slope;
    if (is_tanh) {
      const lanes value = held(given, tanh_bound);
      const lanes cubic = tanh_b * (value * value);
      const lanes opposite = exponential(-(value * (tanh_a + cubic)));
      const lanes sigma = 1.0f / (1.0f + opposite);
      // 1 - σ as a product: the difference would lose what x · 2u′ then magnifies.
      slope = sigma * (1.0f + value * (opposite * sigma) * (tanh_a + 3.0f * cubic));
    } else {
      const lanes value = held(given, last_deviation);
      const gaussian normal = normal_of(value);
      slope = normal.cumulative + value * normal.exponential * 0.39894228f;  // 1 / √(2π)
    }
    put(t, dx, i, get(t, dy, i, count, 0) * slope, count);
  });
}
static void gelu_gradient(int32_t is_tanh, int32_t type, const void *dy, const void *x, void *dx,
                          ptrdiff_t n) {
  BY_TYPE(type, gelu_gradient_of(T, is_tanh, dy, x, dx, n));
}
