import CUDAAllocator
import Ledger
package import Recordings
package import Spelling

extension Recording {
  /// The recording as its file has it, not packed: format version 1.
  package var json: JSONText {
    func texts(_ values: [String: String]) -> JSONText {
      .object(values.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
    }
    return .object(
      [
        ("format", .string(Self.format)), ("version", .integer(Self.version)),
        ("made", .object([("at", .string(made.at)), ("by", texts(made.by))])),
        (
          "call",
          .object([("command", .string(call.command)), ("options", texts(call.options))])
        ),
        ("model", .object([("name", .string(model.name)), ("configuration", .null)])),
        ("point", texts(point)), ("device", .string(device.rawValue)), ("gpu", gpu?.json ?? .null),
        ("ranks", .integer(ranks)), ("rank", .integer(rank)),
        ("assumptions", .strings(assumptions)),
        (
          "not_modelled",
          .array(
            notModelled.map {
              .object([("op", .string($0.op)), ("calls", .integer($0.calls))])
            })
        ),
        ("tables", tables.json), ("tensors", tensors.json),
        (
          "events",
          .integers(
            events.map { event in
              switch event {
              case .allocate(let tensor): tensor
              case .release(let tensor): -tensor - 1
              }
            })
        ),
        (
          "phases",
          .array(
            phases.map {
              .object([
                ("name", .string($0.phase.rawValue)), ("step", .integer($0.step)),
                ("first_event", .integer($0.firstEvent)),
              ])
            })
        ),
        ("boundaries", .integers(boundaries)),
      ], .rows)
  }
}

extension Recording.Tables {
  fileprivate var json: JSONText {
    .object([
      ("ops", .strings(ops)), ("modules", .strings(modules)), ("nodes", .strings(nodes)),
      ("roles", .strings(roles.map(\.rawValue))), ("dtypes", .strings(dtypes)),
      ("shapes", .array(shapes.map(JSONText.integers))),
      (
        "regions",
        .array(
          regions.map { bytes in .integers(Region.allCases.map { bytes[$0] }) })
      ),
    ])
  }
}

extension Recording.Tensors {
  fileprivate var json: JSONText {
    .object([
      ("bytes", .integers(bytes)), ("op", .integers(op)), ("module", .integers(module)),
      ("layer", .integers(layer)), ("role", .integers(role)), ("node", .integers(node)),
      ("dtype", .integers(dtype)), ("shape", .integers(shape)), ("regions", .integers(regions)),
      ("kept", .integers(isKept.map { $0 ? 1 : 0 })),
    ])
  }
}

extension GPU {
  fileprivate var json: JSONText {
    .object([
      ("name", .string(name)), ("title", .string(title)),
      ("memory_bytes", .integer(orNull: memoryBytes)), ("memory_source", .string(memorySource)),
      ("multiprocessors", .integer(multiprocessors)),
      ("threads_per_multiprocessor", .integer(threadsPerMultiprocessor)),
      ("compute_capability", .string(computeCapability)),
      ("context_bytes", .integer(contextBytes)), ("context_source", .string(contextSource)),
      ("cublas_workspace_bytes", .integer(cublasWorkspaceBytes)),
    ])
  }
}
