extension DecoderConfiguration {
  /// What is done to the rotary frequencies, so that a model reaches beyond its first context.
  package enum RotaryScaling: Hashable, Sendable {
    case none
    /// Llama 3.1: frequencies whose wavelength passes `originalContext / lowFrequencyFactor` are
    /// divided by `factor`, those below `originalContext / highFrequencyFactor` stay, and those
    /// between are interpolated.
    case llama3(
      factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double,
      originalContext: Int)
    /// Every frequency divided by `factor` (arXiv 2306.15595).
    case linear(factor: Double)
    /// A base that grows with the sequence once that is longer than `context`, so that the slowest
    /// frequency is stretched most ("NTK-aware", dynamic).
    case dynamic(factor: Double, context: Int)
    case yarn(YaRN)
    case longrope(LongRoPE)
  }

  /// YaRN (arXiv 2309.00071): slow frequencies divided by a factor, fast ones kept, those between
  /// interpolated over the pairs.
  package struct YaRN: Hashable, Sendable {
    package var factor: Double
    /// What cosines and sines are multiplied by.
    package var attentionFactor: Double
    /// Turns within the original context above which a frequency stays.
    package var fastTurns = 32.0
    /// Turns within the original context below which a frequency is divided.
    package var slowTurns = 1.0
    package var originalContext: Int
    /// Whether the pairs between which frequencies are interpolated are whole numbers.
    package var truncates = true

    package init(
      factor: Double, attentionFactor: Double, fastTurns: Double = 32, slowTurns: Double = 1,
      originalContext: Int, truncates: Bool = true
    ) {
      self.factor = factor
      self.attentionFactor = attentionFactor
      self.fastTurns = fastTurns
      self.slowTurns = slowTurns
      self.originalContext = originalContext
      self.truncates = truncates
    }
  }

  /// LongRoPE (arXiv 2402.13753): every frequency divided by a number of its own, one within the
  /// original context and another beyond it.
  package struct LongRoPE: Hashable, Sendable {
    /// `[d_head / 2]` each.
    package var short: [Double]
    package var long: [Double]
    /// What cosines and sines are multiplied by.
    package var attentionFactor: Double
    package var originalContext: Int

    package init(short: [Double], long: [Double], attentionFactor: Double, originalContext: Int) {
      self.short = short
      self.long = long
      self.attentionFactor = attentionFactor
      self.originalContext = originalContext
    }
  }
}
