"""Allocator and recorded steps against what real GPUs did; see scripts/check-gpu."""

from __future__ import annotations

import sys
from pathlib import Path

from checkout.command import Words
from checks import gpu_allocator
from checks.gpu_traces import Trace, read_all


def say(text: str) -> None:
    print(f"check-gpu: {text}", file=sys.stderr, flush=True)


def replay(traces: list[Trace]) -> int:
    """Holds the allocator against all traces; returns how many do not hold."""
    wrong = equal = total = 0
    print(gpu_allocator.HEADER)
    for trace in traces:
        found = gpu_allocator.replay(trace)
        wrong += bool(found.troubles)
        total += trace.allocations
        equal += found.best["reserved_equal"] if found.best else 0
        print("\n".join(gpu_allocator.lines(found)), flush=True)
    print(f"{equal:,} of {total:,} allocations leave the real reserved bytes; "
          f"{len(traces) - wrong} of {len(traces)} traces hold")
    return wrong


def record(traces: list[Trace], checkouts: Path) -> int:
    """Holds recorded programs against their traces; returns how many do not hold."""
    from checks import gpu_recorded  # PyTorch is needed here alone

    found = gpu_recorded.all_of(traces, checkouts)
    if not found:
        print(f"{checkouts} has the program of no trace, so there is nothing to record")
        return 0
    wrong = 0
    print(gpu_recorded.HEADER)
    for trace, made_by in found:
        try:
            held, fit = gpu_recorded.held(made_by, trace, checkouts)
        except Exception as error:  # a program that is another one now is said, and the next runs
            wrong += 1
            print(f"✗ {trace.name}: {type(error).__name__}: {error}", flush=True)
            continue
        wrong += not (held.holds and fit.holds)
        print("\n".join(gpu_recorded.lines(held, fit)), flush=True)
    print(f"{len(found) - wrong} of {len(found)} recorded steps hold; "
          f"{len(traces) - len(found)} traces are of programs that are not there")
    return wrong


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("traces", type=Path)
    parser.add_argument("checkouts", type=Path, nargs="?")
    parser.add_argument("--only", default="")
    given = parser.parse_args(words)
    traces = [trace for trace in read_all(given.traces) if given.only in trace.name]
    if not traces:
        print(f"{given.traces} has no trace of a GPU, so there is nothing to hold against")
        return 0
    wrong = replay(traces)
    if given.checkouts:
        print()
        wrong += record(traces, given.checkouts)
    if wrong:
        say(f"{wrong} do not hold")
    return 1 if wrong else 0
