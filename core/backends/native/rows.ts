/** Kernels that move words or add rows, in C: rows by number, windows, and orders of sorting. */

/** Bytes of scratch memory of a thread for sorting runs of a size. */
export function sortScratch(size: number): number {
  return 4 * size;
}

/** Bytes of scratch memory of a thread for adding rows: where the updates of each row are. */
export function scatterScratch(rows: number, count: number): number {
  return 4 * (rows + 1 + count);
}

export const rowsSource: string = String.raw`
/* Where the window of an outer block begins. p: outer, size, length, bytes of a row, and starts. */
static int64_t start_of(const char *starts, int64_t block, const int64_t *p) {
  int32_t start = ((const int32_t *)starts)[block * p[4] / p[0]];
  int64_t most = p[1] - p[2];
  return start < 0 ? 0 : start > most ? most : start;
}

/* p: rows, count, bytes of a row and of an element, the bits of a missing one. b: table, ids, output. */
void native_gather(const context *c, char *const *b, const int64_t *p) {
  const uint32_t *ids = (const uint32_t *)b[1];
  int64_t begin, end, bytes = p[2];
  share(c, p[1], 1, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    char *to = b[2] + i * bytes;
    if (ids[i] < (uint64_t)p[0]) memcpy(to, b[0] + ids[i] * bytes, bytes);
    else for (int64_t j = 0; j < bytes; j += p[3]) memcpy(to + j, &p[4], p[3]);
  }
}

/*
 * p: rows, count, width, and whether there is a table that is added to. b: ids, updates, output, and
 * the table, which may be the output. Each row adds its updates in their order; they are found by
 * counting.
 */
void native_scatterAdd(const context *c, char *const *b, const int64_t *p) {
  const uint32_t *ids = (const uint32_t *)b[0];
  int64_t rows = p[0], count = p[1], width = p[2], begin, end;
  share(c, rows, 1, &begin, &end);
  int32_t *ends = (int32_t *)c->scratch, *order = ends + rows + 1;
  memset(ends, 0, 4 * (end - begin + 1));
  for (int64_t i = 0; i < count; i++) {
    if (ids[i] >= begin && ids[i] < end) ends[ids[i] - begin + 1]++;
  }
  for (int64_t row = 0; row < end - begin; row++) ends[row + 1] += ends[row];
  for (int64_t i = 0; i < count; i++) {
    if (ids[i] >= begin && ids[i] < end) order[ends[ids[i] - begin]++] = i;
  }
  /* Now ends[row] is where the updates of a row end, and those of the next begin. */
  for (int64_t row = begin; row < end; row++) {
    int64_t first = row == begin ? 0 : ends[row - begin - 1], last = ends[row - begin];
    const float *updates = (const float *)b[1], *table = (const float *)b[3] + row * width;
    float *to = (float *)b[2] + row * width;
    if (p[3] && first == last) {
      if (to != table) memcpy(to, table, 4 * width);
      continue;
    }
    for (int64_t j = 0; j < width; j += 64) {
      int64_t part = least(64, width - j);
      double sums[64] = { 0 };
      if (p[3]) for (int64_t l = 0; l < part; l++) sums[l] = table[j + l];
      for (int64_t i = first; i < last; i++) {
        const float *from = updates + order[i] * width + j;
        for (int64_t l = 0; l < part; l++) sums[l] += from[l];
      }
      for (int64_t l = 0; l < part; l++) to[j + l] = sums[l];
    }
  }
}

/* b: input, start, output. */
void native_dynamicSlice(const context *c, char *const *b, const int64_t *p) {
  int64_t begin, end;
  share(c, p[0], 1, &begin, &end);
  for (int64_t o = begin; o < end; o++) {
    memcpy(b[2] + o * p[2] * p[3], b[0] + (o * p[1] + start_of(b[1], o, p)) * p[3], p[2] * p[3]);
  }
}

/* b: input, update, start, output, which may be the input. */
void native_dynamicUpdate(const context *c, char *const *b, const int64_t *p) {
  int64_t begin, end;
  share(c, p[0], 1, &begin, &end);
  for (int64_t o = begin; o < end; o++) {
    char *to = b[3] + o * p[1] * p[3];
    if (b[3] != b[0]) memcpy(to, b[0] + o * p[1] * p[3], p[1] * p[3]);
    memcpy(to + start_of(b[2], o, p) * p[3], b[1] + o * p[2] * p[3], p[2] * p[3]);
  }
}

/* Words that compare as the elements do: -0 as 0, and NaN after everything. */
static uint32_t sort_key(uint32_t word, int64_t type) {
  if (type == 2) return word;
  if (type == 1) return word ^ 0x80000000u;
  if ((word & 0x7fffffffu) > 0x7f800000u) return 0xffffffffu;
  if (word == 0x80000000u) word = 0;
  return word >> 31 ? ~word : word | 0x80000000u;
}

/* p: outer, size, and the type of elements: floats, signed or unsigned integers. b: input, output. */
void native_argsort(const context *c, char *const *b, const int64_t *p) {
  int64_t size = p[1], begin, end;
  share(c, p[0], 1, &begin, &end);
  for (int64_t o = begin; o < end; o++) {
    const uint32_t *x = (const uint32_t *)b[0] + o * size;
    int32_t *from = (int32_t *)b[1] + o * size, *to = (int32_t *)c->scratch, *result = from;
    for (int64_t i = 0; i < size; i++) from[i] = i;
    /* Runs of neighbours are merged to runs of twice the length; the first of equals stays first. */
    for (int64_t run = 1; run < size; run *= 2) {
      for (int64_t first = 0; first < size; first += 2 * run) {
        int64_t i = first, middle = least(size, first + run), j = middle;
        int64_t last = least(size, first + 2 * run);
        for (int64_t place = first; place < last; place++) {
          int takesLeft = i < middle &&
            (j >= last || sort_key(x[from[i]], p[2]) <= sort_key(x[from[j]], p[2]));
          to[place] = takesLeft ? from[i++] : from[j++];
        }
      }
      int32_t *other = from;
      from = to;
      to = other;
    }
    if (from != result) memcpy(result, from, 4 * size);
  }
}
`;
