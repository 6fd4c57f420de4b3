"""Pictures of a step held against its row; see scripts/check-traces."""

from __future__ import annotations

import itertools
import json
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from checkout import ROOT, program
from checkout.command import Words

PYTORCH = ROOT / ".venv-pytorch/bin/python"
REGIONS = ("prefix", "generated", "crossing", "shared", "padding")
SMALL = ["--model", "seed", "--layers", "3", "--n-g", "4", "--chunk", "8"]

STEPS = [
    [*SMALL, "--n-c", "20", "--backend", backend, "--mode", mode, "--recompute", recompute,
     "--attention", attention]
    for backend, mode, recompute, attention in itertools.product(
        ("cpu", "shape"), ("full-graph", "pruned-graph", "detached-prefix", "replayed-prefix"),
        ("none", "elementwise", "layer"), ("fused", "materialized"))
] + [
    [*SMALL, "--n-c", "0", "--dtype", "bfloat16", "--batch", "2"],
    [*SMALL[:-2], "--n-c", "20", "--backend", "shape", "--recipe", "transformers-sdpa"],
    [*SMALL[:-2], "--n-c", "20", "--backend", "shape", "--recipe", "transformers-eager",
     "--recompute", "layer"],
]


class Trouble(Exception):
    """What does not hold."""


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise Trouble(what)


def check_timeline(trace: dict[str, Any], row: dict[str, Any]) -> None:
    """Slices nest in their phases; counters stay at 0 or above, reach the peak, and end at 0."""
    stack: list[dict[str, Any]] = []
    live: list[int] = []
    phases: list[str] = []
    kinds: set[str] = set()
    last, saved, peak, at_boundary = -1.0, 0, 0, None
    for event in trace["traceEvents"]:
        kind = event["ph"]
        if kind == "M":
            continue
        expect(event["ts"] >= last, "time goes back")
        last = event["ts"]
        if kind == "B":
            expect(bool(stack) == (event["cat"] != "phase"), f"{event['name']} stands outside a phase")
            if event["cat"] == "phase":
                phases.append(event["name"])
                if event["name"] == "backward":
                    at_boundary = saved
            kinds.add(event["cat"])
            stack.append(event)
        elif kind == "E":
            expect(bool(stack), "a slice ends that has not begun")
            stack.pop()
        else:
            expect(kind == "C", f"an event of kind {kind}")
            values = event["args"]
            expect(min(values.values()) >= 0, f"{event['name']} is negative: {values}")
            if event["name"] == "live bytes":
                live.append(values["activation"])
                peak = max(peak, values["activation"])
            elif event["name"] == "live activations":
                expect(set(values) == set(REGIONS), f"regions {values}")
                expect(sum(values.values()) == live[-1], "regions do not add up to activations")
            else:
                saved = values["bytes"]
    expect(not stack, "a slice does not end")
    expect(phases == ["forward", "backward"], f"phases {phases}")
    expect(live[-1] == 0, f"{live[-1]} bytes of activations are alive at the end")
    expect(saved == 0, f"{saved} bytes are saved at the end")
    if row["recipe"] == "ballast":  # a recipe's row has the peak of PyTorch's own order of releases
        expect(peak == row["peak_bytes"], f"peak {peak}, the row has {row['peak_bytes']}")
    if row["recipe"] == "ballast":  # recipes count the caller's tensors too, as PyTorch's hooks do
        expect(at_boundary == row["retained_bytes"],
               f"{at_boundary} saved at the boundary, the row has {row['retained_bytes']}")
    wanted = {"phase", "forward", "backward"}
    if row["recompute"] == "layer":
        wanted.add("recomputation")
    if row["mode"] == "replayed-prefix":
        wanted.add("replay")
    expect(wanted <= kinds, f"slices of {kinds}, not {wanted}")


def check_stacks(text: str, row: dict[str, Any]) -> None:
    total = 0
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        expect(len(frames.split(";")) == 4, f"{line!r} has other frames")
        expect(frames.startswith(row["mode"] + ";"), f"{line!r} does not begin with the mode")
        total += int(count)
    expect(total == row["retained_bytes"], f"stacks add up to {total}")


