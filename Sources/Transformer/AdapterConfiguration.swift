import Ledger
import Spelling
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

// MARK: Scale

extension AdapterConfiguration {
  package static func scale(alpha: Double, rank: Int, isStabilized: Bool) -> Float {
    Float(alpha / (isStabilized ? Double(rank).squareRoot() : Double(rank)))
  }

  // MARK: What it is on

  /// Refuses names that the model's layers do not have.
  ///
  /// - Throws: `AdapterError` with the name, and those that there are.
  package func requireTargets(in model: DecoderConfiguration) throws(AdapterError) {
    let modules = model.linearMaps.map(\.module)
    let known = Set(modules.compactMap { $0.split(separator: ".").last.map(String.init) }).sorted()
    if case .named(let names) = targets {
      for name in names where !modules.contains(where: { $0 == name || $0.hasSuffix("." + name) }) {
        throw .unknownTarget(name, family: model.family, known: known)
      }
    }
    guard modules.contains(where: isTarget) else {
      throw .noTarget
    }
    for name in saved {
      guard let module = model.otherModules.first(where: { $0.name.hasSuffix(name) }) else {
        throw .unknownModule(name)
      }
      let isEnd = module.kind == .embedding || module.kind == .head
      guard !(model.tiedEmbeddings && isEnd) else {
        throw .tiedModule(name)
      }
    }
  }
}

/// What an adapter wants of a model that has it not.
package enum AdapterError: Error, Equatable, CustomStringConvertible {
  /// A name of none of the layers' linear maps; `known` are theirs.
  case unknownTarget(String, family: DecoderConfiguration.Family, known: [String])
  /// Nothing to adapt in the whole model.
  case noTarget
  /// A module to train as a copy that is no norm, embedding or head.
  case unknownModule(String)
  /// One that the model ties to another.
  case tiedModule(String)

  package var description: String {
    switch self {
    case .unknownTarget(let name, let family, let known):
      "the adapter's target \(quoted(name)) is no linear map of \(family.rawValue)'s layers; "
        + Words.advice(for: name, among: known)
    case .noTarget: "the adapter's targets are found in no layer of the model"
    case .unknownModule(let name):
      "the adapter's modules_to_save has \(quoted(name)), which is no norm, embedding or head of "
        + "the model"
    case .tiedModule(let name):
      "the adapter's modules_to_save has \(quoted(name)), which the model ties to another"
    }
  }
}
