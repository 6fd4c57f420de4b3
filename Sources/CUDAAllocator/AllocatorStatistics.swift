/// What PyTorch counts (`torch.cuda.memory_stats`), over both pools and all streams.
package struct AllocatorStatistics: Equatable, Sendable {
  /// A figure now and at its highest.
  package struct Figure: Equatable, Sendable {
    package private(set) var current = 0
    package private(set) var peak = 0

    mutating func add(_ amount: Int) {
      current += amount
      peak = max(peak, current)
    }

    package mutating func resetPeak() { peak = current }
  }

  /// Blocks in use, with what rounding and unsplit blocks add (`allocated_bytes`).
  package var allocated = Figure()
  /// Blocks in use, and those that a stream has not finished with (`active_bytes`).
  package var active = Figure()
  /// What was asked for, of active blocks (`requested_bytes`).
  package var requested = Figure()
  /// What CUDA gave (`reserved_bytes`).
  package var reserved = Figure()
  /// Free bytes that cannot go back to CUDA: in a native segment beside blocks in use
  /// (`inactive_split_bytes`), in an expandable one outside of whole free pages.
  package var stuck = Figure()
  /// Native segments (`segment`), or mapped ranges of expandable ones.
  package var segments = Figure()
  /// `cudaMalloc` failed, all cached segments went back, and it was tried again
  /// (`num_alloc_retries`).
  package var retries = 0
  /// Segments and ranges of pages that CUDA gave and got back.
  package var segmentsMade = 0
  package var segmentsReturned = 0

  package init() {}

  /// Takes what there is now for the highest, as `reset_peak_memory_stats` does.
  package mutating func resetPeaks() {
    allocated.resetPeak()
    active.resetPeak()
    requested.resetPeak()
    reserved.resetPeak()
    stuck.resetPeak()
    segments.resetPeak()
  }
}
