import CUDAAllocator
import Reporting
import Spelling

extension AllocatorAnswer {
  /// Tensors that the table lists.
  private static let shown = 10

  /// The answer for people.
  ///
  /// - Parameters:
  ///   - title: The file, and what of it.
  ///   - moment: What the program was at where most is allocated, if that is known.
  /// - Returns: Lines of a terminal's width.
  package func text(title: String, moment: String? = nil) -> String {
    var parts = ["\(title): \(counts)\n", heldText(moment), figures.text]
    let sentences = self.sentences
    if !sentences.isEmpty { parts.append(sentences.map { $0 + "\n" }.joined()) }
    return parts.joined(separator: "\n")
  }

  private var counts: String {
    let allocations = stream.requests.events.count {
      if case .allocate = $0 { true } else { false }
    }
    let standing = stream.requests.standing
    let bytes = standing.reduce(0) { $0 + stream.requests.bytes[$1] }
    let before =
      standing.isEmpty
      ? "" : ", \(Units.grouped(standing.count)) tensors of \(Units.bytes(bytes)) before them"
    return "\(Units.grouped(allocations)) allocations\(before)"
  }

  // MARK: What is held

  private func heldText(_ moment: String?) -> String {
    let bytes = held.reduce(0) { $0 + $1.total }
    let count = held.reduce(0) { $0 + $1.count }
    let place =
      peakEvent < 0
      ? (stream.requests.events.isEmpty ? "" : ", before the first event")
      : ", after event \(Units.grouped(peakEvent + 1)) of "
        + "\(Units.grouped(stream.requests.events.count))\(moment.map { " (\($0))" } ?? "")"
    var text =
      "Where most is allocated\(place), \(Units.bytes(bytes)) are held in \(Units.grouped(count)) "
      + "tensors, most of it in:\n\n"
    var table = TextTable([
      ("held", .right), ("tensors", .right), ("each", .right), ("made by", .left), ("at", .left),
    ])
    for group in held.prefix(Self.shown) {
      let isUnknown = group.maker.op.isEmpty && group.maker.place.isEmpty
      table.add([
        Units.bytes(group.total), Units.grouped(group.count), Units.bytes(group.bytes),
        isUnknown ? "(not recorded)" : group.maker.op, Self.cut(group.maker.place),
      ])
    }
    text += table.text
    let rest = held.dropFirst(Self.shown)
    if !rest.isEmpty {
      let (count, bytes) = rest.reduce((0, 0)) { ($0.0 + $1.count, $0.1 + $1.total) }
      text += "and \(Units.bytes(bytes)) in \(Units.grouped(count)) more\n"
    }
    return text
  }

  /// A place that leaves the table its width; the end of it says most.
  private static func cut(_ place: String) -> String {
    place.count <= 48 ? place : "…" + place.suffix(47)
  }

  // MARK: Figures

  private var figures: TextTable {
    let ways = [own] + (changed.map { [$0] } ?? [])
    let run = stream.run
    var columns: [(String, TextTable.Alignment)] = [("", .left)]
    if run != nil { columns.append(("as it ran", .right)) }
    columns.append((run == nil ? "PyTorch's defaults" : "replayed", .right))
    if let changed { columns.append((Self.header(of: changed.settings), .right)) }
    var table = TextTable(columns)
    func add(_ name: String, _ real: String?, _ value: (Way) -> String) {
      table.add([name] + (run == nil ? [] : [real ?? ""]) + ways.map(value))
    }
    // What the run itself had allocated is known where a replay did all that it did.
    let peak = agreements.first { $0.isWhole }?.peakAllocated
    add("peak allocated", peak.map(Units.bytes)) { Units.bytes($0.statistics.allocated.peak) }
    add("  of it asked for", nil) { Units.bytes($0.statistics.requested.peak) }
    add("peak reserved", run.map { Units.bytes($0.reservedPeak) }) {
      Units.bytes($0.statistics.reserved.peak)
    }
    add("  over \(AddressOrder.several.count) orders of addresses", nil) { way in
      way.range.least == way.range.most
        ? "the same" : "\(Units.bytes(way.range.least)) to \(Units.bytes(way.range.most))"
    }
    let beyond = run.flatMap { run in peak.map { run.reservedPeak - $0 } }
    add("  beyond peak allocated", beyond.map(Units.bytes)) {
      Units.bytes($0.statistics.reserved.peak - $0.statistics.allocated.peak)
    }
    add("free between tensors, at most", nil) { Units.bytes($0.statistics.stuck.peak) }
    add("allocated at the end", run.map { Units.bytes($0.allocatedAtEnd) }) {
      Units.bytes($0.statistics.allocated.current)
    }
    add("reserved at the end", run.map { Units.bytes($0.reservedAtEnd) }) {
      Units.bytes($0.statistics.reserved.current)
    }
    add("segments at the end", run.map { Units.grouped($0.segmentsAtEnd) }) {
      Units.grouped($0.statistics.segments.current)
    }
    add("retries after a full device", nil) { Units.grouped($0.statistics.retries) }
    add(
      "out of memory",
      run.map { $0.failures.isEmpty ? "no" : "yes" }
    ) { $0.failure == nil ? "no" : "yes" }
    return table
  }

