"""Ballast's training steps and PyTorch's by turns; see scripts/bench."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from checkout import Failure, program
from checkout.command import Words
from comparison import llama

# The step, Ballast's words for it (CHUNK is --chunk), PyTorch's, and the ratio that the project means
# to keep below.
STEPS = [
    ("pruned-graph, fused", "pruned-graph fused none CHUNK", "sdpa", 0.70),
    ("full-graph, fused", "full-graph fused none CHUNK", "sdpa", 0.85),
    ("full-graph, materialised", "full-graph materialized none CHUNK", "math", 0.30),
    ("detached-prefix, fused", "detached-prefix fused none CHUNK", "detached", 0.72),
    ("replayed-prefix, fused", "replayed-prefix fused none CHUNK", "checkpointed", 0.72),
    ("recompute layer", "full-graph fused layer CHUNK", "checkpointed", 0.85),
    ("full-graph, fused, compiled", "full-graph fused none CHUNK", "compiled_sdpa", None),
]
WORDS = {"sdpa": "SDPA, whole graph", "math": "math attention", "checkpointed": "checkpoint of each "
         "layer", "detached": "no_grad with a KV cache", "compiled_sdpa": "torch.compile, SDPA"}
PEAK = 2048


def say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="" if text else "\r", file=sys.stderr, flush=True)


# Seconds, and what else a side says of a step.
Answer = dict[str, float]


class Side:
    """A process that answers lines."""

    def __init__(self, command: list[Any], environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, start_new_session=True,
                                        env=os.environ | (environment or {}))

    def ask(self, line: str) -> Answer:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise Failure(f"the process of {line!r} ended")
        found: Answer = json.loads(answer)
        return found

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def can_compile() -> bool:
    """Whether torch.compile has the compiler that it needs."""
    return any(os.access(Path(folder) / "g++", os.X_OK)
               for folder in os.environ.get("PATH", "").split(os.pathsep))


def processor(field: str) -> str:
    """What /proc/cpuinfo says of the first processor, or nothing."""
    with Path("/proc/cpuinfo").open() as lines:
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(field)), "")


def fast_mkl(folder: Path) -> dict[str, str] | None:
    """The environment in which MKL takes its AVX-512 kernels; none where it does by itself."""
    if "avx512f" not in processor("flags").split() or processor("vendor_id") == "GenuineIntel":
        return None
    compiler = shutil.which("clang") or shutil.which("cc")
    library = folder / "mkl_fast_path.so"
    if not compiler or subprocess.run([compiler, "-shared", "-fPIC", Path(__file__).with_name("mkl_fast_path.c"),
                                       "-o", library]).returncode:
        print("scripts/bench: no C compiler made mkl_fast_path.so, so PyTorch runs with MKL's slower "
              "kernels", file=sys.stderr)
        return None
    return {"LD_PRELOAD": str(library)}


def measure(dtype: str, options: argparse.Namespace, folder: Path,
            environment: dict[str, str] | None) -> dict[str, Any]:
    arguments = [folder, folder / "tokens.json", options.n_c, options.n_g, dtype, options.threads]
    ours = Side([program("step-benchmark"), *arguments])
    theirs = Side([sys.executable, "-m", "comparison.llama", *arguments], environment)
    steps = [step for step in STEPS if can_compile() or step[2] != "compiled_sdpa"]
    steps = [step for step in steps if not options.only or any(
        word in step[0] for word in options.only.split(","))]
    whole = f"full-graph fused none {options.chunk}"
    # Each is (name, what ours is asked, what is asked beside it, and whom).
    pairs = [(name, f"step {words.replace('CHUNK', str(options.chunk))}", f"step {other}", theirs)
             for name, words, other, _ in steps]
    if not options.only:
        pairs += [("ledger", f"step {whole}", f"unrecorded {whole}", ours),
                  ("products", f"step {whole}", f"products {whole}", ours),
                  ("peak", f"step {whole}", f"peak {PEAK}", ours)]
    pairs += [("peaks", f"peak {PEAK}", f"peak {PEAK}", theirs)]
    seen: dict[str, list[tuple[Answer, Answer]]] = {}
    rounds = 0
    try:
        for turn in range(options.rounds + 1):
            for index, (name, mine, other, side) in enumerate(pairs):
                say(f"{dtype}: round {turn} of {options.rounds}, {index + 1} of {len(pairs)}: "
                    f"{name}")
                # Neighbours in time, since a machine's speed drifts; the first by turns.
                first, second = [who.ask(line) for who, line in
                                 ((ours, mine), (side, other))[::1 if turn % 2 else -1]]
                if turn:  # the first is to warm up
                    seen.setdefault(name, []).append(
                        (first, second) if turn % 2 else (second, first))
            rounds = turn
    except KeyboardInterrupt:
        for side in (ours, theirs):
            side.process.kill()
        say("")
        if not rounds:
            raise
        print(f"scripts/bench: interrupted; these are the medians of {rounds}", file=sys.stderr)
    ours.close()
    theirs.close()
    say("")

    def ratios(name: str) -> list[float]:
        return [a["seconds"] / b["seconds"] for a, b in seen[name]]

    def middle(name: str, at: int, key: str = "seconds") -> float:
        return statistics.median(pair[at][key] for pair in seen[name])

    def speed(name: str, at: int) -> float:
        return statistics.median(float(pair[at]["flops"]) / pair[at]["seconds"] / 1e9
                                 for pair in seen[name])

    peak = max(speed("peaks", 0), speed("peaks", 1))
    result: dict[str, Any] = {"rounds": rounds, "peak_gflops": speed("peaks", 0),
                    "pytorch_peak_gflops": speed("peaks", 1)}
    result["rows"] = [
        {"step": name, "against": WORDS[other], "dtype": dtype, "reach": reach,
         "ballast_seconds": middle(name, 0), "pytorch_seconds": middle(name, 1),
         "ratio": statistics.median(ratios(name)), "ratios": ratios(name),
         "ratio_at_peak": middle(name, 0, "flops") / peak / 1e9 / middle(name, 1),
         "ballast_loss": middle(name, 0, "loss"), "pytorch_loss": middle(name, 1, "loss")}
        for name, words, other, reach in steps]
    if not options.only:
        def share(name: str) -> float:
            return statistics.median(float(a["flops"]) / a["seconds"] * b["seconds"] / b["flops"]
                                     for a, b in seen[name])
        result |= {
            "gflops": speed("products", 0), "products_gflops": speed("products", 1),
            "share_of_products": share("products"), "share_of_peak": share("peak"),
            "ledger_cost": statistics.median(ratios("ledger"))}
    return result


def show(result: dict[str, Any]) -> None:
    print(f"{'step':28} {'against':25} {'Ballast':>9} {'PyTorch':>9}  ratio             reach  "
          "at peak  loss")
    for row in result["rows"]:
        reach = "–" if row["reach"] is None else f"{row['reach']:.2f}"
        same = abs(row["ballast_loss"] - row["pytorch_loss"]) <= 2e-2 * abs(row["pytorch_loss"])
        loss = f"{row['ballast_loss']:.4f} {'=' if same else '≠'} {row['pytorch_loss']:.4f}"
        print(f"{row['step']:28} {row['against']:25} {row['ballast_seconds']:7.3f} s "
              f"{row['pytorch_seconds']:7.3f} s  {row['ratio']:.2f} ({min(row['ratios']):.2f}–"
              f"{max(row['ratios']):.2f})  {reach:>5}  {row['ratio_at_peak']:7.2f}  {loss}")
    print(f"a {PEAK}³ product: {result['peak_gflops']:.0f} GFLOP/s, PyTorch's "
          f"{result['pytorch_peak_gflops']:.0f}")
    if "gflops" in result:
        print(f"full-graph, fused: {result['gflops']:.0f} GFLOP/s, "
              f"{result['share_of_products']:.0%} of the speed of its own products through oneDNN "
              f"({result['products_gflops']:.0f}), {result['share_of_peak']:.0%} of a {PEAK}³ "
              "product's")
        print(f"with the ledger: {result['ledger_cost']:.3f} of the time without")
    print()


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--dtype")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n-c", type=int, default=2048)
    parser.add_argument("--n-g", type=int, default=256)
    parser.add_argument("--chunk", type=int, default=256)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only")
    parser.add_argument("--plain-mkl", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args(words)
    if not options.dtype:
        # Without, PyTorch takes thirty times as long as in float32: no race worth the wait.
        options.dtype = "float32,bfloat16" if "avx512" in processor("flags") else "float32"
    unknown = set(options.dtype.split(",")) - {"float32", "bfloat16"}
    if unknown:
        parser.error(f"unknown dtype {unknown.pop()}; it is float32 or bfloat16")
    if min(options.rounds, options.n_c, options.chunk, options.threads) < 1 or options.n_g < 2:
        parser.error("rounds, prefix tokens, chunk and threads are 1 at least, generated tokens 2")
    if options.only and not any(word in step[0] for step in STEPS
                                for word in options.only.split(",")):
        parser.error(f"no step has one of the words {options.only!r} in its name; they are "
                     + "; ".join(step[0] for step in STEPS))
    if options.json:
        exists = Path(options.json).exists()
        try:  # before minutes of work, not after them
            Path(options.json).open("a").close()
            if not exists:
                Path(options.json).unlink()
        except OSError as error:
            parser.error(f"cannot write {options.json}: {error.strerror}")
    model = processor("model name") or platform.machine()
    about = {"machine": model, "threads": options.threads, "torch": torch.__version__,
             "rounds": options.rounds, "n_c": options.n_c, "n_g": options.n_g, "chunk": options.chunk,
             "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    print(f"{model}, {options.threads} threads, torch {torch.__version__}; 4 layers, d 512, 8 heads, "
          f"d_ff 1408, vocab 8192, n_c {options.n_c}, n_g {options.n_g}, chunk {options.chunk}; "
          f"medians of {options.rounds}\n")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        llama.make(Path(folder), options.n_c + options.n_g)
        environment = None if options.plain_mkl else fast_mkl(Path(folder))
        about["mkl_asked_for_avx512"] = environment is not None
        if environment:
            print("PyTorch's MKL is asked for its AVX-512 kernels (--plain-mkl: for none)\n")
        for dtype in options.dtype.split(","):
            print(dtype)
            results[dtype] = measure(dtype, options, Path(folder), environment)
            show(results[dtype])
            if options.json:
                Path(options.json).write_text(json.dumps({**about, **results}, indent=2) + "\n")
            if results[dtype]["rounds"] < options.rounds:
                raise KeyboardInterrupt
    return 0
