package import Files

/// Prefix and generated tokens of each of some sequences.
package struct Lengths: Hashable, Sendable {
  /// At least one.
  package let sequences: [(nC: Int, nG: Int)]

  /// Most sequences of one step.
  package static let most = 4096

  package init(_ sequences: [(nC: Int, nG: Int)]) { self.sequences = sequences }

  package static func == (one: Lengths, other: Lengths) -> Bool { one.text == other.text }
  package func hash(into hasher: inout Hasher) { hasher.combine(text) }

  /// Reads `128+16,4096+512`.
  ///
  /// - Throws: `ValueError` with the part that is wrong.
  package init(words text: String) throws(ValueError) {
    var sequences: [(nC: Int, nG: Int)] = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = word.split(separator: "+", omittingEmptySubsequences: false).map {
        Int($0.trimmingPrefix { $0 == " " })
      }
      guard parts.count == 2, let nC = parts[0], let nG = parts[1] else {
        throw ValueError(
          "lengths \(quoted(text)) has \(quoted(String(word))); write n_c+n_g of each sequence, such "
            + "as 128+16,4096+512")
      }
      guard nC >= 0, nG >= 1, nC <= 1 << 28, nG <= 1 << 28 else {
        throw ValueError(
          "lengths \(quoted(text)) has \(quoted(String(word))); n_c must be 0 to \(1 << 28) and n_g 1 "
            + "to \(1 << 28)")
      }
      sequences.append((nC, nG))
    }
    guard sequences.count <= Self.most else {
      throw ValueError("lengths has \(sequences.count) sequences, more than \(Self.most)")
    }
    self.init(sequences)
  }

  package var text: String { sequences.map { "\($0.nC)+\($0.nG)" }.joined(separator: ",") }
}

extension Point {
  /// The points of the single sequences whose lengths differ; none where all are alike.
  ///
  /// Packed sequences do not see each other, so that a step of them is a step of each.
  package var sequencePoints: [Point] {
    guard !lengths.isEmpty, let all = try? Lengths(words: lengths) else { return [] }
    return all.sequences.map { nC, nG in
      var point = self
      point.lengths = ""
      (point.nC, point.nG, point.batch) = (nC, nG, 1)
      return point
    }
  }

  /// The longest prefix and the most generated tokens become the point's own.
  mutating func takeLengths() {
    guard !lengths.isEmpty, let all = try? Lengths(words: lengths) else { return }
    nC = all.sequences.map(\.nC).max() ?? nC
    nG = all.sequences.map(\.nG).max() ?? nG
    batch = all.sequences.count
  }

  /// Checks lengths that differ, and what goes with them.
  func validateLengths() throws(PointError) {
    guard !lengths.isEmpty else { return }
    do throws(ValueError) { _ = try Lengths(words: lengths) } catch {
      throw PointError(error.description)
    }
    let sequences = sequencePoints
    guard batch == sequences.count else {
      throw PointError(
        "batch \(batch) is not the \(sequences.count) sequences of lengths; leave batch out")
    }
    guard sharing == .none, suffixes == 1 else {
      throw PointError("lengths go with suffixes 1 and sharing none")
    }
    guard recipe == .ballast else {
      throw PointError("lengths go with recipe ballast, not \(recipe.rawValue)")
    }
    guard dropout == 0 else { throw PointError("lengths go with dropout 0, not \(dropout)") }
    for sequence in sequences { try sequence.validate() }
  }
}
