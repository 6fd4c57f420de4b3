// Loaded before PyTorch (LD_PRELOAD) by scripts/bench on processors that have AVX-512 and are not
// Intel's: MKL asks these whether it may take its AVX-512 kernels, and would take slower ones.
int mkl_serv_intel_cpu(void) { return 1; }
int mkl_serv_intel_cpu_true(void) { return 1; }
