"""How the parts of a training step grow with the prefix; see scripts/growth."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from checkout import Failure, program
from checkout.command import Words

MODEL = ["--model", "seed", "--layers", "2", "--d-model", "256", "--heads", "4", "--kv-heads", "4",
         "--d-ff", "688", "--vocab", "1024"]
# A part's ops, by how their names end.
PARTS = {
    "attention": ("attention",),
    "projections": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    "norms, rotary, SwiGLU, sums": ("norm", "rotary", "swiglu", "residual"),
    "head and loss": ("head", "cross_entropy", "loss_rows"),
    "embedding": ("embedding",),
}


def part_of(name: str) -> str | None:
    op = name.removesuffix(".backward").split(".")[-1]
    return next((part for part, ends in PARTS.items() if op.endswith(ends)), None)


def seconds_of(trace: Path) -> dict[str, float]:
    """The seconds of each part in a timeline, and those of no op; slices within an op are its own."""
    seconds = dict.fromkeys(PARTS, 0.0)
    other, total = 0.0, 0.0
    stack: list[tuple[str, str, float]] = []
    for event in json.loads(trace.read_text())["traceEvents"]:
        if event["ph"] == "B":
            stack.append((event["name"], event["cat"], event["ts"]))
        elif event["ph"] == "E":
            name, kind, start = stack.pop()
            took = (event["ts"] - start) / 1e6
            if kind == "phase" and not stack:
                total += took
            part = part_of(name)
            if part and not any(part_of(outer) for outer, _, _ in stack):
                seconds[part] += took
    seconds["the rest"] = total - sum(seconds.values())
    seconds["the step"] = total
    return seconds


def exponent(lengths: list[int], times: list[float]) -> float:
    """The slope of the best line through (log n, log t)."""
    x, y = [math.log(n) for n in lengths], [math.log(max(t, 1e-9)) for t in times]
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    return (sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))
            / sum((a - mean_x) ** 2 for a in x))


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--lengths", default="512,1024,2048,4096,8192,16384,32768")
    parser.add_argument("--mode", default="full-graph")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options, others = parser.parse_known_args(words)
    try:
        lengths = sorted({int(length) for length in options.lengths.split(",")})
    except ValueError:
        parser.error(f"--lengths {options.lengths}: whole numbers, separated by commas")
    if len(lengths) < 2 or options.rounds < 1 or lengths[0] < 1:
        parser.error("an exponent needs two lengths of at least 1, and a round")

    rounds: list[list[dict[str, float]]] = []
    points: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        trace, row = Path(folder) / "trace.json", Path(folder) / "row.json"
        for _ in range(options.rounds):
            rounds.append([])
            for length in lengths:
                run = subprocess.run(
                    [program(), "measure", *MODEL, "--n-c", str(length), "--n-g", "64", "--mode",
                     options.mode, "--no-reference", "--timeline", trace, "--json", row, *others],
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                if run.returncode:
                    raise Failure(run.stderr.strip())
                rounds[-1].append(seconds_of(trace))
                if len(points) < len(lengths):
                    points.append(json.loads(row.read_text()))
    times = {part: [statistics.median(row[index][part] for row in rounds) for index in range(len(lengths))]
             for part in rounds[0][0]}
    last = slice(-4, None)
    fitted = {part: exponent(lengths[last], values[last]) for part, values in times.items()}
    counted = [point["peak_bytes"] + point["workspace_peak_bytes"] for point in points]
    resident = [point["process_peak_rss_bytes"] or 0 for point in points]
    growth = (resident[-1] - resident[-2]) / max(counted[-1] - counted[-2], 1)
    if options.json:
        options.json.write_text(json.dumps({"lengths": lengths, "seconds": times, "exponents": fitted,
                                            "counted_bytes": counted, "resident_bytes": resident}))

    width = max(map(len, times))
    print(f"{'seconds at n_c':<{width}}" + "".join(f"{length:>9,}" for length in lengths) + "  exponent")
    for part, values in times.items():
        print(f"{part:<{width}}" + "".join(f"{value:>9.4f}" for value in values)
              + f"{fitted[part]:>10.2f}")
    print(f"\n{'MiB':<{width}}" + "".join(f"{length:>9,}" for length in lengths))
    for name, values in (("peak + workspace", counted), ("resident", resident)):
        print(f"{name:<{width}}" + "".join(f"{value / 2**20:>9,.1f}" for value in values))
    print(f"Between the two longest, resident memory grew by {growth:.3f} of what peak and workspace did.")
    return 0