  // MARK: Sentences

  private var sentences: [String] {
    var sentences: [String] = []
    if let run = stream.run {
      sentences.append("as it ran: \(run.settings.map(Self.named) ?? "settings not understood")")
    }
    if let changed { sentences.append("changed: \(Self.named(changed.settings))") }
    if let total = device.total {
      sentences.append(
        "on a device of \(Units.bytes(total)), of which \(Units.bytes(device.held)) are not "
          + "PyTorch's")
    }
    sentences += agreements.max { $0.equal < $1.equal }.map(Self.sentence).map { [$0] } ?? []
    if let run = stream.run {
      if run.reservedAtStart > 0 {
        sentences.append(
          "\(Units.bytes(run.reservedAtStart)) were reserved when the recording began, some of it "
            + "for steps before; replays begin with what stood alone, on an empty device")
      }
      if run.emptied > 0 {
        let times = run.emptied == 1 ? "once" : "\(Units.grouped(run.emptied)) times"
        sentences.append("the run gave its cache back \(times), and so do replays")
      }
      for failure in run.failures.prefix(3) {
        sentences.append(
          "it ran out of memory: \(Units.exactBytes(failure.asked)) were asked for, and "
            + "\(Units.exactBytes(failure.free)) free")
      }
    }
    for (name, way) in [("replayed", own)] + (changed.map { [("changed", $0)] } ?? []) {
      guard let failure = way.failure else { continue }
      sentences.append(
        "\(name): out of memory at event \(Units.grouped(failure.event + 1)): "
          + failure.error.message)
    }
    return sentences + stream.notes
  }

  /// The name of a column: the settings, if they are short enough.
  private static func header(of settings: AllocatorSettings) -> String {
    (1...28).contains(settings.written.count) ? settings.written : "changed"
  }

  private static func named(_ settings: AllocatorSettings) -> String {
    settings.written.isEmpty ? "PyTorch's defaults" : settings.written
  }

  private static func sentence(_ agreement: Agreement) -> String {
    let start = agreement.isWarm ? "from the run's own segments on" : "from an empty device on"
    return
      "held against the run, \(start): as much reserved after "
      + "\(Units.grouped(agreement.equal)) of \(Units.grouped(agreement.allocations)) allocations"
  }
}

extension MemoryStream {
  /// The most that tensors took together, each rounded up to 512 bytes.
  package var peaksByRounding: Int {
    let settings = AllocatorSettings()
    var now = requests.standing.reduce(0) { $0 + settings.blockSize(for: requests.bytes[$1]) }
    var peak = now
    var isHeld = Array(repeating: false, count: requests.bytes.count)
    for tensor in requests.standing { isHeld[tensor] = true }
    for event in requests.events {
      switch event {
      case .allocate(let tensor):
        isHeld[tensor] = true
        now += settings.blockSize(for: requests.bytes[tensor])
        peak = max(peak, now)
      case .retire(let tensor), .release(let tensor):
        guard isHeld[tensor] else { continue }
        isHeld[tensor] = false
        now -= settings.blockSize(for: requests.bytes[tensor])
      case .emptyCache: break
      }
    }
    return peak
  }
}