def check_speedscope(profile: dict[str, Any], row: dict[str, Any]) -> None:
    frames, only = profile["shared"]["frames"], profile["profiles"][0]
    expect(only["type"] == "sampled" and only["unit"] == "bytes", "another kind of profile")
    expect(len(only["samples"]) == len(only["weights"]), "samples and weights differ")
    expect(all(0 <= index < len(frames) for sample in only["samples"] for index in sample),
           "a frame that is not there")
    expect(sum(only["weights"]) == row["retained_bytes"] == only["endValue"], "weights' sum")


def check_snapshot(snapshot: dict[str, Any], row: dict[str, Any]) -> None:
    """Segments are what the trace leaves; activations among them what the row retains."""
    expect(set(snapshot) == {"segments", "device_traces", "allocator_settings",
                             "external_annotations"}, f"root keys {set(snapshot)}")
    alive: dict[int, int] = {}
    last = 0
    for entry in snapshot["device_traces"][0]:
        expect(entry["time_us"] >= last, "time goes back")
        last = entry["time_us"]
        if entry["action"] == "alloc":
            expect(entry["addr"] not in alive, "an address that is taken")
            alive[entry["addr"]] = entry["size"]
        elif entry["action"] == "free_completed":
            expect(alive.pop(entry["addr"], None) == entry["size"], "a release of another size")
    blocks = [block for segment in snapshot["segments"] for block in segment["blocks"]]
    expect({block["address"]: block["size"] for block in blocks} == alive, "segments are not the end")
    end = 0
    for segment in snapshot["segments"]:
        expect(segment["address"] >= end, "segments lie over each other")
        end = segment["address"] + segment["total_size"]
        expect(sum(block["size"] for block in segment["blocks"]) == segment["total_size"], "a gap")
    kept = [block for block in blocks
            if block["category"] == "activation" and block["frames"][0]["name"] != "loss"]
    expect(all(block["state"] == "active_allocated" for block in blocks), "a block's state")
    if row["recipe"] == "ballast":
        expect(sum(block["requested_size"] for block in kept) == row["retained_bytes"],
               "requested bytes are not those that are retained")
        expect(sum(block["size"] for block in kept) == row["retained_allocated_bytes"],
               "sizes are not those that the allocator gave")


def check(options: list[str], folder: Path) -> None:
    paths = {name: folder / name for name in ("timeline", "stacks", "speedscope", "snapshot", "json")}
    arguments = [text for name, path in paths.items() for text in (f"--{name}", path)]
    run = subprocess.run([program(), "measure", *options, *arguments], capture_output=True, text=True)
    expect(run.returncode == 0, run.stderr.strip())
    row = json.loads(paths["json"].read_text())
    check_timeline(json.loads(paths["timeline"].read_text()), row)
    check_stacks(paths["stacks"].read_text(), row)
    check_speedscope(json.loads(paths["speedscope"].read_text()), row)
    check_snapshot(pickle.loads(paths["snapshot"].read_bytes()), row)


def check_with_pytorch(folder: Path) -> None:
    """PyTorch's own tool reads the last snapshot."""
    for action, word in (("stats", "total_allocated"), ("trace", "entries")):
        run = subprocess.run([PYTORCH, "-m", "torch.cuda._memory_viz", action, folder / "snapshot"],
                             capture_output=True, text=True)
        expect(run.returncode == 0 and word in run.stdout, f"{action}: {run.stderr.strip()[-300:]}")


def main(words: list[str]) -> int:
    Words().parse_args(words)
    troubles = 0
    with tempfile.TemporaryDirectory() as name:
        for options in STEPS:
            try:
                check(options, Path(name))
            except Trouble as trouble:
                troubles += 1
                print(f"check-traces: {' '.join(options)}: {trouble}", file=sys.stderr)
        if PYTORCH.exists():
            try:
                check_with_pytorch(Path(name))
            except Trouble as trouble:
                troubles += 1
                print(f"check-traces: PyTorch's reader: {trouble}", file=sys.stderr)
    print(f"check-traces: {len(STEPS)} steps, {troubles} troubles", file=sys.stderr)
    return 1 if troubles else 0
