/// A GPU as data: what decides how many bytes a step takes on it, and how many there are.
///
/// `GPU.all` lists those with a name; a user gives another as a JSON file with the same keys.
package struct GPU: Equatable, Sendable {
  /// As `--gpu` takes it.
  package let name: String
  /// As its maker calls it.
  package let title: String
  /// What `torch.cuda.mem_get_info` gives as the total; nil where memory is the machine's.
  package let memoryBytes: Int?
  /// Where that figure is from, and whether it is one that was read off or a nominal one.
  package let memorySource: String
  /// Split reductions and attention kernels go by it.
  package let multiprocessors: Int
  /// Resident threads at the most.
  package let threadsPerMultiprocessor: Int
  /// Such as `9.0`; empty for no GPU.
  package let computeCapability: String
  /// What the driver's context, loaded kernels and libraries take beside PyTorch's own bytes.
  package let contextBytes: Int
  package let contextSource: String
  /// What cuBLAS takes for each thread that multiplies; `CUBLAS_WORKSPACE_CONFIG` changes it.
  package let cublasWorkspaceBytes: Int

  package init(
    name: String, title: String, memoryBytes: Int?, memorySource: String, multiprocessors: Int,
    threadsPerMultiprocessor: Int, computeCapability: String, contextBytes: Int,
    contextSource: String, cublasWorkspaceBytes: Int
  ) {
    (self.name, self.title) = (name, title)
    (self.memoryBytes, self.memorySource) = (memoryBytes, memorySource)
    self.multiprocessors = multiprocessors
    self.threadsPerMultiprocessor = threadsPerMultiprocessor
    self.computeCapability = computeCapability
    (self.contextBytes, self.contextSource) = (contextBytes, contextSource)
    self.cublasWorkspaceBytes = cublasWorkspaceBytes
  }

  /// The GPU of a name; nil if there is none.
  package static func named(_ name: String) -> GPU? { all.first { $0.name == name } }

  package static let names = all.map(\.name)
}
