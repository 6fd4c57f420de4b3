#pragma once

// libgomp's thread team, which oneDNN and our own loops share.

#ifdef __cplusplus
extern "C" {
#endif

/// How many threads products and ballast_parallel use when the calling thread starts them.
///
/// The count belongs to the calling thread, as that of omp_set_num_threads does, so that steps with
/// different counts can run side by side. Products made before a change keep their old count.
void ballast_set_threads(int count);
int ballast_max_threads(void);

/// Runs task(context, 0, …) ... task(context, count - 1, …) on libgomp's own team, and waits for all.
/// The last argument is the thread's number, below count, most_threads and ballast_max_threads().
///
/// oneDNN runs on the same team, so our kernels and its never fight for cores, and a team that
/// still spins after a product starts on our loop at once. It is entered through GOMP_parallel, the
/// ABI behind "#pragma omp parallel", since clang here has no omp.h. A thread
/// begins with its contiguous run of indices, and takes of the others' what is left when it is done:
/// cores that other programs share run at different speeds. One task or one thread runs inline.
///
/// A loop inside a task is run by the task's thread, and by threads that have no task left; a thread
/// keeps its number there. With fewer most_threads than the outer loop has, or deeper inside, it runs
/// inline. Until the last task ends, threads without one look for such loops, and give way to other
/// programs now and then.
///
/// libgomp's threads spin after a region. On two free cores that is right: a 256x256x256 product
/// and a loop over 4 MiB in turn took 134 us, and 235 us with OMP_WAIT_POLICY=passive or
/// GOMP_SPINCOUNT=0. Where another process wants a core, a product of 3 ms can take 7.5 ms: it
/// waits, it seems, for a time slice.
void ballast_parallel(
    void (*task)(void *context, int index, int thread), void *context, int count,
    int most_threads);

/// How many threads a loop that starts now would find: outside tasks ballast_max_threads(), in one
/// its thread and those that have no task left.
int ballast_free_threads(void);

#ifdef __cplusplus
}
#endif
