/**
 * Products of matrices in C. Blocks of the right matrix are packed into panels as wide as two
 * vectors, blocks of the left one into panels of some rows; a tile of their product stays in
 * registers while a slice of the depth is added up. Of few rows the right matrix is not packed, since
 * then reading it is what takes the time.
 */
import { UNIT_SCRATCH, unitSource } from "./matrix_unit.ts";

/** The parameters of a product, in their order. */
export const productParameters = [
  ...["batches", "rows", "columns", "depth"],
  ...["aOffset", "aRow", "aColumn", "bOffset", "bRow", "bColumn"],
  ...["aType", "bType", "outputStart", "epilogue", "epilogueParameters", "batchRank"],
] as const;

/** Terms that are added up in registers before they enter the sum in memory. */
export const SLICE = 256;

/** Columns of a packed block of the right matrix. */
export const BLOCK_COLUMNS = 512;

/** Rows of a packed block of the left matrix: a multiple of the rows of every tile. */
export const BLOCK_ROWS = 96;

/** Bytes of the packed blocks of a thread. */
export const PRODUCT_SCRATCH: number = Math.max(
  4 * SLICE * (BLOCK_COLUMNS + BLOCK_ROWS),
  UNIT_SCRATCH,
);

/** Rows up to which a right matrix whose columns are neighbours is read where it is. */
const FEW_BY_COLUMNS = 16;

/** Vectors of rows, at most, that are the lanes of sums where the rows of the right matrix are neighbours. */
const ROW_VECTORS = 2;

/** Parts of the depth of a product of few rows, which threads share. */
export const DEPTH_PARTS = 8;

/**
 * Whether a product of few rows by a matrix whose columns are neighbours is better computed in parts
 * of its depth: where their sums are few beside the elements of the matrix, and have room in scratch
 * memory.
 */
export function arePartsWorthwhile(rows: number, columns: number, depth: number): boolean {
  return rows <= FEW_BY_COLUMNS && 4 * DEPTH_PARTS * rows <= depth &&
    4 * DEPTH_PARTS * rows * columns <= PRODUCT_SCRATCH;
}

