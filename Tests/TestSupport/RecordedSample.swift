/// A recording of a test's own making.
package struct RecordedSample {
  package struct Tensor {
    package var bytes: Int
    package var role: String
    package var isKept: Bool
    /// By region; all of it `shared` where nothing is said.
    package var regions: [Int]
    package var layer: Int?

    package init(
      _ bytes: Int, _ role: String, isKept: Bool = false, regions: [Int]? = nil, layer: Int? = nil
    ) {
      (self.bytes, self.role, self.isKept, self.layer) = (bytes, role, isKept, layer)
      self.regions = regions ?? [0, 0, 0, bytes, 0]
    }
  }

  package var tensors: [Tensor]
  /// As the file has them: k allocates tensor k, -k - 1 releases it.
  package var events: [Int]
  package var phases: [(name: String, firstEvent: Int)]
  package var boundary: Int
  package var point = #"{"n_c": 64, "dtype": "bfloat16"}"#

  private static let roles = [
    "parameter", "activation", "temporary", "gradient", "optimizer-state",
  ]

  package init(
    tensors: [Tensor], events: [Int], phases: [(name: String, firstEvent: Int)], boundary: Int
  ) {
    (self.tensors, self.events, self.phases, self.boundary) = (tensors, events, phases, boundary)
  }

  /// The recording in the format of its file.
  package func text(device: String = "cuda") -> String {
    func column(_ value: (Tensor) -> Int) -> [Int] { tensors.map(value) }
    let places = column { Self.roles.firstIndex(of: $0.role) ?? 0 }
    let phases = self.phases.map {
      #"{"name": "\#($0.name)", "step": 0, "first_event": \#($0.firstEvent)}"#
    }
    let gpu = """
      {"name": "h100", "title": "H100", "memory_bytes": 85029158912, "memory_source": "",
       "multiprocessors": 132, "threads_per_multiprocessor": 2048, "compute_capability": "9.0",
       "context_bytes": 0, "context_source": "", "cublas_workspace_bytes": 33554432}
      """
    return """
      {"format": "ballast-recording", "version": 1,
       "made": {"at": "2026-11-30T03:00:00Z", "by": {"torch": "2.13.0"}},
       "call": {"command": "a test", "options": {}},
       "model": {"name": "tiny", "configuration": null}, "point": \(point),
       "device": "\(device)", "gpu": \(device == "cuda" ? gpu : "null"), "ranks": 1, "rank": 0,
       "assumptions": [], "not_modelled": [],
       "tables": {"ops": ["aten::mm"], "modules": ["", "model.layers.0.q_proj"],
         "nodes": ["", "MmBackward0.self"], "roles": \(Self.roles), "dtypes": ["bfloat16"],
         "shapes": [[]], "regions": \(tensors.map(\.regions))},
       "tensors": {"bytes": \(column(\.bytes)), "op": \(column { _ in 0 }),
         "module": \(column { $0.layer == nil ? 0 : 1 }), "layer": \(column { $0.layer ?? -1 }),
         "role": \(places), "node": \(column { $0.isKept ? 1 : 0 }), "dtype": \(column { _ in 0 }),
         "shape": \(column { _ in 0 }), "regions": \(Array(tensors.indices)),
         "kept": \(column { $0.isKept ? 1 : 0 })},
       "events": \(events), "phases": [\(phases.joined(separator: ", "))],
       "boundaries": [\(boundary)]}
      """
  }

  /// Some hundred allocations, each released at some time or never, in three phases.
  package static func random(_ seed: UInt64) -> RecordedSample {
    var random = SplitMix64(seed: seed)
    var sample = RecordedSample(tensors: [], events: [], phases: [], boundary: 0)
    var alive: [Int] = []
    let count = Int.random(in: 20...300, using: &random)
    for _ in 0..<count {
      if alive.isEmpty || Int.random(in: 0..<5, using: &random) < 3 {
        let power = Int.random(in: 0...24, using: &random)
        let bytes = 1 << power + Int.random(in: 0...999, using: &random)
        let role = roles.randomElement(using: &random) ?? "activation"
        let prefix = Int.random(in: 0...bytes, using: &random)
        alive.append(sample.tensors.count)
        sample.events.append(sample.tensors.count)
        sample.tensors.append(
          Tensor(
            bytes, role, isKept: role == "activation",
            regions: [prefix, bytes - prefix, 0, 0, 0],
            layer: Bool.random(using: &random) ? 0 : nil))
      } else {
        let tensor = alive.remove(at: Int.random(in: alive.indices, using: &random))
        sample.events.append(-tensor - 1)
      }
    }
    let cuts = [0, count / 3, 2 * count / 3]
    sample.phases = Array(zip(["forward", "backward", "optimizer"], cuts))
    sample.boundary = cuts[1]
    return sample
  }

  /// The most bytes at once in each phase, what stands before it included.
  package var naivePeaks: [Int] {
    var now = 0
    var peaks: [Int] = []
    for (place, phase) in phases.enumerated() {
      let end = place + 1 < phases.count ? phases[place + 1].firstEvent : events.count
      var peak = now
      for event in events[phase.firstEvent..<end] {
        now += event >= 0 ? tensors[event].bytes : -tensors[-event - 1].bytes
        peak = max(peak, now)
      }
      peaks.append(peak)
    }
    return peaks
  }
}
