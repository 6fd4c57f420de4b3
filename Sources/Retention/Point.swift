package import Patterns
package import Tensors
package import Transformer

/// One measurement: a model, and a value on every axis.
///
/// Sequence positions are `0..<n`; the prefix is `0..<nC`, generated tokens are `nC..<n`. What each
/// axis is called, can be and goes with is in `PointAxis.all`; the values here are the defaults.
package struct Point: Hashable, Sendable {
  /// The name that results carry.
  package var modelName: String
  package var model: DecoderConfiguration
  package var mode = Mode.fullGraph
  /// Rows that a prefix without a graph runs at a time, and loss rows with logits under `chunked`.
  package var chunk = 256
  package var recompute = Recompute.none
  package var attention = AttentionMemory.fused
  package var head = HeadKind.lossRows
  package var lossRows = LossRows.nextToken
  package var dtype = DType.float32
  /// Parameters in whose names it is found are trained, the others frozen; nil: all are trained.
  package var trainable: NamePattern?
  package var dropout = 0.0
  /// The directory of an adapter that PEFT wrote; empty for none. What it is stands in `model`.
  package var adapter = ""
  /// An adapter that is drawn; nil for none.
  package var lora: LoRA? {
    didSet { setAdapter(lora?.configuration) }
  }
  package var optimizer = Optimizer.none
  package var recipe = Recipe.ballast {
    didSet { setAdapter(model.adapter) }
  }
  package var backend = BackendKind.cpu
  /// Threads that compute.
  package var threads = 1
  package var batch = 1
  /// Prefix tokens.
  package var nC: Int
  /// Generated tokens.
  package var nG: Int
  /// Generated continuations of each prefix, G.
  package var suffixes = 1
  /// What the suffixes of a prefix share of it.
  package var sharing = Sharing.none {
    didSet { if sharing != oldValue { takeLengths() } }
  }
  /// Suffixes whose graph is alive at a time under `sharing` `prefix`; 0 for all.
  package var suffixesAtATime = 0
  /// Sequences of different lengths; nil where all are of `nC` and `nG`, which else are the
  /// longest.
  package var lengths: Lengths? {
    didSet { takeLengths() }
  }
  /// How sequences of different lengths share a step.
  package var packing = Packing.packed
  package var seed: UInt64 = 0

  package init(modelName: String, model: DecoderConfiguration, nC: Int, nG: Int) {
    (self.modelName, self.model, self.nC, self.nG) = (modelName, model, nC, nG)
  }

  /// Gives the model an adapter, or none; PEFT casts what it adds to a model to float32.
  package mutating func setAdapter(_ adapter: AdapterConfiguration?) {
    model.adapter = adapter
    model.adapter?.dtype = recipe == .ballast ? nil : .float32
  }

  /// Tokens that the layers see, n = n_c + n_g.
  package var n: Int { nC + nG }

  /// Sequences with a loss of their own: one for each suffix.
  package var sequences: Int { batch * suffixes }

  /// Sequences that a tensor of a pass holds rows of.
  package var rowBatch: Int { sharing == .prefix ? batch : sequences }

  /// Tokens of one sequence that the step reads: n, and one more label for `generated` rows.
  package var tokensPerSequence: Int { lossRows == .generated ? n + 1 : n }
}
