"""Ballast's transformers recipes against what PyTorch's hooks report; see scripts/compare-pytorch."""

from __future__ import annotations

import csv
import json
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from ballast_probe import PointOptions, ProbeError, probe_configuration
from ballast_probe.options import LOGITS
from ballast_probe.recorder import Saved
from checkout import Failure
from checkout.command import Words

from . import parts

FAMILIES = ("gpt2", "llama", "mistral", "qwen2", "qwen3")
# torch's own extents for a storage that it keeps: (shape, dtype, bytes).
Key = tuple[str, str, int]


@dataclass
class Case:
    """A model (a built-in name, or the fields of a config.json) and a step of it."""

    model: str | dict[str, object]
    options: PointOptions

    @property
    def name(self) -> str:
        model = self.model if isinstance(self.model, str) else self.model["model_type"]
        o = self.options
        parts = [str(model), o.attention, o.dtype or "", o.mode, f"{o.n_c}+{o.n_g}"]
        parts += [f"batch {o.batch}"] if o.batch > 1 else []
        parts += [f"keep {o.keep_prefix}"] if o.keep_prefix else []
        parts += ["checkpointed"] if o.recompute == "layer" else []
        parts += [f"logits {o.logits}"] if o.logits != LOGITS[0] else []
        parts += [f"trains {o.trainable}"] if o.trainable else []
        parts += [f"lora {o.lora}"] if o.lora else []
        return " ".join(parts)


