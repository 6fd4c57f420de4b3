#include "CThreading.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <limits.h>
#include <new>
#include <thread>
#include <unistd.h>

extern "C" {
void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_thread_num(void);
int omp_get_max_threads(void);
int omp_in_parallel(void);
void omp_set_num_threads(int count);
}

namespace {

thread_local int thread_count = 0;  // 0: what libgomp says

/// A thread's run of indices, from which every thread takes the next.
struct alignas(64) Share {
  std::atomic<int> next;
  int end;
};

/// A loop that a task runs, which threads without tasks may join.
struct alignas(64) Inner {
  std::atomic<bool> is_open{false};
  std::atomic<int> guests{0};  // threads that look at the rest, which stays until they have gone
  std::atomic<int> next{0};
  int end = 0;
  void (*task)(void *, int, int) = nullptr;
  void *context = nullptr;

  /// Runs indices until none is left.
  void work(int thread) {
    for (;;) {
      const int index = next.fetch_add(1, std::memory_order_relaxed);
      if (index >= end) return;
      task(context, index, thread);
    }
  }
};

struct Loop {
  void (*task)(void *, int, int);
  void *context;
  Share *shares;
  Inner *inners;  // one a thread
  int threads;    // that were asked for: libgomp may give fewer
  std::atomic<int> busy{0};  // threads that run tasks of this loop
  std::atomic<int> idle{0};  // threads that look for an inner loop
};

/// Where the calling thread is: nowhere, or in a task of a loop.
struct Place {
  Loop *loop = nullptr;
  int thread = 0;
  bool is_inner = false;
};
thread_local Place place;

/// Lets the other hardware thread of the core go on, and after a while another program.
void wait_a_moment(int turn) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
  if (turn % 1024 == 1023) std::this_thread::yield();
}

/// Works off a thread's own share, then what is left of the others'.
void run_shares(Loop &loop, int thread) {
  for (int turn = 0; turn < loop.threads; ++turn) {
    Share &share = loop.shares[(thread + turn) % loop.threads];
    for (;;) {
      const int index = share.next.fetch_add(1, std::memory_order_relaxed);
      if (index >= share.end) break;
      loop.task(loop.context, index, thread);
    }
  }
}

/// Joins the inner loops of threads that still run tasks.
void join_others(Loop &loop, int thread) {
  loop.idle.fetch_add(1);
  for (int turn = 0; loop.busy.load() > 0; ++turn) {
    for (int other = 0; other < loop.threads; ++other) {
      Inner &inner = loop.inners[other];
      if (!inner.is_open.load()) continue;
      inner.guests.fetch_add(1);
      if (inner.is_open.load()) {
        loop.idle.fetch_sub(1);
        inner.work(thread);
        loop.idle.fetch_add(1);
      }
      inner.guests.fetch_sub(1);
    }
    wait_a_moment(turn);
  }
  loop.idle.fetch_sub(1);
}

void run_thread(void *data) {
  Loop &loop = *static_cast<Loop *>(data);
  const int thread = omp_get_thread_num();
  place = {&loop, thread, false};
  loop.busy.fetch_add(1);
  run_shares(loop, thread);
  loop.busy.fetch_sub(1);
  place.is_inner = true;
  join_others(loop, thread);
  place = {};
}

/// A loop in a task of the loop of `place`.
void run_inner(
    void (*task)(void *, int, int), void *context, int count, int most_threads) {
  Loop &loop = *place.loop;
  const bool is_shared = most_threads >= loop.threads;
  if (count <= 1 || place.is_inner || !is_shared) {
    for (int index = 0; index < count; ++index)
      task(context, index, is_shared ? place.thread : 0);
    return;
  }
  Inner &inner = loop.inners[place.thread];
  inner.task = task;
  inner.context = context;
  inner.end = count;
  inner.next.store(0);
  place.is_inner = true;
  inner.is_open.store(true);
  inner.work(place.thread);
  inner.is_open.store(false);
  for (int turn = 0; inner.guests.load() > 0; ++turn) wait_a_moment(turn);
  place.is_inner = false;
}

/// Room for so many values in the caller's frame.
#define ROOM(Type, count) \
  static_cast<Type *>(__builtin_alloca_with_align(sizeof(Type) * (count), 8 * alignof(Type)))

}  // namespace

void ballast_wait_briefly(char *const *arguments) {
  if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
  char program[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0 || setenv("GOMP_SPINCOUNT", "1000", 0) != 0) return;
  program[length] = 0;
  execv(program, arguments);
  execv("/proc/self/exe", arguments);  // its file has been replaced or deleted
}

void ballast_set_threads(int count) {
  thread_count = count;
  omp_set_num_threads(count);
}

int ballast_max_threads(void) {
  if (thread_count > 0) return thread_count;
  static const int fallback = omp_get_max_threads();
  return fallback;
}

int ballast_free_threads(void) {
  if (place.loop) return place.is_inner ? 1 : 1 + place.loop->idle.load(std::memory_order_relaxed);
  return omp_in_parallel() ? 1 : ballast_max_threads();
}

void ballast_parallel(
    void (*task)(void *, int, int), void *context, int count, int most_threads) {
  if (place.loop) return run_inner(task, context, count, most_threads);
  const int threads = std::min({count, most_threads, ballast_max_threads()});
  if (threads <= 1 || omp_in_parallel()) {
    for (int index = 0; index < count; ++index) task(context, index, 0);
    return;
  }
  Share *const shares = ROOM(Share, threads);
  Inner *const inners = ROOM(Inner, threads);
  for (int64_t thread = 0; thread < threads; ++thread) {
    const int first = static_cast<int>(count * thread / threads);
    new (shares + thread) Share{{first}, static_cast<int>(count * (thread + 1) / threads)};
    new (inners + thread) Inner;
  }
  Loop loop{task, context, shares, inners, threads};
  GOMP_parallel(run_thread, &loop, static_cast<unsigned>(threads), 0);
}
