import Budgets
import Measurement
import Retention
import Tensors
import Transformer
import Values
import Yams

extension ProfileParser {
  /// Every value of an axis.
  mutating func values(of entry: ProfileNodes.Entry) throws(ProfileError) -> [Choice] {
    switch (entry.key, entry.node) {
    case ("n_c", .mapping(let range)): return try prefixLengths(range, entry)
    case ("lengths", .mapping(let draws)):
      return [Choice(AxisValue(Lengths?.some(try drawnLengths(draws, entry))), line: entry.line)]
    case ("model", .mapping(let sizes)):
      return [Choice(try ownModel(sizes, entry), line: entry.line)]
    case ("model", _):
      let nodes = nodes
      return try nodes.list(entry) { (node, entry) throws(ProfileError) in
        let name = try nodes.text(node, entry)
        do {
          return try ModelSource.resolve(name, beside: nodes.folder)
        } catch {
          throw nodes.error(nodes.line(of: node, in: entry), "\(error)")
        }
      }.map { Choice($0.value, line: $0.line) }
    default:
      let axis = PointAxis.named(entry.key)
      return try nodes.list(entry) { (node, entry) throws(ProfileError) in
        try nodes.value(node, entry, of: axis)
      }.map { Choice($0.value, line: $0.line) }
    }
  }

  /// The models that the profile names, each with every number of layers that it gives.
  ///
  /// A name that leads to no configuration here may be a model that another program knows.
  mutating func budgetedModels() throws(ProfileError) -> [BudgetedModel] {
    guard let entry = entries["model"] else { return [] }
    var models: [(name: String, configuration: DecoderConfiguration?)] = []
    if case .mapping = entry.node {
      models = try values(of: entry).compactMap(\.model).map { ($0.name, $0.configuration) }
    } else {
      let nodes = nodes
      models = try nodes.list(entry) { (node, entry) throws(ProfileError) in
        try nodes.text(node, entry)
      }.map { name in
        (name.value, try? ModelSource.resolve(name.value, beside: nodes.folder).configuration)
      }
    }
    var layers: [AxisValue] = []
    if let entry = entries["layers"] { layers = try values(of: entry).map(\.value) }
    return models.flatMap { name, configuration -> [BudgetedModel] in
      guard let configuration, !layers.isEmpty else {
        return [BudgetedModel(name: name, configuration: configuration)]
      }
      return layers.map { layers in
        var settings = AxisSettings()
        settings["layers"] = layers
        return BudgetedModel(name: name, configuration: settings.applied(to: configuration))
      }
    }
  }

  /// What the profile says of the points that results must hold.
  ///
  /// A model that is none here, or values that another program knows, are taken as they stand.
  mutating func givenPoints(_ text: String) throws(ProfileError) -> GivenPoints {
    let sizes = Set(PointAxis.sizes.map(\.name) + ["model", "adapter"])
    var axes: [AxisChoice] = []
    for key in ProfileKeys.axes {
      guard let entry = entries[key], !sizes.contains(key), PointAxis.named(key).changesBytes
      else { continue }
      if case .mapping = entry.node {
        let texts = try values(of: entry).map(\.value.text)
        axes.append(AxisChoice(axis: key, values: Set(texts)))
      } else {
        let texts = try choice(entry, hasOurWords: false).values.map { Self.written($0, key) }
        axes.append(AxisChoice(axis: key, values: Set(texts)))
      }
    }
    let planned = (try? Profile(text: text, file: nodes.file, threads: threads))?.points ?? []
    return GivenPoints(
      models: try budgetedModels(), axes: axes, planned: planned.map { PointCells($0.point) })
  }

  /// A value as result files write it; what is none here stays as it is.
  private static func written(_ text: String, _ axis: String) -> String {
    (try? PointAxis.named(axis).read(WrittenText(text)).text) ?? text
  }

  // MARK: Prefix lengths

