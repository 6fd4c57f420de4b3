import CUDAAllocator
import Recordings

/// The step at some lengths: every law and every launch evaluated once.
package struct LawStep: Sendable {
  let laws: RecordedLaws
  package let lengths: StepLengths
  /// Every value; nil where it cannot be.
  let numbers: [Int?]
  /// Of each law of tensors, at least 1.
  let bytes: [Int]
  /// Of each launch what its kernel takes; nil for those whose kernel does not run.
  let launches: [Launch]

  /// What a kernel takes beside its results, in order.
  struct Launch: Sendable {
    /// Before the results are made, after them, and when the workspace is there.
    var before: [Move] = []
    var after: [Move] = []
    var last: [Move] = []
  }

  /// Takes or releases a temporary, by its number among those of the block.
  enum Move: Sendable {
    case take(Int, bytes: Int)
    case release(Int)
  }
}

extension RecordedLaws {
  /// The step at some lengths.
  ///
  /// - Throws: `OutsideLaws` where the laws do not hold.
  package func step(at lengths: StepLengths) throws(OutsideLaws) -> LawStep {
    try require(lengths)
    let numbers = LawValue.evaluated(values, at: lengths)
    var bytes: [Int] = []
    bytes.reserveCapacity(tensorLaws.count)
    for law in tensorLaws {
      guard let number = numbers[law.bytes], (1...Self.mostBytes).contains(number) else {
        throw .laws("its laws give a tensor no possible size at \(Self.words(lengths))")
      }
      bytes.append(number)
    }
    var launches = Array(repeating: LawStep.Launch(), count: self.launches.count)
    var isKnown = Array(repeating: false, count: self.launches.count)
    for block in skeleton.blocks where !isKnown[block.launch] {
      isKnown[block.launch] = true
      guard let launch = self.launch(block.launch, numbers) else {
        throw .laws(
          "its laws do not say what \(recording.tables.ops[block.op]) takes at "
            + Self.words(lengths))
      }
      launches[block.launch] = launch
    }
    return LawStep(
      laws: self, lengths: lengths, numbers: numbers, bytes: bytes, launches: launches)
  }

  private func launch(_ number: Int, _ numbers: [Int?]) -> LawStep.Launch? {
    for variant in launches[number] {
      var holds = true
      for condition in variant.conditions {
        guard let value = numbers[condition.value] else { return nil }
        holds = holds && (value != 0) == condition.isTrue
        if !holds { break }
      }
      if holds { return launch(variant.steps, numbers) }
    }
    return nil
  }

  private func launch(_ steps: [LaunchVariant.Step], _ numbers: [Int?]) -> LawStep.Launch? {
    var launch = LawStep.Launch()
    var takes: [Int] = []
    var areResultsMade = !steps.contains(.outputs)
    func add(_ move: LawStep.Move) {
      if areResultsMade { launch.after.append(move) } else { launch.before.append(move) }
    }
    for step in steps {
      switch step {
      case .outputs: areResultsMade = true
      case .take(let value):
        guard let bytes = numbers[value], (0...Self.mostBytes).contains(bytes) else { return nil }
        if bytes > 0 { add(.take(takes.count, bytes: bytes)) }
        takes.append(bytes)
      case .release(let take):
        if takes[take] > 0 { add(.release(take)) }
        takes[take] = 0
      }
    }
    launch.last = takes.indices.filter { takes[$0] > 0 }.map { .release($0) }
    return launch
  }
}

/// What is done with the events of a step, as they come.
protocol LawSink {
  /// A tensor of the file.
  mutating func allocate(_ tensor: Int)
  mutating func release(_ tensor: Int)
  /// A temporary of a block, by its number there.
  mutating func take(_ number: Int, bytes: Int, _ block: LawSkeleton.Block)
  mutating func giveBack(_ number: Int)
  /// The place of the next of the skeleton's marks.
  mutating func mark()
}

extension LawSink {
  mutating func mark() {}
}

extension LawStep {
  /// Goes through all events of the step.
  func walk<Sink: LawSink>(_ sink: inout Sink) {
    let skeleton = laws.skeleton
    var position = 0
    var mark = 0
    for (index, block) in skeleton.blocks.enumerated() {
      while mark < skeleton.marks.count, skeleton.marks[mark].block == index {
        emit(position..<skeleton.marks[mark].position, &sink)
        position = skeleton.marks[mark].position
        mark += 1
        sink.mark()
      }
      emit(position..<block.start, &sink)
      let launch = launches[block.launch]
      emit(launch.before, block, &sink)
      emit(block.start..<block.plainEnd, &sink)
      emit(launch.after, block, &sink)
      emit(block.plainEnd..<block.end, &sink)
      emit(launch.last, block, &sink)
      position = block.end
    }
    for mark in skeleton.marks[mark...] {
      emit(position..<mark.position, &sink)
      position = mark.position
      sink.mark()
    }
    emit(position..<skeleton.events.count, &sink)
  }

  private func emit<Sink: LawSink>(_ events: Range<Int>, _ sink: inout Sink) {
    for place in events {
      let event = laws.skeleton.events[place]
      if event >= 0 { sink.allocate(event) } else { sink.release(-event - 1) }
    }
  }

  private func emit<Sink: LawSink>(
    _ moves: [Move], _ block: LawSkeleton.Block, _ sink: inout Sink
  ) {
    for move in moves {
      switch move {
      case .take(let number, let bytes): sink.take(number, bytes: bytes, block)
      case .release(let number): sink.giveBack(number)
      }
    }
  }

  /// The bytes of a tensor of the file that is no block's temporary.
  func bytes(ofTensor tensor: Int) -> Int {
    let law = laws.lawOfTensor[tensor]
    return law < 0 ? laws.recording.tensors.bytes[tensor] : bytes[law]
  }
}
