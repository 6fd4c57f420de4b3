import Reporting
import Spelling

/// Why laws do not say what a step takes at some lengths, and what to do.
package struct OutsideLaws: Error, Equatable {
  /// What is left.
  package enum Border: Sendable {
    /// Where the laws hold.
    case laws
    /// The positions of the model.
    case positions
    /// A length that the laws do not go by.
    case fixed
  }

  package let border: Border
  package let sentence: String

  static func laws(_ reason: String) -> OutsideLaws {
    OutsideLaws(
      border: .laws, sentence: reason + "; record it there with ballast-probe fit")
  }
}

extension RecordedLaws {
  /// Looks whether lengths are where the laws hold.
  ///
  /// - Throws: `OutsideLaws` with what is left.
  package func require(_ lengths: StepLengths) throws(OutsideLaws) {
    for variable in Variable.allCases where lengths[variable] != own[variable] {
      guard variables.contains(variable) else {
        throw OutsideLaws(
          border: .fixed,
          sentence:
            "\(variable.rawValue) is \(Units.grouped(own[variable])) alone in its laws, not "
            + "\(Units.grouped(lengths[variable])); record it there with ballast-probe fit")
      }
    }
    guard lengths.nC >= 0, lengths.nG >= 0 else {
      throw .laws("n_c and n_g are 0 or more")
    }
    let here =
      "n_c \(Units.grouped(lengths.nC)) and n_g \(Units.grouped(lengths.nG)) are "
      + "\(Units.grouped(lengths.tokens)) tokens"
    if let mostTokens, lengths.tokens > mostTokens {
      throw OutsideLaws(
        border: .positions,
        sentence: "\(here), and the model has positions for \(Units.grouped(mostTokens))")
    }
    guard tokens.contains(lengths.tokens) else {
      throw .laws(
        "\(here), and its laws hold from \(Units.grouped(tokens.lowerBound)) to "
          + Units.grouped(tokens.upperBound))
    }
    guard lengths.tokens % multiple == 0 else {
      throw .laws("\(here), and its laws hold for multiples of \(multiple)")
    }
    guard batch.contains(lengths.batch) else {
      throw .laws(
        "batch is \(Units.grouped(lengths.batch)), and its laws hold from "
          + "\(Units.grouped(batch.lowerBound)) to \(Units.grouped(batch.upperBound))")
    }
  }

  /// Lengths as sentences say them.
  package static func words(_ lengths: StepLengths) -> String {
    "n_c \(Units.grouped(lengths.nC)), n_g \(Units.grouped(lengths.nG)), batch "
      + Units.grouped(lengths.batch)
  }
}

extension RecordedLaws {
  /// That there are no laws at some lengths.
  package func nothing(at lengths: StepLengths) -> OutsideLaws {
    .laws("there are no laws at \(Self.words(lengths))")
  }
}
