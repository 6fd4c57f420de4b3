package import CUDAAllocator

/// What a run asked its allocator for, who asked, and what came of it where that was recorded.
package struct MemoryStream: Sendable {
  /// Sizes, streams and events: what an allocator is asked.
  package internal(set) var requests = AllocationStream()
  /// Each maker once; the first is that of tensors about which nothing was recorded.
  package internal(set) var makers = [Maker(op: "", place: "")]
  /// The maker of each tensor, by its place in `makers`.
  package internal(set) var makerOfTensor: [Int] = []
  /// What really happened; nil where nobody ran, as of a recording.
  package internal(set) var run: Run?
  /// Sentences about what had to be assumed.
  package internal(set) var notes: [String] = []

  /// Who made a tensor.
  package struct Maker: Hashable, Sendable {
    /// Such as `aten::mm`; empty where no stack was recorded.
    package let op: String
    /// The line of Python, the module, or autograd's node; empty where nothing says.
    package let place: String

    package init(op: String, place: String) { (self.op, self.place) = (op, place) }
  }

  /// What a run got of its allocator.
  package struct Run: Sendable {
    /// What it was set to; nil where the text of it cannot be read.
    package var settings: AllocatorSettings?
    /// What was reserved after each event of `requests`.
    package var reserved: [Int] = []
    package var reservedAtStart = 0
    package var reservedPeak = 0
    package var reservedAtEnd = 0
    package var allocatedAtEnd = 0
    package var segmentsAtEnd = 0
    /// Where each tensor was; -1 for one of which that is not known.
    package var addresses: [Int] = []
    /// Addresses of segments that CUDA gave, in order.
    package var newSegments: [Int] = []
    /// The segments before the first event; nil where they cannot be known.
    package var start: AllocatorReplay.Start?
    /// How often the cache went back to CUDA.
    package var emptied = 0
    /// Requests for which there was no memory, with what CUDA had left.
    package var failures: [(asked: Int, free: Int)] = []
  }

  package init() {}

  /// The maker of a tensor.
  package func maker(of tensor: Int) -> Maker { makers[makerOfTensor[tensor]] }
}
