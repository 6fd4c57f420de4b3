import Spelling
package import Tensors
package import Transformer
package import Values

/// Why a point cannot be: which axes contradict each other or the model, and with which values.
package enum PointError: Error, Sendable, CustomStringConvertible {
  /// A value beyond what its axis, or a setting of the model, can be.
  case value(ValueError)
  /// An axis, or a value of it, that goes with some values of another axis alone.
  case goesWith(String, (any WrittenValue)?, String, [String], not: String)
  case sizes(Sizes)
  case tokens(Tokens)
  case step(Step)

  /// The axes and settings that it is about, the one to change first.
  package var axes: [String] {
    switch self {
    case .value(let error): [error.name]
    case .goesWith(let axis, _, let other, _, _): [axis, other]
    case .sizes(let fault): fault.axes
    case .tokens(let fault): fault.axes
    case .step(let fault): fault.axes
    }
  }

  /// One sentence that says what to change.
  package var description: String {
    switch self {
    case .value(let error): error.description
    case .goesWith(let axis, let value, let other, let wanted, let found):
      "\(axis)\(value.map { " \($0.written)" } ?? "") \(axis == "lengths" ? "go" : "goes") with "
        + "\(other) \(wanted.joined(separator: " or ")), not \(value == nil ? "with " : "")\(found)"
    case .sizes(let fault): fault.sentence
    case .tokens(let fault): fault.sentence
    case .step(let fault): fault.sentence
    }
  }
}

// MARK: Sizes

extension PointError {
  /// Sizes that contradict each other.
  package enum Sizes: Equatable, Sendable {
    case indivisible(String, Int, by: String, Int)
    /// More layers than a model of some name has.
    case layers(Int, ofModel: String, most: Int)
    /// More tokens than there are learned positions.
    case positions(Int, wanted: Int)
    /// A size that several devices cannot share.
    case undivided(String, Int, devices: Int)
    /// More bytes than 64 bits count, because of an axis' value, or else of the model.
    case beyond64Bits(axis: String?, value: String)

    var axes: [String] {
      switch self {
      case .indivisible(let axis, _, let other, _): [axis, other]
      case .layers: ["layers"]
      case .positions: ["n_c", "n_g"]
      case .undivided(let axis, _, _): [axis]
      case .beyond64Bits(let axis, _): [axis ?? "model"]
      }
    }

    var sentence: String {
      switch self {
      case .indivisible(let axis, let value, let other, let divisor):
        "\(axis) \(value) is not divisible by \(other) \(divisor)"
          + (axis == "d_model" ? "; change one of them or give d_head" : "")
      case .layers(let layers, let model, let most):
        "layers \(layers) is more than the model \(quoted(model)) has, \(most)"
      case .positions(let positions, let wanted):
        "n_c + n_g is \(wanted), but the model has learned positions for \(positions) tokens only"
      case .undivided(let axis, let size, let devices):
        "tensor-parallel \(devices) does not divide \(axis) \(size)"
      case .beyond64Bits(let axis, let value):
        "\(axis.map { "\($0) \(value)" } ?? "the model") is too large to count this point's bytes "
          + "in 64 bits"
      }
    }
  }
}

// MARK: Tokens