def scaling(draw: random.Random, width: int) -> dict[str, object]:
    """A scaling of rotary positions for heads of a width; none changes a byte.

    Their context of 20 ends within many steps.
    """
    found: list[dict[str, object]] = [
        {"type": "linear", "factor": 4.0},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 20},
        {"rope_type": "longrope", "factor": 2.0, "original_max_position_embeddings": 20,
         "short_factor": [1.5] * (width // 2), "long_factor": [4] * (width // 2)}]
    if width > 2:  # d / (d - 2)
        found.append({"type": "dynamic", "factor": 2.0})
    return draw.choice(found)


def random_case(draw: random.Random) -> Case:
    """A small model of one of the five families, and a step that any of them can make."""
    family = draw.choice(FAMILIES)
    heads = draw.choice((1, 2, 4, 6))
    width = 2 * draw.randint(1, 9)
    layers = draw.randint(1, 4)
    vocab = draw.randint(11, 90)
    tied = draw.random() < 0.5
    model: dict[str, object]
    if family == "gpt2":
        model = dict(
            n_embd=heads * width, n_head=heads, n_layer=layers, vocab_size=vocab, n_positions=128,
            activation_function=draw.choice(("gelu_new", "gelu", "gelu_pytorch_tanh")))
    else:
        model = dict(
            hidden_size=heads * width, num_attention_heads=heads, num_hidden_layers=layers,
            num_key_value_heads=draw.choice([k for k in (1, 2, 3, 4, 6) if heads % k == 0]),
            vocab_size=vocab, intermediate_size=draw.randint(3, 70),
            max_position_embeddings=draw.choice((20, 128)))
        if family in ("mistral", "qwen3"):
            model["head_dim"] = 2 * draw.randint(1, 9)
        if family == "mistral":
            model["sliding_window"] = draw.choice((None, draw.randint(2, 40)))
        if family in ("qwen2", "qwen3") and draw.random() < 0.5:
            model |= dict(
                use_sliding_window=True, sliding_window=draw.randint(2, 40),
                max_window_layers=draw.randint(0, layers))
    if family != "gpt2" and draw.random() < 0.5:
        model["rope_scaling"] = scaling(draw, int(str(model.get("head_dim", width))))
    model |= dict(model_type=family, tie_word_embeddings=tied)
    mode = draw.choice(("full-graph", "detached-prefix"))
    maps = ("c_attn", "c_fc", "c_proj") if family == "gpt2" else (
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    targets = "+".join(draw.sample(maps, draw.randint(1, len(maps))))
    lora = f"r={draw.randint(1, 9)},alpha=8,targets={targets}" if draw.random() < 0.5 else None
    if lora and draw.random() < 0.5:
        lora += ",dropout=0.1"
    n_c = draw.randint(0, 40)
    keep = min(n_c, draw.choice((0, 0, 3))) if mode == "detached-prefix" else 0
    return Case(model, PointOptions(
        n_c=n_c, n_g=draw.randint(2, 12), batch=draw.choice((1, 1, 2, 3)),
        mode=mode, keep_prefix=keep,
        attention=draw.choice(("eager", "sdpa")), dtype=draw.choice(("float32", "bfloat16", "float16")),
        recompute=draw.choice(("none", "layer")) if mode == "full-graph" else "none",
        lora=lora, logits=draw.choice(LOGITS), device="cpu" if lora or "rope_scaling" in model else "fake",
        trainable=draw.choice((
            None, None, "q_proj|c_attn", "mlp", "norm|ln_", r"\.0\.", "embed|wte", "bias|v_proj|wpe",
            "lm_head|down_proj|c_proj", r"layers\.1\.|h\.1\.|k_proj|c_fc"))))


def stored(case: Case, folder: Path) -> str:
    """What `--model` takes: the name of a model, or the file that its fields are written into."""
    if isinstance(case.model, str):
        return case.model
    (folder / "config.json").write_text(json.dumps(case.model))
    return str(folder / "config.json")


def predicted(case: Case, folder: Path) -> list[tuple[Key, str]]:
    """Ballast's tensors, each with the op that keeps it."""
    step = parts.step_options(stored(case, folder), case.options)
    parts.run(["measure", "--backend", "shape", *step, "--ledger", str(folder / "ledger.csv")])
    with open(folder / "ledger.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [((r["shape"], r["dtype"], int(r["requested_bytes"])),
             f"{'layer ' + r['layer'] + ' ' if r['layer'] else ''}{r['op']} {r['tensor']}")
            for r in rows]


def reported(saved: list[Saved]) -> list[tuple[Key, str]]:
    """PyTorch's tensors, each with the module and the node that keep it."""
    return [(("x".join(map(str, s.shape)), s.dtype, s.storage_bytes), f"{s.path} {s.node}")
            for s in saved]


def difference(ours: list[tuple[Key, str]], theirs: list[tuple[Key, str]]) -> list[str]:
    """A line for each tensor that one side has and the other has not."""
    lines = []
    for sign, mine, other in (("Ballast", ours, theirs), ("PyTorch", theirs, ours)):
        left = Counter(key for key, _ in mine) - Counter(key for key, _ in other)
        for key, op in mine:
            if left[key] > 0:
                left[key] -= 1
                lines.append(f"    only {sign}: {key[0]} {key[1]} {key[2]} bytes, {op}")
    return lines


def run(cases: list[Case]) -> int:
    """Compares all cases, tensors and laws, and returns how many differ."""
    differing = judged = 0
    for number, case in enumerate(cases, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                saved = probe_configuration(case.model, case.options).saved
                ours, theirs = predicted(case, Path(folder)), reported(saved)
                of_laws = parts.difference(stored(case, Path(folder)), case.options, saved)
            except ProbeError as error:
                raise Failure(f"{case.name}: {error}") from error
        judged += of_laws is not None
        lines = difference(ours, theirs) + (of_laws or [])
        differing += bool(lines)
        total = sum(key[2] for key, _ in theirs)
        mark = "✗" if lines else "✓"
        print(f"{mark} {number:3} {case.name}: {len(theirs)} tensors, {total:,} bytes")
        if lines:
            print(f"    Ballast {sum(key[2] for key, _ in ours):,} bytes, model {case.model}")
            print("\n".join(lines[:40]))
    print(f"laws by part held against the bytes of {judged} steps")
    return differing


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--random", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model")
    parser.add_argument("--n-c", type=int, default=512)
    parser.add_argument("--n-g", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--attention", choices=("eager", "sdpa"), default="sdpa")
    parser.add_argument("--mode", choices=("full-graph", "detached-prefix"), default="full-graph")
    parser.add_argument("--recompute", choices=("none", "layer"), default="none")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"))
    parser.add_argument("--logits", choices=LOGITS, default=LOGITS[0])
    parser.add_argument("--trainable")
    parser.add_argument("--lora")
    given = parser.parse_args(words)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    if given.model:
        cases = [Case(given.model, PointOptions(
            n_c=given.n_c, n_g=given.n_g, batch=given.batch, layers=given.layers,
            attention=given.attention, mode=given.mode, recompute=given.recompute,
            dtype=given.dtype, trainable=given.trainable, lora=given.lora, logits=given.logits,
            device="cpu" if given.lora else "fake"))]
    else:
        draw = random.Random(given.seed)
        cases = [random_case(draw) for _ in range(given.random)]
    differing = run(cases)
    print(f"{len(cases) - differing} of {len(cases)} equal, tensor by tensor")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