  /// The values of `n_c` as a range: `{from: 0, to: 4096, step: 512}`.
  private func prefixLengths(
    _ mapping: Node.Mapping, _ entry: ProfileNodes.Entry
  ) throws(ProfileError) -> [Choice] {
    let names = ProfileKeys.range
    let parts = try nodes.entries(of: mapping, known: names, in: "a range")
    var bounds: [Int] = []
    for name in names {
      guard let part = parts[name] else {
        throw nodes.error(entry.line, "the range of n_c has no \(name)")
      }
      let value = try nodes.value(part.node, part, as: Int.self)
      let least = name == "step" ? 1 : 0
      guard value >= least && value <= ProfileKeys.mostTokens else {
        throw nodes.error(
          part.line, "\(name) of n_c must be \(least) to \(ProfileKeys.mostTokens), not \(value)")
      }
      bounds.append(value)
    }
    let (from, to, step) = (bounds[0], bounds[1], bounds[2])
    guard from <= to else {
      throw nodes.error(entry.line, "the range of n_c starts at \(from), after its end \(to)")
    }
    guard (to - from) / step < Profile.mostPoints else {
      throw nodes.error(entry.line, "the range of n_c has more than \(Profile.mostPoints) values")
    }
    return stride(from: from, through: to, by: step).map {
      Choice(AxisValue($0), line: entry.line)
    }
  }

  // MARK: Lengths

  /// Lengths drawn evenly from two ranges: `{n_c: [128, 4096], n_g: [16, 512], count: 8, seed: 1}`.
  private func drawnLengths(
    _ mapping: Node.Mapping, _ entry: ProfileNodes.Entry
  ) throws(ProfileError) -> Lengths {
    let parts = try nodes.entries(of: mapping, known: ProfileKeys.lengths, in: "lengths")
    func range(_ name: String, from least: Int) throws(ProfileError) -> ClosedRange<Int> {
      guard let part = parts[name] else {
        throw nodes.error(entry.line, "lengths have no \(name)")
      }
      let nodes = nodes
      let ends = try nodes.list(part) { (node, entry) throws(ProfileError) in
        try nodes.value(node, entry, as: Int.self)
      }.map(\.value)
      guard ends.count == 2, ends[0] >= least, ends[0] <= ends[1], ends[1] <= ProfileKeys.mostTokens
      else {
        throw nodes.error(
          part.line, "\(name) of lengths must be a range such as [\(max(least, 16)), 512]")
      }
      return ends[0]...ends[1]
    }
    func number(_ name: String, default fallback: Int) throws(ProfileError) -> Int {
      guard let part = parts[name] else { return fallback }
      return try nodes.value(part.node, part, as: Int.self)
    }
    let (prefix, generated) = (try range("n_c", from: 0), try range("n_g", from: 1))
    let count = try number("count", default: 0)
    guard (1...Lengths.most).contains(count) else {
      throw nodes.error(entry.line, "count of lengths must be 1 to \(Lengths.most)")
    }
    let seed = UInt64(bitPattern: Int64(try number("seed", default: 0)))
    return Lengths(drawing: count, prefix: prefix, generated: generated, seed: seed)
  }

  // MARK: Models

  /// A model of sizes that stand in the profile.
  private mutating func ownModel(
    _ mapping: Node.Mapping, _ entry: ProfileNodes.Entry
  ) throws(ProfileError) -> NamedModel {
    let parts = try nodes.entries(of: mapping, known: ProfileKeys.model, in: "a model")
    for (key, part) in parts { sizeLines[key] = part.line }
    func optional<Value: WrittenValue>(
      _ key: String, _ type: Value.Type
    ) throws(ProfileError) -> Value? {
      guard let part = parts[key] else { return nil }
      return try nodes.value(part.node, part, as: type)
    }
    var settings = AxisSettings()
    if entries["layers"] != nil { settings["layers"] = AxisValue(1) }
    for size in PointAxis.sizes {
      guard let part = parts[size.name] else { continue }
      settings[size.name] = try nodes.value(part.node, part, of: size)
    }
    let missing = ProfileKeys.neededOfModel.filter { settings[$0] == nil }
    guard missing.isEmpty else {
      throw nodes.error(entry.line, "the model has no \(missing.joined(separator: ", no "))")
    }
    var model = settings.applied(to: DecoderConfiguration(dModel: 1, heads: 1, dFF: 1, vocab: 1))
    if let value = try optional("norm_epsilon", Double.self) { model.normEpsilon = Float(value) }
    if let value = try optional("rope_theta", Double.self) { model.ropeTheta = value }
    if let value = try optional("tie_embeddings", Bool.self) { model.tiedEmbeddings = value }
    return NamedModel(
      custom: try optional("name", String.self) ?? "custom", configuration: model)
  }
}
