/**
 * Attention and its gradient in C, as products of small matrices in register tiles. The forward pass
 * takes a block of queries with one block of keys after the other, and keeps the largest score and
 * the sum of the weights so far (Milakov and Gimelshein 2018). The gradient holds the scores of a
 * block of queries with all keys that they see. Keys that no query of a group of rows sees are left
 * out.
 */
import type { AttentionSizes } from "../../lowering/kernels.ts";

/** The names of the vectors of a head, in the order of parameters and buffers. */
export const headVectors = {
  attention: ["q", "k", "v", "y"],
  attentionGradient: ["q", "k", "v", "g", "dq", "dk", "dv"],
} as const;

/** The parameters of attention that are integers; those of its vectors come after them. */
export const attentionParameters = [
  ...["batch", "queries", "keys", "heads", "keyHeads", "width", "causal", "window", "start"],
  ...["startBuffer", "querySegments", "keySegments", "scale", "softcap"],
] as const;

/** Queries of a block in the forward pass and in the gradient, and keys of a block. */
const [QUERIES, GRADIENT_QUERIES, KEYS] = [64, 32, 64];

/** The most lanes of a vector: rows are filled up to whole vectors. */
const MOST_LANES = 16;

/** Bytes of scratch memory of a thread: see `native_attention` and `native_attentionGradient`. */
export function attentionScratch({ keys, width }: AttentionSizes, isGradient: boolean): number {
  const filled = (size: number) => Math.ceil(size / MOST_LANES) * MOST_LANES;
  const [row, all] = [filled(width), filled(keys)];
  return 4 *
    (isGradient
      ? 5 * row * all + 3 * GRADIENT_QUERIES * (row + all)
      : row * (3 * KEYS + 2 * QUERIES) + MOST_LANES * KEYS);
}

