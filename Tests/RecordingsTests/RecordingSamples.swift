import Files
import Recordings
import Testing

/// A small recording: two weights, an activation, a temporary, a gradient.
enum RecordingSamples {
  static let text = """
    {"format": "ballast-recording", "version": 1,
     "made": {"at": "2026-11-30T03:00:00Z", "by": {"ballast-probe": "0.1.0", "torch": "2.13.0+cpu"}},
     "call": {"command": "ballast-probe record", "options": {"n_c": 64, "gpu": "h100"}},
     "model": {"name": "tiny", "configuration": null},
     "point": {"n_c": 64, "dtype": "bfloat16"}, "device": "cuda",
     "gpu": {"name": "h100", "title": "H100", "memory_bytes": 85029158912, "memory_source": "",
       "multiprocessors": 132, "threads_per_multiprocessor": 2048, "compute_capability": "9.0",
       "context_bytes": 629145600, "context_source": "", "cublas_workspace_bytes": 33554432},
     "ranks": 1, "rank": 0, "assumptions": ["no padding"],
     "not_modelled": [{"op": "aten::sort", "calls": 3}],
     "tables": {"ops": ["", "aten::mm"], "modules": ["", "model.layers.0.q_proj"],
       "nodes": ["", "MmBackward0.self"], "roles": ["parameter", "activation", "temporary", "gradient"],
       "dtypes": ["bfloat16"], "shapes": [[64, 4096], []],
       "regions": [[0, 0, 0, 524288, 0], [400000, 124288, 0, 0, 0], [0, 0, 0, 1000, 0]]},
     "tensors": {"bytes": [524288, 524288, 524288, 1000, 524288], "op": [0, 0, 1, 1, 1],
       "module": [0, 0, 1, 1, 1], "layer": [-1, 0, 0, 0, 0], "role": [0, 0, 1, 2, 3],
       "node": [0, 0, 0, 0, 1], "dtype": [0, 0, 0, 0, 0], "shape": [0, 0, 0, 1, 0],
       "regions": [0, 0, 1, 2, 0], "kept": [0, 0, 1, 0, 0]},
     "events": [0, 1, 2, 3, -4, 4, -3],
     "phases": [{"name": "model", "step": 0, "first_event": 0},
       {"name": "forward", "step": 0, "first_event": 2},
       {"name": "backward", "step": 0, "first_event": 5}],
     "boundaries": [5]}
    """

  static func read(_ text: String = text) throws -> Recording {
    try Recording(JSONParser.parse(Array(text.utf8)))
  }
}
