import CUDAAllocator

/// A memory snapshot of PyTorch's (`torch.cuda.memory._dump_snapshot`): of each device its segments
/// at the end, and what happened before as far as its history was recorded.
///
/// ```
///   {"segments": [{"device", "address", "total_size", "stream", "segment_type", "is_expandable",
///                  "blocks": [{"size", "requested_size", "state", "frames"}]}],
///    "device_traces": [[{"action", "addr", "size", "stream", "frames"}]],
///    "allocator_settings": {"PYTORCH_CUDA_ALLOC_CONF": …}}
/// ```
///
/// torch/csrc/cuda/Module.cpp, `memorySnapshot`, writes it. Members that are not named here, and
/// actions that move no memory, are passed over.
package struct CUDASnapshot: Sendable {
  let pickle: Pickle
  /// The lists of the snapshot; nil where they are missing.
  let segments: Pickle.Value?
  let traces: Pickle.Value?
  let settings: Pickle.Value?
  /// A place in the order of sizes beyond which no device is numbered.
  private static let mostDevices = 1 << 10

  package init(_ pickle: Pickle) throws(RecordingFault) {
    self.pickle = pickle
    let root = pickle.root
    // `torch.cuda.memory_snapshot()` is the list of segments alone.
    let isList = pickle.count(root) != nil
    segments = isList ? root : pickle.member("segments", of: root)
    traces = pickle.member("device_traces", of: root)
    settings = pickle.member("allocator_settings", of: root)
    guard pickle.isDictionary(root) || isList, segments.flatMap(pickle.count) != nil else {
      throw RecordingFault(
        "is a pickle of \(pickle.kind(root)), and no memory snapshot, which has a list "
          + "\"segments\"; torch.cuda.memory._dump_snapshot writes one")
    }
    guard traces.map({ pickle.count($0) != nil }) ?? true else {
      throw RecordingFault("\"device_traces\" must be a list")
    }
    guard traces.flatMap(pickle.count) ?? 0 <= Self.mostDevices else {
      throw RecordingFault("\"device_traces\" lists more than \(Self.mostDevices) devices")
    }
  }

  /// The devices on which there is anything, ascending.
  package var devices: [Int] {
    var devices: Set<Int> = []
    for index in 0..<(traces.flatMap(pickle.count) ?? 0) {
      if let trace = traces.flatMap({ pickle.item(index, of: $0) }), pickle.count(trace) ?? 0 > 0 {
        devices.insert(index)
      }
    }
    let key = pickle.key("device")
    for index in 0..<(segments.flatMap(pickle.count) ?? 0) {
      guard let segment = segments.flatMap({ pickle.item(index, of: $0) }) else { continue }
      let device = pickle.member(key, of: segment).flatMap(pickle.integer) ?? 0
      if (0..<Self.mostDevices).contains(device) { devices.insert(device) }
    }
    return devices.sorted()
  }

  /// Events that were recorded of a device.
  package func eventCount(ofDevice device: Int) -> Int {
    traces.flatMap { pickle.item(device, of: $0) }.flatMap(pickle.count) ?? 0
  }

  /// What the run was set to: by the text that it was given, and by what its segments are.
  ///
  /// - Returns: The settings, nil where there is a text that is not understood, and a sentence if
  ///   there is something to say.
  func runSettings(isExpandable: Bool) -> (settings: AllocatorSettings?, note: String?) {
    let text =
      settings.flatMap { pickle.member("PYTORCH_CUDA_ALLOC_CONF", of: $0) }.flatMap(pickle.text)
      ?? settings.flatMap { pickle.member("PYTORCH_ALLOC_CONF", of: $0) }.flatMap(pickle.text) ?? ""
    do {
      var read = try AllocatorSettings(text, for: "PYTORCH_CUDA_ALLOC_CONF")
      read.usesExpandableSegments = read.usesExpandableSegments || isExpandable
      return (read, nil)
    } catch {
      var plain = AllocatorSettings()
      plain.usesExpandableSegments = isExpandable
      return (plain, "the run's own settings are not all understood: \(error)")
    }
  }
}
