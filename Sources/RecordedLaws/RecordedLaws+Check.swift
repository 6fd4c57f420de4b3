import Ledger
import Recordings

extension RecordedLaws {
  /// Looks whether the laws give the file's own step at its own lengths.
  ///
  /// - Throws: `RecordingFault` with the first thing that they give otherwise.
  func requireOwnStep() throws(RecordingFault) {
    let step: LawStep
    do throws(OutsideLaws) { step = try self.step(at: own) } catch {
      throw RecordingFault("has laws that do not hold at its own lengths: \(error.sentence)")
    }
    var sink = CheckSink(step: step)
    step.walk(&sink)
    if sink.difference == nil, sink.event < recording.events.count { sink.differ() }
    if let event = sink.difference {
      throw RecordingFault("has laws that do not give its own step: they differ at event \(event)")
    }
    for tensor in sizes.changing where sink.isAllocated[tensor] {
      guard gives(tensorLaws[lawOfTensor[tensor]], tensor, step.numbers) else {
        throw RecordingFault(
          "has laws that do not give its own step: tensor \(tensor) has another shape, or other "
            + "regions")
      }
    }
  }

  private func gives(_ law: TensorLaw, _ tensor: Int, _ numbers: [Int?]) -> Bool {
    let shape = recording.tables.shapes[recording.tensors.shape[tensor]]
    let regions = recording.regions(ofTensor: tensor)
    let kinds: [Region] = [.prefix, .generated, .crossing, .shared]
    return law.shape.count == shape.count && regions[.padding] == 0
      && zip(law.shape, shape).allSatisfy { numbers[$0] == $1 }
      && zip(law.regions, kinds).allSatisfy { numbers[$0] == regions[$1] }
  }
}

/// Holds a step against the events of the file.
private struct CheckSink: LawSink {
  let step: LawStep
  private(set) var event = 0
  /// The first event that is another one.
  private(set) var difference: Int?
  /// Whether a tensor of the file is in the skeleton, and no temporary of a block.
  private(set) var isAllocated: [Bool]
  private var taken: [Int] = []

  init(step: LawStep) {
    self.step = step
    isAllocated = Array(repeating: false, count: step.laws.recording.tensors.count)
  }

  mutating func differ() { difference = difference ?? event }

  private mutating func expect(_ wanted: Recording.Event, bytes: Int? = nil) {
    let recording = step.laws.recording
    guard event < recording.events.count, recording.events[event] == wanted else {
      return differ()
    }
    if case .allocate(let tensor) = wanted, let bytes, recording.tensors.bytes[tensor] != bytes {
      differ()
    }
    event += 1
  }

  mutating func allocate(_ tensor: Int) {
    isAllocated[tensor] = true
    expect(.allocate(tensor), bytes: step.bytes(ofTensor: tensor))
  }

  mutating func release(_ tensor: Int) { expect(.release(tensor)) }

  mutating func take(_ number: Int, bytes: Int, _ block: LawSkeleton.Block) {
    while taken.count <= number { taken.append(-1) }
    let recording = step.laws.recording
    guard event < recording.events.count, case .allocate(let tensor) = recording.events[event],
      recording.role(ofTensor: tensor) == .temporary, recording.tensors.op[tensor] == block.op,
      recording.tensors.module[tensor] == block.module,
      recording.tensors.layer[tensor] == block.layer, recording.tensors.node[tensor] == block.node
    else { return differ() }
    taken[number] = tensor
    expect(.allocate(tensor), bytes: bytes)
  }

  mutating func giveBack(_ number: Int) { expect(.release(taken[number])) }
}
