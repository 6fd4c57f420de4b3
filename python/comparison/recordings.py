"""Recorded steps against what PyTorch's CPU allocator really did; see scripts/compare-recording."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
import transformers  # noqa: E402, reads the words above

import ballast_probe  # noqa: E402
from checkout.command import Words  # noqa: E402

from . import recorded, recordings_real  # noqa: E402
from .recordings_real import Real  # noqa: E402
from .recordings_steps import Case, Training, random_cases  # noqa: E402
from .streams import (  # noqa: E402
    Alignment, Releases, Stream, alive, align, kinds, peak, releases,
)

# Kernels of the CPU that take temporaries from its allocator: op without its overload, and what.
KERNELS: dict[str, str] = {}


@dataclass(frozen=True)
class Verdict:
    """A recorded stream held against a real one.

    Attributes:
        outside: The real stream without what its kernels took and gave back inside themselves.
        recorded: The recorded one.
        real_peak: The most that was really allocated at once, in bytes.
        causes: The temporaries that were alive at the real peak: op of their kernel, bytes.
    """

    outside: Stream
    recorded: Stream
    alignment: Alignment
    releases: Releases
    real_peak: int
    causes: list[tuple[str, int]]

    @property
    def outside_peak(self) -> int:
        return peak(self.outside).bytes

    @property
    def recorded_peak(self) -> int:
        return peak(self.recorded).bytes

    @property
    def unnamed(self) -> list[str]:
        """Kernels whose temporaries make the real peak another one, and that are not known here."""
        if self.recorded_peak == self.real_peak:
            return []
        return sorted({op for op, _ in self.causes if op.partition(".")[0] not in KERNELS})

    @property
    def holds(self) -> bool:
        return self.recorded_peak in (self.outside_peak, self.real_peak) and not self.unnamed

    @property
    def is_equal(self) -> bool:
        """Whether every allocation and release is the same, in order."""
        return not self.alignment.only_first and not self.alignment.only_second \
            and self.releases.equal == self.releases.total


def verdict(real: Real, ours: Stream) -> Verdict:
    """Holds a recorded step, without what stood before it, against a real run of it."""
    outside = real.without_temporaries()
    most = peak(real.stream)
    at_peak = alive(real.stream, most.event)
    causes = [(real.stream.ops[number] or "a number as a tensor", real.stream.sizes[number])
              for number in at_peak if number in real.inside or real.is_number(number)]
    alignment = align(ours, outside)
    return Verdict(outside, ours, alignment, releases(ours, outside, alignment.pairs), most.bytes,
                   causes)


def record(case: Case) -> Stream:
    """The step as ballast_probe records it, without its model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.json.gz"
        with ballast_probe.step(device="cpu") as recording:
            training = Training(case)
            first = len(recording.stream.events)
            training.run()
            last = len(recording.stream.events)
        recording.write(path)
        return step_of(recorded.read(path).stream, first, last)


def step_of(stream: Stream, first: int, last: int) -> Stream:
    """The events of the step alone, of the blocks that it allocated itself."""
    window = stream.window(first, last)
    return window.without(lambda number: number < window.standing)


def run(numbered: list[tuple[int, Case]], is_shown: bool) -> int:
    """Compares all cases, prints a line each, and returns how many do not hold."""
    wrong = equal = total = places = 0
    print(f"{'':2}{'':3} {'allocations':>11} {'equal':>7} {'releases':>8} {'real peak':>11} "
          f"{'outside':>11} {'recorded':>11}  step")
    for number, case in numbered:
        started = time.monotonic()
        training = Training(case)
        real = recordings_real.run(training.run)
        del training
        middle = time.monotonic()
        found = verdict(real, record(case))
        wrong += not found.holds
        equal, total = equal + len(found.alignment.pairs), total + len(found.outside.sizes)
        places += found.releases.equal
        mark = "✓" if found.holds else "✗"
        print(f"{mark} {number:3} {len(found.outside.sizes):11,} {found.alignment.share:7.2%} "
              f"{found.releases.equal / max(found.releases.total, 1):8.2%} {found.real_peak:11,} "
              f"{found.outside_peak:11,} {found.recorded_peak:11,}  {case.name}", flush=True)
        for line in explained(found, is_shown):
            print(f"      {line}")
        if is_shown:
            print(f"      {middle - started:.1f} s run, {time.monotonic() - middle:.1f} s recorded")
    print(f"{equal:,} of {total:,} allocations equal in order, {places:,} of {equal:,} releases; "
          f"{len(numbered) - wrong} of {len(numbered)} peaks hold")
    return wrong


def explained(found: Verdict, is_shown: bool) -> list[str]:
    """What a line of the table needs said."""
    lines = []
    if found.causes and found.recorded_peak != found.real_peak:
        lines.append("at the real peak: " + ", ".join(
            f"{op} {size:,}" for op, size in sorted(set(found.causes))))
    lines += [f"temporaries of {op} are not known here" for op in found.unnamed]
    if is_shown or not found.holds:
        lines += [f"recorded alone: {line}"
                  for line in kinds(found.recorded, found.alignment.only_first)]
        lines += [f"really alone: {line}"
                  for line in kinds(found.outside, found.alignment.only_second)]
    return lines


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--random", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=lambda text: [int(one) for one in text.split(",")])
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args(words)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    cases = list(enumerate(random_cases(random.Random(given.seed), given.random), 1))
    return 1 if run([(number, case) for number, case in cases
                     if not given.only or number in given.only], given.show) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
