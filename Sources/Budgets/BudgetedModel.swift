import Retention
import Spelling
package import Transformer

/// A model that a profile is about, as results may be of it: by its sizes where both sides know
/// them, since they decide the bytes, or else by its name.
package struct BudgetedModel: Sendable {
  /// As the profile has it.
  package let name: String
  /// The texts of the axes that are sizes; nil for a model that only another program knows.
  private let sizes: [String: String]?

  package init(name: String, configuration: DecoderConfiguration?) {
    self.name = name
    sizes = configuration.map { model in
      let point = Point(modelName: name, model: model, nC: 0, nG: 0)
      return Dictionary(
        uniqueKeysWithValues: PointAxis.sizes.map { ($0.name, $0.value(point).text) })
    }
  }

  /// Whether a row of results is of the model; `cells` are its texts by column.
  func matches(_ cells: [String: String]) -> Bool {
    let known = PointAxis.sizes.map(\.name).filter { cells[$0].map { !$0.isEmpty } ?? false }
    if let sizes, !known.isEmpty { return known.allSatisfy { cells[$0] == sizes[$0] } }
    guard let model = cells["model"], !model.isEmpty else { return true }
    return isNamed(model)
  }

  /// Whether it is called so, wherever its folder lies.
  func isNamed(_ model: String) -> Bool { Words.areAlike(Self.last(model), Self.last(name)) }

  /// The sizes in which a row of results differs from the model, as ends of a sentence.
  func differences(from cells: [String: String]) -> [String] {
    PointAxis.sizes.compactMap { axis in
      guard let theirs = cells[axis.name], !theirs.isEmpty, let own = sizes?[axis.name],
        own != theirs
      else { return nil }
      return "\(axis.name) \(theirs), not \(own)"
    }
  }

  /// A path's last part: a model is the same from wherever its folder is named.
  private static func last(_ name: String) -> String {
    name.split(separator: "/").last { $0 != "." }.map(String.init) ?? name
  }
}
