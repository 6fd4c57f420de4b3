import Files
import Foundation
import Measurement
import Retention
import Safetensors
import Spelling
import Tensors
import Transformer
import Values
import Yams

extension Profile {
  /// Reads and checks a profile, every point of it included.
  ///
  /// - Parameters:
  ///   - path: The YAML file.
  ///   - threads: The number of threads where the profile gives none.
  /// - Throws: `ProfileError` with the file, the line and what to change.
  package init(
    path: String, threads: Int = ProcessInfo.processInfo.activeProcessorCount
  ) throws(ProfileError) {
    try self.init(text: try ProfileText.read(path), file: path, threads: threads)
  }

  /// Reads and checks a profile's text; `file` is for errors and for the default name.
  package init(text: String, file: String, threads: Int = 1) throws(ProfileError) {
    try ProfileText.refuseAliases(text, file: file)
    let root = try ProfileParser.compose(text, file: file)
    var parser = try ProfileParser(root: root, file: file, threads: threads)
    self = try parser.profile()
    source = ProfileSource(text: text, file: file, threads: threads)
    budgets = try parser.budgets(for: points)
  }
}

/// Turns a YAML mapping into the points of a sweep.
struct ProfileParser {
  /// One value of an axis, and where it stands.
  struct Choice {
    let value: AxisValue
    /// What a value of `model` stands for.
    var model: NamedModel?
    let line: Int

    init(_ value: AxisValue, line: Int) { (self.value, self.line) = (value, line) }

    init(_ model: NamedModel, line: Int) {
      self.init(AxisValue(model.name), line: line)
      self.model = model
    }
  }

  /// An axis and all of its values, one for each point of the product.
  typealias Choices = (key: String, values: [Choice])

  let nodes: ProfileNodes
  let entries: [String: ProfileNodes.Entry]
  let threads: Int
  /// The lines of a model's own sizes, to place errors about them.
  var sizeLines: [String: Int] = [:]
  private let checkpoints = Checkpoints()
  private var weights: String?
  private var tokens: TokenFile?
  /// Notes of the models that points use, each once.
  private var notes: [String] = []

  init(root: Node, file: String, threads: Int) throws(ProfileError) {
    nodes = ProfileNodes(file: file)
    self.threads = threads
    guard case .mapping(let mapping) = root else {
      throw nodes.error(
        root.mark?.line, "a profile is a mapping of keys to values, such as \"n_c: 4\"")
    }
    entries = try nodes.entries(of: mapping, known: ProfileKeys.profile, in: "a profile")
  }

  /// The profile's name: its own, or else its file's.
  func name() throws(ProfileError) -> String {
    let stem = URL(fileURLWithPath: nodes.file).deletingPathExtension().lastPathComponent
    return try optional("profile", nodes.text) ?? stem
  }

  /// Parses YAML into nodes.
  static func compose(_ text: String, file: String) throws(ProfileError) -> Node {
    let nodes = ProfileNodes(file: file)
    do {
      let parser = try Yams.Parser(
        yaml: text, resolver: .default, constructor: .default, encoding: .utf8)
      guard let root = try parser.nextRoot(), root != Node("") else {
        throw nodes.error(nil, "is empty; a profile gives at least model, n_c and n_g")
      }
      if let second = try parser.nextRoot() {
        throw nodes.error(
          second.mark?.line, "a second YAML document stands here; a profile is one")
      }
      return root
    } catch let error as ProfileError {
      throw error
    } catch let error as YamlError {
      throw nodes.error(error, in: text)
    } catch {
      throw nodes.error(nil, "is not valid YAML")
    }
  }

  mutating func profile() throws(ProfileError) -> Profile {
    let hasLengths = entries["lengths"] != nil
    for key in ["model"] + (hasLengths ? [] : ["n_c", "n_g"]) where entries[key] == nil {
      throw nodes.error(
        nil, "has no \(key); a profile gives at least model, n_c and n_g, or model and lengths")
    }
    if hasLengths, let other = Lengths.told.first(where: { entries[$0] != nil }) {
      throw nodes.error(
        entries[other]?.line, PointError.tokens(.toldByLengths(axis: other)).description)
    }
    var axes: [Choices] = []
    for key in ProfileKeys.axes {
      guard let entry = entries[key] else { continue }
      axes.append((key, try values(of: entry)))
    }
    weights = try optional("weights", nodes.text).map { Paths.find($0, beside: nodes.folder) }
    tokens = try optional("tokens", readTokens)
    let points = try expand(axes, repetitions: try repetitions())
    if let note = tokens?.note(for: points) { notes.append(note) }
    return Profile(
      name: try name(),
      description: try optional("description", nodes.text),
      memory: try optional("memory", as: ByteSize.self)?.bytes,
      takesTimes: try optional("timings", as: Bool.self) ?? true, tokens: tokens, notes: notes,
      points: points)
  }

  private func readTokens(
    _ node: Node, _ entry: ProfileNodes.Entry
  ) throws(ProfileError) -> TokenFile {
    let path = Paths.find(try nodes.text(node, entry), beside: nodes.folder)
    do { return try TokenFile.read(path) } catch {
      throw nodes.error(entry.line, error.description)
    }
  }

