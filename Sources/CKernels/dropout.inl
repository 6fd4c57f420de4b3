// Dropout over runs of neighbouring elements; for tiles.inl.

typedef uint64_t quads __attribute__((vector_size(LANES * 8)));
typedef uint8_t bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

/// What an element's number is multiplied with before it is mixed: 2⁶⁴ / φ.
#define INCREMENT 0x9e3779b97f4a7c15u

/// The output function of SplitMix64 (Steele et al., OOPSLA 2014).
INLINE quads mixed(quads z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// All bits of a lane whose number says that it stays; the lanes of `state` are key + number ·
/// INCREMENT.
INLINE words staying(const ballast_dropout *dropout, quads state) {
  return (words)__builtin_convertvector(mixed(state) >> 32 >= dropout->threshold, bits);
}

/// The states of the elements from number `first` on.
INLINE quads states(const ballast_dropout *dropout, uint64_t first) {
  quads numbers = {};
  for (int l = 0; l < LANES; l++) numbers[l] = first + (uint64_t)l;
  return dropout->key + numbers * INCREMENT;
}

INLINE void drop_of(const ballast_dropout *dropout, uint64_t first, const int t, const void *x,
                    void *y, uint8_t *mask, ptrdiff_t n) {
  quads state = states(dropout, first);
  EACH(i, count, n, {
    const words stays = staying(dropout, state);
    state += LANES * INCREMENT;
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
