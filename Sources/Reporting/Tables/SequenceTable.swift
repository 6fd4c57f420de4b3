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
