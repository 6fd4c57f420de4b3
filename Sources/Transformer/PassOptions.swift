package import Tensors

/// What a forward pass chooses beyond the model: the attention core's memory, dropout, and how
/// heads turn in sequences of its length.
package struct PassOptions: Sendable {
  package let memory: AttentionMemory
  /// The probability of every dropout of the model; 0 for none.
  let dropoutProbability: Double
  let seed: UInt64
  /// Tokens of a sequence, the longest of a step.
  let sequenceLength: Int
  /// Which sequences of the step those of the pass are.
  let sequences: SequenceNumbers
  /// How heads turn; nil if positions are learned.
  let rotation: HeadRotation?

  package init(
    memory: AttentionMemory, dropoutProbability: Double, seed: UInt64, sequenceLength: Int,
    sequences: SequenceNumbers, rotation: HeadRotation?
  ) {
    self.sequences = sequences
    self.memory = memory
    self.dropoutProbability = dropoutProbability
    self.seed = seed
    self.sequenceLength = sequenceLength
    self.rotation = rotation
  }

  /// The dropout at a place of the model, with a stream of its own; nil for none.
  func dropout(_ place: String) -> Dropout? {
    guard dropoutProbability > 0 else { return nil }
    return Dropout(
      probability: dropoutProbability, seed: seed, stream: "dropout.\(place)",
      sequenceLength: sequenceLength)
  }

  /// The dropout before an adapter's A, with a stream of its own a linear map; nil for none.
  func dropout(of adapter: Adapter) -> Dropout? {
    guard adapter.dropout > 0 else { return nil }
    return Dropout(
      probability: adapter.dropout, seed: seed, stream: "dropout.\(adapter.module).lora",
      sequenceLength: sequenceLength, sequences: sequences)
  }
}