export const attentionSource: string = String.raw`
#define QUERIES ${QUERIES}
#define GRADIENT_QUERIES ${GRADIENT_QUERIES}
#define KEYS ${KEYS}
/* Queries, or keys, that share the decision on what they see. */
#define GROUP LANES

enum { ${attentionParameters.map((name) => `at_${name}`).join(", ")}, at_vectors };

/* Vectors of a head: at(sequence, position, head) has the width neighbours. */
typedef struct { float *at; int64_t sequence, position, head; } heads;

typedef struct {
  int64_t batch, queries, keys, heads, keyHeads, width, causal, window, start;
  const int32_t *starts, *querySegments, *keySegments;
  float scale, softcap;
} sizes;

static float float_of(int64_t bits) {
  double value;
  memcpy(&value, &bits, 8);
  return value;
}

static sizes sizes_of(char *const *b, const int64_t *p) {
  sizes s = { p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], 0, 0, 0, 0, 0 };
  if (p[at_startBuffer] >= 0) s.starts = (const int32_t *)b[p[at_startBuffer]];
  if (p[at_querySegments] >= 0) {
    s.querySegments = (const int32_t *)b[p[at_querySegments]];
    s.keySegments = (const int32_t *)b[p[at_keySegments]];
  }
  s.scale = float_of(p[at_scale]);
  s.softcap = float_of(p[at_softcap]);
  return s;
}

static heads heads_of(char *const *b, const int64_t *p, int i) {
  const int64_t *v = p + at_vectors + 4 * i;
  return (heads){ (float *)b[i] + v[0], v[1], v[2], v[3] };
}

static float *vector_at(heads h, int64_t sequence, int64_t position, int64_t head) {
  return h.at + sequence * h.sequence + position * h.position + head * h.head;
}

/* e^x with an error of about a unit in the last place; 0 below -87, where results are subnormal. */
inlined vector exponentials(vector x) {
  vector n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
  vector r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  vector y = 1.9875691500e-4f * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = (y * r) * r + r + 1.0f;
  /* Results of smaller numbers are replaced; those of larger ones do not occur. */
  whole_numbers isSmall = x < -87.0f, power = __builtin_convertvector(n, whole_numbers);
  y *= (vector)((power + 127) << 23);
  return chosen(isSmall, (vector){ 0 }, y);
}

/* The keys that queries from one on may see: from *low to below *high. */
static void visible(sizes s, int64_t first, int64_t count, int64_t *low, int64_t *high) {
  *low = 0;
  *high = s.keys;
  if (s.window >= 0 && first - s.window + 1 > 0) *low = least(s.keys, first - s.window + 1);
  int64_t last = first + count - 1;
  if (s.causal && last + 1 < *high) *high = last + 1;
  if (!s.causal && s.window >= 0 && last + s.window < *high) *high = last + s.window;
  if (*high < *low) *high = *low;
}

inlined int64_t filled(int64_t size) { return (size + LANES - 1) / LANES * LANES; }

/* Vectors of a head one after the other, zeros beyond their width; where they are, if that is so there. */
static const float *rows_of(heads h, int64_t sequence, int64_t head, int64_t first, int64_t count,
                            int64_t width, float *to, int64_t *step) {
  *step = h.position;
  if (width % LANES == 0) return vector_at(h, sequence, first, head);
  *step = filled(width);
  for (int64_t i = 0; i < count; i++) {
    memcpy(to + i * *step, vector_at(h, sequence, first + i, head), 4 * width);
    memset(to + i * *step + width, 0, 4 * (*step - width));
  }
  return to;
}

/* LANES x LANES elements: to[i][j] = from[j][i]. */
inlined void transpose_square(const float *from, int64_t fromStep, float *to, int64_t toStep) {
#ifdef __clang__
  for (int i = 0; i < LANES; i++) for (int j = 0; j < LANES; j++) to[i * toStep + j] = from[j * fromStep + i];
#else
  vector x[LANES];
  for (int i = 0; i < LANES; i++) x[i] = *(const loose *)(from + i * fromStep);
  /* Squares of a side are exchanged across the diagonal. */
#pragma GCC unroll 4
  for (int side = LANES / 2; side > 0; side /= 2) {
    whole_numbers upper, lower;
#pragma GCC unroll 16
    for (int l = 0; l < LANES; l++) {
      upper[l] = l & side ? l - side + LANES : l;
      lower[l] = l & side ? l + LANES : l + side;
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
      if (i & side) continue;
      vector a = x[i], b = x[i + side];
      x[i] = __builtin_shuffle(a, b, upper);
      x[i + side] = __builtin_shuffle(a, b, lower);
    }
  }
  for (int i = 0; i < LANES; i++) *(loose *)(to + i * toStep) = x[i];
#endif
}

/* Rows as columns: to[d][j] = from[j][d], zeros beyond the last row up to a whole vector. */
static void transpose(const float *from, int64_t fromStep, int64_t count, int64_t width, float *to, int64_t toStep) {
  float rest[LANES][LANES];
  for (int64_t j = 0; j < count; j += LANES) {
    for (int64_t d = 0; d < width; d += LANES) {
      const float *square = from + j * fromStep + d;
      int64_t step = fromStep;
      if (count - j < LANES) {
        memset(rest, 0, sizeof rest);
        for (int64_t i = 0; i < count - j; i++) memcpy(rest[i], square + i * fromStep, sizeof rest[i]);
        square = rest[0], step = LANES;
      }
      transpose_square(square, step, to + d * toStep + j, toStep);
    }
  }
}

/* ROWS x (VECTORS vectors) of a product: see "multiply". */
inlined void multiply_tile(int ROWS, int VECTORS, const float *a, int64_t aRow, int64_t aStep, const float *b,
                           int64_t bStep, float *c, int64_t cRow, int64_t rows, int64_t depth, const float *scales) {
  vector sums[8][4];
  const float *x[8];
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; r++) {
    int64_t row = least(r, rows - 1);
    x[r] = a + row * aRow;
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
      sums[r][v] = scales ? ((const loose *)(c + row * cRow))[v] * scales[row] : (vector){ 0 };
    }
  }
  for (int64_t k = 0; k < depth; k++) {
    const loose *y = (const loose *)(b + k * bStep);
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++) {
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; v++) sums[r][v] += x[r][k * aStep] * y[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; r++) {
    if (r >= rows) break;
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) ((loose *)(c + r * cRow))[v] = sums[r][v];
  }
}

/* c[i][j] = scales[i] c[i][j] + sum_k a[i][k] b[k][j], or the sum alone; columns are whole vectors. */
static void multiply(const float *a, int64_t aRow, int64_t aStep, const float *b, int64_t bStep, float *c,
                     int64_t cRow, int64_t rows, int64_t columns, int64_t depth, const float *scales) {
  /* As many sums as there are registers for, beside a row of b. */
  enum { OF_FOUR = LANES == 16 ? 4 : 2, OF_TWO = 2 * OF_FOUR };
  for (int64_t j = 0; j < columns;) {
    int64_t left = (columns - j) / LANES, vectors = left >= 4 ? 4 : left >= 2 ? 2 : 1;
    int64_t most = vectors == 4 ? OF_FOUR : vectors == 2 ? OF_TWO : 8;
    for (int64_t i = 0; i < rows; i += most) {
      const float *x = a + i * aRow, *y = b + j, *own = scales ? scales + i : 0;
      float *to = c + i * cRow + j;
      if (rows == 1) {
        if (vectors == 4) multiply_tile(1, 4, x, aRow, aStep, y, bStep, to, cRow, 1, depth, own);
        else if (vectors == 2) multiply_tile(1, 2, x, aRow, aStep, y, bStep, to, cRow, 1, depth, own);
        else multiply_tile(1, 1, x, aRow, aStep, y, bStep, to, cRow, 1, depth, own);
      } else if (vectors == 4) multiply_tile(OF_FOUR, 4, x, aRow, aStep, y, bStep, to, cRow, rows - i, depth, own);
      else if (vectors == 2) multiply_tile(OF_TWO, 2, x, aRow, aStep, y, bStep, to, cRow, rows - i, depth, own);
      else multiply_tile(8, 1, x, aRow, aStep, y, bStep, to, cRow, rows - i, depth, own);
    }
    j += vectors * LANES;
  }
}

/* Whether a query sees one of some keys. */
static int sees(sizes s, int64_t sequence, int64_t query, int64_t position, int64_t first, int64_t count) {
  const int32_t *segments = s.keySegments ? s.keySegments + sequence * s.keys + first : 0;
  for (int64_t j = 0; j < count; j++) {
    int64_t distance = position - first - j;
    if (s.causal && distance < 0) continue;
    if (s.window >= 0 && (distance >= s.window || -distance >= s.window)) continue;
    if (!segments || (segments[j] >= 0 && segments[j] == s.querySegments[sequence * s.queries + query])) return 1;
  }
  return 0;
}

/* Minus infinity in place of the elements of whole vectors from low to below high. */
static void hide(float *row, int64_t low, int64_t high) {
  whole_numbers lanes;
  for (int l = 0; l < LANES; l++) lanes[l] = l;
  for (int64_t j = low / LANES * LANES; j < high; j += LANES) {
    loose *at = (loose *)(row + j);
    whole_numbers isHidden = (lanes >= (int32_t)(low - j)) & (lanes < (int32_t)least(LANES, high - j));
    *at = chosen(isHidden, (vector){ 0 } - INFINITY, *at);
  }
}

/*
 * Scores of products of a query with keys: scaled and bounded; minus infinity for keys that it does
 * not see, and up to a whole vector.
 */
static void score(sizes s, int64_t sequence, int64_t query, int64_t position, int64_t first,
                  int64_t count, float *row, float *slopes) {
  const int64_t whole = filled(count);
  for (int64_t j = 0; j < whole; j += LANES) *(loose *)(row + j) *= s.scale;
  for (int64_t j = 0; j < count && s.softcap != 0; j++) {
    float capped = tanhf(row[j] / s.softcap);
    row[j] = s.softcap * capped;
    if (slopes) slopes[j] = 1 - capped * capped;
  }
  if (s.keySegments) {
    const int32_t *of = s.keySegments + sequence * s.keys + first;
    const int32_t own = s.querySegments[sequence * s.queries + query];
    for (int64_t j = 0; j < count; j++) if (of[j] < 0 || of[j] != own) row[j] = -INFINITY;
  }
  int64_t last = s.causal ? position : s.window >= 0 ? position + s.window - 1 : first + count;
  int64_t end = least(count, last - first + 1);
  hide(row, end < 0 ? 0 : end, whole);
  if (s.window >= 0 && position - s.window >= first) hide(row, 0, least(whole, position - s.window + 1 - first));
}

/* Products of one query with keys; those beyond the last one, up to a whole vector, are any. */
static void multiply_query(const float *query, const float *keys, int64_t step, int64_t count, int64_t width,
                           float *to) {
  for (int64_t j = 0; j < count; j += LANES) {
    vector x[LANES];
    for (int i = 0; i < LANES; i++) {
      const float *key = keys + least(j + i, count - 1) * step;
      x[i] = (vector){ 0 };
      for (int64_t d = 0; d < width; d += LANES) x[i] += *(const loose *)(query + d) * *(const loose *)(key + d);
    }
    *(loose *)(to + j) = joined(x, 0);
  }
}

/* The largest of the scores of each row, and of one more; a row is whole vectors. */
static vector largest(const float *scores, int64_t stride, int64_t rows, int64_t count, vector most) {
  vector x[LANES];
  for (int64_t r = 0; r < LANES; r++) {
    x[r] = (vector){ 0 } - INFINITY;
    for (int64_t j = 0; j < count && r < rows; j += LANES) x[r] = larger_of(x[r], *(const loose *)(scores + r * stride + j));
  }
  return larger_of(most, joined(x, 1));
}

/* Scores to weights e^(score - most) in place, and their sums; 0 where all are minus infinity. */
static vector weigh(float *scores, int64_t stride, int64_t rows, int64_t count, vector most) {
  vector sums[LANES];
  for (int64_t r = 0; r < LANES; r++) {
    sums[r] = (vector){ 0 };
    for (int64_t j = 0; j < count && r < rows; j += LANES) {
      loose *at = (loose *)(scores + r * stride + j);
      *at = most[r] == -INFINITY ? (vector){ 0 } : exponentials(*at - most[r]);
      sums[r] += *at;
    }
  }
  return joined(sums, 0);
}

/*
 * What weights are multiplied by so that their sum is 1. Of scores that are all minus infinity the
 * softmax is none; a query without a key gives 0.
 */
static float factor_of(sizes s, float most, float sum, int64_t sequence, int64_t query, int64_t position,
                       int64_t first, int64_t count) {
  if (most == -INFINITY && sees(s, sequence, query, position, first, count)) return NAN;
  return sum == 0 ? 0 : 1 / sum;
}

/* Keys from a first one on that some of a group of queries see by their positions. */
static int64_t seen_by(sizes s, int64_t position, int64_t queries, int64_t first, int64_t count) {
  int64_t seen = position + queries - first;
  return !s.causal || seen > count ? count : seen < 0 ? 0 : seen;
}

void native_attention(const context *c, char *const *b, const int64_t *p) {
  sizes s = sizes_of(b, p);
  heads q = heads_of(b, p, 0), k = heads_of(b, p, 1), v = heads_of(b, p, 2), y = heads_of(b, p, 3);
  const int64_t width = filled(s.width);
  float *columns = (float *)c->scratch, *ofKeys = columns + width * KEYS, *ofValues = ofKeys + width * KEYS;
  float *ofQueries = ofValues + width * KEYS, *out = ofQueries + width * QUERIES, *scores = out + width * QUERIES;
  int64_t blocks = (s.queries + QUERIES - 1) / QUERIES, begin, end;
  share(c, s.batch * s.heads * blocks, 1, &begin, &end);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t first = unit % blocks * QUERIES, head = unit / blocks % s.heads;
    int64_t sequence = unit / blocks / s.heads, keyHead = head * s.keyHeads / s.heads;
    int64_t count = least(QUERIES, s.queries - first);
    int64_t position = (s.starts ? s.starts[sequence] : s.start) + first, low, high, queryStep, keyStep, valueStep;
    visible(s, position, count, &low, &high);
    vector most[QUERIES / GROUP], sums[QUERIES / GROUP];
    for (int64_t i = 0; i < QUERIES / GROUP; i++) most[i] = (vector){ 0 } - INFINITY, sums[i] = (vector){ 0 };
    memset(out, 0, 4 * count * width);
    const float *queries = rows_of(q, sequence, head, first, count, s.width, ofQueries, &queryStep);
    for (int64_t key = low; key < high; key += KEYS) {
      int64_t keys = least(KEYS, high - key);
      const float *from = rows_of(k, sequence, keyHead, key, keys, s.width, ofKeys, &keyStep);
      const float *values = rows_of(v, sequence, keyHead, key, keys, s.width, ofValues, &valueStep);
      if (count > 1) transpose(from, keyStep, keys, width, columns, KEYS);
      for (int64_t group = 0; group < count; group += GROUP) {
        int64_t rows = least(GROUP, count - group), seen = seen_by(s, position + group, rows, key, keys);
        if (seen == 0) continue;
        if (count == 1) multiply_query(queries, from, keyStep, seen, width, scores);
        else {
          multiply(queries + group * queryStep, queryStep, 1, columns, KEYS, scores, KEYS, rows, filled(seen),
                   s.width, 0);
        }
        for (int64_t i = 0; i < rows; i++) {
          score(s, sequence, first + group + i, position + group + i, key, seen, scores + i * KEYS, 0);
        }
        vector *mostBefore = most + group / GROUP, *sum = sums + group / GROUP, scales;
        vector next = largest(scores, KEYS, rows, filled(seen), *mostBefore);
        scales = chosen(*mostBefore == -INFINITY, (vector){ 0 }, exponentials(*mostBefore - next));
        *sum = *sum * scales + weigh(scores, KEYS, rows, filled(seen), next);
        *mostBefore = next;
        multiply(scores, KEYS, 1, values, valueStep, out + group * width, width, rows, width, seen, (float *)&scales);
      }
    }
    for (int64_t i = 0; i < count; i++) {
      float factor = factor_of(s, most[i / GROUP][i % GROUP], sums[i / GROUP][i % GROUP], sequence, first + i,
                               position + i, low, high - low);
      float *to = vector_at(y, sequence, first + i, head);
      for (int64_t d = 0; d < s.width; d++) to[d] = out[i * width + d] * factor;
    }
  }
}

/* Gradients of scores in place of those of weights, for rows of whole vectors. */
static void differentiate(sizes s, float *weights, float *gains, const float *slopes, int64_t stride,
                          int64_t rows, int64_t count, const float *factors) {
  vector sums[LANES];
  for (int64_t r = 0; r < LANES; r++) {
    sums[r] = (vector){ 0 };
    for (int64_t j = 0; j < count && r < rows; j += LANES) {
      loose *weight = (loose *)(weights + r * stride + j);
      *weight *= factors[r];
      sums[r] += *weight * *(const loose *)(gains + r * stride + j);
    }
  }
  vector means = joined(sums, 0);
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t j = 0; j < count; j += LANES) {
      int64_t at = r * stride + j;
      vector gain = *(const loose *)(weights + at) * (*(const loose *)(gains + at) - means[r]) * s.scale;
      *(loose *)(gains + at) = s.softcap == 0 ? gain : gain * *(const loose *)(slopes + at);
    }
  }
}

void native_attentionGradient(const context *c, char *const *b, const int64_t *p) {
  sizes s = sizes_of(b, p);
  heads q = heads_of(b, p, 0), k = heads_of(b, p, 1), v = heads_of(b, p, 2), g = heads_of(b, p, 3);
  heads dq = heads_of(b, p, 4), dk = heads_of(b, p, 5), dv = heads_of(b, p, 6);
  const int64_t width = filled(s.width), all = filled(s.keys), group = s.heads / s.keyHeads;
  float *ofKeys = (float *)c->scratch, *keyColumns = ofKeys + width * all, *valueColumns = keyColumns + width * all;
  float *keySums = valueColumns + width * all, *valueSums = keySums + width * all;
  float *weights = valueSums + width * all, *gains = weights + GRADIENT_QUERIES * all;
  float *slopes = gains + GRADIENT_QUERIES * all, *ofQueries = slopes + GRADIENT_QUERIES * all;
  float *ofResults = ofQueries + GRADIENT_QUERIES * width, *out = ofResults + GRADIENT_QUERIES * width;
  float ones[GROUP];
  for (int i = 0; i < GROUP; i++) ones[i] = 1;
  int64_t begin, end, keyStep, valueStep, queryStep, resultStep;
  share(c, s.batch * s.keyHeads, 1, &begin, &end);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t sequence = unit / s.keyHeads, keyHead = unit % s.keyHeads;
    memset(keySums, 0, 4 * width * all);
    memset(valueSums, 0, 4 * width * all);
    const float *values = rows_of(v, sequence, keyHead, 0, s.keys, s.width, ofKeys, &valueStep);
    transpose(values, valueStep, s.keys, width, valueColumns, all);
    const float *keys = rows_of(k, sequence, keyHead, 0, s.keys, s.width, ofKeys, &keyStep);
    transpose(keys, keyStep, s.keys, width, keyColumns, all);
    for (int64_t head = keyHead * group; head < (keyHead + 1) * group; head++) {
      for (int64_t first = 0; first < s.queries; first += GRADIENT_QUERIES) {
        int64_t count = least(GRADIENT_QUERIES, s.queries - first), low, high;
        int64_t position = (s.starts ? s.starts[sequence] : s.start) + first;
        visible(s, position, count, &low, &high);
        low = low / GROUP * GROUP;
        const float *queries = rows_of(q, sequence, head, first, count, s.width, ofQueries, &queryStep);
        const float *results = rows_of(g, sequence, head, first, count, s.width, ofResults, &resultStep);
        for (int64_t i = 0; i < count; i += GROUP) {
          int64_t rows = least(GROUP, count - i), seen = seen_by(s, position + i, rows, low, high - low);
          float *weight = weights + i * all, *gain = gains + i * all, *slope = slopes + i * all;
          multiply(queries + i * queryStep, queryStep, 1, keyColumns + low, all, weight, all, rows, filled(seen),
                   s.width, 0);
          multiply(results + i * resultStep, resultStep, 1, valueColumns + low, all, gain, all, rows, filled(seen),
                   s.width, 0);
          for (int64_t r = 0; r < rows; r++) {
            score(s, sequence, first + i + r, position + i + r, low, seen, weight + r * all, slope + r * all);
          }
          vector most = largest(weight, all, rows, filled(seen), (vector){ 0 } - INFINITY);
          vector sums = weigh(weight, all, rows, filled(seen), most);
          float factors[GROUP];
          for (int64_t r = 0; r < rows; r++) {
            factors[r] = factor_of(s, most[r], sums[r], sequence, first + i + r, position + i + r, low, seen);
          }
          differentiate(s, weight, gain, slope, all, rows, filled(seen), factors);
          multiply(gains + i * all, all, 1, keys + low * keyStep, keyStep, out + i * width, width, rows, width, seen, 0);
        }
        for (int64_t i = 0; i < count; i++) {
          memcpy(vector_at(dq, sequence, first + i, head), out + i * width, 4 * s.width);
        }
        /* Each group of keys takes the queries that see one of them. */
        for (int64_t j = 0; low + j < high; j += GROUP) {
          int64_t from = s.causal && low + j > position ? low + j - position : 0;
          if (from >= count) break;
          int64_t rows = least(GROUP, high - low - j), depth = count - from, to = (low + j) * width;
          multiply(gains + from * all + j, 1, all, queries + from * queryStep, queryStep, keySums + to, width, rows,
                   width, depth, ones);
          multiply(weights + from * all + j, 1, all, results + from * resultStep, resultStep, valueSums + to, width,
                   rows, width, depth, ones);
        }
      }
    }
    for (int64_t j = 0; j < s.keys; j++) {
      memcpy(vector_at(dk, sequence, j, keyHead), keySums + j * width, 4 * s.width);
      memcpy(vector_at(dv, sequence, j, keyHead), valueSums + j * width, 4 * s.width);
    }
  }
}
`;
