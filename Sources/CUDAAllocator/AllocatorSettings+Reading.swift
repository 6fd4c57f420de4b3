import Spelling
package import Values

/// An option of `PYTORCH_CUDA_ALLOC_CONF`, by its name there.
enum AllocatorOption: String, CaseIterable {
  case expandableSegments = "expandable_segments"
  case maxSplitSize = "max_split_size_mb"
  case maxNonSplitRounding = "max_non_split_rounding_mb"
  case largeSegmentSize = "large_segment_size_mb"
  case roundupDivisions = "roundup_power2_divisions"
  case garbageCollectionThreshold = "garbage_collection_threshold"
  case memoryFraction = "per_process_memory_fraction"
  case backend
  case throwsEarly = "throw_on_cudamalloc_oom"
  case releaseLock = "release_lock_on_cudamalloc"
  case graphReuse = "graph_capture_record_stream_reuse"
  case pinnedHostRegister = "pinned_use_cuda_host_register"
  case pinnedThreads = "pinned_num_register_threads"
  case pinnedBackground = "pinned_use_background_threads"
  case pinnedReserve = "pinned_reserve_segment_size_mb"
  case pinnedRounding = "pinned_max_round_threshold_mb"
  case pinnedCached = "pinned_max_cached_size_mb"
  case pinnedFree = "pinned_free_catch_all"
}

/// What is wrong with an option's value.
package enum AllocatorOptionFault: ValueFault {
  case noPair
  case unknown
  case flag
  case size(least: Int)
  case fraction(upTo: Bool)
  case divisions
  /// PyTorch's other allocator, CUDA's own.
  case otherBackend
  /// PyTorch refuses before it asks CUDA, by figures that are not known here.
  case throwsEarly

  package func sentence(about given: WrittenText, as name: ValueName) -> String {
    let text = quoted(given.text)
    return switch self {
    case .noPair: "\(name.subject) is NAME:VALUE, several separated by commas, not \(text)"
    case .unknown:
      "\(name.subject) does not know the option \(text); "
        + Words.advice(for: given.text, among: AllocatorOption.allCases.map(\.rawValue))
    case .flag: "\(name.subject) must be True or False, not \(text)"
    case .size(let least): "\(name.subject) must be \(least) or more, in MiB, not \(text)"
    case .fraction(let isWhole):
      "\(name.subject) must be more than 0 and \(isWhole ? "at the most" : "less than") 1, not "
        + text
    case .divisions:
      "\(name.subject) must be a power of two, or a list such as [256:1,512:2,1024:4,>:8] whose "
        + "sizes and divisions are powers of two, not \(text)"
    case .otherBackend:
      "\(name.subject) must be native, not \(text), which leaves memory to the driver, whose rules "
        + "are not published"
    case .throwsEarly:
      "\(name.subject) is not modelled: it refuses by what the driver says is free; leave it out"
    }
  }
}

extension AllocatorSettings {
  /// Reads what `PYTORCH_CUDA_ALLOC_CONF` holds, `NAME:VALUE` separated by commas.
  ///
  /// - Throws: `ValueError` about the first option that there is not, or whose value cannot be.
  package init(_ text: String, for name: String = "set") throws(ValueError) {
    self.init()
    try apply(text, for: name)
  }

  /// Changes what a text names, and leaves the rest as it is.
  ///
  /// - Throws: `ValueError` as above.
  package mutating func apply(_ text: String, for name: String = "set") throws(ValueError) {
    var pairs: [(option: AllocatorOption, value: String)] = []
    for part in Self.parts(of: text) {
      let halves = part.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard halves.count == 2, !halves[0].isEmpty, !halves[1].isEmpty else {
        throw ValueError(name, WrittenText(part), AllocatorOptionFault.noPair)
      }
      guard let option = AllocatorOption(rawValue: String(halves[0])) else {
        throw ValueError(name, WrittenText(String(halves[0])), AllocatorOptionFault.unknown)
      }
      pairs.append((option, String(halves[1])))
    }
    // The least of other sizes goes by it, wherever it stands (`parseArgs`).
    for pair in pairs where pair.option == .largeSegmentSize { try set(pair.option, pair.value) }
    for pair in pairs where pair.option != .largeSegmentSize { try set(pair.option, pair.value) }
  }

  /// What stands between commas outside of brackets, without spaces.
  private static func parts(of text: String) -> [String] {
    var parts = [""]
    var depth = 0
    for character in text where !character.isWhitespace {
      if character == "[" { depth += 1 }
      if character == "]" { depth -= 1 }
      if character == ",", depth == 0 {
        parts.append("")
      } else {
        parts[parts.count - 1].append(character)
      }
    }
    return text.isEmpty ? [] : parts
  }

  private mutating func set(_ option: AllocatorOption, _ value: String) throws(ValueError) {
    do throws(AllocatorOptionFault) {
      try take(option, value)
    } catch {
      throw ValueError(option.rawValue, WrittenText(value), error)
    }
  }

