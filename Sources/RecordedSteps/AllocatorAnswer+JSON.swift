import CUDAAllocator
package import Recordings
package import Spelling

extension AllocatorAnswer {
  /// Groups of tensors that are listed.
  private static let listed = 100

  /// The answer as one object; bytes are whole numbers.
  package func json(file: String, kind: String, device number: Int) -> JSONText {
    .object(
      [
        ("file", .string(file)), ("kind", .string(kind)), ("device", .integer(number)),
        ("device_bytes", .integer(orNull: device.total)),
        ("device_held_bytes", .integer(device.held)),
        (
          "allocations",
          .integer(stream.requests.events.count { if case .allocate = $0 { true } else { false } })
        ),
        ("events", .integer(stream.requests.events.count)),
        ("standing_tensors", .integer(stream.requests.standing.count)),
        ("peak_allocated_rounded_requests", .integer(stream.peaksByRounding)),
        ("run", stream.run.map(Self.json) ?? .null), ("replayed", Self.json(own)),
        ("changed", changed.map(Self.json) ?? .null),
        ("agreements", .array(agreements.map(Self.json), .lines(4, close: 2))),
        ("peak_event", .integer(peakEvent)),
        ("held", .array(held.prefix(Self.listed).map(Self.json), .lines(4, close: 2))),
        ("notes", .strings(stream.notes)),
      ], .lines(2))
  }

  private static func json(_ run: MemoryStream.Run) -> JSONText {
    .object([
      ("settings", run.settings.map { .string($0.written) } ?? .null),
      ("reserved_start", .integer(run.reservedAtStart)),
      ("reserved_peak", .integer(run.reservedPeak)), ("reserved_end", .integer(run.reservedAtEnd)),
      ("allocated_end", .integer(run.allocatedAtEnd)),
      ("segments_end", .integer(run.segmentsAtEnd)),
      ("cache_returned", .integer(run.emptied)),
      (
        "out_of_memory",
        .array(
          run.failures.map {
            .object([("asked", .integer($0.asked)), ("free", .integer($0.free))])
          })
      ),
    ])
  }

  private static func json(_ way: Way) -> JSONText {
    let statistics = way.statistics
    return .object([
      ("settings", .string(way.settings.written)),
      ("peak_allocated", .integer(statistics.allocated.peak)),
      ("peak_requested", .integer(statistics.requested.peak)),
      ("peak_reserved", .integer(statistics.reserved.peak)),
      ("peak_reserved_least", .integer(way.range.least)),
      ("peak_reserved_most", .integer(way.range.most)), ("orders", .integer(way.range.orders)),
      ("peak_stuck", .integer(statistics.stuck.peak)),
      ("allocated_end", .integer(statistics.allocated.current)),
      ("reserved_end", .integer(statistics.reserved.current)),
      ("segments_end", .integer(statistics.segments.current)),
      ("segments_peak", .integer(statistics.segments.peak)),
      ("retries", .integer(statistics.retries)),
      ("peak_allocated_event", .integer(way.peakAllocatedEvent)),
      ("peak_reserved_event", .integer(way.peakReservedEvent)),
      ("orders_out_of_memory", .integer(way.range.failures)),
      ("out_of_memory", way.failure.map { json($0.event, $0.error) } ?? .null),
    ])
  }

  private static func json(_ event: Int, _ error: OutOfMemory) -> JSONText {
    .object([
      ("event", .integer(event)), ("asked", .integer(error.asked)),
      ("requested", .integer(error.requested)), ("free", .integer(error.free)),
      ("allocated", .integer(error.allocated)), ("reserved", .integer(error.reserved)),
      ("message", .string(error.message)),
    ])
  }

  private static func json(_ agreement: Agreement) -> JSONText {
    .object([
      ("start", .string(agreement.isWarm ? "warm" : "cold")),
      ("order", .string(agreement.order.name)), ("allocations", .integer(agreement.allocations)),
      ("reserved_equal", .integer(agreement.equal)),
      ("same_address", .integer(agreement.sameAddress)),
      ("peak_allocated", .integer(agreement.peakAllocated)),
      ("peak_reserved", .integer(agreement.peakReserved)),
      ("reserved_end", .integer(agreement.reservedAtEnd)),
      ("allocated_end", .integer(agreement.allocatedAtEnd)),
    ])
  }

  private static func json(_ held: HeldTensors) -> JSONText {
    .object([
      ("op", .string(held.maker.op)), ("at", .string(held.maker.place)),
      ("count", .integer(held.count)), ("bytes", .integer(held.bytes)),
      ("total_bytes", .integer(held.total)),
    ])
  }
}
