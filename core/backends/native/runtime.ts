/**
 * The C of what all programs share: memory, threads, and the kernels that are not made of a body
 * (products, attention, rows by number, sorting, windows), which take their sizes as parameters. It
 * is compiled once for a machine.
 */
import { attentionSource } from "./attention.ts";
import { prelude } from "./prelude.ts";
import { productSource } from "./product.ts";
import { rowsSource } from "./rows.ts";
import { vectorSource } from "./vectors.ts";

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

/*
 * A program is worked off in stages: a shared kernel, whose parts are as many as the run has members,
 * or some kernels that one thread computes, which are one part. A thread takes the part that has its
 * number, so that it finds in its cache what it wrote there. After a moment it takes any part that
 * nobody has begun: a thread that the system has taken away keeps nobody waiting, unless it was taken
 * away amidst a part. Who does the last part goes on with the kernels for one thread.
 */
typedef struct {
  pthread_t id;
  struct pool *pool;
  /* The stage of which the part with this thread's number was taken last. */
  _Alignas(LINE) atomic_ullong taken;
} worker;

typedef struct pool {
  /* The number of the stage, times MOST_THREADS, and its parts: none between runs. */
  _Alignas(LINE) atomic_ullong stage;
  /* Parts of the stage that are done. */
  _Alignas(LINE) atomic_int done;
  _Alignas(LINE) atomic_int sleepers;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  int64_t threads, partsOfFloats;
  worker *workers;
  int isEnded;
  /* The run, and the first kernel of its stage: read by who has taken a part, which the stage awaits. */
  run run;
  int64_t position, members, scratchBytes;
  char *scratch;
} pool;

/* Looks at a stage before a part of another thread is taken, and before a thread sleeps. */
enum { PATIENCE = 64, LOOKS = 4000 };

