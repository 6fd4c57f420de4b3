package import Retention

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