  private mutating func take(
    _ option: AllocatorOption, _ value: String
  ) throws(AllocatorOptionFault) {
    switch option {
    case .expandableSegments: usesExpandableSegments = try Self.flag(value)
    case .maxSplitSize: maxSplitSize = try Self.size(value, least: largeSegmentSize >> 20)
    case .maxNonSplitRounding:
      givenNonSplitRounding = try Self.size(value, least: largeSegmentSize >> 20)
    case .largeSegmentSize: largeSegmentSize = try Self.size(value, least: 11)
    case .roundupDivisions: roundupDivisions = try Self.divisions(value)
    case .garbageCollectionThreshold:
      garbageCollectionThreshold = try Self.fraction(value, isWhole: false)
    case .memoryFraction: memoryFraction = try Self.fraction(value, isWhole: true)
    case .backend: guard value == "native" else { throw .otherBackend }
    case .throwsEarly: guard try !Self.flag(value) else { throw .throwsEarly }
    case .releaseLock, .graphReuse, .pinnedHostRegister, .pinnedThreads, .pinnedBackground,
      .pinnedReserve, .pinnedRounding, .pinnedCached, .pinnedFree:
      withoutEffect[option.rawValue] = value
    }
  }

  // MARK: Values

  private static func flag(_ value: String) throws(AllocatorOptionFault) -> Bool {
    guard value == "True" || value == "False" else { throw .flag }
    return value == "True"
  }

  private static func size(_ value: String, least: Int) throws(AllocatorOptionFault) -> Int {
    guard let size = Int(value), size >= least else { throw .size(least: least) }
    return min(size, 1 << 30) << 20
  }

  private static func fraction(
    _ value: String, isWhole: Bool
  ) throws(AllocatorOptionFault) -> Double {
    guard let fraction = Double(value), fraction > 0, fraction < 1 || (isWhole && fraction == 1)
    else { throw .fraction(upTo: isWhole) }
    return fraction
  }

  /// `parseRoundUpPower2Divisions`: one number for all sizes, or a list in which `2ⁱ:d` holds for
  /// sizes of 2ⁱ MiB to the next power, the first one also for what is smaller, and `>:d` for all
  /// larger ones.
  private static func divisions(_ value: String) throws(AllocatorOptionFault) -> [Int] {
    func power(_ text: Substring, orZero: Bool) throws(AllocatorOptionFault) -> Int {
      guard let number = Int(text), number & (number - 1) == 0, number > 0 || orZero && number == 0
      else { throw .divisions }
      return number
    }
    guard value.hasPrefix("[") else {
      return Array(repeating: try power(value[...], orZero: false), count: roundupIntervals)
    }
    guard value.hasSuffix("]") else { throw .divisions }
    var divisions = Array(repeating: 0, count: roundupIntervals)
    var last: Int?
    let list = value.dropFirst().dropLast()
    for part in list.split(separator: ",", omittingEmptySubsequences: false) {
      let halves = part.split(separator: ":", omittingEmptySubsequences: false)
      guard halves.count == 2 else { throw .divisions }
      let count = try power(halves[1], orZero: true)
      if halves[0] == ">" {
        for index in divisions.indices.dropFirst((last ?? 0) + 1) { divisions[index] = count }
        continue
      }
      let index = min(try power(halves[0], orZero: false).trailingZeroBitCount, 15)
      if last == nil { for below in 0..<index { divisions[below] = count } }
      divisions[index] = count
      last = index
    }
    return divisions
  }
}

// MARK: Writing

extension AllocatorSettings {
  /// What differs from PyTorch's defaults, as `PYTORCH_CUDA_ALLOC_CONF` is written.
  package var written: String {
    var parts: [String] = []
    func add(_ option: AllocatorOption, _ value: String) {
      parts.append("\(option.rawValue):\(value)")
    }
    if usesExpandableSegments { add(.expandableSegments, "True") }
    if let maxSplitSize { add(.maxSplitSize, "\(maxSplitSize >> 20)") }
    if let givenNonSplitRounding { add(.maxNonSplitRounding, "\(givenNonSplitRounding >> 20)") }
    if largeSegmentSize != 20 << 20 { add(.largeSegmentSize, "\(largeSegmentSize >> 20)") }
    if roundupDivisions.contains(where: { $0 > 1 }) {
      let isOne = Set(roundupDivisions).count == 1
      let list = roundupDivisions.enumerated().map { "\(1 << $0):\($1)" }.joined(separator: ",")
      add(.roundupDivisions, isOne ? "\(roundupDivisions[0])" : "[\(list)]")
    }
    if garbageCollectionThreshold > 0 {
      add(.garbageCollectionThreshold, "\(garbageCollectionThreshold)")
    }
    if memoryFraction < 1 { add(.memoryFraction, "\(memoryFraction)") }
    for (name, value) in withoutEffect.sorted(by: { $0.key < $1.key }) {
      parts.append("\(name):\(value)")
    }
    return parts.joined(separator: ",")
  }
}
