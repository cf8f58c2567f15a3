/**
 * The C of what all programs share: memory, threads, and the kernels that are not made of a body
 * (products, attention, rows by number, sorting, windows), which take their sizes as parameters. It
 * is compiled once for a machine.
 */
import { attentionSource } from "./attention.ts";
import { prelude } from "./prelude.ts";
import { productSource } from "./product.ts";
import { rowsSource } from "./rows.ts";

/** Memory and threads. */
const machine = String.raw`
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
/* Bytes of a line of the cache. */
#define LINE 64
`;

const threads = String.raw`
#define MOST_THREADS 1024
#define HUGE_PAGE (2 << 20)

uint64_t native_allocate(uint64_t bytes) {
  void *memory = 0;
  uint64_t unit = bytes >= HUGE_PAGE ? HUGE_PAGE : LINE;
  if (posix_memalign(&memory, unit, bytes) != 0) return 0;
#ifdef MADV_HUGEPAGE
  if (unit == HUGE_PAGE) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return (uint64_t)memory;
}
void native_free(uint64_t memory) { free((void *)memory); }
/* No elements may have no address. */
void native_copy_in(uint64_t to, const void *from, uint64_t bytes) {
  if (bytes > 0) memcpy((void *)to, from, bytes);
}
void native_copy_out(void *to, uint64_t from, uint64_t bytes) {
  if (bytes > 0) memcpy(to, (void *)from, bytes);
}
void native_move(uint64_t to, uint64_t from, uint64_t bytes) { memmove((void *)to, (void *)from, bytes); }

uint64_t native_open(const char *path) { return (uint64_t)dlopen(path, RTLD_NOW | RTLD_LOCAL); }
uint64_t native_find(uint64_t library, const char *name) { return (uint64_t)dlsym((void *)library, name); }

/* A call of a kernel: where its buffers and parameters begin in the lists of the program. */
typedef struct { uint64_t kernel; int64_t buffers, parameters, flags; } call;
enum { SHARED = 1, MEET = 2 };

/* A run of a program. */
typedef struct {
  const call *calls;
  int64_t count;
  const int64_t *parameters;
  char *const *addresses;
  double *times;
} run;

typedef struct pool pool;
typedef struct { context own; pool *pool; pthread_t id; } worker;

/* Words that threads wait for, each on a line of its own. */
typedef struct { _Alignas(LINE) atomic_uint word; } flag;

struct pool {
  /* The number of the run and of its members in one word: a thread that is none of them may come late. */
  flag begun;
  flag met;
  _Alignas(LINE) atomic_uint arrived;
  _Alignas(LINE) atomic_int sleepers;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  int64_t threads;
  int64_t members;
  int isEnded;
  run run;
  worker *workers;
};

/* A wait begins with a look at the word, for about the time that a waking thread takes. */
#define LOOKS 4000

static inline void rest(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Waits until a word is another one, and gives it. */
static unsigned await_change(pool *q, flag *f, unsigned old) {
  for (int looks = 0; looks < LOOKS; looks++) {
    unsigned word = atomic_load_explicit(&f->word, memory_order_acquire);
    if (word != old) return word;
    rest();
  }
  pthread_mutex_lock(&q->lock);
  atomic_fetch_add(&q->sleepers, 1);
  while (atomic_load(&f->word) == old) pthread_cond_wait(&q->wake, &q->lock);
  atomic_fetch_sub(&q->sleepers, 1);
  pthread_mutex_unlock(&q->lock);
  return atomic_load(&f->word);
}

static void change(pool *q, flag *f, unsigned word) {
  atomic_store(&f->word, word);
  if (atomic_load(&q->sleepers) == 0) return;
  pthread_mutex_lock(&q->lock);
  pthread_cond_broadcast(&q->wake);
  pthread_mutex_unlock(&q->lock);
}

static void meet(pool *q) {
  if (q->members == 1) return;
  unsigned old = atomic_load(&q->met.word);
  if (atomic_fetch_add(&q->arrived, 1) + 1 == (unsigned)q->members) {
    atomic_store(&q->arrived, 0);
    change(q, &q->met, old + 1);
  } else await_change(q, &q->met, old);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * t.tv_sec + 1e-6 * t.tv_nsec;
}

static void carry_out(worker *w) {
  pool *q = w->pool;
  const run *r = &q->run;
  int isFirst = w->own.thread == 0;
  const context alone = { 0, 1, w->own.scratch, w->own.parts };
  if (r->times) {
    meet(q);
    if (isFirst) r->times[0] = now();
  }
  for (int64_t i = 0; i < r->count; i++) {
    const call *k = r->calls + i;
    if (k->flags & MEET) meet(q);
    if (isFirst || k->flags & SHARED) {
      const context *c = k->flags & SHARED ? &w->own : &alone;
      ((kernel *)k->kernel)(c, r->addresses + k->buffers, r->parameters + k->parameters);
    }
    if (r->times) {
      meet(q);
      if (isFirst) r->times[i + 1] = now();
    }
  }
  meet(q);
}

static void *work(void *given) {
  worker *w = given;
  pool *q = w->pool;
  for (unsigned seen = 0;;) {
    seen = await_change(q, &q->begun, seen);
    if (q->isEnded) return 0;
    if (w->own.thread < seen % MOST_THREADS) carry_out(w);
  }
}

static void begin(pool *q, unsigned members) {
  unsigned run = atomic_load(&q->begun.word) / MOST_THREADS + 1;
  change(q, &q->begun, run * MOST_THREADS + members);
}

void native_end(uint64_t handle) {
  pool *q = (pool *)handle;
  q->isEnded = 1;
  begin(q, 0);
  for (int64_t i = 1; i < q->threads; i++) pthread_join(q->workers[i].id, 0);
  free(q->workers);
  free(q);
}

/* Whether there is a matrix unit. */
int64_t native_unit(void) {
#ifdef HAS_UNIT
  return has_unit();
#else
  return 0;
#endif
}

/* Threads that wait for runs, as many of those asked for as the system gives. */
uint64_t native_pool(int64_t threads, int64_t parts) {
  pool *q = (pool *)native_allocate(sizeof(pool));
  if (!q) return 0;
  memset(q, 0, sizeof *q);
  q->workers = calloc(threads, sizeof(worker));
  if (!q->workers) return free(q), 0;
  pthread_mutex_init(&q->lock, 0);
  pthread_cond_init(&q->wake, 0);
  for (q->threads = 0; q->threads < threads; q->threads++) {
    worker *w = q->workers + q->threads;
    w->pool = q;
    w->own.thread = q->threads;
    w->own.parts = parts;
    if (q->threads > 0 && pthread_create(&w->id, 0, work, w) != 0) break;
  }
  return (uint64_t)q;
}

int64_t native_threads(uint64_t handle) { return ((pool *)handle)->threads; }

/*
 * Runs a program: slots are pairs of an entry of the table of storage and an offset in it, in bytes;
 * each thread has scratch memory of its own.
 */
void native_run(uint64_t handle, const call *calls, int64_t count, const int64_t *parameters,
                const int64_t *slots, int64_t slotCount, const uint64_t *table, char **addresses,
                uint64_t scratch, int64_t scratchBytes, int64_t members, double *times) {
  pool *q = (pool *)handle;
  for (int64_t i = 0; i < slotCount; i++) {
    addresses[i] = (char *)(table[slots[2 * i]] + slots[2 * i + 1]);
  }
  q->run = (run){ calls, count, parameters, addresses, times };
  q->members = members < q->threads ? members : q->threads;
  for (int64_t i = 0; i < q->members; i++) {
    context *c = &q->workers[i].own;
    c->threads = q->members;
    c->scratch = (char *)scratch + i * scratchBytes;
  }
  if (q->members > 1) begin(q, q->members);
  carry_out(q->workers);
}
`;

/** The whole of it. */
export const runtimeSource: string = [
  machine,
  prelude,
  productSource,
  threads,
  attentionSource,
  rowsSource,
].join("\n");
