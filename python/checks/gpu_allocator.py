"""`ballast allocator`, held against traces: reserved bytes after every allocation."""

from __future__ import annotations

import json
import pickle
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkout import Failure, program
from checks.gpu_traces import Trace

# What a trace's own figures are called in the answer.
FIGURES = ("reserved_start", "reserved_peak", "reserved_end", "allocated_end")


@dataclass(frozen=True)
class Replayed:
    """A trace, and what `ballast allocator` says of the snapshot that is made of it."""

    trace: Trace
    answer: dict[str, Any]

    @property
    def agreements(self) -> list[dict[str, Any]]:
        """Each replay under the run's own settings: its start, its order, how close it came."""
        return list(self.answer["agreements"])

    @property
    def best(self) -> dict[str, Any] | None:
        """The replay that came closest; the driver's order of addresses is not known."""
        return max(self.agreements, key=lambda one: int(one["reserved_equal"]), default=None)

    @property
    def troubles(self) -> list[str]:
        """What does not hold, in words."""
        found = []
        if self.answer["allocations"] != self.trace.allocations:
            found.append(f"{self.answer['allocations']:,} allocations are read of "
                         f"{self.trace.allocations:,}")
        for figure in FIGURES:
            if self.answer["run"][figure] != self.trace.fields[figure]:
                found.append(f"{figure} is read as {self.answer['run'][figure]:,} and was "
                             f"{self.trace.fields[figure]:,}")
        best = self.best
        if best is None:
            return [*found, "no replay was held against the run"]
        different = self.trace.allocations - int(best["reserved_equal"])
        if different > allowed(self.trace):
            found.append(f"reserved bytes differ after {different:,} allocations")
        return found


def allowed(trace: Trace) -> int:
    """How many allocations may leave other reserved bytes: one where segments are expandable.

    There PyTorch chooses among blocks by more than a trace shows: 3,024 of 3,025 agreed.
    """
    return 1 if trace.is_expandable else 0


def replay(trace: Trace) -> Replayed:
    """Makes a snapshot of a trace, and has `ballast allocator` replay it.

    Raises:
        Failure: It could not, or says of the trace's own file what it does not of the snapshot.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{trace.name}.pickle"
        path.write_bytes(pickle.dumps(trace.snapshot(), protocol=4))
        return Replayed(trace, asked(path, "--device", str(trace.fields["device"])))


def asked(path: Path, *options: str) -> dict[str, Any]:
    """What `ballast allocator` says of a file."""
    run = subprocess.run([program(), "allocator", path, *options, "--json", "-"],
                         capture_output=True, text=True)
    if run.returncode:
        raise Failure(f"ballast allocator {path.name}: {run.stderr.strip()}")
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


HEADER = (f"{'':2}{'replayed traces':52} {'segments':10} {'allocs':>7} {'start':>5} "
          f"{'order':12} {'equal':>7} {'address':>7} {'reserved peak':>15} {'differs':>13}")


def lines(replayed: Replayed) -> list[str]:
    """A trace's lines of the table: one a replay, then what does not hold."""
    trace = replayed.trace
    kind = "expandable" if trace.is_expandable else "native"
    found = []
    for number, one in enumerate(replayed.agreements):
        mark = "✗" if replayed.troubles else "✓"
        name = f"{mark} {trace.name:52} {kind:10} {trace.allocations:7,}" if number == 0 \
            else f"{'':2}{'':52} {'':10} {'':7}"
        peak = trace.fields["reserved_peak"]
        found.append(f"{name} {one['start']:>5} {one['order']:12} {one['reserved_equal']:7,} "
                     f"{one['same_address']:7,} {peak:15,} {one['peak_reserved'] - peak:+13,}")
    return found + [f"    {trouble}" for trouble in replayed.troubles]
