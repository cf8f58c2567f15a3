/**
 * Attention and its gradient in C. Queries of a head are taken in blocks, keys in blocks as wide as
 * some vectors, which are transposed first. The forward pass keeps the largest score and the sum of
 * the weights so far (Milakov and Gimelshein 2018); the gradient holds the scores of a block of
 * queries with all keys that they see.
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

/** Queries of a block. */
export const BLOCK_QUERIES = 16;

/** Keys of a block. */
export const BLOCK_KEYS = 64;

/** Bytes of scratch memory of a thread. */
export function attentionScratch({ keys, width }: AttentionSizes, isGradient: boolean): number {
  const padded = Math.ceil(keys / BLOCK_KEYS) * BLOCK_KEYS;
  const transposed = (isGradient ? 2 : 1) * width * BLOCK_KEYS;
  const scores = isGradient ? 3 * BLOCK_QUERIES * padded : 2 * BLOCK_QUERIES * BLOCK_KEYS;
  return 4 * (transposed + scores + BLOCK_QUERIES * width);
}

export const attentionSource: string = String.raw`
#define QUERIES ${BLOCK_QUERIES}
#define KEYS ${BLOCK_KEYS}

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
static inline float exponential(float x) {
  float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
  float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = (y * r) * r + r + 1.0f;
  int32_t bits = ((int32_t)(n < -126.0f ? -126.0f : n) + 127) << 23;
  float power;
  memcpy(&power, &bits, 4);
  float whole = y * power;
  return x < -87.0f ? 0.0f : x != x ? x : whole;
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

/* Vectors of keys as columns, zeros beyond the last. */
static void transpose(heads h, int64_t sequence, int64_t head, int64_t first, int64_t count,
                      int64_t width, float *to) {
  for (int64_t j = 0; j < KEYS; j++) {
    const float *from = j < count ? vector_at(h, sequence, first + j, head) : 0;
    for (int64_t d = 0; d < width; d++) to[d * KEYS + j] = from ? from[d] : 0;
  }
}

/* Dot products of some queries with a block of keys. */
static void products(heads q, int64_t sequence, int64_t head, int64_t first, int64_t count,
                     int64_t width, const float *columns, float *to, int64_t stride) {
  enum { VECTORS = KEYS / LANES, AT_ONCE = LANES == 16 ? 4 : 2 };
  for (int64_t i = 0; i < count; i += AT_ONCE) {
    const float *x[AT_ONCE];
    for (int r = 0; r < AT_ONCE; r++) {
      x[r] = vector_at(q, sequence, first + least(i + r, count - 1), head);
    }
    vector sums[AT_ONCE][VECTORS] = { 0 };
    for (int64_t d = 0; d < width; d++) {
      const loose *k = (const loose *)(columns + d * KEYS);
      for (int r = 0; r < AT_ONCE; r++) {
        for (int v = 0; v < VECTORS; v++) sums[r][v] += x[r][d] * k[v];
      }
    }
    for (int r = 0; r < AT_ONCE && i + r < count; r++) {
      loose *row = (loose *)(to + (i + r) * stride);
      for (int v = 0; v < VECTORS; v++) row[v] = sums[r][v];
    }
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

/* Scores of products: scaled and bounded; minus infinity for keys that the query does not see. */
static void score(sizes s, int64_t sequence, int64_t query, int64_t position, int64_t first,
                  int64_t count, float *row, float *slopes) {
  if (s.softcap == 0) {
    for (int64_t j = 0; j < count; j++) row[j] *= s.scale;
  } else {
    for (int64_t j = 0; j < count; j++) {
      float capped = tanhf(s.scale / s.softcap * row[j]);
      row[j] = s.softcap * capped;
      if (slopes) slopes[j] = 1 - capped * capped;
    }
  }
  const int32_t *keySegments = s.keySegments ? s.keySegments + sequence * s.keys + first : 0;
  const int32_t own = s.querySegments ? s.querySegments[sequence * s.queries + query] : 0;
  if (keySegments) {
    for (int64_t j = 0; j < count; j++) {
      if (keySegments[j] < 0 || keySegments[j] != own) row[j] = -INFINITY;
    }
  }
  if (s.causal) for (int64_t j = position - first + 1 > 0 ? position - first + 1 : 0; j < count; j++) row[j] = -INFINITY;
  if (s.window >= 0) {
    for (int64_t j = 0; j < count; j++) {
      int64_t distance = position - first - j;
      if (distance >= s.window || -distance >= s.window) row[j] = -INFINITY;
    }
  }
}

static float largest(const float *row, int64_t count, float most) {
  float lanes[LANES];
  for (int l = 0; l < LANES; l++) lanes[l] = most;
  int64_t j = 0;
  for (; j + LANES <= count; j += LANES) {
    for (int l = 0; l < LANES; l++) lanes[l] = lanes[l] < row[j + l] ? row[j + l] : lanes[l];
  }
  for (; j < count; j++) lanes[0] = lanes[0] < row[j] ? row[j] : lanes[0];
  for (int l = 1; l < LANES; l++) lanes[0] = lanes[0] < lanes[l] ? lanes[l] : lanes[0];
  /* A comparison passes over NaN: a score that is none makes the weights none. */
  for (j = 0; j < count; j++) if (row[j] != row[j]) return row[j];
  return lanes[0];
}

/* Scores to weights e^(score - most) in place, and their sum. */
static float weigh(float *row, int64_t count, float most) {
  float lanes[LANES] = { 0 };
  if (most == -INFINITY) {
    for (int64_t j = 0; j < count; j++) row[j] = 0;
    return 0;
  }
  for (int64_t j = 0; j < count; j++) row[j] = exponential(row[j] - most);
  int64_t j = 0;
  for (; j + LANES <= count; j += LANES) for (int l = 0; l < LANES; l++) lanes[l] += row[j + l];
  for (; j < count; j++) lanes[0] += row[j];
  float sum = 0;
  for (int l = 0; l < LANES; l++) sum += lanes[l];
  return sum;
}

/* to[i] = scales[i] to[i] + sum_j weights[i][j] v_j for some queries: vectors of the head's width. */
static void add_weighed(const float *weights, int64_t stride, int64_t rows, heads v, int64_t sequence,
                        int64_t head, int64_t first, int64_t count, int64_t width, const float *scales,
                        float *to, int64_t toStride) {
  enum { VECTORS = 64 / LANES, AT_ONCE = LANES == 16 ? 4 : 2 };
  for (int64_t i = 0; i < rows; i += AT_ONCE) {
    int64_t block = least(AT_ONCE, rows - i), d = 0;
    for (; d + 64 <= width; d += 64) {
      vector sums[AT_ONCE][VECTORS];
      for (int r = 0; r < AT_ONCE; r++) {
        int64_t row = i + least(r, block - 1);
        for (int u = 0; u < VECTORS; u++) {
          sums[r][u] = ((const loose *)(to + row * toStride + d))[u] * scales[row];
        }
      }
      for (int64_t j = 0; j < count; j++) {
        const loose *from = (const loose *)(vector_at(v, sequence, first + j, head) + d);
        for (int r = 0; r < AT_ONCE; r++) {
          float w = weights[(i + least(r, block - 1)) * stride + j];
          for (int u = 0; u < VECTORS; u++) sums[r][u] += w * from[u];
        }
      }
      for (int r = 0; r < block; r++) {
        for (int u = 0; u < VECTORS; u++) ((loose *)(to + (i + r) * toStride + d))[u] = sums[r][u];
      }
    }
    if (d == width) continue;
    for (int64_t r = i; r < i + block; r++) {
      float *row = to + r * toStride;
      for (int64_t e = d; e < width; e++) row[e] *= scales[r];
      for (int64_t j = 0; j < count; j++) {
        const float *from = vector_at(v, sequence, first + j, head);
        float w = weights[r * stride + j];
        for (int64_t e = d; e < width; e++) row[e] += w * from[e];
      }
    }
  }
}

void native_attention(const context *c, char *const *b, const int64_t *p) {
  sizes s = sizes_of(b, p);
  heads q = heads_of(b, p, 0), k = heads_of(b, p, 1), v = heads_of(b, p, 2), y = heads_of(b, p, 3);
  float *columns = (float *)c->scratch, *scores = columns + s.width * KEYS;
  float *out = scores + 2 * QUERIES * KEYS;
  int64_t blocks = (s.queries + QUERIES - 1) / QUERIES, begin, end;
  share(c, s.batch * s.heads * blocks, 1, &begin, &end);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t first = unit % blocks * QUERIES, head = unit / blocks % s.heads;
    int64_t sequence = unit / blocks / s.heads, keyHead = head * s.keyHeads / s.heads;
    int64_t count = least(QUERIES, s.queries - first);
    int64_t position = (s.starts ? s.starts[sequence] : s.start) + first, low, high;
    visible(s, position, count, &low, &high);
    float most[QUERIES], sums[QUERIES], scales[QUERIES];
    for (int64_t i = 0; i < count; i++) most[i] = -INFINITY, sums[i] = 0;
    memset(out, 0, 4 * QUERIES * s.width);
    for (int64_t key = low; key < high; key += KEYS) {
      int64_t width = least(KEYS, high - key);
      transpose(k, sequence, keyHead, key, width, s.width, columns);
      products(q, sequence, head, first, count, s.width, columns, scores, KEYS);
      for (int64_t i = 0; i < count; i++) {
        float *row = scores + i * KEYS;
        score(s, sequence, first + i, position + i, key, width, row, 0);
        float next = largest(row, width, most[i]);
        scales[i] = most[i] == -INFINITY ? 0 : exponential(most[i] - next);
        sums[i] = sums[i] * scales[i] + weigh(row, width, next);
        most[i] = next;
      }
      add_weighed(scores, KEYS, count, v, sequence, keyHead, key, width, s.width, scales, out, s.width);
    }
    for (int64_t i = 0; i < count; i++) {
      float *to = vector_at(y, sequence, first + i, head);
      /* Of scores that are all minus infinity, the softmax is none; a query without a key gives 0. */
      int isNone = most[i] == -INFINITY && sees(s, sequence, first + i, position + i, low, high - low);
      float factor = isNone ? NAN : sums[i] == 0 ? 0 : 1 / sums[i];
      for (int64_t d = 0; d < s.width; d++) to[d] = out[i * s.width + d] * factor;
    }
  }
}

/* to_j += sum_i weights[i][j] x_i over some queries. */
static void add_to_keys(const float *weights, int64_t stride, int64_t rows, heads x, int64_t sequence,
                        int64_t head, int64_t first, int64_t width, heads to, int64_t keyHead,
                        int64_t key, int64_t count) {
  enum { VECTORS = 64 / LANES };
  const float *from[QUERIES];
  for (int64_t i = 0; i < rows; i++) from[i] = vector_at(x, sequence, first + i, head);
  for (int64_t j = 0; j < count; j++) {
    float *row = vector_at(to, sequence, key + j, keyHead);
    int64_t d = 0;
    for (; d + 64 <= width; d += 64) {
      vector sums[VECTORS];
      for (int u = 0; u < VECTORS; u++) sums[u] = ((const loose *)(row + d))[u];
      for (int64_t i = 0; i < rows; i++) {
        float w = weights[i * stride + j];
        for (int u = 0; u < VECTORS; u++) sums[u] += w * ((const loose *)(from[i] + d))[u];
      }
      for (int u = 0; u < VECTORS; u++) ((loose *)(row + d))[u] = sums[u];
    }
    for (int64_t i = 0; i < rows && d < width; i++) {
      float w = weights[i * stride + j];
      for (int64_t e = d; e < width; e++) row[e] += w * from[i][e];
    }
  }
}

void native_attentionGradient(const context *c, char *const *b, const int64_t *p) {
  sizes s = sizes_of(b, p);
  heads q = heads_of(b, p, 0), k = heads_of(b, p, 1), v = heads_of(b, p, 2), g = heads_of(b, p, 3);
  heads dq = heads_of(b, p, 4), dk = heads_of(b, p, 5), dv = heads_of(b, p, 6);
  int64_t padded = (s.keys + KEYS - 1) / KEYS * KEYS;
  float *columns = (float *)c->scratch, *weights = columns + 2 * s.width * KEYS;
  float *gains = weights + QUERIES * padded, *slopes = gains + QUERIES * padded;
  float *out = slopes + QUERIES * padded, *values = columns + s.width * KEYS;
  float ones[QUERIES];
  for (int i = 0; i < QUERIES; i++) ones[i] = 1;
  int64_t begin, end;
  share(c, s.batch * s.keyHeads, 1, &begin, &end);
  for (int64_t unit = begin; unit < end; unit++) {
    int64_t sequence = unit / s.keyHeads, keyHead = unit % s.keyHeads;
    for (int64_t j = 0; j < s.keys; j++) {
      memset(vector_at(dk, sequence, j, keyHead), 0, 4 * s.width);
      memset(vector_at(dv, sequence, j, keyHead), 0, 4 * s.width);
    }
    int64_t group = s.heads / s.keyHeads;
    for (int64_t head = keyHead * group; head < (keyHead + 1) * group; head++) {
      for (int64_t first = 0; first < s.queries; first += QUERIES) {
        int64_t count = least(QUERIES, s.queries - first), low, high;
        int64_t position = (s.starts ? s.starts[sequence] : s.start) + first;
        visible(s, position, count, &low, &high);
        for (int64_t key = low; key < high; key += KEYS) {
          int64_t width = least(KEYS, high - key), at = key - low;
          transpose(k, sequence, keyHead, key, width, s.width, columns);
          products(q, sequence, head, first, count, s.width, columns, weights + at, padded);
          transpose(v, sequence, keyHead, key, width, s.width, values);
          products(g, sequence, head, first, count, s.width, values, gains + at, padded);
        }
        int64_t seen = high - low;
        for (int64_t i = 0; i < count; i++) {
          float *weight = weights + i * padded, *gain = gains + i * padded;
          float *slope = slopes + i * padded;
          score(s, sequence, first + i, position + i, low, seen, weight, slope);
          float most = largest(weight, seen, -INFINITY), sum = weigh(weight, seen, most);
          int isNone = most == -INFINITY && sees(s, sequence, first + i, position + i, low, seen);
          float factor = isNone ? NAN : sum == 0 ? 0 : 1 / sum, lanes[LANES] = { 0 }, mean = 0;
          for (int64_t j = 0; j < seen; j++) weight[j] *= factor;
          int64_t j = 0;
          for (; j + LANES <= seen; j += LANES) {
            for (int l = 0; l < LANES; l++) lanes[l] += weight[j + l] * gain[j + l];
          }
          for (; j < seen; j++) lanes[0] += weight[j] * gain[j];
          for (int l = 0; l < LANES; l++) mean += lanes[l];
          for (j = 0; j < seen; j++) gain[j] = weight[j] * (gain[j] - mean) * s.scale;
          if (s.softcap != 0) for (j = 0; j < seen; j++) gain[j] *= slope[j];
        }
        memset(out, 0, 4 * QUERIES * s.width);
        add_weighed(gains, padded, count, k, sequence, keyHead, low, seen, s.width, ones, out, s.width);
        for (int64_t i = 0; i < count; i++) {
          memcpy(vector_at(dq, sequence, first + i, head), out + i * s.width, 4 * s.width);
        }
        add_to_keys(gains, padded, count, q, sequence, head, first, s.width, dk, keyHead, low, seen);
        add_to_keys(weights, padded, count, g, sequence, head, first, s.width, dv, keyHead, low, seen);
      }
    }
  }
}
`;