const kernelSource: string = String.raw`
#define TILE_ROWS (LANES == 16 ? 12 : 6)
#define TILE_COLUMNS (2 * LANES)
#define SLICE ${SLICE}
#define BLOCK_COLUMNS ${BLOCK_COLUMNS}
#define BLOCK_ROWS ${BLOCK_ROWS}
/* Rows up to which the right matrix is not packed, if its columns are neighbours, and if its rows are. */
#define FEW_BY_COLUMNS ${FEW_BY_COLUMNS}
#define FEW_BY_ROWS 4
/* Vectors of rows up to which rows are lanes, if the rows of the right matrix are neighbours. */
#define ROW_VECTORS ${ROW_VECTORS}
#define MOST_LANES (LANES > 4 ? ROW_VECTORS * LANES : 0)
#define PRODUCT_SCRATCH ${PRODUCT_SCRATCH}
/* Columns of which sums over one vector of rows stay in registers, and over two. */
#define COLUMNS_AT_ONCE 8
#define COLUMNS_BY_TWO (LANES == 16 ? 8 : 4)
/* Terms of a column that are widened at once. */
#define WIDENED 64
/* Rows of which sums over four vectors stay in registers. */
#define ROWS_AT_ONCE (LANES == 16 ? 4 : 2)

/* The types of factors in memory: those of 16 bits are widened where they are read. */
enum { FLOATS, BFLOATS, HALVES };
typedef struct { const char *at; int64_t row, column, type; } matrix;

inlined float float_of_word(uint32_t word) {
  float value;
  memcpy(&value, &word, 4);
  return value;
}

/* A half moved to the place of a float, times 2^112; infinities and NaN have an exponent of ones. */
inlined float float_of_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, size = (uint32_t)(half & 0x7fff) << 13;
  float finite = float_of_word(size) * 0x1p112f;
  uint32_t word;
  memcpy(&word, &finite, 4);
  return float_of_word(sign | (size >= 0x0f800000u ? size | 0x7f800000u : word));
}

inlined float element(const char *at, int64_t index, int type) {
  if (type == FLOATS) return ((const float *)at)[index];
  uint16_t word = ((const uint16_t *)at)[index];
  return type == BFLOATS ? float_of_word((uint32_t)word << 16) : float_of_half(word);
}

typedef uint16_t halfwords __attribute__((vector_size(2 * LANES), aligned(2)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));

inlined vector elements(const char *at, int64_t index, int type) {
  if (type == FLOATS) return *(const loose *)((const float *)at + index);
  halfwords narrow = *(const halfwords *)((const uint16_t *)at + index);
  return (vector)(__builtin_convertvector(narrow, words) << 16);
}

inlined int64_t bytes_of(int64_t type) { return type == FLOATS ? 4 : 2; }

static matrix moved(matrix m, int64_t rows, int64_t columns) {
  m.at += (rows * m.row + columns * m.column) * bytes_of(m.type);
  return m;
}

/* A function for each type of factors. */
#define BY_TYPE(type, call) \
  if (type == FLOATS) { enum { T = FLOATS }; call; } \
  else if (type == BFLOATS) { enum { T = BFLOATS }; call; } \
  else { enum { T = HALVES }; call; }

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Panels of TILE_ROWS rows, column by column; rows beyond the last are zeros. */
inlined void pack_rows_of(matrix a, int type, int64_t rows, int64_t depth, float *to) {
  for (int64_t first = 0; first < rows; first += TILE_ROWS, to += TILE_ROWS * depth) {
    int64_t count = least(TILE_ROWS, rows - first);
    for (int64_t i = 0; i < TILE_ROWS; i++) {
      int64_t from = (first + i) * a.row;
      if (i >= count) for (int64_t k = 0; k < depth; k++) to[k * TILE_ROWS + i] = 0;
      else if (a.column == 1) {
        for (int64_t k = 0; k < depth; k++) to[k * TILE_ROWS + i] = element(a.at, from + k, type);
      } else {
        for (int64_t k = 0; k < depth; k++) {
          to[k * TILE_ROWS + i] = element(a.at, from + k * a.column, type);
        }
      }
    }
  }
}
static void pack_rows(matrix a, int64_t rows, int64_t depth, float *to) {
  BY_TYPE(a.type, pack_rows_of(a, T, rows, depth, to))
}

/* Panels of TILE_COLUMNS columns, row by row; columns beyond the last are zeros. */
inlined void pack_columns_of(matrix b, int type, int64_t depth, int64_t columns, float *to) {
  int64_t whole = b.column == 1 ? columns / TILE_COLUMNS * TILE_COLUMNS : 0;
  /* A row at a time, since its neighbours are elsewhere in memory. */
  for (int64_t k = 0; k < depth; k++) {
    for (int64_t first = 0; first < whole; first += TILE_COLUMNS) {
      float *row = to + first * depth + k * TILE_COLUMNS;
      for (int64_t j = 0; j < TILE_COLUMNS; j++) row[j] = element(b.at, k * b.row + first + j, type);
    }
  }
  for (int64_t first = whole; first < columns; first += TILE_COLUMNS) {
    float *panel = to + first * depth;
    for (int64_t j = 0; j < TILE_COLUMNS; j++) {
      int64_t from = (first + j) * b.column;
      if (first + j >= columns) for (int64_t k = 0; k < depth; k++) panel[k * TILE_COLUMNS + j] = 0;
      else if (b.row == 1) {
        for (int64_t k = 0; k < depth; k++) panel[k * TILE_COLUMNS + j] = element(b.at, from + k, type);
      } else {
        for (int64_t k = 0; k < depth; k++) {
          panel[k * TILE_COLUMNS + j] = element(b.at, from + k * b.row, type);
        }
      }
    }
  }
}
static void pack_columns(matrix b, int64_t depth, int64_t columns, float *to) {
  BY_TYPE(b.type, pack_columns_of(b, T, depth, columns, to))
}

/* A tile: its sum over a slice of the depth, which is the first one or is added to those before. */
static inline void tile(int64_t depth, const float *a, const float *b, float *c, int64_t stride,
                        int64_t rows, int64_t columns, int isFirst) {
  vector sums[TILE_ROWS][2] = { 0 };
  for (int64_t k = 0; k < depth; k++, a += TILE_ROWS, b += TILE_COLUMNS) {
    vector left = *(const loose *)b, right = *(const loose *)(b + LANES);
#pragma GCC unroll 16
    for (int i = 0; i < TILE_ROWS; i++) {
      sums[i][0] += a[i] * left;
      sums[i][1] += a[i] * right;
    }
  }
  if (rows == TILE_ROWS && columns == TILE_COLUMNS) {
#pragma GCC unroll 16
    for (int i = 0; i < TILE_ROWS; i++) {
      loose *to = (loose *)(c + i * stride), *next = (loose *)(c + i * stride + LANES);
      *to = isFirst ? sums[i][0] : *to + sums[i][0];
      *next = isFirst ? sums[i][1] : *next + sums[i][1];
    }
  } else {
    float whole[TILE_ROWS][TILE_COLUMNS];
    memcpy(whole, sums, sizeof whole);
    for (int64_t i = 0; i < rows; i++) {
      for (int64_t j = 0; j < columns; j++) {
        float *to = c + i * stride + j;
        *to = isFirst ? whole[i][j] : *to + whole[i][j];
      }
    }
  }
}

/* A body over a part of the product: rows and columns from ... to below ... */
typedef void part(char *const *b, const int64_t *p, int64_t, int64_t, int64_t, int64_t);
typedef struct { part *run; char *const *b; const int64_t *p; } ending;

static void packed_product(matrix a, matrix b, float *c, int64_t stride, int64_t row, int64_t rows,
                           int64_t column, int64_t columns, int64_t depth, float *scratch, ending e) {
  float *right = scratch, *left = scratch + SLICE * BLOCK_COLUMNS;
  int64_t slices = (depth + SLICE - 1) / SLICE, even = slices > 1 ? (depth + slices - 1) / slices : SLICE;
  for (int64_t j = column; j < column + columns; j += BLOCK_COLUMNS) {
    int64_t width = least(BLOCK_COLUMNS, column + columns - j);
    for (int64_t k = 0, slice; k == 0 || k < depth; k += slice > 0 ? slice : 1) {
      slice = least(even, depth - k);
      pack_columns(moved(b, k, j), slice, width, right);
      for (int64_t i = row; i < row + rows; i += BLOCK_ROWS) {
        int64_t height = least(BLOCK_ROWS, row + rows - i);
        pack_rows(moved(a, i, k), height, slice, left);
        for (int64_t jj = 0; jj < width; jj += TILE_COLUMNS) {
          for (int64_t ii = 0; ii < height; ii += TILE_ROWS) {
            tile(slice, left + ii * slice, right + jj * slice, c + (i + ii) * stride + j + jj, stride,
                 least(TILE_ROWS, height - ii), least(TILE_COLUMNS, width - jj), k == 0);
          }
        }
        if (e.run && k + slice >= depth) e.run(e.b, e.p, i, i + height, j, j + width);
      }
    }
  }
}

/* Some rows by four vectors of columns, over a slice of the depth: the first one, or added to those before. */
inlined void few_rows(int count, matrix a, matrix b, int type, float *c, int64_t stride, int64_t rows,
                      int64_t first, int64_t last) {
  vector sums[4][4] = { 0 };
  const float *x[4];
  for (int r = 0; r < count; r++) x[r] = (const float *)a.at + least(r, rows - 1) * a.row;
  for (int64_t k = first; k < last; k++) {
    for (int v = 0; v < 4; v++) {
      vector y = elements(b.at, k * b.row + v * LANES, type);
#pragma GCC unroll 4
      for (int r = 0; r < count; r++) sums[r][v] += x[r][k * a.column] * y;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < count; r++) {
    if (r >= rows) break;
    loose *to = (loose *)(c + r * stride);
    for (int v = 0; v < 4; v++) to[v] = first == 0 ? sums[r][v] : to[v] + sums[r][v];
  }
}

/* Few rows by a matrix whose columns are neighbours. */
inlined void rows_by_columns(matrix a, matrix b, int type, float *c, int64_t stride, int64_t rows,
                             int64_t column, int64_t columns, int64_t depth) {
  int64_t j = column, end = column + columns;
  for (; j + 4 * LANES <= end; j += 4 * LANES) {
    for (int64_t first = 0; first == 0 || first < depth; first += SLICE) {
      int64_t last = least(depth, first + SLICE);
      if (rows == 1) few_rows(1, a, moved(b, 0, j), type, c + j, stride, 1, first, last);
      else for (int64_t i = 0; i < rows; i += ROWS_AT_ONCE) {
        few_rows(ROWS_AT_ONCE, moved(a, i, 0), moved(b, 0, j), type, c + i * stride + j, stride, rows - i,
                 first, last);
      }
    }
  }
  for (; j < end; j++) {
    for (int64_t i = 0; i < rows; i++) {
      double sum = 0;
      for (int64_t k = 0; k < depth; k++) {
        sum += ((const float *)a.at)[i * a.row + k * a.column] * element(b.at, k * b.row + j, type);
      }
      c[i * stride + j] = sum;
    }
  }
}

static inline float total(vector x) {
  float sum = 0;
  for (int i = 0; i < LANES; i++) sum += x[i];
  return sum;
}

/*
 * Columns of a matrix whose rows are neighbours are multiplied some at a time, each as far from the
 * next as all of a thread's columns have so many parts: then each is read on where the one before it
 * ended, and memory brings several such streams at once.
 */

/*
 * One row, two or four by four columns: each vector that is loaded is multiplied with all rows, and the
 * lanes of all sums are added up together where they fill vectors.
 */
inlined void rows_by_four(int count, matrix a, matrix b, int type, float *c, int64_t stride, int64_t rows,
                          int64_t apart, int64_t depth) {
  const float *x[4];
  double whole[16] = { 0 };
  int64_t k = 0;
  for (int r = 0; r < count; r++) x[r] = (const float *)a.at + least(r, rows - 1) * a.row;
  while (k + LANES <= depth) {
    vector sums[16] = { 0 };
    int64_t last = least(depth, k + 64 * LANES);
    for (; k + LANES <= last; k += LANES) {
      vector l[4];
#pragma GCC unroll 4
      for (int r = 0; r < count; r++) l[r] = *(const loose *)(x[r] + k);
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        vector y = elements(b.at, v * apart * b.column + k, type);
#pragma GCC unroll 4
        for (int r = 0; r < count; r++) sums[4 * r + v] += l[r] * y;
      }
    }
    /* A copy, so that the sums themselves have no address and stay in registers. */
    vector lanes[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) lanes[i] = sums[i];
    if (4 * count % LANES == 0) {
      for (int i = 0; i < 4 * count; i += LANES) {
        vector totals = joined(lanes + i, 0);
        for (int l = 0; l < LANES; l++) whole[i + l] += totals[l];
      }
    } else {
      for (int i = 0; i < 4 * count; i++) whole[i] += total(lanes[i]);
    }
  }
  for (; k < depth; k++) {
    for (int r = 0; r < count; r++) {
      for (int v = 0; v < 4; v++) whole[4 * r + v] += x[r][k] * element(b.at, v * apart * b.column + k, type);
    }
  }
  for (int r = 0; r < least(rows, count); r++) {
    for (int v = 0; v < 4; v++) c[r * stride + v * apart] = whole[4 * r + v];
  }
}

/* Up to four rows by a matrix whose rows are neighbours. */
inlined void rows_by_rows(matrix a, matrix b, int type, float *c, int64_t stride, int64_t rows,
                          int64_t column, int64_t columns, int64_t depth) {
  const int64_t apart = columns / 4, end = column + columns;
  for (int64_t j = column; j < column + apart; j++) {
    matrix y = moved(b, 0, j);
    if (rows == 1) rows_by_four(1, a, y, type, c + j, stride, rows, apart, depth);
    else if (rows == 2) rows_by_four(2, a, y, type, c + j, stride, rows, apart, depth);
    else rows_by_four(4, a, y, type, c + j, stride, rows, apart, depth);
  }
  for (int64_t j = column + 4 * apart; j < end; j++) {
    for (int64_t i = 0; i < rows; i++) {
      const float *x = (const float *)a.at + i * a.row;
      double sum = 0;
      for (int64_t k = 0; k < depth; k++) sum += x[k] * element(b.at, j * b.column + k, type);
      c[i * stride + j] = sum;
    }
  }
}

/* Some rows as lanes, a vector or several for each position in the depth; missing rows are zeros. */
inlined void pack_lanes(int vectors, matrix a, int64_t rows, int64_t depth, float *to) {
  for (int64_t k = 0; k < depth; k++, to += vectors * LANES) {
    const float *from = (const float *)a.at + k * a.column;
    for (int64_t r = 0; r < vectors * LANES; r++) to[r] = r < rows ? from[r * a.row] : 0;
  }
}

/*
 * Vectors of rows by some columns of a matrix whose rows are neighbours: an element of the matrix is
 * multiplied with all rows at once, so that it is read once, in the order of memory, and no lanes are
 * added up.
 */
inlined void lanes_by_columns(int vectors, int width, const float *x, matrix b, int type, float *c,
                              int64_t stride, int64_t rows, int64_t apart, int64_t depth) {
  vector whole[COLUMNS_AT_ONCE][ROW_VECTORS] = { 0 };
  float widened[COLUMNS_AT_ONCE][WIDENED];
  for (int64_t first = 0; first < depth; first += SLICE) {
    const int64_t last = least(depth, first + SLICE);
    vector sums[COLUMNS_AT_ONCE][ROW_VECTORS] = { 0 };
    for (int64_t from = first; from < last; from += WIDENED) {
      const int64_t terms = least(WIDENED, last - from);
      const float *y[COLUMNS_AT_ONCE];
#pragma GCC unroll 8
      for (int j = 0; j < width; j++) {
        const int64_t at = j * apart * b.column + from;
        y[j] = type == FLOATS ? (const float *)b.at + at : widened[j];
        if (type == FLOATS) continue;
        int64_t k = 0;
        for (; k + LANES <= terms; k += LANES) *(loose *)(widened[j] + k) = elements(b.at, at + k, type);
        for (; k < terms; k++) widened[j][k] = element(b.at, at + k, type);
        /* What is widened comes in bursts, between which nothing else would fetch. */
        for (int64_t ahead = 0; ahead < 2 * WIDENED; ahead += LINE) {
          __builtin_prefetch(b.at + 2 * (at + 2 * WIDENED) + ahead);
        }
      }
      for (int64_t k = 0; k < terms; k++) {
        vector l[ROW_VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) l[v] = *(const loose *)(x + ((from + k) * vectors + v) * LANES);
#pragma GCC unroll 8
        for (int j = 0; j < width; j++) {
#pragma GCC unroll 2
          for (int v = 0; v < vectors; v++) sums[j][v] += l[v] * y[j][k];
        }
      }
    }
#pragma GCC unroll 8
    for (int j = 0; j < width; j++) for (int v = 0; v < vectors; v++) whole[j][v] += sums[j][v];
  }
  for (int64_t r = 0; r < rows; r++) {
    for (int j = 0; j < width; j++) c[r * stride + j * apart] = whole[j][r / LANES][r % LANES];
  }
}

inlined void rows_as_lanes_of(int vectors, matrix a, matrix b, int type, float *c, int64_t stride,
                              int64_t rows, int64_t column, int64_t columns, int64_t depth, float *x) {
  const int width = vectors == 1 ? COLUMNS_AT_ONCE : COLUMNS_BY_TWO;
  const int64_t apart = columns / width, end = column + columns;
  pack_lanes(vectors, a, rows, depth, x);
  for (int64_t j = column; j < column + apart; j++) {
    lanes_by_columns(vectors, width, x, moved(b, 0, j), type, c + j, stride, rows, apart, depth);
  }
  for (int64_t j = column + width * apart; j < end; j++) {
    lanes_by_columns(vectors, 1, x, moved(b, 0, j), type, c + j, stride, rows, 1, depth);
  }
}
inlined void rows_as_lanes(matrix a, matrix b, int type, float *c, int64_t stride, int64_t rows,
                           int64_t column, int64_t columns, int64_t depth, float *x) {
  if (rows <= LANES) rows_as_lanes_of(1, a, b, type, c, stride, rows, column, columns, depth, x);
  else rows_as_lanes_of(2, a, b, type, c, stride, rows, column, columns, depth, x);
}
`;

