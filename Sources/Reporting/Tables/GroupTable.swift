package import Retention

/// What completions that share a prefix keep: the prompt once, and each completion.
package enum GroupTable {
  /// Lines for the end of a point's table.
  package static func text(of law: GroupLaw, at point: Point) -> String {
    func amount(_ nG: Int) -> String {
      law.completionBytes(nC: point.nC, nG: nG).map(Units.exactBytes) ?? ""
    }
    let prompt = law.prompt.bytes(at: point.nC).map(Units.exactBytes) ?? ""
    var table = TextTable([("", .left), ("", .left), ("", .left)])
    table.add(["  the prompt once", prompt, "= \(law.prompt)"])
    let lengths = point.sequencePoints.map(\.nG).sorted(by: >)
    table.add([
      "  each completion", lengths.isEmpty ? amount(point.nG) : "", "= \(law.completionText)",
    ])
    for nG in lengths.prefix(8) { table.add(["    n_g \(nG)", amount(nG), ""]) }
    let rest = lengths.dropFirst(8)
    if !rest.isEmpty {
      let sum = rest.reduce(0) { $0 + (law.completionBytes(nC: point.nC, nG: $1) ?? 0) }
      table.add(["    \(rest.count) more", Units.exactBytes(sum), ""])
    }
    return table.text
  }
}
