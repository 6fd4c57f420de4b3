import Spelling
package import Values

/// An adapter drawn from the seed, as it is written: `r=16,alpha=32,targets=q_proj+v_proj`.
package struct LoRA: WrittenValue {
  /// Rows of every A, r.
  package var rank = 8
  package var alpha = 8.0
  /// The ends of the names of linear maps; nil: all of the layers.
  package var targets: [String]?
  /// Whether the scale is `alpha / √r`.
  package var isStabilized = false
  /// The probability that A misses an element of its input.
  package var dropout = 0.0

  package static var kind: ValueKind { .text }

  /// Its keys in the order in which it is written.
  private enum Key: String, CaseIterable {
    case rank = "r"
    case alpha, targets
    case isStabilized = "rslora"
    case dropout
  }

  /// What is wrong with a text.
  package enum Fault: ValueFault {
    /// A part that is no key with a value.
    case noPair(String)
    case givenTwice(key: String)
    case rank(String)
    case alpha(String)
    case isStabilized(String)
    case dropout(String)
    case noTargets
  }

  package init() {}

  /// Keys are `r` and `alpha`, 8 each unless given, `targets`, names with `+` between them or
  /// `all-linear`, `rslora=true` for a scale of `alpha / √r`, and `dropout=0.05`.
  package init(_ written: WrittenText) throws(Fault) {
    var values: [Key: String] = [:]
    for word in written.text.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let key = Key(rawValue: String(parts[0].trimmingPrefix { $0 == " " }))
      guard parts.count == 2, let key else { throw .noPair(String(word)) }
      guard values.updateValue(String(parts[1]), forKey: key) == nil else {
        throw .givenTwice(key: key.rawValue)
      }
    }
    if let text = values[.rank] {
      guard let rank = Int(text), AdapterConfiguration.ranks.contains(rank) else {
        throw .rank(text)
      }
      self.rank = rank
    }
    if let text = values[.alpha] {
      guard let alpha = Double(text), alpha.isFinite, alpha > 0, alpha < 1e6 else {
        throw .alpha(text)
      }
      self.alpha = alpha
    }
    if let text = values[.isStabilized] {
      guard let isStabilized = Bool(text) else { throw .isStabilized(text) }
      self.isStabilized = isStabilized
    }
    if let text = values[.dropout] {
      guard let dropout = Double(text), dropout >= 0, dropout < 1 else { throw .dropout(text) }
      self.dropout = dropout
    }
    guard let targets = values[.targets], !targets.isEmpty else { throw .noTargets }
    if targets == Self.all { return }
    self.targets = targets.split(separator: "+", omittingEmptySubsequences: false)
      .map(String.init)
  }

  private static let all = "all-linear"

  /// With its rank, its alpha and its targets, whatever they are; the rest where it is not the
  /// default.
  package var written: String {
    Key.allCases.compactMap { key -> (Key, String)? in
      switch key {
      case .rank: (key, String(rank))
      case .alpha: (key, Int(exactly: alpha).map { String($0) } ?? alpha.description)
      case .targets: (key, targets?.joined(separator: "+") ?? Self.all)
      case .isStabilized: isStabilized ? (key, "true") : nil
      case .dropout: dropout == 0 ? nil : (key, dropout.description)
      }
    }.map { "\($0.rawValue)=\($1)" }.joined(separator: ",")
  }

  /// The adapter that it describes.
  package var configuration: AdapterConfiguration {
    AdapterConfiguration(
      rank: rank,
      scale: AdapterConfiguration.scale(alpha: alpha, rank: rank, isStabilized: isStabilized),
      targets: targets.map { .named($0) } ?? .all, dropout: dropout)
  }
}

extension LoRA.Fault {
  package func sentence(about given: WrittenText, as name: ValueName) -> String {
    let subject = "\(name.subject) \(quoted(given.text))"
    return switch self {
    case .noPair(let word):
      "\(subject) has \(quoted(word)); write it like r=16,alpha=32,targets=q_proj+v_proj, with "
        + "rslora=true and dropout=0.05 if wanted"
    case .givenTwice(let key): "\(subject) gives \(key) twice"
    case .rank(let text):
      "r of \(name.subject) must be a whole number from \(AdapterConfiguration.ranks.lowerBound) "
        + "to \(AdapterConfiguration.ranks.upperBound), not \(quoted(text))"
    case .alpha(let text):
      "alpha of \(name.subject) must be a number above 0 and below a million, not \(quoted(text))"
    case .isStabilized(let text):
      "rslora of \(name.subject) must be true or false, not \(quoted(text))"
    case .dropout(let text):
      "dropout of \(name.subject) must be a probability from 0 to below 1, not \(quoted(text))"
    case .noTargets:
      "\(subject) has no targets; add targets=q_proj+v_proj or targets=all-linear"
    }
  }
}
