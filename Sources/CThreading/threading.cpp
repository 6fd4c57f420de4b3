#include "CThreading.h"

#include <cstdint>

extern "C" {
void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_thread_num(void);
int omp_get_num_threads(void);
int omp_get_max_threads(void);
int omp_in_parallel(void);
void omp_set_num_threads(int count);
}

namespace {

thread_local int thread_count = 0;  // 0: what libgomp says

struct Loop {
  void (*task)(void *, int);
  void *context;
  int count;
};

void run_share(void *data) {
  const Loop &loop = *static_cast<Loop *>(data);
  const int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
  const int first = static_cast<int>(loop.count * thread / threads);
  const int end = static_cast<int>(loop.count * (thread + 1) / threads);
  for (int index = first; index < end; ++index) loop.task(loop.context, index);
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

void ballast_parallel(void (*task)(void *, int), void *context, int count) {
  const int threads = count < ballast_max_threads() ? count : ballast_max_threads();
  if (threads <= 1 || omp_in_parallel()) {
    for (int index = 0; index < count; ++index) task(context, index);
    return;
  }
  Loop loop{task, context, count};
  GOMP_parallel(run_share, &loop, static_cast<unsigned>(threads), 0);
}
