/**
 * What every file of C begins with. It includes nothing: headers would take a third of the time that
 * a small file takes to compile.
 */
export const prelude: string = String.raw`
typedef __INT32_TYPE__ int32_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT64_TYPE__ uint64_t;

/*
 * A thread, those that share a kernel, the thread's scratch memory, that of the first one, which a
 * kernel may leave to the next, and the parts of a float in products by the matrix unit, 0 without it.
 */
typedef struct { int64_t thread, threads; char *scratch, *common; int64_t parts; } context;
/* A kernel is given the addresses of its buffers, and its sizes, strides and positions. */
typedef void kernel(const context *c, char *const *b, const int64_t *p);

/* A thread's part of a loop, in whole granules: results do not depend on the number of threads. */
static inline void share(const context *c, int64_t rounds, int64_t granule, int64_t *begin, int64_t *end) {
  int64_t units = (rounds + granule - 1) / granule;
  int64_t first = units * c->thread / c->threads, last = units * (c->thread + 1) / c->threads;
  *begin = first * granule;
  *end = last * granule < rounds ? last * granule : rounds;
}
`;
