// Newer names of what older libraries have as well: with these the program runs from glibc 2.34 on and with the
// libstdc++ of GCC 11, such as those of RHEL 9. Linked with --wrap for each name; see make.py.

__asm__(".symver hypot_older, hypot@GLIBC_2.2.5");
double hypot_older(double, double);
double __wrap_hypot(double x, double y) { return hypot_older(x, y); }

__asm__(".symver hypotf_older, hypotf@GLIBC_2.2.5");
float hypotf_older(float, float);
float __wrap_hypotf(float x, float y) { return hypotf_older(x, y); }

// std::condition_variable::wait(std::unique_lock<std::mutex>&)
__asm__(".symver wait_older, _ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");
void wait_older(void *, void *);
void __wrap__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(void *condition, void *lock) {
  wait_older(condition, lock);
}
