"""Inverse frequencies and attention factors of transformers' rotary positions, at several lengths."""

import json
import struct
from pathlib import Path

from pytorch_files import read_json, write_json
from pytorch_steps import Failure, missing_module

if not missing_module:
    import torch
    import transformers
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

FILE = "rotary.json"
# float32 numbers of another build of PyTorch may be neighbours.
MOST_APART = 2

# Width of a head, max_position_embeddings, rope_theta, rope_scaling as published files have it, and
# lengths within and beyond the context.
CASES: list[tuple[int, int, float, dict, tuple[int, ...]]] = [
    (128, 4096, 10000.0, {"type": "linear", "factor": 8.0}, (5, 9000)),
    (46, 777, 12345.678, {"rope_type": "linear", "factor": 3.7}, (5, 9000)),
    (128, 2048, 10000.0, {"type": "dynamic", "factor": 2.0}, (5, 2048, 2049, 3000, 8192)),
    (46, 777, 12345.678, {"rope_type": "dynamic", "factor": 3.7}, (5, 777, 778, 12345)),
    (6, 16, 500000.0, {"rope_type": "dynamic", "factor": 1.0}, (16, 17, 100)),
    # Qwen2.5's, Llama 2's (arXiv 2309.00071), Qwen3's with another maximum, DeepSeek's.
    (128, 32768, 1e6, {"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"},
     (5, 100000)),
    (128, 131072, 10000.0,
     {"factor": 32.0, "original_max_position_embeddings": 4096, "type": "yarn"}, (5, 100000)),
    (128, 40960, 1e6, {"rope_type": "yarn", "factor": 4.0,
                       "original_max_position_embeddings": 32768}, (5,)),
    (64, 163840, 10000.0,
     {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707, "mscale_all_dim": 1.0,
      "original_max_position_embeddings": 4096, "type": "yarn"}, (5,)),
    (46, 4096, 12345.678,
     {"rope_type": "yarn", "factor": 3.7, "attention_factor": 1.25, "beta_fast": 20.5,
      "beta_slow": 2, "truncate": False, "original_max_position_embeddings": 777}, (5,)),
    (46, 777, 12345.678, {"rope_type": "yarn", "factor": 1.0, "beta_fast": 0, "mscale": 2.0}, (5,)),
    (16, 64, 10.0, {"rope_type": "yarn", "factor": 2.5, "beta_fast": 1.0, "beta_slow": 1.0}, (5,)),
    (16, 64, 1e6, {"rope_type": "yarn", "factor": 2.5, "beta_fast": 1e3, "beta_slow": 1e2}, (5,)),
    (8, 400, 10000.0,
     {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.3, 2], "long_factor": [1, 3.5, 9, 30.7],
      "original_max_position_embeddings": 100}, (5, 100, 101, 390)),
    (8, 400, 500000.0,
     {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.3, 2], "long_factor": [1, 3.5, 9, 30.7],
      "original_max_position_embeddings": 100, "factor": 2.0}, (101,)),
    (8, 100, 500000.0,
     {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.3, 2], "long_factor": [1, 3.5, 9, 30.7],
      "attention_factor": 1.19}, (5,)),
    (64, 131072, 500000.0,
     {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192}, (5,)),
]


def bits(number: float) -> int:
    """The bit pattern of a float32."""
    return struct.unpack("<I", struct.pack("<f", number))[0]


def measure() -> list[dict]:
    """What a model that meets the length first turns by."""
    found = []
    for width, context, theta, given, lengths in CASES:
        for length in lengths:
            scaling = dict(given)  # transformers adds to it
            fields = {"hidden_size": 2 * width, "num_attention_heads": 2, "rope_theta": theta,
                      "max_position_embeddings": context, "rope_scaling": scaling}
            text = json.dumps({"model_type": "llama"} | fields)
            config = transformers.LlamaConfig(**fields)
            rotary = LlamaRotaryEmbedding(config)
            rotary(torch.zeros(1), torch.arange(length)[None])
            found.append({
                "config": text, "length": length,
                "frequencies": [bits(number) for number in rotary.inv_freq.tolist()],
                "attention_factor": float(rotary.attention_scaling)})
    return found


def write_rotary(root: Path) -> str:
    found = measure()
    write_json(root / FILE, {
        "cases": found, "torch": torch.__version__, "transformers": transformers.__version__})
    return f"{len(found)} rotations"


def check_rotary(root: Path) -> str:
    wanted = read_json(root / FILE)["cases"]
    found = measure()
    if [(c["config"], c["length"]) for c in wanted] != [(c["config"], c["length"]) for c in found]:
        raise Failure("the file and the script disagree about the cases.")
    apart = 0
    for one, other in zip(found, wanted):
        if one["attention_factor"] != other["attention_factor"]:
            raise Failure(f"another attention factor: {one['config']}.")
        apart = max(apart, *(abs(a - b) for a, b in zip(one["frequencies"], other["frequencies"])))
    if apart > MOST_APART:
        raise Failure(f"frequencies are {apart} float32 numbers apart.")
    return f"{len(found)} rotations, at most {apart} float32 numbers apart"
