// Cosines and sines of angles, in double precision and rounded once.
//
// An angle is reduced to r in [-π/4, π/4] by multiples of π/2 in two parts, the first of 33 bits
// (Cody and Waite, 1980), and polynomials in r² follow: within 2⁻³⁴ of cos r and sin r (the
// coefficients of FreeBSD's msun, k_cosf.c and k_sinf.c).

typedef int64_t wide_bits __attribute__((vector_size(LANES * 8)));

INLINE void turn_by(const lanes angle, lanes *cosine, lanes *sine) {
  const double shifter = 6755399441055744.0;  // 1.5 · 2⁵²: what is added loses its fraction
  const wide x = __builtin_convertvector(angle, wide);
  const wide shifted = x * 0.63661977236758134308 + shifter;
  const wide n = shifted - shifter;
  const wide r = (x - n * 1.57079632673412561417e+00) - n * 6.07710050650619224932e-11;
  const wide square = r * r;
  wide s = square * 2.7183114939898219064e-06 - 1.98393348360966317347e-04;
  s = s * square + 8.3333293858894631756e-03;
  s = s * square - 1.66666666416265235595e-01;
  s = s * square * r + r;
  wide c = square * 2.43904487962774090654e-05 - 1.38867637746099294692e-03;
  c = c * square + 4.16666233237390631894e-02;
  c = c * square - 4.99999997251031003120e-01;
  c = c * square + 1.0;
  // Quadrants: (cos, sin) of r + n · π/2 are (c, s), (-s, c), (-c, -s), (s, -c).
  const wide_bits quadrant = (wide_bits)shifted;
  const wide_bits is_odd = (quadrant & 1) != 0;
  const wide_bits cosine_sign = ((quadrant + 1) & 2) << 62, sine_sign = (quadrant & 2) << 62;
  const wide_bits sines = (wide_bits)s, cosines = (wide_bits)c;
  const wide_bits across = (is_odd & sines) | (~is_odd & cosines);
  const wide_bits up = (is_odd & cosines) | (~is_odd & sines);
  *cosine = __builtin_convertvector((wide)(across ^ cosine_sign), lanes);
  *sine = __builtin_convertvector((wide)(up ^ sine_sign), lanes);
}

static void angles(float position, const float *frequencies, ptrdiff_t n, float *cosines,
                   float *sines) {
  EACH(i, count, n, {
    lanes cosine, sine;
    turn_by(get(BALLAST_F32, frequencies, i, count, 0) * position, &cosine, &sine);
    put(BALLAST_F32, cosines, i, cosine, count);
    put(BALLAST_F32, sines, i, sine, count);
  });
}
