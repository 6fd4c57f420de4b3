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
os.environ.setdefault("KINETO_LOG_LEVEL", "99")

import torch  # noqa: E402
import transformers  # noqa: E402, reads the words above

from ballast_probe.recording import step  # noqa: E402
from ballast_probe.words import first_line  # noqa: E402
from checkout.command import Words  # noqa: E402

from . import recorded, recordings_real  # noqa: E402
from .recordings_real import NUMBER, STATE, Real  # noqa: E402
from .recordings_steps import Case, Training, random_cases  # noqa: E402
from .streams import (  # noqa: E402
    Alignment, Releases, Stream, alive, align, kinds, peak, releases,
)

_CAST = "an operand of another type, cast to the common one; CUDA's kernels cast as they read"
_PACKED = "operands packed by oneDNN, which multiplies bfloat16 where the processor does"
# What a CPU takes from its allocator inside a call: op without its overload, and what for.
KERNELS: dict[str, str] = {
    NUMBER: "8 bytes at most, of Python's or of an op's own",
    STATE: "5,056 bytes a checkpoint: what it will draw again in backward",
    "aten::_safe_softmax": "which rows are masked whole",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "a block of scores a thread",
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward": "a block of scores a thread",
    "aten::_softmax_backward_data": "a gradient that is not dense, made so",
    "aten::add": _CAST, "aten::sub": _CAST, "aten::mul": _CAST, "aten::div": _CAST,
    "aten::add_": _CAST, "aten::sub_": _CAST, "aten::mul_": _CAST, "aten::div_": _CAST,
    "aten::addmm": _PACKED, "aten::baddbmm": _PACKED, "aten::bmm": _PACKED, "aten::mm": _PACKED,
    "aten::cumsum": "its operand in the type of the sums",
    "aten::gather": "an index that is not dense, made so",
    "aten::histc": "the counts of a thread",
    "aten::native_layer_norm_backward": "sums for the weights' gradients, a row a thread",
    "aten::scatter_add_": "an index that is not dense, made so",
    "aten::sort": "places beside the values",
    "aten::sum": "the sums in another order of axes",
}


@dataclass(frozen=True)
class Verdict:
    """A recorded stream held against a real one.

    Attributes:
        outside: The real stream without what its kernels took and gave back inside themselves.
        recorded: The recorded one.
        real_peak: The most that was really allocated at once, in bytes.
        part: The part of the step in which it was.
        causes: What no mode sees and was alive at the real peak: what it is, bytes.
    """

    outside: Stream
    recorded: Stream
    alignment: Alignment
    releases: Releases
    real_peak: int
    part: str
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
        """Whether all allocations are equal in order, and the peak to the byte."""
        return not self.alignment.only_first and not self.alignment.only_second \
            and self.recorded_peak in (self.outside_peak, self.real_peak) and not self.unnamed


def verdict(real: Real, ours: Stream) -> Verdict:
    """Holds a recorded step, without what stood before it, against a real run of it."""
    outside = real.seen()
    most = peak(real.stream)
    at_peak = alive(real.stream, most.event)
    causes = [(real.unseen[number], real.stream.sizes[number])
              for number in at_peak if number in real.unseen]
    alignment = align(ours, outside)
    return Verdict(outside, ours, alignment, releases(ours, outside, alignment.pairs), most.bytes,
                   real.part(most.event), causes)


def record(case: Case) -> Stream:
    """The step as ballast_probe records it, of the blocks that it allocates itself."""
    training = Training(case)
    with tempfile.TemporaryDirectory() as folder:
        with step(device="cpu") as recording:
            training.run()
        found = recorded.read(recording.write(Path(folder) / "recording.json.gz"))
    window = found.stream.window(found.begin("forward"))
    return window.without(lambda number: number < window.standing)


HEADER = (f"{'':2}{'':3} {'allocations':>11} {'equal':>7} {'releases':>8} {'real peak':>11} "
          f"{'outside':>11} {'recorded':>11}  step")


def run(numbered: list[tuple[int, Case]], is_shown: bool) -> int:
    """Compares all cases, prints a line each, and returns how many do not hold."""
    wrong = equal = total = places = 0
    print(HEADER)
    for number, case in numbered:
        started = time.monotonic()
        training = Training(case)
        real = recordings_real.run(training.run)
        del training
        middle = time.monotonic()
        try:
            found = verdict(real, record(case))
        except Exception as error:  # whatever a model's code meets there is said, and the next runs
            wrong += 1
            print(f"✗ {number:3} {case.name}: {type(error).__name__}: {first_line(error)}",
                  flush=True)
            continue
        wrong += not found.holds
        equal, total = equal + len(found.alignment.pairs), total + len(found.outside.sizes)
        places += found.releases.equal
        print(f"{line(number, found)}  {case.name}", flush=True)
        for text in explained(found, is_shown):
            print(f"      {text}")
        if is_shown:
            print(f"      {middle - started:.1f} s run, {time.monotonic() - middle:.1f} s recorded")
    print(f"{equal:,} of {total:,} allocations equal in order, {places:,} of {equal:,} releases; "
          f"{len(numbered) - wrong} of {len(numbered)} peaks hold")
    return wrong


def line(number: int, found: Verdict) -> str:
    """A row of the table, but for the step's name."""
    places = found.releases
    return (f"{'✓' if found.holds else '✗'} {number:3} {len(found.outside.sizes):11,} "
            f"{found.alignment.share:7.2%} {places.equal / max(places.total, 1):8.2%} "
            f"{found.real_peak:11,} {found.outside_peak:11,} {found.recorded_peak:11,}")


def explained(found: Verdict, is_shown: bool) -> list[str]:
    """What a line of the table needs said."""
    lines = []
    if found.causes and found.recorded_peak != found.real_peak:
        lines.append(f"at the real peak, in {found.part}: " + ", ".join(
            f"{op} {size:,}" for op, size in sorted(set(found.causes))))
    lines += [f"temporaries of {op} are not known here" for op in found.unnamed]
    if is_shown or not found.holds:
        lines += [f"recorded alone: {kind}"
                  for kind in kinds(found.recorded, found.alignment.only_first)]
        lines += [f"really alone: {kind}"
                  for kind in kinds(found.outside, found.alignment.only_second)]
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
