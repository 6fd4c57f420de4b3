/// A regular expression over parameter names, looked for in time linear in the name.
///
/// Thompson's automaton: all places in the pattern where the text so far can lead are followed at
/// once, so no text is read twice, and a pattern such as `(.+)+Z` costs what `.+Z` does. Own code
/// although there are libraries: Swift's `Regex` tries one way after the other and never ends on
/// that pattern; glibc's `regexec` ends, but knows neither `(?:…)` nor `\d`, which it takes for a
/// `d`, and takes half a second and much memory to compile `((a{1,100}){1,100}){1,20}`.
///
/// What it knows: literals, `.`, classes, `\d \w \s` and their opposites, escapes, `( )`, `(?: )`,
/// `|`, `* + ? {m} {m,} {m,n}`, the lazy forms of these, `^ $ \A \z`, and `\b \B`. What cannot be
/// matched so (lookaround, references to groups, possessive quantifiers) is refused.
package struct ParameterPattern: Sendable {
  /// Longer patterns are refused.
  package static let mostScalars = 1_000
  /// More places are refused, so that a name of 100 letters takes less than a millisecond.
  static let mostSteps = 5_000

  /// A place in the pattern; unless it says otherwise, the next one follows.
  private enum Step {
    /// Reads one scalar of a set.
    case read(ScalarSet)
    /// Goes on if the place in the name is right.
    case check(PatternNode.Anchor)
    /// Goes on at two places.
    case fork(Int, Int)
    case jump(Int)
    case found
  }

  private var steps: [Step] = []
  /// Nodes that were compiled, which bounds repetitions of nothing too.
  private var compiled = 0

  /// Reads a pattern.
  ///
  /// - Throws: `PointError` with a sentence that says what is wrong with it, or not known.
  package init(_ text: String) throws(PointError) {
    let node = try PatternParser.parse(text)
    guard compile(node) else {
      throw PatternParser.error(
        text, "repeats more than \(Self.mostSteps) times in all, which is too often")
    }
    steps.append(.found)
  }

  /// Whether the pattern is found anywhere in a name.
  ///
  /// Complexity: O(*m* · *n*) for a pattern of *m* places and a name of *n* scalars.
  package func isFound(in name: String) -> Bool {
    let scalars = Array(name.unicodeScalars)
    var run = Run(steps: steps, scalars: scalars)
    for place in 0...scalars.count {
      // The pattern may begin anywhere.
      if run.follow(0, at: place) { return true }
      guard place < scalars.count else { break }
      let current = run.waiting
      run.waiting.removeAll(keepingCapacity: true)
      for step in current {
        guard case .read(let set) = steps[step], set.contains(scalars[place]) else { continue }
        if run.follow(step + 1, at: place + 1) { return true }
      }
    }
    return false
  }

  // MARK: Matching

  /// The places in the pattern that a text leads to.
  private struct Run {
    let steps: [Step]
    let scalars: [Unicode.Scalar]
    /// The steps that wait for the next scalar, each once.
    var waiting: [Int] = []
    /// The last place in the name at which each step was reached.
    private var reached: [Int]
    private var open: [Int] = []

    init(steps: [Step], scalars: [Unicode.Scalar]) {
      self.steps = steps
      self.scalars = scalars
      reached = Array(repeating: -1, count: steps.count)
    }

    /// Reaches a step at a place in the name, and all that need no scalar after it; true at the end.
    mutating func follow(_ first: Int, at place: Int) -> Bool {
      open.append(first)
      while let step = open.popLast() {
        guard reached[step] != place else { continue }
        reached[step] = place
        switch steps[step] {
        case .read: waiting.append(step)
        case .check(let anchor): if holds(anchor, at: place) { open.append(step + 1) }
        case .fork(let one, let other): open += [one, other]
        case .jump(let target): open.append(target)
        case .found: return true
        }
      }
      return false
    }

    private func holds(_ anchor: PatternNode.Anchor, at place: Int) -> Bool {
      switch anchor {
      case .start: place == 0
      case .end: place == scalars.count
      case .wordEdge(let isWanted): isEdge(place) == isWanted
      }
    }

    private func isEdge(_ place: Int) -> Bool {
      let before = place > 0 && ScalarSet.word.contains(scalars[place - 1])
      let after = place < scalars.count && ScalarSet.word.contains(scalars[place])
      return before != after
    }
  }

  // MARK: Compiling

  /// Adds a node's steps; false if they are too many.
  private mutating func compile(_ node: PatternNode) -> Bool {
    compiled += 1
    guard compiled <= Self.mostSteps, steps.count <= Self.mostSteps else { return false }
    switch node {
    case .set(let set): steps.append(.read(set))
    case .anchor(let anchor): steps.append(.check(anchor))
    case .sequence(let parts):
      return parts.allSatisfy { compile($0) }
    case .choice(let parts):
      var ends: [Int] = []
      for part in parts.dropLast() {
        let fork = reserve()
        guard compile(part) else { return false }
        ends.append(reserve())
        steps[fork] = .fork(fork + 1, steps.count)
      }
      guard let last = parts.last, compile(last) else { return false }
      for end in ends { steps[end] = .jump(steps.count) }
    case .repeated(let part, let least, let most):
      for _ in 0..<least where !compile(part) { return false }
      guard let most else {
        let fork = reserve()
        guard compile(part) else { return false }
        steps.append(.jump(fork))
        steps[fork] = .fork(fork + 1, steps.count)
        return true
      }
      var forks: [Int] = []
      for _ in least..<most {
        forks.append(reserve())
        guard compile(part) else { return false }
      }
      for fork in forks { steps[fork] = .fork(fork + 1, steps.count) }
    }
    return true
  }

  /// A step whose target is not known yet.
  private mutating func reserve() -> Int {
    steps.append(.jump(0))
    return steps.count - 1
  }
}
