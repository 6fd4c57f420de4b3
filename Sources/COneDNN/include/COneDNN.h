#pragma once
#include <stddef.h>
#include <stdint.h>

// A C face over oneDNN 2.6 and 3.x, whose C++ interfaces differ.
//
// Functions that return int give 0, or 1 with a message in ballast_last_error(). Different handles
// may be used by several threads at once, and one handle in each of its slots by one thread at a time.

#ifdef __cplusplus
extern "C" {
#endif

enum { BALLAST_MAX_RANK = 5 };
enum { BALLAST_FLOAT32 = 0, BALLAST_BFLOAT16 = 1 };

/// One operand of a product: extents and strides in elements, outermost first.
typedef struct {
  int64_t extents[BALLAST_MAX_RANK];
  int64_t strides[BALLAST_MAX_RANK];
  int32_t type;
} ballast_operand;

/// c = a · b, or c += a · b: [..., m, k] by [..., k, n]; leading extents of 1 are broadcast.
typedef struct {
  ballast_operand a, b, c;
  int32_t rank;
  int32_t accumulates;
  int32_t has_panels;  // b lies in panels of CKernels, and its strides say nothing; of rank 2
  const char *unwanted;  // oneDNN's kernels with this in their names are passed over; or NULL
} ballast_matmul_description;

typedef struct ballast_matmul ballast_matmul;

/// The message of the last failure on this thread.
const char *ballast_last_error(void);

/// dnnl::matmul::primitive_desc and dnnl::matmul, with the scratchpad left to the caller; as many
/// executions at a time as it has slots.
int ballast_matmul_create(
    const ballast_matmul_description *description, int slots, ballast_matmul **matmul);
/// The scratchpad of a product that is described and not made: its kernel is not compiled.
int ballast_matmul_described_bytes(const ballast_matmul_description *description, size_t *bytes);
/// Whether oneDNN has the kernel for this product that is its fastest (`brg:…`).
int ballast_matmul_is_fast(const ballast_matmul_description *description);
/// dnnl::primitive_desc::scratchpad_desc().
size_t ballast_matmul_scratchpad_bytes(const ballast_matmul *matmul);
/// dnnl::primitive_desc::impl_info_str(); lives as long as the handle.
const char *ballast_matmul_implementation(const ballast_matmul *matmul);
/// dnnl_primitive_execute and dnnl_stream_wait, in a slot that is free.
int ballast_matmul_execute(
    ballast_matmul *matmul, int slot, const void *a, const void *b, void *c, void *scratchpad);
void ballast_matmul_destroy(ballast_matmul *matmul);

/// dnnl_version: major, minor and patch of the library that was loaded.
void ballast_onednn_version(int version[3]);

#ifdef __cplusplus
}
#endif