const callSource: string = String.raw`
#define DEPTH_PARTS ${DEPTH_PARTS}

enum { ${productParameters.join(", ")} };

/*
 * Few rows by a matrix whose columns are neighbours, in parts of its depth. A part of the matrix is one
 * piece of memory, which is spread over all of a cache, so that a small matrix stays in it from run to
 * run. Halves of all rows would share the sets of a cache unevenly, and threads would be brought each
 * other's halves.
 */
void native_matmulParts(const context *c, char *const *b, const int64_t *p) {
  const int64_t m = p[rows], n = p[columns], d = p[depth];
  matrix x = { b[0] + 4 * p[aOffset], p[aRow], p[aColumn], FLOATS };
  matrix y = { b[1] + bytes_of(p[bType]) * p[bOffset], p[bRow], 1, p[bType] };
  int64_t part, end;
  for (share(c, DEPTH_PARTS, 1, &part, &end); part < end; part++) {
    int64_t from = d * part / DEPTH_PARTS, terms = d * (part + 1) / DEPTH_PARTS - from;
    float *to = (float *)c->common + part * m * n;
    if (y.type == FLOATS) rows_by_columns(moved(x, 0, from), moved(y, from, 0), FLOATS, to, n, m, 0, n, terms);
    else rows_by_columns(moved(x, 0, from), moved(y, from, 0), BFLOATS, to, n, m, 0, n, terms);
  }
}

/* The sums of parts. */
void native_matmulSum(const context *c, char *const *b, const int64_t *p) {
  const int64_t m = p[rows], n = p[columns];
  const float *parts = (const float *)c->common;
  float *output = (float *)b[2] + p[outputStart];
  ending e = { (part *)p[epilogue], b, p + p[epilogueParameters] };
  int64_t column, end;
  share(c, n, LINE / 4, &column, &end);
  for (int64_t i = 0; i < m; i++) {
#pragma GCC ivdep
    for (int64_t j = i * n + column; j < i * n + end; j++) {
      float sum = parts[j];
      for (int64_t k = 1; k < DEPTH_PARTS; k++) sum += parts[k * m * n + j];
      output[j] = sum;
    }
  }
  if (e.run) e.run(e.b, e.p, 0, m, column, end);
}

/* p: the parameters, then for each axis of the batch its size and the steps of a and b. */
void native_matmul(const context *c, char *const *b, const int64_t *p) {
  const int64_t m = p[rows], n = p[columns], d = p[depth];
  float *output = (float *)b[2] + p[outputStart];
  ending e = { (part *)p[epilogue], b, p + p[epilogueParameters] };
  int64_t firstBatch = 0, lastBatch = p[batches], row = 0, rowEnd = m, column = 0, columnEnd = n;
  const int areWide = p[aType] == FLOATS && p[bType] != HALVES, hasRows = p[bColumn] != 1 && p[bRow] == 1;
  const int hasLanes = areWide && hasRows && m > FEW_BY_ROWS && m <= (c->parts > 0 ? LANES : MOST_LANES) &&
    4 * MOST_LANES * d <= PRODUCT_SCRATCH;
  const int hasFew = hasLanes ||
    areWide && (p[bColumn] == 1 ? m <= FEW_BY_COLUMNS : hasRows && p[aColumn] == 1 && m <= FEW_BY_ROWS);
  const int usesUnit = c->parts > 0 && !hasFew;
  if (p[batches] >= c->threads && p[batches] > 1) share(c, p[batches], 1, &firstBatch, &lastBatch);
  else if (hasFew || n >= m) share(c, n, usesUnit ? LINES : 4 * LANES, &column, &columnEnd);
  else share(c, m, usesUnit ? LINES : TILE_ROWS, &row, &rowEnd);
  const int64_t *axes = p + batchRank + 1;
  for (int64_t i = firstBatch; i < lastBatch; i++) {
    int64_t rest = i, left = p[aOffset], right = p[bOffset];
    for (int64_t axis = p[batchRank] - 1; axis >= 0; axis--) {
      const int64_t *of = axes + 3 * axis;
      left += rest % of[0] * of[1];
      right += rest % of[0] * of[2];
      rest /= of[0];
    }
    matrix x = { b[0] + left * bytes_of(p[aType]), p[aRow], p[aColumn], p[aType] };
    matrix y = { b[1] + right * bytes_of(p[bType]), p[bRow], p[bColumn], p[bType] };
    float *z = output + i * m * n;
    if (row >= rowEnd || column >= columnEnd) continue;
    int64_t width = columnEnd - column;
    if (hasFew && p[bColumn] == 1) {
      if (y.type == FLOATS) rows_by_columns(x, y, FLOATS, z, n, m, column, width, d);
      else rows_by_columns(x, y, BFLOATS, z, n, m, column, width, d);
    } else if (hasLanes) {
      if (y.type == FLOATS) rows_as_lanes(x, y, FLOATS, z, n, m, column, width, d, (float *)c->scratch);
      else rows_as_lanes(x, y, BFLOATS, z, n, m, column, width, d, (float *)c->scratch);
    } else if (hasFew) {
      if (y.type == FLOATS) rows_by_rows(x, y, FLOATS, z, n, m, column, width, d);
      else rows_by_rows(x, y, BFLOATS, z, n, m, column, width, d);
#ifdef HAS_UNIT
    } else if (usesUnit) {
      unit_product(x, y, c->parts, z, n, row, rowEnd - row, column, width, d, c->scratch, e);
#endif
    } else {
      packed_product(x, y, z, n, row, rowEnd - row, column, width, d,
                     (float *)c->scratch, e);
    }
    if (hasFew && e.run) e.run(e.b, e.p, 0, m, column, columnEnd);
  }
}
`;

export const productSource: string = [kernelSource, unitSource, callSource].join("\n");
