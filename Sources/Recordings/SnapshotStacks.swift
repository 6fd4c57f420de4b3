/// Finds in a snapshot's stacks who made a tensor: the op, and the line of Python that called it.
///
/// Many tensors share a stack, and many stacks their frames; each is looked at once.
struct SnapshotStacks {
  private let pickle: Pickle
  private let nameKey: Pickle.Key?
  private let fileKey: Pickle.Key?
  private let lineKey: Pickle.Key?
  private var makers: [Pickle.Value: MemoryStream.Maker] = [:]
  private var frames: [Pickle.Value: Frame] = [:]

  /// What one frame says.
  private enum Frame {
    /// A dispatched op.
    case op(String)
    /// A node of autograd's.
    case node(String)
    /// A line of Python, and whether it is PyTorch's own.
    case line(String, isPyTorch: Bool)
    case other
  }

  init(_ pickle: Pickle) {
    self.pickle = pickle
    nameKey = pickle.key("name")
    fileKey = pickle.key("filename")
    lineKey = pickle.key("line")
  }

  /// The maker that a list of frames names, the innermost first.
  mutating func maker(_ stack: Pickle.Value?) -> MemoryStream.Maker {
    guard let stack, let count = pickle.count(stack) else {
      return MemoryStream.Maker(op: "", place: "")
    }
    if let known = makers[stack] { return known }
    var op: String?
    var node: String?
    var line: String?
    var pyTorchLine: String?
    // Deeper than any program calls; a file may say otherwise.
    for index in 0..<min(count, 1 << 12) {
      guard let value = pickle.item(index, of: stack) else { break }
      switch frame(value) {
      case .op(let name): op = op ?? name
      case .node(let name): node = node ?? name
      case .line(let text, let isPyTorch):
        if isPyTorch { pyTorchLine = pyTorchLine ?? text } else { line = line ?? text }
      case .other: break
      }
    }
    let place = [line ?? pyTorchLine, node.map { "in \($0)" }].compactMap(\.self)
    let maker = MemoryStream.Maker(op: op ?? "", place: place.joined(separator: ", "))
    makers[stack] = maker
    return maker
  }

  private mutating func frame(_ value: Pickle.Value) -> Frame {
    if let known = frames[value] { return known }
    let frame = read(value)
    frames[value] = frame
    return frame
  }

  private func read(_ value: Pickle.Value) -> Frame {
    let name = pickle.member(nameKey, of: value).flatMap(pickle.text) ?? ""
    let file = pickle.member(fileKey, of: value).flatMap(pickle.text) ?? ""
    if file.hasSuffix(".py") {
      let path = file.replacing("\\", with: "/")
      let isPyTorch = path.contains("/torch/") || path.hasPrefix("torch/")
      let line = pickle.member(lineKey, of: value).flatMap(pickle.integer) ?? 0
      let start = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
      return .line("\(path[start...]):\(line) \(name)", isPyTorch: isPyTorch)
    }
    if let op = Self.text(in: name, between: "at::_ops::", and: ["::", "("]) { return .op(op) }
    if let node = Self.text(in: name, between: "torch::autograd::generated::", and: ["::", "("]) {
      return .node(node)
    }
    return name.contains("torch::autograd::AccumulateGrad") ? .node("AccumulateGrad") : .other
  }

  /// What follows a text, up to the first of some others.
  private static func text(
    in name: String, between start: String, and ends: [String]
  ) -> String? {
    guard let begin = name.firstRange(of: start)?.upperBound else { return nil }
    let rest = name[begin...]
    let end = ends.compactMap { rest.firstRange(of: $0)?.lowerBound }.min() ?? rest.endIndex
    return String(rest[..<end])
  }
}
