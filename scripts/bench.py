"""Times Ballast's training steps and PyTorch's by turns, on the same weights and tokens.

Both sides are processes that stay: after a step to warm up, each round runs every step of the table
once on either side, in an order that alternates. A figure is the median of the rounds; what stands
in brackets is the range of the ratio over the rounds.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The step, Ballast's words for it, PyTorch's, and the ratio that the project means to keep below.
STEPS = [
    ("pruned-graph, fused", "pruned-graph fused none 256", "sdpa", 0.70),
    ("full-graph, fused", "full-graph fused none 256", "sdpa", 0.85),
    ("full-graph, materialised", "full-graph materialized none 256", "math", 0.30),
    ("detached-prefix, fused", "detached-prefix fused none 256", "detached", 0.72),
    ("replayed-prefix, fused", "replayed-prefix fused none 256", "checkpointed", 0.72),
    ("recompute layer", "full-graph fused layer 256", "checkpointed", 0.85),
    ("full-graph, fused, compiled", "full-graph fused none 256", "compiled_sdpa", None),
]
WORDS = {"sdpa": "SDPA, whole graph", "math": "math attention", "checkpointed": "checkpoint of each "
         "layer", "detached": "no_grad with a KV cache", "compiled_sdpa": "torch.compile, SDPA"}
PEAK = 2048


def say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="" if text else "\r", file=sys.stderr, flush=True)


class Side:
    """A process that answers lines."""

    def __init__(self, command: list) -> None:
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> dict:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"scripts/bench: the process of {line!r} ended")
        return json.loads(answer)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def can_compile() -> bool:
    """Whether torch.compile has the compiler that it needs."""
    return any(os.access(Path(folder) / "g++", os.X_OK)
               for folder in os.environ.get("PATH", "").split(os.pathsep))


def measure(dtype: str, options: argparse.Namespace, folder: Path) -> dict:
    arguments = [folder, folder / "tokens.json", options.n_c, options.n_g, dtype, options.threads]
    ours = Side([ROOT / ".build/release/step-benchmark", *arguments])
    theirs = Side([sys.executable, ROOT / "scripts/bench_pytorch.py", *arguments])
    steps = [step for step in STEPS if can_compile() or step[2] != "compiled_sdpa"]
    steps = [step for step in steps if not options.only or any(
        word in step[0] for word in options.only.split(","))]
    times: dict[str, list[float]] = {}
    losses: dict[str, float] = {}
    flops: dict[str, float] = {}
    asked = [(ours, f"step {words}") for words in dict.fromkeys(step[1] for step in steps)]
    asked += [(theirs, f"step {name}") for name in dict.fromkeys(step[2] for step in steps)]
    whole = "full-graph fused none 256"
    if not options.only:
        asked += [(ours, f"unrecorded {whole}"), (ours, f"products {whole}"),
                  (ours, f"peak {PEAK}"), (theirs, f"peak {PEAK}")]
    count = options.rounds + 1
    for turn in range(count):
        for index, (side, line) in enumerate(asked if turn % 2 else reversed(asked)):
            say(f"{dtype}: round {turn} of {options.rounds}, {index + 1} of {len(asked)}: {line}")
            answer = side.ask(line)
            key = f"{'ours' if side is ours else 'theirs'} {line}"
            losses[key] = answer.get("loss", 0)
            flops[key] = float(answer.get("flops", 0))
            if turn:  # the first is to warm up
                times.setdefault(key, []).append(answer["seconds"])
    ours.close()
    theirs.close()
    say("")
    middle = {key: statistics.median(values) for key, values in times.items()}
    rows = []
    for name, words, other, reach in steps:
        us, them = f"ours step {words}", f"theirs step {other}"
        ratios = [a / b for a, b in zip(times[us], times[them])]
        rows.append({
            "step": name, "against": WORDS[other], "dtype": dtype, "ballast_seconds": middle[us],
            "pytorch_seconds": middle[them], "ratio": middle[us] / middle[them],
            "least": min(ratios), "most": max(ratios), "reach": reach,
            "ballast_loss": losses[us], "pytorch_loss": losses[them]})
    result = {"rows": rows}
    if not options.only:
        speed = {key: flops[f"ours {key}"] / middle[f"ours {key}"] / 1e9
                 for key in (f"step {whole}", f"products {whole}", f"peak {PEAK}")}
        result |= {
            "gflops": speed[f"step {whole}"], "products_gflops": speed[f"products {whole}"],
            "peak_gflops": speed[f"peak {PEAK}"],
            "pytorch_peak_gflops": 2 * PEAK ** 3 / middle[f"theirs peak {PEAK}"] / 1e9,
            "ledger_cost": middle[f"ours step {whole}"] / middle[f"ours unrecorded {whole}"]}
    return result


def show(result: dict) -> None:
    print(f"{'step':28} {'against':25} {'Ballast':>9} {'PyTorch':>9}  ratio             reach  loss")
    for row in result["rows"]:
        reach = "–" if row["reach"] is None else f"{row['reach']:.2f}"
        same = abs(row["ballast_loss"] - row["pytorch_loss"]) <= 2e-2 * abs(row["pytorch_loss"])
        loss = f"{row['ballast_loss']:.4f} {'=' if same else '≠'} {row['pytorch_loss']:.4f}"
        print(f"{row['step']:28} {row['against']:25} {row['ballast_seconds']:7.3f} s "
              f"{row['pytorch_seconds']:7.3f} s  {row['ratio']:.2f} ({row['least']:.2f}–"
              f"{row['most']:.2f})  {reach:>5}  {loss}")
    if "gflops" in result:
        own, peak = (result["gflops"] / result[f"{name}_gflops"] for name in ("products", "peak"))
        print(f"full-graph, fused: {result['gflops']:.0f} GFLOP/s, {own:.0%} of its own products "
              f"({result['products_gflops']:.0f}), {peak:.0%} of a {PEAK}³ product "
              f"({result['peak_gflops']:.0f}; PyTorch's {result['pytorch_peak_gflops']:.0f})")
        print(f"with the ledger: {result['ledger_cost']:.3f} of the time without")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__.split("\n\n")[0],
        epilog="example: scripts/bench --dtype float32 --rounds 9 --json bench.json")
    parser.add_argument("--dtype", default="float32,bfloat16", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="of every step (default: 5)")
    parser.add_argument("--n-c", type=int, default=2048, help="prefix tokens (default: 2048)")
    parser.add_argument("--n-g", type=int, default=256, help="generated tokens (default: 256)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--only", help="steps whose names contain one of these words")
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    options = parser.parse_args()
    unknown = set(options.dtype.split(",")) - {"float32", "bfloat16"}
    if unknown:
        parser.error(f"unknown dtype {unknown.pop()}; it is float32 or bfloat16")
    if min(options.rounds, options.n_c, options.threads) < 1 or options.n_g < 2:
        parser.error("rounds, prefix tokens and threads are 1 at least, generated tokens 2")
    import torch
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").open()
                  if line.startswith("model name")), platform.machine())
    about = {"machine": model, "threads": options.threads, "torch": torch.__version__,
             "rounds": options.rounds, "n_c": options.n_c, "n_g": options.n_g,
             "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    print(f"{model}, {options.threads} threads, torch {torch.__version__}; 4 layers, d 512, 8 heads, "
          f"d_ff 1408, vocab 8192, n_c {options.n_c}, n_g {options.n_g}; medians of "
          f"{options.rounds}\n")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, ROOT / "scripts/bench_pytorch.py", "--make", folder,
                        str(options.n_c + options.n_g)], check=True)
        for dtype in options.dtype.split(","):
            print(dtype)
            results[dtype] = measure(dtype, options, Path(folder))
            show(results[dtype])
    if options.json:
        Path(options.json).write_text(json.dumps({**about, **results}, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130)
