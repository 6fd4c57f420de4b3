"""Steps alone and beside another program's; see scripts/busy."""

from __future__ import annotations

import csv
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from checkout import Failure, program
from checkout.command import Words

SPINNING = {"GOMP_SPINCOUNT": "300000"}
# What a user may have set decides how threads wait; here it is the program's choice.
CHOICES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")

PROFILE = """
model: one-layer
layers: {layers}
n_c: {n_c}
n_g: {n_g}
dtype: {dtype}
mode: replayed-prefix
chunk: 256
threads: {threads}
repeat: {repeats}
"""


def steps(folder: Path) -> list[float]:
    """The seconds of a sweep's steps that other sweeps certainly ran beside."""
    with (folder / "points.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["status"] == "ok"]
    seconds = [float(row["forward_seconds"]) + float(row["backward_seconds"]) for row in rows]
    return seconds[1:-1]


def sweep(profile: Path, folder: Path, programs: int, settings: dict[str, str]) -> float:
    """The median step of sweeps that run at once."""
    environment = {key: value for key, value in os.environ.items() if key not in CHOICES} | settings
    outputs = [folder / str(program) for program in range(programs)]
    running = [subprocess.Popen([program(), "sweep", profile, "--output", output, "--overwrite"],
                                env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                text=True) for output in outputs]
    for process in running:
        _, errors = process.communicate()
        if process.returncode:
            raise Failure(errors.strip())
    return statistics.median(second for output in outputs for second in steps(output))


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--n-c", type=int, default=2048)
    parser.add_argument("--n-g", type=int, default=256)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--programs", type=int, default=2)
    parser.add_argument("--spinning", action="store_true")
    options = parser.parse_args(words)
    if min(options.rounds, options.layers, options.n_c) < 1 or options.n_g < 2:
        parser.error("rounds, layers and prefix tokens are 1 at least, generated tokens 2")
    if options.repeats < 3 or options.programs < 2:
        parser.error("repeats are 3 at least, programs 2")
    threads = len(os.sched_getaffinity(0))
    policies: dict[str, dict[str, str]] = {"as it is": {}} | ({"spinning": SPINNING} if options.spinning else {})
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in policies}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        profile = folder / "busy.yaml"
        profile.write_text(PROFILE.format(
            layers=options.layers, n_c=options.n_c, n_g=options.n_g, dtype=options.dtype,
            threads=threads, repeats=options.repeats))
        for _ in range(options.rounds):
            alone = {policy: sweep(profile, folder, 1, settings)
                     for policy, settings in policies.items()}
            for policy, settings in policies.items():
                seen[policy].append((alone[policy],
                                     sweep(profile, folder, options.programs, settings)))
    print(f"{threads} threads, {options.layers} layers, {options.dtype}, n_c {options.n_c}, n_g "
          f"{options.n_g}; medians of {options.rounds}\n")
    print(f"{'waits':10} {'alone':>9} {f'{options.programs} at once':>10}  ratio")
    for policy, pairs in seen.items():
        ratios = [together / alone for alone, together in pairs]
        print(f"{policy:10} {statistics.median(a for a, _ in pairs):7.3f} s "
              f"{statistics.median(b for _, b in pairs):8.3f} s  {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f}–{max(ratios):.2f})")
    if options.spinning:
        parts = [ours[0] / theirs[0] for ours, theirs in zip(*seen.values(), strict=True)]
        print(f"\nalone, a step takes {statistics.median(parts):.2f} ({min(parts):.2f}–"
              f"{max(parts):.2f}) of the time that it takes with libgomp's own waits")

    return 0
