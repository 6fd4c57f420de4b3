/// Which of oneDNN's kernels may not compute a product.
extension MatmulShape {
  /// Kernels with this in their names are passed over for every product, as those on AMX are for
  /// some; for tests, on processors without AMX.
  @TaskLocal package static var unwantedEverywhere: String?

  /// What the names of kernels that must not compute this product contain; nil where all may.
  var unwantedKernels: String? {
    Self.unwantedEverywhere ?? (takesWrongTiles ? "amx" : nil)
  }

  /// Whether oneDNN 2.6 may multiply with tile registers that are configured for another block.
  ///
  /// On AMX it multiplies bfloat16 in blocks of the inner extent, of `K_blk`, 32 or a multiple of
  /// it. A last one that is smaller is rounded up to an even number, `K_tail`, and the registers
  /// are configured anew for it where `K_tail != K_blk` (`brgemm_matmul.cpp`, `compute_kernel`).
  /// One of 31 becomes 32, which may be `K_blk`: then they stay as they are, also where the block
  /// has fewer rows or columns than the others. Such a product ends the process (SIGILL) or may
  /// give wrong values. Whether it has such blocks depends on its rows and columns and on the
  /// number of threads.
  ///
  /// Releases 2.7.4 and 3.1 compare configurations instead (commits 28ddb5b and f401ed2). Such
  /// extents are few, so that later releases are not asked for.
  package var takesWrongTiles: Bool {
    let block = 32
    return a.type == .bfloat16 && b.type == .bfloat16 && inner > block && inner % block == block - 1
  }
}
