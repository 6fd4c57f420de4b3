#include "CThreading.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>

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

struct Loop {
  void (*task)(void *, int, int);
  void *context;
  Share *shares;
  int threads;  // that were asked for: libgomp may give fewer
};

/// Works off a thread's own share, then what is left of the others'.
void run_shares(void *data) {
  const Loop &loop = *static_cast<Loop *>(data);
  const int thread = omp_get_thread_num();
  for (int turn = 0; turn < loop.threads; ++turn) {
    Share &share = loop.shares[(thread + turn) % loop.threads];
    for (;;) {
      const int index = share.next.fetch_add(1, std::memory_order_relaxed);
      if (index >= share.end) break;
      loop.task(loop.context, index, thread);
    }
  }
}

}  // namespace

void ballast_set_threads(int count) {
  thread_count = count;
  omp_set_num_threads(count);
}

int ballast_max_threads(void) {
  if (thread_count > 0) return thread_count;
  static const int fallback = omp_get_max_threads();
  return fallback;
}

void ballast_parallel(
    void (*task)(void *, int, int), void *context, int count, int most_threads) {
  const int threads = std::min({count, most_threads, ballast_max_threads()});
  if (threads <= 1 || omp_in_parallel()) {
    for (int index = 0; index < count; ++index) task(context, index, 0);
    return;
  }
  void *const room = __builtin_alloca_with_align(sizeof(Share) * threads, 8 * alignof(Share));
  Share *const shares = static_cast<Share *>(room);
  for (int64_t thread = 0; thread < threads; ++thread) {
    const int first = static_cast<int>(count * thread / threads);
    new (shares + thread) Share{{first}, static_cast<int>(count * (thread + 1) / threads)};
  }
  Loop loop{task, context, shares, threads};
  GOMP_parallel(run_shares, &loop, static_cast<unsigned>(threads), 0);
}
