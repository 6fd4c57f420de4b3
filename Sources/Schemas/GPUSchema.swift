import CUDAAllocator

/// A GPU, as a file of its own or in a recording, where other keys are passed over.
enum GPUSchema {
  static func part(isClosed: Bool) -> SchemaPart {
    .record(
      GPU.keys.map { ($0, property($0)) },
      required: GPU.keys.filter {
        !["title", "memory_bytes", "memory_source", "context_source"].contains($0)
      }, isClosed: isClosed)
  }

  private static func property(_ key: String) -> SchemaPart {
    switch key {
    case "name": .type("string").about("As --gpu takes it.")
    case "title": .type("string", "null").about("As its maker calls it; the name if not given.")
    case "memory_bytes":
      SchemaPart.type(
        "integer", "null", with: [("minimum", .integer(1)), ("maximum", .integer(1 << 50))]
      ).about("The total that torch.cuda.mem_get_info gives; null where --memory has to say it.")
    case "memory_source": .type("string", "null").about("Where that figure is from.")
    case "multiprocessors":
      SchemaPart.integer(0...1 << 20).about(
        "Streaming multiprocessors; split reductions and attention kernels go by them.")
    case "threads_per_multiprocessor":
      SchemaPart.integer(0...1 << 20).about("Resident threads of one at the most.")
    case "compute_capability":
      SchemaPart.text(like: "|[0-9]{1,3}\\.[0-9]{1,3}").about(
        "Such as 9.0, as a text; empty for no GPU.")
    case "context_bytes":
      SchemaPart.integer(0...1 << 50).about(
        "What the driver's context, loaded kernels and libraries take beside PyTorch's own bytes.")
    case "context_source": .type("string", "null").about("Where that figure is from.")
    case "cublas_workspace_bytes":
      SchemaPart.integer(0...1 << 40).about(
        "What cuBLAS takes for each thread that multiplies; CUBLAS_WORKSPACE_CONFIG changes it.")
    default: preconditionFailure("\(key) is a key of GPUs without a description")
    }
  }
}