extension PointError {
  /// Tokens and sequences that cannot be a step.
  package enum Tokens: Equatable, Sendable {
    case noLossRow
    /// Rows in more chunks than there may be.
    case parts(Int, of: Parts, chunk: Int, most: Int)
    case kept(Int, nC: Int)
    /// An axis beside lengths, which say it of each sequence.
    case toldByLengths(axis: String)
    /// A count that is not that of the sequences of lengths.
    case count(String, Int, sequences: Int)
    /// A layout of sequences whose lengths are the same.
    case layoutWithoutLengths(Packing)
    case paddedMode(ModeName)
    case paddedPrefix
    /// Completions of one prefix, of which two are of different length.
    case severalPrompts(Int, Int)
    /// A flow over sequences of different lengths.
    case flowOfLengths
    case positionsOfSharedPrefix

    /// What falls into chunks.
    package enum Parts: String, Sendable {
      case passes = "passes through a layer"
      case lossRows = "parts of the loss rows"
    }

    var axes: [String] {
      switch self {
      case .noLossRow: ["n_c", "n_g"]
      case .parts: ["chunk"]
      case .kept: ["keep_prefix"]
      case .toldByLengths(let axis), .count(let axis, _, _): [axis]
      case .layoutWithoutLengths, .paddedMode, .paddedPrefix: ["layout"]
      case .severalPrompts: ["sharing", "lengths"]
      case .flowOfLengths: ["lengths"]
      case .positionsOfSharedPrefix: ["sharing"]
      }
    }

    var sentence: String {
      switch self {
      case .noLossRow:
        "no row carries loss: with n_c 0 and next-token rows, n_g must be at least 2"
      case .parts(let parts, let what, let chunk, let most):
        "chunk \(chunk) makes \(parts) \(what.rawValue), more than \(most); use a larger chunk"
      case .kept(let kept, let nC):
        "keep_prefix \(kept) is more than the prefix has, n_c \(nC)"
      case .toldByLengths(let axis):
        "lengths say n_c and n_g of each sequence, and how many there are; leave \(axis) out"
      case .count(let axis, let value, let sequences):
        "\(axis) \(value) is not that of the \(sequences) sequences of lengths; leave \(axis) out"
      case .layoutWithoutLengths(let packing): "layout \(packing.rawValue) goes with lengths"
      case .paddedMode(let mode):
        "layout padded goes with mode full-graph, not \(mode.rawValue); packed goes with every mode"
      case .paddedPrefix:
        "layout padded goes with sharing none; packed goes with sharing prefix too"
      case .severalPrompts(let nC, let other):
        "sharing prefix is of one prompt, but lengths have n_c \(nC) and \(other); give all the "
          + "same n_c, or sharing none"
      case .flowOfLengths: "a flow goes by position, so that sequences must be of one length"
      case .positionsOfSharedPrefix:
        "positions of completions that share a prefix stand several times; use sharing none, whose "
          + "gradients are the same"
      }
    }
  }
}

// MARK: What the step does

extension PointError {
  /// Ways of running a step that exclude each other.
  package enum Step: Equatable, Sendable {
    case dropout(of: DecoderConfiguration.Family)
    /// A type that is counted and not computed, perhaps the configuration's own.
    case countedType(DType, isConfigurations: Bool)
    /// An axis and its word that makes logits for loss rows alone.
    case lossRowsAlone(String, String)
    case countedRecipe(Recipe)
    case recipeInChunks(Recipe, chunk: Int)
    case recipeRecomputing(Recipe)
    case twoAdapters
    case adapter(AdapterError)
    /// An adapter that makes PEFT replace weights of the base.
    case replacedBase(initialization: String)
    /// A pattern that is found in no name, such as that of a parameter.
    case nothingTrained(pattern: String, parameter: String)

    var axes: [String] {
      switch self {
      case .dropout: ["dropout"]
      case .countedType: ["dtype", "backend"]
      case .lossRowsAlone(let axis, _): ["head", axis]
      case .countedRecipe, .recipeInChunks, .recipeRecomputing: ["recipe"]
      case .twoAdapters, .adapter, .replacedBase: ["adapter", "lora"]
      case .nothingTrained: ["trainable"]
      }
    }

    var sentence: String {
      switch self {
      case .dropout(let family): "dropout goes with gpt2 models, not with \(family.rawValue)"
      case .countedType(let dtype, let isConfigurations):
        "dtype \(dtype.rawValue)\(isConfigurations ? ", the configuration's own," : "") is counted "
          + "and not computed; use --dtype bfloat16 to compute, or --backend shape to count"
      case .lossRowsAlone(let axis, let word):
        "\(axis) \(word) makes logits for loss rows alone; use head loss-rows or chunked"
      case .countedRecipe(let recipe):
        "recipe \(recipe.rawValue) is counted and not run; use backend shape"
      case .recipeInChunks(let recipe, let chunk):
        "recipe \(recipe.rawValue) runs the prefix at once; leave chunk \(chunk) out"
      case .recipeRecomputing(let recipe):
        "recipe \(recipe.rawValue) with recompute layer goes with mode full-graph: transformers "
          + "drops the prefix's cache when it checkpoints layers"
      case .twoAdapters: "adapter and lora both give an adapter; leave one of them out"
      case .adapter(let error): error.description
      case .replacedBase(let initialization):
        "the adapter's init_lora_weights \(quoted(initialization)) makes PEFT replace the base's "
          + "weights as it loads, which is not computed; use backend shape, whose bytes hold, or "
          + "an adapter "
          + (initialization == "loftq"
            ? "kept beside the base that loftq made, with init_lora_weights true"
            : "that save_pretrained wrote with path_initial_model_for_weight_conversion")
      case .nothingTrained(let pattern, let parameter):
        "trainable \(quoted(pattern)) is found in no parameter's name, such as \(parameter)"
      }
    }
  }
}
