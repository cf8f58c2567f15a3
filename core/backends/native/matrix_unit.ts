/**
 * Products by the processor's matrix unit (AMX), which multiplies tiles of bfloats and adds up
 * floats; where there is none, dot products of vectors (AVX-512 BF16) stand in for it with factors
 * that are rounded to bfloats.
 *
 * A float is the sum of three bfloats, `x = h + m + l`, without error. Of the nine products of the
 * parts of two floats six are computed, `hh + hm + mh + hl + lh + mm`. The others are together at
 * most 2^-23 of `hh`, and of either sign, so that sums of them are lost in the roundings of a sum of
 * floats (Henry, Tang and Heinecke 2019, arXiv 1904.06376). A factor that is a bfloat, or is rounded
 * to one, has one part.
 *
 * The unit takes numbers below 2^-126 for 0. Infinity is no sum of parts: where a panel holds one,
 * or NaN, its tiles are computed by vectors.
 */

/** Lines of a packed panel: rows of the left factor, columns of the right one. */
const LINES = 32;

/**
 * Terms that are added up in tiles before they enter the sum in memory. A panel of so many terms
 * stays in the nearest cache (24 KiB) while panels of the other factor pass by.
 */
const UNIT_SLICE = 128;

/** Rows and columns of a block of the product, which stays in the second cache (2 MiB), ... */
const [UNIT_ROWS, UNIT_COLUMNS] = [384, 512];

/** Parts of a float. */
const PARTS = 3;

/**
 * Bytes of the packed panels of a thread: those of the right factor for a slice of a block, beside
 * it in the second cache, and one of the left factor; then the panels for vectors.
 */
export const UNIT_SCRATCH: number = UNIT_SLICE *
  (2 * PARTS * (UNIT_COLUMNS + LINES) + 4 * (2 * LINES + 16));

