import Ledger
package import Spelling
package import Tensors

/// Low-rank adapters on a model's linear maps: `y = W x + b + s · B (A dropout(x))`, with A
/// `[r, in]` and B `[out, r]` (Hu et al., arXiv 2106.09685, section 4.1).
package struct AdapterConfiguration: Hashable, Sendable {
  /// Rows of every A, r.
  package var rank: Int
  /// What the product is multiplied by, s: `alpha / r`, or `alpha / √r` (arXiv 2312.03732).
  package var scale: Float
  /// The linear maps that have an adapter.
  package var targets: Targets
  /// Modules that are trained as copies, which the model uses in their place: the ends of their
  /// names (PEFT's `modules_to_save`).
  package var saved: [String]
  /// The probability that A misses an element of its input (PEFT's `lora_dropout`): a part of the
  /// adapter, for it is trained so.
  package var dropout: Double
  /// The type of A and B, if not the model's: PEFT keeps them in float32.
  package var dtype: DType?
  /// PEFT's `init_lora_weights` where loading the adapter replaces weights of the base, which
  /// shapes do not show and nothing here computes.
  package var baseReplacement: String?

  /// Linear maps of the layers.
  package enum Targets: Hashable, Sendable {
    /// Those of these names, in every layer.
    case named([String])
    /// All of the layers.
    case all
    /// These, by their full names.
    case modules(Set<String>)
  }

  package init(
    rank: Int, scale: Float, targets: Targets, saved: [String] = [], dropout: Double = 0
  ) {
    (self.rank, self.scale, self.targets, self.saved) = (rank, scale, targets, saved)
    self.dropout = dropout
  }

  /// Ranks that there are.
  package static let ranks = 1...1 << 16

  /// Whether a linear map of a layer, by its full name, has an adapter.
  func isTarget(_ module: String) -> Bool {
    switch targets {
    case .named(let names): names.contains { module == $0 || module.hasSuffix("." + $0) }
    case .all: true
    case .modules(let modules): modules.contains(module)
    }
  }

  /// Whether a module, by its full name, is trained as a copy.
  func isSaved(_ module: String) -> Bool { saved.contains { module.hasSuffix($0) } }

  // MARK: Names

  /// What PEFT's names of its own tensors have in front of the model's.
  static let prefix = "base_model.model."

  /// The names under which PEFT stores a linear map's A and B.
  static func names(of module: String) -> (a: String, b: String) {
    ("\(prefix)\(module).lora_A.weight", "\(prefix)\(module).lora_B.weight")
  }

  /// Whether a parameter is an adapter's, by its name.
  package static func owns(_ parameter: String) -> Bool { parameter.hasPrefix(prefix) }
}

// MARK: Words

extension AdapterConfiguration {
  /// Reads `r=16,alpha=32,targets=q_proj+v_proj`.
  ///
  /// Keys are `r` and `alpha`, 8 each unless given, `targets`, names with `+` between them or
  /// `all-linear`, `rslora=true` for a scale of `alpha / √r`, and `dropout=0.05`.
  ///
  /// - Throws: `ValueError` with the key that is wrong.
  package init(words text: String) throws(ValueError) {
    var values: [String: String] = [:]
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let key = parts[0].trimmingPrefix { $0 == " " }
      guard parts.count == 2, Self.keys.contains(String(key)) else {
        throw ValueError(
          "lora \(quoted(text)) has \(quoted(String(word))); write it like "
            + "r=16,alpha=32,targets=q_proj+v_proj, with rslora=true and dropout=0.05 if wanted")
      }
      guard values.updateValue(String(parts[1]), forKey: String(key)) == nil else {
        throw ValueError("lora \(quoted(text)) gives \(key) twice")
      }
    }
    let rank = try Self.rank(values["r"] ?? "8")
    let alpha = try Self.alpha(values["alpha"] ?? "8")
    let isStabilized: Bool
    switch values["rslora"] ?? "false" {
    case "true": isStabilized = true
    case "false": isStabilized = false
    case let other: throw ValueError("lora's rslora must be true or false, not \(quoted(other))")
    }
    guard let targets = values["targets"], !targets.isEmpty else {
      throw ValueError(
        "lora \(quoted(text)) has no targets; add targets=q_proj+v_proj or targets=all-linear")
    }
    let names = targets.split(separator: "+", omittingEmptySubsequences: false).map(String.init)
    self.init(
      rank: rank, scale: Self.scale(alpha: alpha, rank: rank, isStabilized: isStabilized),
      targets: targets == "all-linear" ? .all : .named(names),
      dropout: try Self.dropout(values["dropout"] ?? "0"))
  }

  private static let keys = ["r", "alpha", "targets", "rslora", "dropout"]

  private static func rank(_ text: String) throws(ValueError) -> Int {
    guard let rank = Int(text), ranks.contains(rank) else {
      throw ValueError(
        "lora's r must be a whole number from \(ranks.lowerBound) to \(ranks.upperBound), not "
          + quoted(text))
    }
    return rank
  }

  private static func alpha(_ text: String) throws(ValueError) -> Double {
    guard let alpha = Double(text), alpha.isFinite, alpha > 0, alpha < 1e6 else {
      throw ValueError(
        "lora's alpha must be a number above 0 and below a million, not \(quoted(text))")
    }
    return alpha
  }

  private static func dropout(_ text: String) throws(ValueError) -> Double {
    guard let dropout = Double(text), dropout >= 0, dropout < 1 else {
      throw ValueError(
        "lora's dropout must be a probability from 0 to below 1, not \(quoted(text))")
    }
    return dropout
  }

  package static func scale(alpha: Double, rank: Int, isStabilized: Bool) -> Float {
    Float(alpha / (isStabilized ? Double(rank).squareRoot() : Double(rank)))
  }

  // MARK: What it is on

  /// Refuses names that the model's layers do not have.
  ///
  /// - Throws: `ValueError` with the name, and those that there are.
  package func requireTargets(in model: DecoderConfiguration) throws(ValueError) {
    let modules = model.linearMaps.map(\.module)
    let known = Set(modules.compactMap { $0.split(separator: ".").last.map(String.init) }).sorted()
    if case .named(let names) = targets {
      for name in names where !modules.contains(where: { $0 == name || $0.hasSuffix("." + name) }) {
        throw ValueError(
          "the adapter's target \(quoted(name)) is no linear map of \(model.family.rawValue)'s "
            + "layers; \(Words.advice(for: name, among: known))")
      }
    }
    guard modules.contains(where: isTarget) else {
      throw ValueError("the adapter's targets are found in no layer of the model")
    }
    for name in saved {
      guard let module = model.otherModules.first(where: { $0.name.hasSuffix(name) }) else {
        throw ValueError(
          "the adapter's modules_to_save has \(quoted(name)), which is no norm, embedding or head "
            + "of the model")
      }
      let isEnd = module.kind == .embedding || module.kind == .head
      guard !(model.tiedEmbeddings && isEnd) else {
        throw ValueError(
          "the adapter's modules_to_save has \(quoted(name)), which the model ties to another")
      }
    }
  }
}
