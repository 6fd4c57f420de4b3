// Numbers drawn for neighbouring elements, each from a counter (CounterRandom in Swift), and dropout;
// for tiles.inl.

typedef uint64_t quads __attribute__((vector_size(LANES * 8)));
typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

/// What an element's number is multiplied with before it is mixed: 2⁶⁴ / φ.
#define INCREMENT 0x9e3779b97f4a7c15u

/// The states of the elements numbered from `first` on: key + number · INCREMENT.
INLINE void number_from(quads *states, uint64_t key, uint64_t first) {
  quads offsets;
  for (int l = 0; l < LANES; l++) offsets[l] = (uint64_t)l * INCREMENT;
  *states = offsets + (key + first * INCREMENT);
}

/// 64 bits of each element, and the states of those after them: the output function of SplitMix64
/// (Steele et al., OOPSLA 2014).
INLINE void draw_bits(quads *states, quads *drawn) {
  quads z = *states;
  *states += LANES * INCREMENT;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  *drawn = z ^ (z >> 31);
}

/// All bits of the elements that stay, and the states of those after them.
INLINE words draw_staying(const ballast_dropout *dropout, quads *states) {
  quads drawn;
  draw_bits(states, &drawn);
  return (words)__builtin_convertvector(drawn >> 32 >= dropout->threshold, bits);
}

INLINE void draw_of(uint64_t key, uint64_t first, const int t, void *y, ptrdiff_t n,
                    float factor) {
  quads states, word;
  number_from(&states, key, first);
  EACH(i, count, n, {
    draw_bits(&states, &word);
    const quads total =
        (word & 0xffff) + (word >> 16 & 0xffff) + (word >> 32 & 0xffff) + (word >> 48);
    // Four uniforms on 0 … 65535 have mean 131070 and standard deviation 65536 / √3.
    const bits centred = __builtin_convertvector(total, bits) - 131070;
    const lanes value = __builtin_convertvector(centred, lanes) * (1.7320508f / 65536);
    put(t, y, i, factor * value, count);
  });
}
static void draw(uint64_t key, uint64_t first, int32_t type, void *y, ptrdiff_t n, float factor) {
  BY_TYPE(type, draw_of(key, first, T, y, n, factor));
}

INLINE void drop_of(const ballast_dropout *dropout, uint64_t first, const int t, const void *x,
                    void *y, uint8_t *mask, ptrdiff_t n) {
  quads states;
  number_from(&states, dropout->key, first);
  EACH(i, count, n, {
    const words stays = draw_staying(dropout, &states);
    const lanes value = get(t, x, i, count, 0) * dropout->scale;
    put(t, y, i, (lanes)((words)value & stays), count);
    if (mask) {
      const bytes marks = __builtin_convertvector(stays & 1, bytes);
      if (count == LANES) *(bytes *)(mask + i) = marks;
      else for (int l = 0; l < count; l++) mask[i + l] = marks[l];
    }
  });
}
static void drop(const ballast_dropout *dropout, uint64_t first, int32_t type, const void *x,
                 void *y, uint8_t *mask, ptrdiff_t n) {
  BY_TYPE(type, drop_of(dropout, first, T, x, y, mask, n));
}

INLINE void drop_masked_of(const uint8_t *mask, float scale, const int t, const void *x, void *y,
                           ptrdiff_t n) {
  EACH(i, count, n, {
    bytes marks = {};
    if (count == LANES) marks = *(const bytes *)(mask + i);
    else for (int l = 0; l < count; l++) marks[l] = mask[i + l];
    const words stays = (words)(__builtin_convertvector(marks, words) != 0);
    const lanes value = get(t, x, i, count, 0) * scale;
    put(t, y, i, (lanes)((words)value & stays), count);
  });
}
static void drop_masked(const uint8_t *mask, float scale, int32_t type, const void *x, void *y,
                        ptrdiff_t n) {
  BY_TYPE(type, drop_masked_of(mask, scale, T, x, y, n));
}
