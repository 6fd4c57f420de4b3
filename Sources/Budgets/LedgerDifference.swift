import OrderedCollections
package import Reporting

/// What two ledgers of one point have different, tensor by tensor.
///
/// Tensors are the same if layer, op and name are; several of one name count as one with the sum of
/// their bytes. The bytes of a ledger are 0 or more, and all of them together fit 64 bits: whoever
/// reads one from a file makes sure.
package struct LedgerDifference: Sendable {
  /// Every tensor of either ledger, in the order of the second one, then those that vanished.
  package let all: [TensorChange]

  package init(from before: [TensorBytes], to after: [TensorBytes]) {
    let (old, new) = (Self.grouped(before), Self.grouped(after))
    let earlier = Dictionary(uniqueKeysWithValues: old.map { ($0.name, $0) })
    let later = Set(new.map(\.name))
    all =
      new.map { group in
        TensorChange(
          name: group.name, before: earlier[group.name]?.bytes, after: group.bytes,
          form: group.form)
      }
      + old.filter { !later.contains($0.name) }.map { group in
        TensorChange(name: group.name, before: group.bytes, after: nil, form: group.form)
      }
  }

  /// The tensors that differ, those with the most bytes first.
  package var changes: [TensorChange] {
    all.filter { $0.kind != .same }
      .sorted { $0.difference.magnitude > $1.difference.magnitude }
  }

  /// The tensors most responsible for more bytes, or for fewer; at most `count`.
  package func responsible(forMore: Bool, count: Int = 5) -> [TensorChange] {
    Array(changes.filter { ($0.difference > 0) == forMore }.prefix(count))
  }

  /// The largest tensors of one ledger, as changes that say nothing of another.
  package static func largest(of ledger: [TensorBytes], count: Int = 5) -> [TensorChange] {
    grouped(ledger).sorted { $0.bytes > $1.bytes }.prefix(count).map { group in
      TensorChange(name: group.name, before: group.bytes, after: group.bytes, form: group.form)
    }
  }

  private struct Group {
    let name: String
    var bytes = 0
    /// Each shape and dtype once.
    var forms: OrderedSet<String> = []

    var form: String { forms.joined(separator: ", ") }

    func with(_ tensor: TensorBytes) -> Group {
      var group = self
      group.bytes += tensor.bytes
      let form = [tensor.shape, tensor.dtype].filter { !$0.isEmpty }.joined(separator: " ")
      if !form.isEmpty { group.forms.append(form) }
      return group
    }
  }

  private static func grouped(_ ledger: [TensorBytes]) -> [Group] {
    var groups: OrderedDictionary<String, Group> = [:]
    for tensor in ledger {
      let group = groups[tensor.name] ?? Group(name: tensor.name)
      groups[tensor.name] = group.with(tensor)
    }
    return Array(groups.values)
  }
}
