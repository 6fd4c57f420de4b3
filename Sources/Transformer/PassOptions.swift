package import Tensors

/// What a forward pass chooses beyond the model: the attention core's memory, and dropout.
package struct PassOptions: Sendable {
  package let memory: AttentionMemory
  /// The probability of every dropout of the model; 0 for none.
  let dropoutProbability: Double
  let seed: UInt64
  /// Tokens of a sequence.
  let sequenceLength: Int

  package init(
    memory: AttentionMemory, dropoutProbability: Double, seed: UInt64, sequenceLength: Int
  ) {
    self.memory = memory
    self.dropoutProbability = dropoutProbability
    self.seed = seed
    self.sequenceLength = sequenceLength
  }

  /// The dropout at a place of the model, with a stream of its own; nil for none.
  func dropout(_ place: String) -> Dropout? {
    guard dropoutProbability > 0 else { return nil }
    return Dropout(
      probability: dropoutProbability, seed: seed, stream: "dropout.\(place)",
      sequenceLength: sequenceLength)
  }
}
