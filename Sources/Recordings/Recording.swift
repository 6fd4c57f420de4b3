package import CUDAAllocator
package import Files

/// A training step as a GPU's allocator sees it: every allocation and release, in order.
///
/// ```
///   tables   ops, modules, nodes, roles, dtypes, shapes, regions      each text once
///     ▲
///   tensors  one column a property, one entry an allocation, whose place is the tensor's number
///     ▲
///   events   +0  +1  -0  +2 …                 tensors are allocated in the order of their numbers
///            │           │
///   phases   model ──────forward ───── …      each from an event on
///            boundaries                       where backward of a step begins
/// ```
///
/// `ballast-probe record` writes it as `recording.json.gz`, format version 1. What is here has been
/// checked whole: every index is in its table, every tensor is allocated once and released at the
/// most once, and a tensor's regions sum up to its bytes.
package struct Recording: Sendable {
  package internal(set) var made: Made
  package internal(set) var call: Call
  package internal(set) var model: Model
  /// What is known of the step, with the words of Ballast's points; of a user's own step what they
  /// gave.
  package internal(set) var point: [String: String]
  package internal(set) var device: Device
  /// The GPU that was asked for; nil on a CPU.
  package internal(set) var gpu: GPU?
  /// Processes that share the step, and which of them this is.
  package internal(set) var ranks: Int
  package internal(set) var rank: Int
  /// Sentences about what was assumed.
  package internal(set) var assumptions: [String]
  /// Ops whose kernels may take memory that nobody has written down yet, with their calls.
  package internal(set) var notModelled: [UnmodelledOp]
  package internal(set) var tables: Tables
  package internal(set) var tensors: Tensors
  package internal(set) var events: [Event]
  package internal(set) var phases: [PhaseStart]
  /// For each step, the number of the event before which backward begins; ascending.
  package internal(set) var boundaries: [Int]
  /// How the step goes on at other lengths, as the file has it; `RecordedLaws` reads it.
  package internal(set) var laws: JSON?
}

extension Recording {
  /// When and by what the recording was made.
  package struct Made: Equatable, Sendable {
    package let at: String
    /// Versions by the name of the package.
    package let by: [String: String]
  }

  /// How the recorder was called.
  package struct Call: Equatable, Sendable {
    package let command: String
    package let options: [String: String]
  }

  /// The model of the step.
  package struct Model: Equatable, Sendable {
    package let name: String
    /// Its `config.json`, if it has one.
    package let configuration: JSON?
  }

  /// An op with kernels of unknown temporaries.
  package struct UnmodelledOp: Equatable, Sendable {
    package let op: String
    package let calls: Int
  }

  /// What the step was recorded for.
  package enum Device: String, Sendable, CaseIterable {
    case cuda, cpu
  }

  /// An allocation or a release, of a tensor by its number.
  package enum Event: Hashable, Sendable {
    case allocate(Int)
    case release(Int)
  }

  /// A part of the step.
  package enum Phase: String, Sendable, CaseIterable {
    case model
    case optimizerMade = "optimizer-made"
    case forward, loss, backward, clip, optimizer, zero, other
  }

  /// Where a phase begins.
  package struct PhaseStart: Hashable, Sendable {
    package let phase: Phase
    /// Steps are counted from 0.
    package let step: Int
    package var firstEvent: Int

    /// Such as `backward of the second step`, as people count.
    package var words: String {
      let ordinals = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
      let when = ordinals.indices.contains(step) ? "the \(ordinals[step]) step" : "step \(step + 1)"
      return "\(phase.rawValue) of \(when)"
    }
  }

  /// The recording with another step, which whoever gives it has made of this one, and no laws.
  package func with(
    _ tables: Tables, _ tensors: Tensors, _ events: [Event], _ phases: [PhaseStart],
    boundaries: [Int], point: [String: String]
  ) -> Recording {
    var other = self
    (other.tables, other.tensors, other.events, other.phases) = (tables, tensors, events, phases)
    (other.boundaries, other.point, other.laws) = (boundaries, point, nil)
    return other
  }

  /// What to say where another version of the recorder wrote it; nil for the program's own.
  package func note(readBy program: String) -> String? {
    guard let recorder = made.by["ballast-probe"], recorder != program else { return nil }
    return "was recorded by ballast-probe \(recorder), and this is ballast \(program), which may "
      + "know more of what a GPU does; record it again to have that"
  }

  /// The event after a phase's last, by the phase's place in `phases`.
  package func end(ofPhase place: Int) -> Int {
    place + 1 < phases.count ? phases[place + 1].firstEvent : events.count
  }

  /// The phase in which an event is; nil before the first phase.
  package func phase(ofEvent event: Int) -> PhaseStart? {
    var (low, high) = (0, phases.count)
    while low < high {
      let middle = (low + high) / 2
      if phases[middle].firstEvent <= event { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? phases[low - 1] : nil
  }
}
