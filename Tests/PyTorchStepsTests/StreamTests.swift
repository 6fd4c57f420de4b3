import PyTorchSteps
import Testing

/// Streams by what must hold of any: `scripts/compare-recipes` holds them against PyTorch's.
struct StreamTests {
  private static func model(
    _ family: TrainedModel.Family, attention: TrainedModel.Attention = .sdpa,
    isTied: Bool = false, isCheckpointed: Bool = false, adapters: [String: Int] = [:],
    dtype: ElementType = .float32
  ) -> TrainedModel {
    TrainedModel(
      family: family, layers: 2, width: 32, heads: 4, kvHeads: family == .gpt2 ? 4 : 2,
      headWidth: 8, innerWidth: 40, vocab: 61, positions: 64, isTied: isTied, hasQueryBias: false,
      hasOutputBias: false, hasInnerBias: false, activation: family == .gpt2 ? "gelu_new" : "silu",
      windows: family == .mistral ? [4, 4] : [nil, nil], dtype: dtype, attention: attention,
      isCheckpointed: isCheckpointed, adapters: adapters,
      isTrained: { _ in adapters.isEmpty })
  }

  private static let families: [TrainedModel.Family] = [.gpt2, .llama, .mistral, .qwen2, .qwen3]

  /// What stands after the last event, by role.
  private static func left(_ stream: StepStream) -> [StepRole: Int] {
    var alive: Set<Int> = []
    for event in stream.events {
      if event >= 0 { alive.insert(event) } else { alive.remove(-event - 1) }
    }
    return alive.reduce(into: [:]) { sums, number in
      sums[stream.allocations[number].role, default: 0] += stream.allocations[number].bytes
    }
  }

  @Test(arguments: families, [false, true])
  func `a step leaves parameters, buffers and states alone`(
    family: TrainedModel.Family, isCheckpointed: Bool
  ) throws {
    for attention in [TrainedModel.Attention.eager, .sdpa] {
      for device in [StepDevice.cpu, .cuda(prefersCuDNN: true), .cuda(prefersCuDNN: false)] {
        let model = Self.model(
          family, attention: attention, isCheckpointed: isCheckpointed, dtype: .bfloat16)
        let steps = TrainedSteps(
          model: model, batch: 2, tokens: 9, optimizer: .adamw, steps: 2, on: device)
        guard steps.isKnown else { continue }
        let stream = steps.stream()
        let left = Self.left(stream)
        #expect(Set(left.keys).isSubset(of: [.parameter, .buffer, .optimizerState]))
        let states = try #require(left[.optimizerState])
        let parameters = try #require(left[.parameter])
        // Two moments, and on a CPU a count of steps a parameter.
        let counts = stream.allocations.count { $0.role == .optimizerState && $0.bytes == 4 }
        #expect(states == 2 * parameters + 4 * counts)
        #expect(stream.boundaries.count == 2)
        #expect(stream.events.filter { $0 >= 0 } == Array(stream.allocations.indices))
      }
    }
  }

  @Test(arguments: [StepHead.lastRows(4), .pieces(rows: 3)])
  func `no head leaves anything behind`(head: StepHead) {
    for family in Self.families {
      for device in [StepDevice.cpu, .cuda(prefersCuDNN: true)] {
        for isTied in [false, true] {
          let model = Self.model(family, isTied: isTied, dtype: .bfloat16)
          let steps = TrainedSteps(
            model: model, batch: 2, tokens: 5, optimizer: .none, steps: 2, head: head, on: device)
          guard steps.isKnown else { continue }
          let left = Self.left(steps.stream())
          #expect(Set(left.keys).isSubset(of: [.parameter, .buffer]), "\(family) \(left)")
        }
      }
    }
  }

  @Test func `the first product of a thread takes cuBLAS's workspace, for good`() throws {
    let steps = TrainedSteps(
      model: Self.model(.llama, dtype: .bfloat16), batch: 1, tokens: 6, optimizer: .none, steps: 2,
      on: .cuda(prefersCuDNN: true, workspace: 4096))
    let stream = steps.stream()
    let taken = stream.allocations.indices.filter { stream.allocations[$0].role == .workspace }
    #expect(taken.map { stream.allocations[$0].bytes } == [4096, 4096])
    #expect(Self.left(stream)[.workspace] == 8192)
    let ops = taken.map { stream.allocations[$0 - 1].op }
    #expect(ops == ["aten::mm", "aten::mm"] && stream.allocations[taken[1]].node == "MmBackward0")
    // A later step has both from its beginning on.
    var bare = steps
    bare.device = .cuda(prefersCuDNN: true)
    #expect(steps.peaks().step.total == bare.peaks().step.total + 8192)
  }