  private func optional<Value>(
    _ key: String, _ read: (Node, ProfileNodes.Entry) throws(ProfileError) -> Value
  ) throws(ProfileError) -> Value? {
    guard let entry = entries[key] else { return nil }
    return try read(entry.node, entry)
  }

  private func optional<Value: WrittenValue>(
    _ key: String, as type: Value.Type
  ) throws(ProfileError) -> Value? {
    try optional(key) { (node, entry) throws(ProfileError) in
      try nodes.value(node, entry, as: type)
    }
  }

  private func repetitions() throws(ProfileError) -> Int {
    guard let entry = entries["repeat"] else { return 1 }
    let value = try nodes.value(entry.node, entry, as: Int.self)
    guard (1...ProfileKeys.mostRepetitions).contains(value) else {
      throw nodes.error(
        entry.line, "repeat must be 1 to \(ProfileKeys.mostRepetitions), not \(value)")
    }
    return value
  }

  // MARK: The product of all axes

  private mutating func expand(
    _ axes: [Choices], repetitions: Int
  ) throws(ProfileError) -> [PlannedPoint] {
    var count = repetitions
    for axis in axes {
      let (product, overflow) = count.multipliedReportingOverflow(by: axis.values.count)
      count = overflow ? Int.max : product
    }
    guard count <= Profile.mostPoints else {
      throw nodes.error(
        nil, "describes more than \(Profile.mostPoints) points; shorten an axis")
    }
    var points: [PlannedPoint] = []
    var seen: Set<PlannedPoint> = []
    var choice = Array(repeating: 0, count: axes.count)
    while true {
      let first = try planned(axes, choice)
      for repetition in 1...repetitions {
        let next = PlannedPoint(
          point: first.point, repetition: repetition, weights: first.weights)
        if seen.insert(next).inserted { points.append(next) }
      }
      // The next choice, the last axis fastest.
      guard let axis = axes.indices.last(where: { choice[$0] + 1 < axes[$0].values.count }) else {
        return points
      }
      choice[axis] += 1
      for inner in axes.indices where inner > axis { choice[inner] = 0 }
    }
  }

  private mutating func planned(
    _ axes: [Choices], _ choice: [Int]
  ) throws(ProfileError) -> PlannedPoint {
    let nothing = DecoderConfiguration(dModel: 0, heads: 0, dFF: 0, vocab: 0)
    var request = PointRequest(model: NamedModel(custom: "", configuration: nothing))
    request.threads = threads
    request.weights = weights
    request.folder = nodes.folder
    var lines = sizeLines
    for (axis, index) in zip(axes, choice) {
      let chosen = axis.values[index]
      lines[axis.key] = chosen.line
      if let model = chosen.model { request.model = model }
      if axis.key != "model" { request.settings[axis.key] = chosen.value }
    }
    // An axis that means nothing in a point takes one value, so that no point is measured twice.
    let point = request.point
    for axis in axes where !PointAxis.named(axis.key).speaks(in: point) {
      request.settings[axis.key] = axis.values.first?.value
    }
    for note in request.notes where !notes.contains(note) { notes.append(note) }
    do {
      let planned = try request.planned()
      try checkpoints.check(planned)
      try tokens?.check(planned.point)
      return planned
    } catch let error as PointError {
      throw nodes.error(line(of: error.axes, lines), error.description)
    } catch let error as WeightsError {
      throw nodes.error((entries["weights"] ?? entries["model"])?.line, error.description)
    } catch let error as TokensError {
      throw nodes.error(entries["tokens"]?.line, error.description)
    } catch {
      // An adapter's file that cannot be read, or is not of the model.
      throw nodes.error(line(of: ["adapter", "model"], lines), "\(error)")
    }
  }

  /// The line of the first of some axes that the profile gives.
  private func line(of axes: [String], _ lines: [String: Int]) -> Int? {
    axes.lazy.compactMap { lines[$0] }.first ?? entries["n_c"]?.line
  }
}

extension ProfileNodes {
  /// A YAML error as one sentence.
  fileprivate func error(_ error: YamlError, in text: String) -> ProfileError {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _):
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let line = mark.line >= 1 && mark.line <= lines.count ? lines[mark.line - 1] : ""
      if line.prefix(while: \.isWhitespace).contains("\t") {
        return self.error(mark.line, "a tab indents this line; YAML wants spaces")
      }
      return self.error(mark.line, "is not valid YAML: \(oneLine(problem))")
    case .composer(_, let problem, let mark, _):
      return self.error(mark.line, "is not valid YAML: \(oneLine(problem))")
    case .duplicatedKeysInMapping(let duplicates, let context):
      return self.error(
        context.mark.line, "key \(quoted(duplicates.first ?? "")) is given more than once")
    case .reader(let problem, _, _, _):
      return self.error(nil, "is not YAML text: \(oneLine(problem))")
    default: return self.error(nil, "is not valid YAML")
    }
  }

  /// libyaml's words on one line, and ours for those that speak of its own settings.
  private func oneLine(_ problem: String) -> String {
    problem.hasPrefix("Maximum nesting level")
      ? "it nests more than 1000 deep"
      : problem.split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}
