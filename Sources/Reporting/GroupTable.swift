package import Retention

/// What each of some sequences of different lengths keeps.
package enum SequenceTable {
  /// Lines for the end of a point's table, the longest first, the rest in one.
  package static func text(_ sequences: [(nC: Int, nG: Int, bytes: Int)]) -> String {
    var table = TextTable([("", .left), ("", .left)])
    let ordered = sequences.sorted { $0.bytes > $1.bytes }
    for sequence in ordered.prefix(8) {
      table.add(["  n_c \(sequence.nC), n_g \(sequence.nG)", Units.exactBytes(sequence.bytes)])
    }
    let rest = ordered.dropFirst(8)
    if !rest.isEmpty {
      table.add(["  \(rest.count) more", Units.exactBytes(rest.reduce(0) { $0 + $1.bytes })])
    }
    return "sequences\n" + table.text
  }
}

/// What completions that share a prefix keep: the prompt once, and each completion.
package enum GroupTable {
  /// Lines for the end of a point's table.
  package static func text(of law: GroupLaw, at point: Point) -> String {
    let lines = [
      ("the prompt once", law.prompt.bytes(at: point.nC), law.prompt.description),
      (
        "each completion", law.completionBytes(nC: point.nC, nG: point.nG), law.completionText
      ),
    ]
    var table = TextTable([("", .left), ("", .left), ("", .left)])
    for (name, bytes, law) in lines {
      table.add(["  \(name)", bytes.map(Units.exactBytes) ?? "", "= \(law)"])
    }
    return table.text
  }
}
