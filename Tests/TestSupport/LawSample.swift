/// A step of 4 prefix and 2 generated tokens with laws of every kind, as a recording's file has it.
///
/// ```
///   0        a weight, 1000 bytes                            at every length
///   1        an activation, `unit` bytes a token (100)
///   2 3 -3   block 0: its result, then a temporary of 64 n_c
///            block 1: takes 128 n_c, but only from n_c 5 on; nothing here
///   4 … 7    block 2: takes 512 and nothing, makes its result (5), gives 512 back, takes 256,
///            gets its workspace (7), and gives 256 back
///            forward ends here
///   -2 -3 -6 everything but weight and workspace is released
/// ```
package struct LawSample {
  /// Bytes of a token, even.
  package var unit = 100
  package var values: String?
  package var tensors = #"[{"bytes": 4, "shape": [3, 16], "regions": [5, 6, 7, 7]}]"#
  package var law = "[-1, 0, 0, -1, -1, 0, -1, -1]"
  package var launches = """
    [[{"when": [], "steps": [9]}],
     [{"when": [[13, 1]], "steps": []}, {"when": [[13, 0]], "steps": [15]}],
     [{"when": [], "steps": [10, 7, "outputs", -1, 11]}]]
    """
  package var blocks = """
    {"first": [2, 5, 5], "count": [3, 0, 6], "launch": [0, 1, 2], "op": [1, 1, 1],
     "module": [1, 1, 1], "layer": [0, 0, 0], "node": [0, 0, 0]}
    """
  package var tokens = "[3, 1000]"
  package var multiple = 1
  package var mostTokens = "null"
  package var hasLaws = true
  package var device = "cuda"

  package init(_ change: (inout Self) -> Void = { _ in }) { change(&self) }

  /// The values that the tensors and launches above are of.
  package static func values(unit: Int = 100) -> String {
    """
    [\(unit), "n_c", "n_g", ["+", 1, 2], ["*", 3, 0], ["*", 1, 0], ["*", 2, 0], 0, 64, ["*", 1, 8],
     512, 256, 5, ["<", 1, 12], ["+", 8, 8], ["*", 1, 14], \(unit / 2)]
    """
  }

  private var laws: String {
    """
    {"variables": ["n_c", "n_g"], "at": [4, 2], "made_from": [[2, 2], [3, 2]],
     "checked_at": [[7, 2]], "solves": "n_c", "tokens": \(tokens), "multiple": \(multiple),
     "batch": [1, 1], "most_tokens": \(mostTokens), "values": \(values ?? Self.values(unit: unit)),
     "tensors": \(tensors), "law": \(law), "launches": \(launches), "blocks": \(blocks)}
    """
  }

  package var text: String {
    let bytes = 6 * unit
    return """
      {"format": "ballast-recording", "version": 1,
       "made": {"at": "2026-11-30T03:00:00Z", "by": {"torch": "2.13.0"}},
       "call": {"command": "a test", "options": {"optimizer": "adamw"}},
       "model": {"name": "tiny", "configuration": null},
       "point": {"n_c": 4, "n_g": 2}, "device": "\(device)",
       "gpu": {"name": "h100", "title": "H100", "memory_bytes": 85029158912, "memory_source": "",
         "multiprocessors": 132, "threads_per_multiprocessor": 2048, "compute_capability": "9.0",
         "context_bytes": 0, "context_source": "", "cublas_workspace_bytes": 33554432},
       "ranks": 1, "rank": 0, "assumptions": ["no padding"], "not_modelled": [],
       "tables": {"ops": ["", "aten::mm"], "modules": ["", "model.layers.0.q_proj"], "nodes": [""],
         "roles": ["parameter", "activation", "temporary", "workspace"],
         "dtypes": ["bfloat16", ""], "shapes": [[500], [6, \(unit / 2)], []],
         "regions": [[0, 0, 0, 1000, 0], [\(4 * unit), \(2 * unit), 0, 0, 0],
           [0, 0, 0, 256, 0], [0, 0, 0, 512, 0], [0, 0, 0, 2048, 0]]},
       "tensors": {"bytes": [1000, \(bytes), \(bytes), 256, 512, \(bytes), 256, 2048],
         "op": [0, 0, 1, 1, 1, 1, 1, 1], "module": [0, 1, 1, 1, 1, 1, 1, 1],
         "layer": [-1, 0, 0, 0, 0, 0, 0, 0], "role": [0, 1, 1, 2, 2, 1, 2, 3],
         "node": [0, 0, 0, 0, 0, 0, 0, 0], "dtype": [0, 0, 0, 1, 1, 0, 1, 1],
         "shape": [0, 1, 1, 2, 2, 1, 2, 2], "regions": [0, 1, 1, 2, 3, 1, 2, 4],
         "kept": [0, 1, 1, 0, 0, 1, 0, 0], "stream": [0, 0, 3, 3, 2, 2, 2, 2]},
       "events": [0, 1, 2, 3, -4, 4, 5, -5, 6, 7, -7, -2, -3, -6],
       "phases": [{"name": "model", "step": 0, "first_event": 0},
         {"name": "forward", "step": 0, "first_event": 1},
         {"name": "backward", "step": 0, "first_event": 11}],
       "boundaries": [11]\(hasLaws ? ", \"laws\": " + laws : "")}
      """
  }
}
