import Measurement
import Retention
import Tensors
import Transformer
import Yams

extension ProfileParser {
  /// Every value of an axis.
  mutating func values(of entry: ProfileNodes.Entry) throws(ProfileError) -> [AxisValue] {
    switch entry.key {
    case "n_c": try prefixLengths(of: entry)
    case "model": try models(of: entry)
    case "n_g": try axis(entry, nodes.integer) { $0.point.nG = $1 }
    case "layers": try axis(entry, nodes.integer) { $0.sizes.layers = $1 }
    case "batch": try axis(entry, nodes.integer) { $0.point.batch = $1 }
    case "threads": try axis(entry, nodes.integer) { $0.point.threads = $1 }
    case "chunk": try axis(entry, nodes.integer) { $0.point.chunk = $1 }
    case "keep_prefix": try axis(entry, nodes.integer) { $0.point.keepPrefix = $1 }
    case "seed": try axis(entry, nodes.unsigned) { $0.point.seed = $1 }
    case "dropout": try axis(entry, nodes.number) { $0.point.dropout = $1 }
    case "trainable": try axis(entry, nodes.text) { $0.point.trainable = $1 }
    case "mode": try words(entry, Mode.self) { $0.point.mode = $1 }
    case "recompute": try words(entry, Recompute.self) { $0.point.recompute = $1 }
    case "attention": try words(entry, AttentionKind.self) { $0.point.attention = $1 }
    case "head": try words(entry, HeadKind.self) { $0.point.head = $1 }
    case "kv_gradients":
      try words(entry, KeyValueGradientKind.self) { $0.point.kvGradients = $1 }
    case "loss_rows": try words(entry, LossRows.self) { $0.point.lossRows = $1 }
    case "dtype": try words(entry, DType.self) { $0.dtype = $1 }
    case "recipe": try words(entry, Recipe.self) { $0.point.recipe = $1 }
    case "backend": try words(entry, BackendKind.self) { $0.point.backend = $1 }
    default: preconditionFailure("\(entry.key) is no axis")
    }
  }

  private func axis<Value>(
    _ entry: ProfileNodes.Entry,
    _ read: (Node, ProfileNodes.Entry) throws(ProfileError) -> Value,
    _ set: @escaping (inout PointRequest, Value) -> Void
  ) throws(ProfileError) -> [AxisValue] {
    let located = try nodes.list(entry, read)
    return located.map { item in AxisValue(line: item.line) { set(&$0, item.value) } }
  }

  private func words<Axis: AxisWord>(
    _ entry: ProfileNodes.Entry, _ type: Axis.Type,
    _ set: @escaping (inout PointRequest, Axis) -> Void
  ) throws(ProfileError) -> [AxisValue] {
    let nodes = nodes
    return try axis(
      entry, { (node, entry) throws(ProfileError) in try nodes.word(node, entry, as: type) }, set)
  }

  // MARK: Prefix lengths

  /// The values of `n_c`: a number, a list, or `{from: 0, to: 4096, step: 512}`.
  private func prefixLengths(
    of entry: ProfileNodes.Entry
  ) throws(ProfileError) -> [AxisValue] {
    guard case .mapping(let mapping) = entry.node else {
      return try axis(entry, nodes.integer) { $0.point.nC = $1 }
    }
    let names = ["from", "to", "step"]
    let parts = try nodes.entries(of: mapping, known: names, in: "a range")
    var bounds: [Int] = []
    for name in names {
      guard let part = parts[name] else {
        throw nodes.error(entry.line, "the range of n_c has no \(name)")
      }
      let value = try nodes.integer(part.node, part)
      let least = name == "step" ? 1 : 0
      guard value >= least && value <= 1 << 28 else {
        throw nodes.error(
          part.line, "\(name) of n_c must be \(least) to \(1 << 28), not \(value)")
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
    return stride(from: from, through: to, by: step).map { value in
      AxisValue(line: entry.line) { $0.point.nC = value }
    }
  }

  // MARK: Models

  /// The values of `model`: names and paths, or a mapping with sizes.
  private mutating func models(
    of entry: ProfileNodes.Entry
  ) throws(ProfileError) -> [AxisValue] {
    if case .mapping(let mapping) = entry.node {
      let model = try ownModel(mapping, entry)
      return [
        AxisValue(line: entry.line) { $0.model = model }
      ]
    }
    let nodes = nodes
    return try axis(
      entry,
      { (node, entry) throws(ProfileError) in
        let name = try nodes.text(node, entry)
        do {
          return try ModelSource.resolve(name, beside: nodes.folder)
        } catch {
          throw nodes.error(nodes.line(of: node, in: entry), "\(error)")
        }
      },
      { (request, model: NamedModel) in request.model = model })
  }

  private static let sizeKeys = [
    "name", "layers", "d_model", "heads", "kv_heads", "d_head", "d_ff", "vocab", "norm_epsilon",
    "rope_theta", "tie_embeddings",
  ]

  private mutating func ownModel(
    _ mapping: Node.Mapping, _ entry: ProfileNodes.Entry
  ) throws(ProfileError) -> NamedModel {
    let parts = try nodes.entries(of: mapping, known: Self.sizeKeys, in: "a model")
    for (key, part) in parts { sizeLines[key] = part.line }
    func optional<Value>(
      _ key: String, _ read: (Node, ProfileNodes.Entry) throws(ProfileError) -> Value
    ) throws(ProfileError) -> Value? {
      guard let part = parts[key] else { return nil }
      return try read(part.node, part)
    }
    var sizes = ModelSizes()
    sizes.layers = try optional("layers", nodes.integer) ?? (entries["layers"] == nil ? nil : 1)
    sizes.dModel = try optional("d_model", nodes.integer)
    sizes.heads = try optional("heads", nodes.integer)
    sizes.kvHeads = try optional("kv_heads", nodes.integer)
    sizes.dHead = try optional("d_head", nodes.integer)
    sizes.dFF = try optional("d_ff", nodes.integer)
    sizes.vocab = try optional("vocab", nodes.integer)
    sizes.normEpsilon = try optional("norm_epsilon", nodes.number)
    sizes.ropeTheta = try optional("rope_theta", nodes.number)
    sizes.tiedEmbeddings = try optional("tie_embeddings", nodes.flag)
    guard sizes.missing.isEmpty else {
      throw nodes.error(
        entry.line, "the model has no \(sizes.missing.joined(separator: ", no "))")
    }
    let base = DecoderConfiguration(dModel: 1, heads: 1, dFF: 1, vocab: 1)
    return NamedModel(
      custom: try optional("name", nodes.text) ?? "custom",
      configuration: sizes.applied(to: base))
  }
}
