"""What PyTorch keeps by part of the model, against the laws of `ballast plan --recipe … --laws-csv`.

The laws come from steps at a few lengths, the bytes from PyTorch's hooks at another: where both agree,
the roles that Ballast gives its recipes' tensors are those of PyTorch's modules.
"""

from __future__ import annotations

import csv
import math
import subprocess
from collections import Counter

from ballast_probe import PointOptions, ProbeError
from ballast_probe.options import HEADS
from ballast_probe.recorder import Saved
from checkout import program

# The parts of `laws.csv`, by the last word of the module that keeps a tensor first.
PARTS = {
    "embed_tokens": "embedding", "wte": "embedding", "wpe": "embedding",
    "input_layernorm": "norms", "post_attention_layernorm": "norms", "q_norm": "norms", "k_norm": "norms",
    "ln_1": "norms", "ln_2": "norms",
    "self_attn": "attention", "attn": "attention", "q_proj": "attention", "k_proj": "attention",
    "v_proj": "attention", "o_proj": "attention", "c_attn": "attention",
    "mlp": "mlp", "gate_proj": "mlp", "up_proj": "mlp", "down_proj": "mlp", "act_fn": "mlp", "act": "mlp",
    "c_fc": "mlp", "norm": "head", "ln_f": "head", "lm_head": "head", "": "head",
}
# What PEFT puts below the module that an adapter is on.
PEFT = ("base_layer", "lora_A", "lora_B", "lora_dropout", "default")
SIZES = {"float32": 4, "int64": 8, "bfloat16": 2, "float16": 2}
# Operands of the nodes of attention that are keys or values.
KEYS_AND_VALUES = ("BmmBackward0.mat2", ".key", ".value")


def part(saved: Saved) -> str:
    """The part of the model that keeps a tensor first, by the names of transformers and PyTorch alone."""
    words = [word for word in saved.path.split(".") if word not in PEFT]
    last = words[-1]
    # What checkpointing keeps of a layer has no node, for its input may be a leaf.
    if last.isdigit():
        return "layer inputs"
    if last == "c_proj":
        return "mlp" if "mlp" in words else "attention"
    if last in ("self_attn", "attn") and saved.node.endswith(KEYS_AND_VALUES):
        whole = saved.storage_bytes > math.prod(saved.shape) * SIZES[saved.dtype]
        # gpt2's q, k and v in one storage are no keys or values alone.
        return "attention" if whole and last == "attn" else "K/V"
    return PARTS[last]


def kept(saved: list[Saved]) -> Counter[str]:
    """PyTorch's bytes by part."""
    bytes_of: Counter[str] = Counter()
    for tensor in saved:
        bytes_of[part(tensor)] += tensor.storage_bytes
    return bytes_of


def step_options(model: str, o: PointOptions) -> list[str]:
    """The options that make `ballast` take the same step."""
    words = [
        "--model", model, "--recipe", o.recipe, "--n-c", str(o.n_c), "--n-g", str(o.n_g),
        "--batch", str(o.batch), "--mode", o.mode, "--recompute", o.recompute,
        "--head", HEADS[o.logits]]
    for option, value in (("--dtype", o.dtype), ("--keep-prefix", o.keep_prefix), ("--trainable", o.trainable),
                          ("--lora", o.lora), ("--layers", o.layers)):
        words += [option, str(value)] if value else []
    return words


def run(words: list[str]) -> str:
    """Runs `ballast`, and returns what it prints.

    Raises:
        ProbeError: it failed; with its own sentence.
    """
    done = subprocess.run([str(program()), *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise ProbeError(done.stderr.strip())
    return done.stdout


def laws(model: str, options: PointOptions) -> list[dict[str, str]]:
    """The rows of `laws.csv` about what a step of a model retains."""
    text = run(["plan", *step_options(model, options), "--laws-csv", "-"])
    rows = csv.DictReader(text.splitlines())
    return [row for row in rows if row["figure"] == "retained"]


def difference(model: str, options: PointOptions, saved: list[Saved]) -> list[str] | None:
    """A line for each part whose law does not give PyTorch's bytes; None where no law reaches this length."""
    rows = laws(model, options)
    if any(options.n_c < int(row["holds_from_n_c"]) for row in rows):
        return None
    expected = Counter({row["part"]: value(row, options.n_c) for row in rows if row["part"] != "total"})
    found = kept(saved)
    return [f"    part {name}: law {expected[name]:,} bytes, PyTorch {found[name]:,}"
            for name in sorted(expected | found) if expected[name] != found[name]]


def value(row: dict[str, str], n_c: int) -> int:
    """A law's bytes at a length."""
    return int(row["constant_bytes"]) + int(row["linear_bytes"]) * n_c + int(row["quadratic_bytes"]) * n_c**2
