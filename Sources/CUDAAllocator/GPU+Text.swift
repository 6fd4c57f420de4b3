package import Spelling

extension GPU {
  /// The keys of a GPU in JSON, in order.
  package static let keys = [
    "name", "title", "memory_bytes", "memory_source", "multiprocessors",
    "threads_per_multiprocessor", "compute_capability", "context_bytes", "context_source",
    "cublas_workspace_bytes",
  ]

  /// The GPU as one object with all keys.
  package var json: JSONText {
    let values: [JSONText] = [
      .string(name), .string(title), .integer(orNull: memoryBytes), .string(memorySource),
      .integer(multiprocessors), .integer(threadsPerMultiprocessor), .string(computeCapability),
      .integer(contextBytes), .string(contextSource), .integer(cublasWorkspaceBytes),
    ]
    return .object(Array(zip(GPU.keys, values)), .lines(4, close: 2))
  }

  /// All named GPUs, as `python/ballast_probe/gpus.json` holds them; a test keeps the two equal.
  package static let allText = JSONText.array(all.map(\.json), .lines(2)).text + "\n"
}
