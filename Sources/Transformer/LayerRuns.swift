package import Autograd

/// What a layer's part of a step depends on, its rows aside.
package struct LayerKind: Hashable, Sendable {
  let window: Int?
  /// Of its weights, in the order of the forward pass.
  let isTrained: [Bool]
}

extension Decoder {
  /// Of every layer.
  package var layerKinds: [LayerKind] {
    layers.indices.map { layer in
      LayerKind(
        window: configuration.slidingWindow(ofLayer: layer),
        isTrained: layers[layer].weights.map { $0.gradient != nil })
    }
  }
}

/// Which layers of a step run: all, or of those that are equal as few as prove the others.
///
/// ```
///   equal layers  a a a a a a a a b b b  ─▶  a a · · · · a a b b b     · is counted, not run
/// ```
package struct LayerRuns {
  private struct Run {
    let layer: Int
    /// Layers like it that follow, and are not run.
    var skipped = 0
    /// Whether the skipped ones before it are held against it.
    var isProof = false
  }

  private let runs: [Run]

  /// Every layer.
  package init(all layers: Int) { runs = (0..<layers).map { Run(layer: $0) } }

  /// Of neighbours of one kind the first two and the last two.
  package init<Kind: Equatable>(kinds: [Kind]) {
    var runs: [Run] = []
    var start = 0
    while start < kinds.count {
      let end = kinds[start...].firstIndex { $0 != kinds[start] } ?? kinds.count
      var group = (start..<end).map { Run(layer: $0) }
      if group.count > 5 {
        group[1].skipped = group.count - 4
        group[group.count - 2].isProof = true
        group.removeSubrange(2..<group.count - 2)
      }
      runs += group
      start = end
    }
    self.runs = runs
  }

  /// Calls `body` with the layers of a range that run, in order; the others are counted.
  ///
  /// The range leaves out at most the last layer.
  ///
  /// - Throws: `RepetitionError` if a layer is not what another says of it.
  package func forEach(
    in layers: Range<Int>, on tape: Tape, _ body: (Int) throws -> Void
  ) throws {
    try forEach(in: layers, onEach: { _ in tape }) { layer, _ in try body(layer) }
  }

  /// The same, with a tape for each that runs: equal passes of a step stand in a row as layers do.
  package func forEach(
    in layers: Range<Int>, onEach next: (Int) -> Tape, _ body: (Int, Tape) throws -> Void
  ) throws {
    var equal = EqualSpans(skipped: 0)
    for run in runs where layers.contains(run.layer) {
      let tape = next(run.layer)
      if run.skipped > 0 {
        equal = EqualSpans(skipped: run.skipped)
        try equal.runSteady(on: tape) { try body(run.layer, tape) }
      } else if run.isProof {
        try equal.runProof(on: tape) { try body(run.layer, tape) }
      } else {
        try body(run.layer, tape)
      }
    }
  }
}
