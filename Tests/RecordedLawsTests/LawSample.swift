import Files
import RecordedLaws
import Recordings

/// A step of 4 prefix and 2 generated tokens with laws of every kind.
///
/// ```
///   0        a weight, 1000 bytes                            at every length
///   1        an activation, 100 bytes a token
///   2 3 -3   block 0: its result, then a temporary of 64 n_c
///            block 1: takes 128 n_c, but only from n_c 5 on; nothing here
///   4 … 7    block 2: takes 512 and nothing, makes its result (5), gives 512 back, takes 256,
///            gets its workspace (7), and gives 256 back
///            forward ends here
///   -1 -2 -5 everything but weight and workspace is released
/// ```
enum LawSample {
  static let values = """
    [100, "n_c", "n_g", ["+", 1, 2], ["*", 3, 0], ["*", 1, 0], ["*", 2, 0], 0, 64, ["*", 1, 8],
     512, 256, 5, ["<", 1, 12], ["+", 8, 8], ["*", 1, 14], 50]
    """
  static let launches = """
    [[{"when": [], "steps": [9]}],
     [{"when": [[13, 1]], "steps": []}, {"when": [[13, 0]], "steps": [15]}],
     [{"when": [], "steps": [10, 7, "outputs", -1, 11]}]]
    """
  static let blocks = """
    {"first": [2, 5, 5], "count": [3, 0, 6], "launch": [0, 1, 2], "op": [1, 1, 1],
     "module": [1, 1, 1], "layer": [0, 0, 0], "node": [0, 0, 0]}
    """
  static let lawTensors = #"[{"bytes": 4, "shape": [3, 16], "regions": [5, 6, 7, 7]}]"#
  static let lawOfTensor = "[-1, 0, 0, -1, -1, 0, -1, -1]"

  static func laws(
    values: String = values, tensors: String = lawTensors, law: String = lawOfTensor,
    launches: String = launches, blocks: String = blocks, tokens: String = "[3, 1000]",
    multiple: Int = 1, mostTokens: String = "null", more: String = ""
  ) -> String {
    """
    {"variables": ["n_c", "n_g"], "at": [4, 2], "made_from": [[2, 2], [3, 2]],
     "checked_at": [[7, 2]], "solves": "n_c", "tokens": \(tokens), "multiple": \(multiple),
     "batch": [1, 1], "most_tokens": \(mostTokens), "values": \(values), "tensors": \(tensors),
     "law": \(law), "launches": \(launches), "blocks": \(blocks)\(more)}
    """
  }

  static func text(_ laws: String? = Self.laws(), device: String = "cuda") -> String {
    """
    {"format": "ballast-recording", "version": 1,
     "made": {"at": "2026-11-30T03:00:00Z", "by": {"torch": "2.13.0"}},
     "call": {"command": "a test", "options": {}}, "model": {"name": "tiny", "configuration": null},
     "point": {"n_c": 4, "n_g": 2}, "device": "\(device)",
     "gpu": {"name": "h100", "title": "H100", "memory_bytes": 85029158912, "memory_source": "",
       "multiprocessors": 132, "threads_per_multiprocessor": 2048, "compute_capability": "9.0",
       "context_bytes": 0, "context_source": "", "cublas_workspace_bytes": 33554432},
     "ranks": 1, "rank": 0, "assumptions": ["no padding"], "not_modelled": [],
     "tables": {"ops": ["", "aten::mm"], "modules": ["", "model.layers.0.q_proj"], "nodes": [""],
       "roles": ["parameter", "activation", "temporary", "workspace"],
       "dtypes": ["bfloat16", ""], "shapes": [[500], [6, 50], []],
       "regions": [[0, 0, 0, 1000, 0], [400, 200, 0, 0, 0], [0, 0, 0, 256, 0], [0, 0, 0, 512, 0],
         [0, 0, 0, 2048, 0]]},
     "tensors": {"bytes": [1000, 600, 600, 256, 512, 600, 256, 2048],
       "op": [0, 0, 1, 1, 1, 1, 1, 1], "module": [0, 1, 1, 1, 1, 1, 1, 1],
       "layer": [-1, 0, 0, 0, 0, 0, 0, 0], "role": [0, 1, 1, 2, 2, 1, 2, 3],
       "node": [0, 0, 0, 0, 0, 0, 0, 0], "dtype": [0, 0, 0, 1, 1, 0, 1, 1],
       "shape": [0, 1, 1, 2, 2, 1, 2, 2], "regions": [0, 1, 1, 2, 3, 1, 2, 4],
       "kept": [0, 1, 1, 0, 0, 1, 0, 0], "stream": [0, 0, 3, 3, 2, 2, 2, 2]},
     "events": [0, 1, 2, 3, -4, 4, 5, -5, 6, 7, -7, -2, -3, -6],
     "phases": [{"name": "model", "step": 0, "first_event": 0},
       {"name": "forward", "step": 0, "first_event": 1},
       {"name": "backward", "step": 0, "first_event": 11}],
     "boundaries": [11]\(laws.map { ", \"laws\": " + $0 } ?? "")}
    """
  }

  static func recording(_ text: String) throws -> Recording {
    try Recording(JSONParser.parse(Array(text.utf8)))
  }

  static func read(_ laws: String = Self.laws()) throws -> RecordedLaws? {
    try RecordedLaws(recording(text(laws)))
  }
}