static inline void rest(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int has_changed(pool *q, uint64_t stage, int looks) {
  while (looks-- > 0) {
    if (atomic_load_explicit(&q->stage, memory_order_acquire) != stage) return 1;
    rest();
  }
  return 0;
}

static void await_change(pool *q, uint64_t stage) {
  if (has_changed(q, stage, LOOKS)) return;
  pthread_mutex_lock(&q->lock);
  atomic_fetch_add(&q->sleepers, 1);
  while (atomic_load(&q->stage) == stage) pthread_cond_wait(&q->wake, &q->lock);
  atomic_fetch_sub(&q->sleepers, 1);
  pthread_mutex_unlock(&q->lock);
}

static void begin_stage(pool *q, uint64_t parts) {
  atomic_store(&q->done, 0);
  atomic_store(&q->stage, (atomic_load(&q->stage) / MOST_THREADS + 1) * MOST_THREADS + parts);
  if (atomic_load(&q->sleepers) == 0) return;
  pthread_mutex_lock(&q->lock);
  pthread_cond_broadcast(&q->wake);
  pthread_mutex_unlock(&q->lock);
}

/* The parts of the stage that begins with a kernel. */
static uint64_t parts_at(const pool *q, int64_t position) {
  if (position == q->run.count) return 0;
  return q->run.calls[position].flags & SHARED ? q->members : 1;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * t.tv_sec + 1e-6 * t.tv_nsec;
}

/* A part of the stage that begins with a kernel; gives the first kernel of the next stage. */
static int64_t compute(pool *q, int64_t first, int64_t part, int64_t parts) {
  const run *r = &q->run;
  const context c = { part, parts, q->scratch + part * q->scratchBytes, q->scratch, q->partsOfFloats };
  int64_t i = first;
  do {
    const call *k = r->calls + i++;
    ((kernel *)k->kernel)(&c, r->addresses + k->buffers, r->parameters + k->parameters);
    if (r->times && parts == 1) r->times[i] = now();
  } while (i < r->count && !(r->calls[i].flags & MEET));
  return i;
}

/* Computes kernels for one thread up to one that is shared, or to the end. */
static int64_t compute_alone(pool *q, int64_t next) {
  while (parts_at(q, next) == 1) next = compute(q, next, 0, 1);
  return next;
}

/* A part of the stage. */
static void carry_out(pool *q, int64_t part, int64_t parts) {
  int64_t next = compute(q, q->position, part, parts);
  if (atomic_fetch_add(&q->done, 1) + 1 < parts) return;
  if (q->run.times) q->run.times[next] = now();
  q->position = compute_alone(q, next);
  begin_stage(q, parts_at(q, q->position));
}

/* Whether a part of a stage is taken by this call. A stage of which one was not taken is not over. */
static int takes(pool *q, int64_t part, uint64_t stage) {
  atomic_ullong *taken = &q->workers[part].taken;
  unsigned long long before = atomic_load(taken);
  return before < stage && atomic_compare_exchange_strong(taken, &before, stage);
}

/* Works on a run until it is over, and gives the number of the pause after it. */
static uint64_t work_off(pool *q, int64_t own) {
  /* Who was away at one stage is probably away at the next. */
  int patience = PATIENCE;
  for (;;) {
    const uint64_t stage = atomic_load(&q->stage);
    const int64_t parts = stage % MOST_THREADS;
    if (parts == 0) return stage;
    if (own < parts && takes(q, own, stage)) carry_out(q, own, parts);
    else if (has_changed(q, stage, patience)) patience = PATIENCE;
    else {
      int64_t part = 0;
      while (part < parts && !takes(q, part, stage)) part++;
      if (part == parts) await_change(q, stage);
      else {
        patience = (patience + 1) / 2;
        carry_out(q, part, parts);
      }
    }
  }
}

static void *work(void *given) {
  worker *w = given;
  pool *q = w->pool;
  for (;;) {
    uint64_t pause = work_off(q, w - q->workers);
    if (q->isEnded) return 0;
    await_change(q, pause);
  }
}

void native_end(uint64_t handle) {
  pool *q = (pool *)handle;
  q->isEnded = 1;
  begin_stage(q, 0);
  for (int64_t i = 1; i < q->threads; i++) pthread_join(q->workers[i].id, 0);
  free(q->workers);
  free(q);
}

/* The parts that a float may have in products of bfloats, 0 where there are no such products. */
int64_t native_unit(void) {
#ifdef HAS_UNIT
  return most_parts();
#else
  return 0;
#endif
}

/* Threads that wait for runs, as many of those asked for as the system gives. */
uint64_t native_pool(int64_t threads, int64_t partsOfFloats) {
  pool *q = (pool *)native_allocate(sizeof(pool));
  if (!q) return 0;
  memset(q, 0, sizeof *q);
  q->workers = (worker *)native_allocate(threads * sizeof(worker));
  if (!q->workers) return free(q), 0;
  memset(q->workers, 0, threads * sizeof(worker));
  q->partsOfFloats = partsOfFloats;
  pthread_mutex_init(&q->lock, 0);
  pthread_cond_init(&q->wake, 0);
  for (q->threads = 0; q->threads < threads; q->threads++) {
    worker *w = q->workers + q->threads;
    w->pool = q;
    if (q->threads > 0 && pthread_create(&w->id, 0, work, w) != 0) break;
  }
  return (uint64_t)q;
}

int64_t native_threads(uint64_t handle) { return ((pool *)handle)->threads; }

/*
 * A program, as one piece of memory: this head, the calls, the parameters, the slots, and room for the
 * addresses. A slot is an entry of the table of storage, and an offset in it, in bytes.
 */
typedef struct {
  uint64_t pool;
  int64_t count, parameters, slots, members;
  /* The entry of the program's own memory, after so many bytes of which each thread has its scratch memory. */
  int64_t own, ownBytes, scratchBytes;
} program;

/* Runs a program on a table of storage; notes when each kernel ended, if times are wanted. */
void native_run(const program *of, const uint64_t *table, double *times) {
  pool *q = (pool *)of->pool;
  const call *calls = (const call *)(of + 1);
  const int64_t *parameters = (const int64_t *)(calls + of->count), *slots = parameters + of->parameters;
  char **addresses = (char **)(slots + 2 * of->slots);
  for (int64_t i = 0; i < of->slots; i++) {
    addresses[i] = (char *)(table[slots[2 * i]] + slots[2 * i + 1]);
  }
  q->run = (run){ calls, of->count, parameters, addresses, times };
  q->members = of->members < q->threads ? of->members : q->threads;
  q->scratch = (char *)table[of->own] + of->ownBytes;
  q->scratchBytes = of->scratchBytes;
  if (times) times[0] = now();
  q->position = compute_alone(q, 0);
  if (q->position == of->count) return;
  begin_stage(q, parts_at(q, q->position));
  work_off(q, 0);
}
`;

/** The whole of it. */
export const runtimeSource: string = [
  machine,
  prelude,
  vectorSource,
  productSource,
  threads,
  attentionSource,
  rowsSource,
].join("\n");
