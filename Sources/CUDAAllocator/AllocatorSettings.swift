/// What `PYTORCH_CUDA_ALLOC_CONF` says of the device's memory, in PyTorch's own words.
///
/// Defaults and meanings are those of c10/core/AllocatorConfig.h and c10/cuda/CUDAAllocatorConfig.h
/// of torch 2.13. Options that change nothing about the device's bytes are read and kept.
package struct AllocatorSettings: Equatable, Sendable {
  /// `expandable_segments`: segments grow by pages, in one range of addresses a stream and pool.
  package var usesExpandableSegments = false
  /// `max_split_size_mb`, in bytes: larger blocks are not split; nil for no limit.
  package var maxSplitSize: Int?
  /// `max_non_split_rounding_mb`, in bytes: by how much a block that is not split may be too large.
  package var maxNonSplitRounding: Int { givenNonSplitRounding ?? largeSegmentSize }
  /// `large_segment_size_mb`, in bytes: a segment for requests of more than 1 and less than 10 MiB.
  package var largeSegmentSize = 20 << 20
  /// `garbage_collection_threshold`: the share of the allowed memory beyond which old segments that
  /// are free go; 0 for never. It counts only with `memoryFraction` below 1, as in PyTorch.
  package var garbageCollectionThreshold = 0.0
  /// `per_process_memory_fraction`: the share of the device's memory that may be reserved.
  package var memoryFraction = 1.0
  /// `roundup_power2_divisions`: for sizes from 2ⁱ MiB on, i from 0 to 15, into how many parts the
  /// range to the next power of two is divided for rounding; 0 or 1 for none.
  package var roundupDivisions = Array(repeating: 0, count: Self.roundupIntervals)

  /// `max_non_split_rounding_mb`, in bytes, if it was given.
  var givenNonSplitRounding: Int?
  /// Options that change nothing here, as they were given.
  var withoutEffect: [String: String] = [:]

  static let roundupIntervals = 16

  package init() {}
}

// MARK: Sizes

extension AllocatorSettings {
  private static let minBlockSize = 512
  private static let smallSize = 1 << 20
  private static let smallSegmentSize = 2 << 20
  private static let minLargeSize = 10 << 20
  private static let largeRounding = 2 << 20

  /// The size of a block for a request (`round_size`): a multiple of 512 bytes, or of a part of the
  /// power of two below.
  package func blockSize(for request: Int) -> Int {
    guard request >= Self.minBlockSize else { return Self.minBlockSize }
    let divisions = roundupDivisions[Self.roundupInterval(of: request)]
    guard divisions > 1, request > Self.minBlockSize * divisions else {
      return Self.roundUp(request, to: Self.minBlockSize)
    }
    // `roundup_power2_next_division`
    let power = 1 << (Int.bitWidth - 1 - request.leadingZeroBitCount)
    let division = power >> divisions.trailingZeroBitCount
    guard request != power else { return request }
    return division == 0 ? power << 1 : Self.roundUp(request, to: division)
  }

  private static func roundupInterval(of size: Int) -> Int {
    let log = Int.bitWidth - 1 - size.leadingZeroBitCount
    return min(max(log - 20, 0), roundupIntervals - 1)
  }

  /// Whether a block of this size is of the small pool (`get_pool`).
  package func isSmall(_ size: Int) -> Bool { size <= Self.smallSize }

  /// The size of a new native segment for a block (`get_allocation_size`).
  package func segmentSize(for size: Int) -> Int {
    if isSmall(size) { return Self.smallSegmentSize }
    return size < Self.minLargeSize ? largeSegmentSize : Self.roundUp(size, to: Self.largeRounding)
  }

  /// The size of an expandable segment's pages.
  package func pageSize(isSmall: Bool) -> Int { isSmall ? Self.smallSegmentSize : largeSegmentSize }

  /// Whether what a block has beyond a size becomes a block of its own (`should_split`).
  func splits(_ size: Int, offBlockOf whole: Int, isSmall: Bool) -> Bool {
    let rest = whole - size
    if isSmall || usesExpandableSegments { return rest >= Self.minBlockSize }
    return size < (maxSplitSize ?? .max) && rest > Self.smallSize
  }

  /// Whether a free block may serve a request at all: none that is too large to be split for one
  /// that is not (`get_free_block`).
  func allows(_ block: Int, for size: Int) -> Bool {
    guard let maxSplitSize else { return true }
    return size < maxSplitSize ? block < maxSplitSize : block < size + maxNonSplitRounding
  }

  static func roundUp(_ size: Int, to unit: Int) -> Int { (size + unit - 1) / unit * unit }
}
