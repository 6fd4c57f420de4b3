package import CUDAAllocator

extension Recording {
  /// What the step asks an allocator for; nobody ran, so that nothing is known of a real one.
  package var memoryStream: MemoryStream {
    var stream = MemoryStream()
    stream.requests = requests
    var places: [MemoryStream.Maker: Int] = [:]
    for number in tensors.bytes.indices {
      let node = tables.nodes[tensors.node[number]]
      let module = tables.modules[tensors.module[number]]
      let role = tables.roles[tensors.role[number]]
      let place = [module, node, role.rawValue].filter { !$0.isEmpty }.joined(separator: ", ")
      let maker = MemoryStream.Maker(op: tables.ops[tensors.op[number]], place: place)
      if let known = places[maker] {
        stream.makerOfTensor.append(known)
      } else {
        places[maker] = stream.makers.count
        stream.makerOfTensor.append(stream.makers.count)
        stream.makers.append(maker)
      }
    }
    stream.notes = notes
    return stream
  }

  /// Sentences about how far its figures reach.
  package var notes: [String] {
    guard !notModelled.isEmpty else { return [] }
    let ops = notModelled.prefix(5).map { "\($0.op) (\($0.calls))" }.joined(separator: ", ")
    return [
      "temporaries of \(ops)\(notModelled.count > 5 ? " …" : "") are not modelled; the real "
        + "peak may be higher"
    ]
  }

  /// Sizes and events alone. On a CPU an allocator is asked for the same bytes.
  package var requests: AllocationStream {
    var requests = AllocationStream()
    requests.bytes = tensors.bytes
    requests.streams = tensors.stream
    requests.events = events.map { event in
      switch event {
      case .allocate(let tensor): .allocate(tensor)
      case .release(let tensor): .release(tensor)
      }
    }
    return requests
  }
}
