"""How far gradients of q_proj and k_proj are from float64's: Ballast's attention beside PyTorch's SDPA.

Random small models of three kinds: ordinary ones; ones whose scores are small, so that attention is
even; and ones whose tokens are almost alike, so that what a row's keys would each change nearly cancels
(dP - D of a softmax's backward), and the gradient is small beside the rounding of its terms.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import bench_pytorch
import torch
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("ordinary", "small scores", "tokens alike")
# Of medians over a kind's models: rounding of two float32 programs differs that much by chance.
MOST = 1.25


def change(weights: dict, kind: str) -> None:
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

    def pick(*values):
        return values[int(torch.randint(len(values), (1,), generator=drawn))]

    width, heads = pick((32, 2), (64, 4), (48, 3))
    n = pick(16, 60, 200, 700)
    bench_pytorch.CONFIG.update(
        hidden_size=width, num_attention_heads=heads, num_key_value_heads=heads,
        head_dim=width // heads, intermediate_size=2 * width, num_hidden_layers=2, vocab_size=64)
    model = folder / "model"
    model.mkdir(exist_ok=True)
    bench_pytorch.make(model, n)
    weights = load_file(str(model / "model.safetensors"))
    change(weights, kind)
    save_file(weights, str(model / "model.safetensors"))
    tokens = json.loads((model / "tokens.json").read_text())["tokens"][:n]
    (model / "tokens.json").write_text(json.dumps({"tokens": tokens}))
    n_c = n // 2

    def theirs(dtype: torch.dtype, name: str) -> dict:
        made = bench_pytorch.Llama(model, dtype)
        bench_pytorch.Steps(made, tokens, n_c, n - n_c).run(name)
        return {key: weight.grad.double() for key, weight in made.weights.items()}

    def ours(attention: str) -> dict:
        subprocess.run(
            [ROOT / ".build/release/ballast", "measure", "--model", model, "--tokens",
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/compare-accuracy", description=__doc__)
    parser.add_argument("--random", type=int, default=20, help="models a kind (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the first (default: 1)")
    options = parser.parse_args()
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


if __name__ == "__main__":
    sys.exit(main())
