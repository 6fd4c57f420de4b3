package import Recordings

/// A recorded step at any length: what the `laws` of its file give.
///
/// ```
///   lengths ──▶ values      n_c, n_g ▶ expressions, each of earlier ones
///                 ├──▶ tensors     bytes, shape, regions of each distinct law
///                 └──▶ launches    which temporaries a kernel takes
///                        │
///   skeleton  ···████···█████···   the file's own events, but for kernels' temporaries
///                        ▼
///             a stream, a peak, or a whole recording
/// ```
///
/// What is here has been checked whole: every index is in its table, values refer to earlier ones,
/// blocks ascend and do not overlap, and at the lengths of the file the laws give its own step, to
/// the byte.
package struct RecordedLaws: Sendable {
  /// The step at the lengths at which it was recorded.
  package let recording: Recording
  /// The lengths that the laws are of, in the order of `at`.
  package let variables: [Variable]
  /// Those at which the file's own tensors and events stand.
  package let own: StepLengths
  /// Lengths whose recordings made the laws, and such as the laws gave exactly without.
  package let madeFrom: [StepLengths]
  package let checkedAt: [StepLengths]
  /// What the recorder was asked to find the most of.
  package let solves: Variable
  /// Where the laws hold: n_c + n_g, of which number it is a multiple, and sequences at a time.
  package let tokens: ClosedRange<Int>
  package let multiple: Int
  package let batch: ClosedRange<Int>
  /// The tokens for which the model has positions; nil for any.
  package let mostTokens: Int?
  let values: [LawValue]
  let tensorLaws: [TensorLaw]
  /// The law of each tensor of the file; -1 for what is the same at every length.
  let lawOfTensor: [Int]
  let launches: [[LaunchVariant]]
  let skeleton: LawSkeleton
  let sizes: LawSizes

  /// A length that laws go by.
  package enum Variable: String, Sendable, CaseIterable {
    case nC = "n_c"
    case nG = "n_g"
    case batch
  }
}

/// The lengths of a step: prefix and generated tokens of each sequence, and sequences at a time.
package struct StepLengths: Hashable, Sendable {
  package var nC: Int
  package var nG: Int
  package var batch: Int

  package init(nC: Int, nG: Int, batch: Int = 1) {
    (self.nC, self.nG, self.batch) = (nC, nG, batch)
  }

  /// Tokens of a sequence; beyond 64 bits the most that there are.
  package var tokens: Int {
    let (sum, overflows) = nC.addingReportingOverflow(nG)
    return overflows ? .max : sum
  }

  package subscript(variable: RecordedLaws.Variable) -> Int {
    get {
      switch variable {
      case .nC: nC
      case .nG: nG
      case .batch: batch
      }
    }
    set {
      switch variable {
      case .nC: nC = newValue
      case .nG: nG = newValue
      case .batch: batch = newValue
      }
    }
  }
}

/// How a tensor's bytes, shape and regions follow from the lengths; places of values.
struct TensorLaw: Equatable, Sendable {
  let bytes: Int
  let shape: [Int]
  /// Prefix, generated, crossing, shared; nothing is padding.
  let regions: [Int]
}

/// One way in which a kernel takes temporaries, and when it does.
struct LaunchVariant: Equatable, Sendable {
  /// A value, and whether it has to be other than 0.
  let conditions: [(value: Int, isTrue: Bool)]
  let steps: [Step]

  enum Step: Equatable, Sendable {
    /// Takes as many bytes as a value says.
    case take(Int)
    /// Releases what was taken so many takes from the first.
    case release(Int)
    /// The op's results are made.
    case outputs
  }

  static func == (left: Self, right: Self) -> Bool {
    left.steps == right.steps && left.conditions.elementsEqual(right.conditions, by: ==)
  }
}
