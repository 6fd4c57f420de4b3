import CUDAAllocator
import Testing
import Values

/// `PYTORCH_CUDA_ALLOC_CONF`, as c10/core/AllocatorConfig.cpp and CUDAAllocatorConfig.cpp read it.
@Suite struct `Settings of the allocator` {
  private let mebibyte = 1 << 20

  @Test func `are PyTorch's defaults where nothing is said`() throws {
    let settings = try AllocatorSettings("")
    #expect(settings == AllocatorSettings())
    #expect(!settings.usesExpandableSegments && settings.maxSplitSize == nil)
    #expect(settings.maxNonSplitRounding == 20 << 20 && settings.largeSegmentSize == 20 << 20)
    #expect(settings.garbageCollectionThreshold == 0 && settings.memoryFraction == 1)
    #expect(settings.written.isEmpty)
  }

  /// c10/test/core/AllocatorConfig_test.cpp
  @Test func `are read as PyTorch's own test reads them`() throws {
    let settings = try AllocatorSettings(
      "max_split_size_mb:40, max_non_split_rounding_mb:30,garbage_collection_threshold:0.5,"
        + "roundup_power2_divisions:[64:8,128:2,256:4,512:2,1024:4,>:1],expandable_segments:True,"
        + "pinned_use_background_threads:True")
    #expect(settings.maxSplitSize == 40 << 20 && settings.maxNonSplitRounding == 30 << 20)
    #expect(settings.garbageCollectionThreshold == 0.5 && settings.usesExpandableSegments)
    // Entry i is of sizes from 2ⁱ MiB on; what is below 64 MiB goes by the first.
    #expect(
      settings.roundupDivisions == [8, 8, 8, 8, 8, 8, 8, 2, 4, 2, 4, 1, 1, 1, 1, 1])
    #expect(try AllocatorSettings(settings.written) == settings)
  }

  @Test func `measure others by large segments, wherever those stand`() throws {
    let settings = try AllocatorSettings("max_split_size_mb:12,large_segment_size_mb:12")
    #expect(settings.maxSplitSize == 12 << 20 && settings.largeSegmentSize == 12 << 20)
    #expect(settings.maxNonSplitRounding == 12 << 20)
  }

  @Test(
    arguments: [
      ("expandable_segments", "NAME:VALUE"), ("expandable_segments:true", "True or False"),
      ("expandable_segment:True", "did you mean \"expandable_segments\""),
      ("max_split_size_mb:19", "must be 20 or more"), ("max_split_size_mb:x", "in MiB"),
      ("large_segment_size_mb:10", "must be 11 or more"),
      ("garbage_collection_threshold:1", "less than 1"),
      ("garbage_collection_threshold:nan", "less than 1"),
      ("per_process_memory_fraction:1.5", "at the most 1"),
      ("roundup_power2_divisions:3", "power of two"),
      ("roundup_power2_divisions:[256:3]", "power of two"),
      ("roundup_power2_divisions:[300:4]", "power of two"),
      ("roundup_power2_divisions:[256:1", "power of two"),
      ("backend:cudaMallocAsync", "must be native"),
      ("throw_on_cudamalloc_oom:True", "is not modelled"), (",", "NAME:VALUE"), ("a", "NAME:VALUE"),
    ])
  func `are refused in a sentence that names the option`(text: String, fault: String) {
    do {
      _ = try AllocatorSettings(text)
      Issue.record("\(text) was taken")
    } catch {
      #expect("\(error)".contains(fault), "\(error)")
    }
  }

  @Test func `change what they name and leave the rest`() throws {
    var settings = try AllocatorSettings("max_split_size_mb:64")
    try settings.apply("expandable_segments:True")
    #expect(settings.maxSplitSize == 64 << 20 && settings.usesExpandableSegments)
  }

  // MARK: Sizes

  @Test(
    arguments: [
      (1, 512), (511, 512), (512, 512), (513, 1024), (1 << 20, 1 << 20),
      ((1 << 20) + 1, (1 << 20) + 512), (20_000_001, 20_000_256),
    ])
  func `round requests up to 512 bytes`(request: Int, size: Int) {
    #expect(AllocatorSettings().blockSize(for: request) == size)
  }

  /// `round_size` and `roundup_power2_next_division`: divisions count from 512 times their number on.
  @Test(
    arguments: [
      (2048, 2048), (2049, 2560), (2500, 2560), (2561, 3072), (1_500, 1_536), (4096, 4096),
      (5 << 20, 5 << 20), ((5 << 20) + 1, 6 << 20), ((7 << 20) + 1, 8 << 20),
    ])
  func `round up to a part of the power of two where that is asked for`(
    request: Int, size: Int
  ) throws {
    let settings = try AllocatorSettings("roundup_power2_divisions:4")
    #expect(settings.blockSize(for: request) == size)
  }

  @Test(
    arguments: [
      (512, 2), (1024, 2), (1025, 20), (10_239, 20), (10_240, 10), (10_241, 12), (20_481, 22),
    ])
  func `take segments of 2 MiB, of 20, and of whole 2 MiB from 10 on`(
    kibibytes: Int, mebibytes: Int
  ) {
    #expect(AllocatorSettings().segmentSize(for: kibibytes << 10) == mebibytes << 20)
  }
}