export const unitSource: string = String.raw`
/* Lines of a panel. */
#define LINES ${LINES}
#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#define HAS_UNIT
#include <immintrin.h>
#if defined(__AMX_BF16__) && defined(__linux__)
#define HAS_TILES
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define PARTS ${PARTS}
#define UNIT_SLICE ${UNIT_SLICE}
#define UNIT_COLUMNS ${UNIT_COLUMNS}
#define UNIT_ROWS ${UNIT_ROWS}
/* A tile holds 16 lines of 32 terms; two neighbouring terms are a word. */
enum { TILE_LINES = 16, TILE_TERMS = 32, TILE_BYTES = 1024 };

#ifdef HAS_TILES
/* The parts that a float may have, 0 without a unit. The system keeps its registers for who asks for it. */
static int most_parts(void) {
  enum { ASK_FOR_STATE = 0x1023, TILE_DATA = 18 };
  return syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0 ? PARTS : 0;
}

/* All tiles are whole. */
static void begin_unit(void) {
  struct { uint8_t palette, start, none[14]; uint16_t bytes[16]; uint8_t rows[16]; } shape = { 1 };
  for (int i = 0; i < 8; i++) shape.bytes[i] = 64, shape.rows[i] = 16;
  _tile_loadconfig(&shape);
}
static void end_unit(void) { _tile_release(); }
#else
/* Six dot products of bfloats take longer than one of floats. */
static int most_parts(void) { return 1; }
static void begin_unit(void) {}
static void end_unit(void) {}
#endif

/* The parts of a factor, of those that a float may have. */
inlined int64_t parts_of(matrix m, int64_t parts) { return m.type == BFLOATS ? 1 : parts; }

/* The nearest bfloats of floats, as floats; what is left of x. */
inlined __m512i rounded(__m512 *x) {
  __m512i word = _mm512_castps_si512(*x);
  word = _mm512_and_si512(_mm512_add_epi32(word, _mm512_set1_epi32(0x8000)), _mm512_set1_epi32(0xffff0000));
  *x = _mm512_sub_ps(*x, _mm512_castsi512_ps(word));
  return word;
}

inlined __m512i larger(__m512i most, __m512 x) {
  return _mm512_max_epu32(most, _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
}

inlined void transpose_words(const __m512i from[TILE_LINES], __m512i to[TILE_LINES]) {
  __m512i x[TILE_LINES];
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (int i = 0; i < TILE_LINES; i++) x[i] = from[i];
  /* Squares of a side are exchanged across the diagonal: the index of a second operand has bit 4. */
#pragma GCC unroll 4
  for (int side = 8; side > 0; side /= 2) {
    const __mmask16 odd = _mm512_test_epi32_mask(lanes, _mm512_set1_epi32(side));
    const __m512i upper = _mm512_mask_add_epi32(lanes, odd, lanes, _mm512_set1_epi32(16 - side));
    const __m512i lower = _mm512_mask_add_epi32(
      _mm512_add_epi32(lanes, _mm512_set1_epi32(side)), odd, lanes, _mm512_set1_epi32(16));
#pragma GCC unroll 16
    for (int i = 0; i < TILE_LINES; i++) {
      if (i & side) continue;
      __m512i a = x[i], b = x[i + side];
      x[i] = _mm512_permutex2var_epi32(a, upper, b);
      x[i + side] = _mm512_permutex2var_epi32(a, lower, b);
    }
  }
  for (int i = 0; i < TILE_LINES; i++) to[i] = x[i];
}

/*
 * The parts of a tile, each TILE_BYTES * 2 from the one before: words of lines, or lines of words if
 * isTurned. Elements are found at line * lineStep + term * termStep, one of which is 1.
 */
inlined __m512i pack_tile(const char *at, int type, int parts, int64_t lineStep, int64_t termStep,
                          int isTurned, char *to, __m512i most) {
  const int isAlong = termStep == 1;
  __m512i words[PARTS][TILE_LINES];
#pragma GCC unroll 16
  for (int i = 0; i < TILE_LINES; i++) {
    __m512 x, y;
    if (isAlong) {
      x = (__m512)elements(at, i * lineStep, type), y = (__m512)elements(at, i * lineStep + 16, type);
    } else {
      x = (__m512)elements(at, 2 * i * termStep, type), y = (__m512)elements(at, (2 * i + 1) * termStep, type);
    }
    most = larger(larger(most, x), y);
#pragma GCC unroll 3
    for (int part = 0; part < parts; part++) {
      __m512i first = rounded(&x), second = rounded(&y);
      words[part][i] = isAlong
        ? (__m512i)_mm512_cvtne2ps_pbh(_mm512_castsi512_ps(second), _mm512_castsi512_ps(first))
        : _mm512_or_si512(second, _mm512_srli_epi32(first, 16));
    }
  }
#pragma GCC unroll 3
  for (int part = 0; part < parts; part++) {
    __m512i *rows = (__m512i *)(to + part * 2 * TILE_BYTES);
    if (isAlong == isTurned) transpose_words(words[part], rows);
    else for (int i = 0; i < TILE_LINES; i++) rows[i] = words[part][i];
  }
  return most;
}

/* Elements in floats, zeros beyond the last. */
inlined void gather_tile(const char *at, int type, int64_t lines, int64_t terms, int64_t lineStep,
                         int64_t termStep, float to[TILE_LINES][TILE_TERMS]) {
  memset(to, 0, 4 * TILE_LINES * TILE_TERMS);
  for (int64_t i = 0; i < lines; i++) {
    for (int64_t k = 0; k < terms; k++) to[i][k] = element(at, i * lineStep + k * termStep, type);
  }
}

/* Packs a tile whose other step is given. */
typedef __m512i packer(const char *at, int64_t step, char *to, __m512i most);
#define PACKERS(name, type, parts) \
  static __m512i name##_lines(const char *at, int64_t step, char *to, __m512i most) { \
    return pack_tile(at, type, parts, step, 1, 0, to, most); \
  } \
  static __m512i name##_lines_turned(const char *at, int64_t step, char *to, __m512i most) { \
    return pack_tile(at, type, parts, step, 1, 1, to, most); \
  } \
  static __m512i name##_terms(const char *at, int64_t step, char *to, __m512i most) { \
    return pack_tile(at, type, parts, 1, step, 0, to, most); \
  } \
  static __m512i name##_terms_turned(const char *at, int64_t step, char *to, __m512i most) { \
    return pack_tile(at, type, parts, 1, step, 1, to, most); \
  } \
  static packer *const name[2][2] = { \
    { name##_lines, name##_lines_turned }, { name##_terms, name##_terms_turned } \
  };
PACKERS(pack_bfloats, BFLOATS, 1)
PACKERS(pack_rounded, FLOATS, 1)
PACKERS(pack_exact, FLOATS, PARTS)

/*
 * A panel of LINES lines: for each TILE_TERMS terms, the parts of both of its tiles. A line is a row,
 * or if it is turned a column. Whether all elements are finite.
 */
static int pack_panel(matrix m, int64_t parts, int isTurned, int64_t lines, int64_t depth, char *to) {
  const int64_t lineStep = isTurned ? m.column : m.row, termStep = isTurned ? m.row : m.column;
  packer *const (*of)[2] = parts == 1 ? pack_rounded : pack_exact;
  packer *const (*whole)[2] = m.type == BFLOATS ? pack_bfloats : of;
  __m512i most = _mm512_setzero_si512();
  for (int64_t k = 0; k < depth; k += TILE_TERMS, to += parts * 2 * TILE_BYTES) {
    int64_t terms = least(TILE_TERMS, depth - k);
    for (int64_t i = 0; i < 2; i++) {
      int64_t count = least(TILE_LINES, lines - i * TILE_LINES);
      const char *from = m.at + (i * TILE_LINES * lineStep + k * termStep) * bytes_of(m.type);
      char *part = to + i * TILE_BYTES;
      int isWhole = count == TILE_LINES && terms == TILE_TERMS && m.type != HALVES;
      if (isWhole && termStep == 1) most = whole[0][isTurned](from, lineStep, part, most);
      else if (isWhole && lineStep == 1) most = whole[1][isTurned](from, termStep, part, most);
      else {
        float tile[TILE_LINES][TILE_TERMS] __attribute__((aligned(LINE)));
        BY_TYPE(m.type, gather_tile(from, T, count < 0 ? 0 : count, terms, lineStep, termStep, tile))
        most = of[0][isTurned]((char *)tile, TILE_TERMS, part, most);
      }
    }
  }
  /* From there on, the nearest bfloat is infinite. */
  return _mm512_reduce_max_epu32(most) < 0x7f7f8000u;
}

#ifdef HAS_TILES
/* LINES x LINES elements of a product: their sum over a slice, the first one or added to those before. */
inlined void unit_tiles(int aParts, int bParts, int64_t depth, const char *a, const char *b, float *c,
                        int64_t stride, int isFirst) {
  float *below = c + TILE_LINES * stride;
  if (isFirst) {
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
  } else {
    _tile_loadd(0, c, 4 * stride); _tile_loadd(1, c + 16, 4 * stride);
    _tile_loadd(2, below, 4 * stride); _tile_loadd(3, below + 16, 4 * stride);
  }
  for (int64_t k = 0; k < depth; k += TILE_TERMS) {
    /* Parts of the right factor in an order in which the last is the first with the left one's next. */
#pragma GCC unroll 3
    for (int i = 0; i < aParts; i++) {
      const char *left = a + i * 2 * TILE_BYTES;
      _tile_loadd(4, left, 64); _tile_loadd(5, left + TILE_BYTES, 64);
#pragma GCC unroll 3
      for (int order = 0; order < least(bParts, PARTS - i); order++) {
        const int j = bParts == 1 ? 0 : i == 0 ? (PARTS - order) % PARTS : i == 1 ? 1 - order : 0;
        const char *right = b + j * 2 * TILE_BYTES;
        if (i == 0 || order > 0) {
          _tile_loadd(6, right, 64); _tile_loadd(7, right + TILE_BYTES, 64);
        }
        _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
      }
    }
    a += aParts * 2 * TILE_BYTES;
    b += bParts * 2 * TILE_BYTES;
  }
  _tile_stored(0, c, 4 * stride); _tile_stored(1, c + 16, 4 * stride);
  _tile_stored(2, below, 4 * stride); _tile_stored(3, below + 16, 4 * stride);
}
#else
/* The same of factors of one part, tile by tile: a word of the left factor by one of each of 16 columns. */
inlined void unit_tiles(int64_t depth, const char *a, const char *b, float *c, int64_t stride, int isFirst) {
  for (int tile = 0; tile < 4; tile++) {
    const int32_t *left = (const int32_t *)(a + tile / 2 * TILE_BYTES);
    const __m512bh *right = (const __m512bh *)(b + tile % 2 * TILE_BYTES);
    float *to = c + tile / 2 * TILE_LINES * stride + tile % 2 * TILE_LINES;
    __m512 sums[TILE_LINES];
    for (int i = 0; i < TILE_LINES; i++) sums[i] = isFirst ? _mm512_setzero_ps() : _mm512_loadu_ps(to + i * stride);
    for (int64_t k = 0; k < depth; k += TILE_TERMS, left += TILE_BYTES / 2, right += 2 * TILE_LINES) {
      for (int word = 0; word < TILE_LINES; word++) {
#pragma GCC unroll 16
        for (int i = 0; i < TILE_LINES; i++) {
          __m512bh own = (__m512bh)_mm512_set1_epi32(left[i * TILE_LINES + word]);
          sums[i] = _mm512_dpbf16_ps(sums[i], own, right[word]);
        }
      }
    }
    for (int i = 0; i < TILE_LINES; i++) _mm512_storeu_ps(to + i * stride, sums[i]);
  }
}
#endif

static void unit_part(int64_t aParts, int64_t bParts, int64_t depth, const char *a, const char *b,
                      float *c, int64_t stride, int64_t rows, int64_t columns, int isFirst) {
  float whole[LINES][LINES] __attribute__((aligned(LINE)));
  int isWhole = rows == LINES && columns == LINES;
  float *to = isWhole ? c : whole[0];
  int64_t step = isWhole ? stride : LINES;
  int begins = isWhole ? isFirst : 1;
  /* The sums come from memory and go there while the unit multiplies. */
  for (int64_t i = 0; i < rows; i++) {
    __builtin_prefetch(c + i * stride, 1);
    __builtin_prefetch(c + i * stride + columns - 1, 1);
  }
  /* The compiler does not know that tiles read and write memory. */
  atomic_signal_fence(memory_order_seq_cst);
#ifdef HAS_TILES
  if (aParts == 1 && bParts == 1) unit_tiles(1, 1, depth, a, b, to, step, begins);
  else if (aParts == 1) unit_tiles(1, PARTS, depth, a, b, to, step, begins);
  else if (bParts == 1) unit_tiles(PARTS, 1, depth, a, b, to, step, begins);
  else unit_tiles(PARTS, PARTS, depth, a, b, to, step, begins);
#else
  unit_tiles(depth, a, b, to, step, begins);
#endif
  atomic_signal_fence(memory_order_seq_cst);
  if (isWhole) return;
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < columns; j++) {
      c[i * stride + j] = isFirst ? whole[i][j] : c[i * stride + j] + whole[i][j];
    }
  }
}

/* The same by vectors, of any floats. */
static void vector_part(matrix a, matrix b, float *c, int64_t stride, int64_t rows, int64_t columns,
                        int64_t depth, float *scratch, int isFirst) {
  float *right = scratch + (LINES + 16) * UNIT_SLICE;
  pack_rows(a, rows, depth, scratch);
  pack_columns(b, depth, columns, right);
  for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
    for (int64_t i = 0; i < rows; i += TILE_ROWS) {
      tile(depth, scratch + i * depth, right + j * depth, c + i * stride + j, stride,
           least(TILE_ROWS, rows - i), least(TILE_COLUMNS, columns - j), isFirst);
    }
  }
}

/* A block of the product: its sum over a slice, the first one or added to those before. */
static void unit_block(matrix a, matrix b, int64_t parts, float *c, int64_t stride, int64_t rows,
                       int64_t columns, int64_t depth, char *scratch, int isFirst) {
  const int64_t terms = (depth + TILE_TERMS - 1) / TILE_TERMS * TILE_TERMS;
  const int64_t panel = 2 * LINES * terms * parts_of(b, parts);
  char *left = scratch + 2 * PARTS * UNIT_SLICE * UNIT_COLUMNS;
  float *others = (float *)(left + 2 * PARTS * UNIT_SLICE * LINES);
  uint8_t isFinite[UNIT_COLUMNS / LINES];
  for (int64_t j = 0; j < columns; j += LINES) {
    isFinite[j / LINES] =
      pack_panel(moved(b, 0, j), parts_of(b, parts), 1, least(LINES, columns - j), depth, scratch + j / LINES * panel);
  }
  for (int64_t i = 0; i < rows; i += LINES) {
    int64_t m = least(LINES, rows - i);
    int areFinite = pack_panel(moved(a, i, 0), parts_of(a, parts), 0, m, depth, left);
    for (int64_t j = 0; j < columns; j += LINES) {
      int64_t n = least(LINES, columns - j);
      float *to = c + i * stride + j;
      if (areFinite && isFinite[j / LINES]) {
        unit_part(parts_of(a, parts), parts_of(b, parts), depth, left, scratch + j / LINES * panel, to,
                  stride, m, n, isFirst);
      } else {
        vector_part(moved(a, i, 0), moved(b, 0, j), to, stride, m, n, depth, others, isFirst);
      }
    }
  }
}

/* A part of a size in equal blocks of whole panels, none larger than the most. */
static int64_t even(int64_t size, int64_t most) {
  int64_t blocks = (size + most - 1) / most;
  return blocks == 0 ? most : ((size + blocks - 1) / blocks + LINES - 1) / LINES * LINES;
}

static void unit_product(matrix a, matrix b, int64_t parts, float *c, int64_t stride, int64_t row,
                         int64_t rows, int64_t column, int64_t columns, int64_t depth, char *scratch,
                         ending e) {
  const int64_t height = even(rows, UNIT_ROWS), width = even(columns, UNIT_COLUMNS);
  begin_unit();
  for (int64_t j = column; j < column + columns; j += width) {
    int64_t n = least(width, column + columns - j);
    for (int64_t i = row; i < row + rows; i += height) {
      int64_t m = least(height, row + rows - i);
      for (int64_t k = 0; k == 0 || k < depth; k += UNIT_SLICE) {
        unit_block(moved(a, i, k), moved(b, k, j), parts, c + i * stride + j, stride, m, n,
                   least(UNIT_SLICE, depth - k), scratch, k == 0);
      }
      if (e.run) e.run(e.b, e.p, i, i + m, j, j + n);
    }
  }
  end_unit();
}
#endif
`;
