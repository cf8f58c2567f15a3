/** Vectors of floats in C, as wide as the machine's registers. */

/** Their types, and what is done with all lanes of several of them. */
export const vectorSource: string = String.raw`
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

#define inlined static inline __attribute__((always_inline))

typedef float vector __attribute__((vector_size(4 * LANES)));
/* Of any address. */
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t whole_numbers __attribute__((vector_size(4 * LANES)));

inlined vector chosen(whole_numbers isFirst, vector a, vector b) {
  return (vector)(((whole_numbers)a & isFirst) | ((whole_numbers)b & ~isFirst));
}

/* NaN, if one of them is. */
inlined vector larger_of(vector a, vector b) { return chosen((a >= b) | (a != a), a, b); }

/* The largest lane, or the sum of lanes, of each of LANES vectors, which are written over. */
inlined vector joined(vector x[LANES], int isLargest) {
#ifdef __clang__
  vector of;
  for (int i = 0; i < LANES; i++) {
    of[i] = x[i][0];
    for (int l = 1; l < LANES; l++) {
      float next = x[i][l];
      if (!isLargest) of[i] += next;
      else if (next >= of[i] || next != next) of[i] = next;
    }
  }
  return of;
#else
  /* Halves of two vectors become one, until each lane is of another vector. */
#pragma GCC unroll 4
  for (int side = LANES / 2; side > 0; side /= 2) {
    whole_numbers own, other;
#pragma GCC unroll 16
    for (int l = 0; l < LANES; l++) {
      own[l] = l & side ? l + LANES : l;
      other[l] = l & side ? l - side + LANES : l + side;
    }
#pragma GCC unroll 16
    for (int i = 0; i < side; i++) {
      vector a = __builtin_shuffle(x[i], x[i + side], own), b = __builtin_shuffle(x[i], x[i + side], other);
      x[i] = isLargest ? larger_of(a, b) : a + b;
    }
  }
  return x[0];
#endif
}
`;
