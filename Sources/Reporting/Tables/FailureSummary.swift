import Retention

/// What went wrong in a sweep, as one sentence.
package enum FailureSummary {
  /// How many points are named.
  private static let mostNames = 5

  /// Which points have no figures, by their status, and the reason of the first; nil if all have.
  ///
  /// `failed` comes first, since a point that does not fit is less of a surprise.
  package static func sentence(of records: [PointRecord]) -> String? {
    let order: [PointStatus] = [.failed, .outOfMemory, .overLimit]
    let groups = order.map { status in records.filter { $0.status == status } }
    guard let first = groups.joined().first else { return nil }
    let parts = groups.filter { !$0.isEmpty }.map { group in
      "\(group.count) \(group[0].status.rawValue) (\(names(of: group)))"
    }
    let count = groups.reduce(0) { $0 + $1.count }
    return "\(count) of \(records.count) points were not measured: "
      + "\(parts.joined(separator: ", ")); the first: \(first.error ?? "no reason")"
  }

  private static func names(of group: [PointRecord]) -> String {
    var names: [String] = []
    for point in group.map(\.point) {
      let name = "\(point.mode.name.rawValue) n_c \(point.nC)"
      if names.last != name { names.append(name) }
    }
    let others = names.count - mostNames
    return names.prefix(mostNames).joined(separator: ", ")
      + (others > 0 ? " and \(others) more" : "")
  }

  /// The first of several sentences, and how many others there are; nil for none.
  package static func sentence(of disagreements: [String]) -> String? {
    guard let first = disagreements.first else { return nil }
    return disagreements.count == 1 ? first : "\(first) (and \(disagreements.count - 1) more such)"
  }
}