  @Test func `in pieces only rows with a label are scored on a GPU`() {
    func kept(_ rows: Int) -> Int {
      let stream = TrainedSteps(
        model: Self.model(.llama, dtype: .bfloat16), batch: 2, tokens: 9, optimizer: .none,
        steps: 1, head: .pieces(rows: rows), on: .cuda(prefersCuDNN: true)
      ).stream()
      return stream.allocations.filter(\.isKept).reduce(0) { $0 + $1.bytes }
    }
    // Hidden states, a label, and two statistics of each.
    #expect(kept(5) - kept(4) == 2 * (2 * 32 + 8 + 4 + 4))
  }

  @Test func `the second step makes what the first makes, but for states`() {
    for family in Self.families {
      let stream = TrainedSteps(
        model: Self.model(family), batch: 1, tokens: 6, optimizer: .adamw, steps: 2
      ).stream()
      let starts = stream.spans.filter { $0.phase == .forward }.map(\.firstEvent)
      let ends = stream.spans.filter { $0.phase == .optimizer }.map(\.firstEvent)
      func sizes(_ events: Range<Int>) -> [Int] {
        stream.events[events].map { event in
          let bytes = stream.allocations[event >= 0 ? event : -event - 1].bytes
          return event >= 0 ? bytes : -bytes
        }
      }
      #expect(sizes(starts[0]..<ends[0]) == sizes(starts[1]..<ends[1]), "\(family)")
    }
  }

  /// torch 2.13: the head's gradient of the table, the embedding's, and their sum.
  @Test func `tied embeddings end backward with three tables at once`() {
    let table = 61 * 32 * 4
    for isTied in [true, false] {
      let stream = TrainedSteps(
        model: Self.model(.llama, isTied: isTied), batch: 1, tokens: 6, optimizer: .none, steps: 1
      ).stream()
      var (now, most) = (0, 0)
      for event in stream.events {
        let allocation = stream.allocations[event >= 0 ? event : -event - 1]
        guard [.backward, .gradient].contains(allocation.role), allocation.bytes == table else {
          continue
        }
        now += event >= 0 ? 1 : -1
        most = max(most, now)
      }
      #expect(most == (isTied ? 3 : 2))
    }
  }

  @Test func `a later step holds the optimizer's states all through`() {
    let steps = TrainedSteps(
      model: Self.model(.llama, dtype: .bfloat16), batch: 1, tokens: 6, optimizer: .adamw, steps: 2,
      on: .cuda(prefersCuDNN: false))
    let whole = StepPeaks(of: steps.stream(), block: 512)
    let later = steps.peaks()
    #expect(later.step.total == whole.step.total)
    #expect(later.step.states > 0)
    // As much as parameters, gradients and two moments at the least, in blocks.
    #expect(later.step.total >= 4 * later.step.parameters + later.step.rest - 512 * 40)
    #expect(later.forward == whole.forward && later.backward == whole.backward)
  }

  @Test func `a view has strides where no copy is needed`() {
    // [2, 3, 4] seen as [6, 4] and [2, 12]; transposed, only what lies together can be joined.
    #expect(Strides.view([2, 3, 4], [12, 4, 1], as: [6, 4]) == [4, 1])
    #expect(Strides.view([2, 3, 4], [12, 4, 1], as: [2, 12]) == [12, 1])
    #expect(Strides.view([3, 2, 4], [4, 12, 1], as: [6, 4]) == nil)
    #expect(Strides.view([3, 2, 4], [4, 12, 1], as: [3, 2, 2, 2]) == [4, 12, 2, 1])
    // A result lies as its first operand does.
    let transposed = (shape: [1, 2, 3, 4], strides: [24, 4, 8, 1])
    let dense = (shape: [1, 2, 3, 4], strides: [24, 12, 4, 1])
    #expect(Strides.elementwise([transposed, dense]).strides == [24, 4, 8, 1])
    #expect(Strides.elementwise([dense, transposed]).strides == [24, 12, 4, 1])
  }
}
