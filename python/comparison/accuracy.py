"""How far gradients of q_proj and k_proj are from float64's; see scripts/compare-accuracy."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from checkout import program
from checkout.command import Words
from comparison import llama
from fixtures.steps import Gradients

KINDS = ("ordinary", "small scores", "tokens alike")
# Of medians over a kind's models: rounding of two float32 programs differs that much by chance.
MOST = 1.25


def change(weights: dict[str, torch.Tensor], kind: str) -> None:
    if kind == "small scores":
        for name, value in weights.items():
            if "q_proj" in name or "k_proj" in name:
                value *= 0.01
    if kind == "tokens alike":
        table = weights["model.embed_tokens.weight"]
        table[:] = table[:1] + 0.001 * table


def compare(seed: int, kind: str, folder: Path) -> list[tuple[float, float, float]]:
    """Of every q_proj and k_proj the errors of SDPA, fused and materialized attention."""
    drawn = torch.Generator().manual_seed(seed)

    def pick(*values: Any) -> Any:
        return values[int(torch.randint(len(values), (1,), generator=drawn))]

    width, heads = pick((32, 2), (64, 4), (48, 3))
    n = pick(16, 60, 200, 700)
    llama.CONFIG.update(
        hidden_size=width, num_attention_heads=heads, num_key_value_heads=heads,
        head_dim=width // heads, intermediate_size=2 * width, num_hidden_layers=2, vocab_size=64)
    model = folder / "model"
    model.mkdir(exist_ok=True)
    llama.make(model, n)
    weights = load_file(str(model / "model.safetensors"))
    change(weights, kind)
    save_file(weights, str(model / "model.safetensors"))
    tokens = json.loads((model / "tokens.json").read_text())["tokens"][:n]
    (model / "tokens.json").write_text(json.dumps({"tokens": tokens}))
    n_c = n // 2

    def theirs(dtype: torch.dtype, name: str) -> Gradients:
        made = llama.Llama(model, dtype)
        llama.Steps(made, tokens, n_c, n - n_c).run(name)
        return {key: weight.grad.double() for key, weight in made.weights.items()
                if weight.grad is not None}

    def ours(attention: str) -> Gradients:
        subprocess.run(
            [program(), "measure", "--model", model, "--tokens",
             model / "tokens.json", "--n-c", str(n_c), "--n-g", str(n - n_c), "--attention",
             attention, "--gradients", folder / "gradients.safetensors"],
            check=True, stdout=subprocess.DEVNULL)
        return {key: value.double()
                for key, value in load_file(str(folder / "gradients.safetensors")).items()}

    exact = theirs(torch.float64, "math")
    programs = [theirs(torch.float32, "sdpa"), ours("fused"), ours("materialized")]
    return [tuple(((program[key] - exact[key]).norm() / exact[key].norm()).item()
                  for program in programs)
            for key in exact if "q_proj" in key or "k_proj" in key]


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--random", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)
    print(f"{'models':14} {'gradients':>9} {'SDPA':>9} {'fused':>9} {'material.':>9}  fused / SDPA")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            errors = [error for index in range(options.random)
                      for error in compare(options.seed + index, kind, Path(folder))
                      if min(error) > 0]
            middles = [statistics.median(column) for column in zip(*errors)]
            ratio = statistics.median(fused / sdpa for sdpa, fused, _ in errors)
            worst = max(worst, ratio)
            print(f"{kind:14} {len(errors):9} " + " ".join(f"{x:9.1e}" for x in middles)
                  + f"  {ratio:.2f}")
    if worst > MOST:
        print(f"compare-accuracy: fused attention is {worst:.2f} times as far off as SDPA; "
              f"{MOST} is chance", file=sys.stderr)
        return 1
    return 0
