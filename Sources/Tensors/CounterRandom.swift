/// Reproducible numbers: each is a pure function of a seed, a stream and an index.
///
/// Only integer arithmetic and exact float operations are used, so that every machine and every
/// thread count draws the same bits.
package struct CounterRandom: Sendable {
  /// Where the stream's counter begins.
  package let key: UInt64

  /// Streams with different names are independent.
  package init(seed: UInt64, stream: String) {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in stream.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    key = Self.mix(seed ^ Self.mix(hash))
  }

  /// 64 random bits for `index`: the output function of SplitMix64 (Steele et al., OOPSLA 2014).
  package func bits(_ index: Int) -> UInt64 {
    Self.mix(key &+ (UInt64(truncatingIfNeeded: index) &* 0x9e37_79b9_7f4a_7c15))
  }

  /// A number in `0..<bound`.
  package func integer(_ index: Int, below bound: Int) -> Int {
    Int(bits(index).multipliedFullWidth(by: UInt64(bound)).high)
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Which sequence of a step each of a tensor's sequences is, so that what is drawn for it is the
/// same however the step is cut into passes.
package struct SequenceNumbers: Hashable, Sendable {
  /// The number of a tensor's first sequence.
  package var first = 0
  /// From one of its sequences to the next.
  package var stride = 1
  /// Sequences that follow on one another and have their first tokens in common.
  package var group = 1
  /// The tokens that they have in common.
  package var shared = 0

  package init(first: Int = 0, stride: Int = 1, group: Int = 1, shared: Int = 0) {
    (self.first, self.stride, self.group, self.shared) = (first, stride, group, shared)
  }

  /// The number of the sequence at `index`: that of its group's first for a token in common.
  package func number(of index: Int, at position: Int) -> Int {
    let number = first + index * stride
    return position < shared ? number - number % group : number
  }
}

/// Which elements a dropout keeps: a pure function of positions, so that every mode, chunk and
/// recomputation draws the same.
package struct Dropout: Sendable {
  /// The share of elements that become 0; the others are multiplied by `scale`.
  package let probability: Double
  /// Tokens of a sequence: what an element's index is counted with.
  package let sequenceLength: Int
  /// What `b` is of a sequence `[batch, tokens, width]`.
  package let sequences: SequenceNumbers
  private let random: CounterRandom
  /// What the upper half of a kept element's bits is at least: 2³² · probability.
  package let threshold: UInt64

  /// A dropout with a stream of its own, named for its place in the model.
  package init(
    probability: Double, seed: UInt64, stream: String, sequenceLength: Int,
    sequences: SequenceNumbers = SequenceNumbers()
  ) {
    self.sequences = sequences
    self.probability = probability
    self.sequenceLength = sequenceLength
    random = CounterRandom(seed: seed, stream: stream)
    threshold = UInt64(probability * 0x1p32)
  }

  /// The key of its random numbers.
  package var key: UInt64 { random.key }

  /// `1 / (1 − probability)`, so that the expectation stays.
  package var scale: Float { Float(1 / (1 - probability)) }

  /// The index of an element of `[batch, heads, tokens, keys]`: `(outer · n + row) · n + key`, with
  /// n the sequence length, `outer` = b · heads + h, and absolute positions.
  package func number(outer: Int, row: Int, key: Int) -> Int {
    (outer * sequenceLength + row) * sequenceLength + key
  }

  /// Whether the element with this index stays.
  ///
  /// Of `[batch, tokens, width]` the index is `(b · n + position) · width + column`, and of scores
  /// `number(outer:row:key:)`.
  package func keeps(_ index: Int) -> Bool { random.bits(index) >> 32 >= threshold }
}
