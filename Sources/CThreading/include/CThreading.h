#pragma once

// libgomp's thread team, which oneDNN and our own loops share.

#ifdef __cplusplus
extern "C" {
#endif

/// Starts the program again with GOMP_SPINCOUNT=1000, so that threads that wait give way after some
/// 20 to 50 us; to be called first, before anything was read or written.
///
/// libgomp's threads spin for milliseconds, at the end of a loop and between two. Where another
/// program wants the core, each of thousands of waits in a step can cost that program's whole time
/// slice: two sweeps at once on two cores took 10 to 20 times as long a step as one. 1000 is what
/// libgomp itself takes where it has more threads than processors; it knows of its own threads only.
/// It reads the environment before `main`, and has no function for it, hence the second start.
///
/// Returns, and changes nothing, where OMP_WAIT_POLICY or GOMP_SPINCOUNT is set, or the system
/// does not start the program again.
void ballast_wait_briefly(char *const *arguments);

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
/// libgomp's threads spin after a region, so that the next finds them awake. On two free cores a
/// 256x256x256 product and a loop over 4 MiB in turn took 134 us, and 235 us where they sleep at
/// once (OMP_WAIT_POLICY=passive); how long they spin is ballast_wait_briefly's.
void ballast_parallel(
    void (*task)(void *context, int index, int thread), void *context, int count,
    int most_threads);

/// How many threads a loop that starts now would find: outside tasks ballast_max_threads(), in one
/// its thread and those that have no task left.
int ballast_free_threads(void);

#ifdef __cplusplus
}
#endif
