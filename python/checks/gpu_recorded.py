"""Public programs, recorded on a virtual GPU, against the traces that they made of real ones."""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ballast_probe.recording import step
from checkout import Failure
from checks import gpu_allocator, gpu_programs
from checks.gpu_programs import Program
from checks.gpu_traces import Trace
from comparison import recorded
from comparison.streams import Alignment, Releases, Stream, align, kinds, peak, releases, rounded

LEAST = 0.999  # of a trace's allocations have to be equal in order


@dataclass(frozen=True)
class Held:
    """A recorded stream held against a trace's, both from where the trace begins to where it ends.

    Attributes:
        standing: Bytes that stood where the trace begins: recorded, and really.
        peaks: The most that was allocated at once since, in the allocator's blocks: likewise.
        alone: What only one of them has, in words.
    """

    trace: Trace
    alignment: Alignment
    releases: Releases
    standing: tuple[int, int]
    peaks: tuple[int, int]
    alone: list[str]

    @property
    def holds(self) -> bool:
        """Whether the peak is equal; what stood before belongs to the program's start."""
        return self.alignment.share >= LEAST and self.growth == 0

    @property
    def growth(self) -> int:
        """By how many bytes the recorded step's peak is above the real one's, over what stood."""
        return (self.peaks[0] - self.standing[0]) - (self.peaks[1] - self.standing[1])


def record(program: Program, trace: Trace, checkouts: Path, path: Path, way: int = 0) -> Stream:
    """Records a program into a file; gives the stream of the last history that it kept.

    Raises:
        Failure: It is not there, or kept no history.
    """
    folder = gpu_programs.place(program, checkouts)
    match = program.pattern.fullmatch(trace.name)
    if folder is None or match is None:
        raise Failure(f"{checkouts} has no {program.repository.replace('/', '+')}.")
    marks: list[tuple[str, int]] = []

    def note(name: str) -> None:
        marks.append((name, len(recording.stream.events)))

    folders = [folder / one for one in program.paths] + [checkouts / ".packages"]
    heard = io.StringIO()  # what it says itself
    with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard), \
            gpu_programs.importing(folders), \
            step(device="cuda", gpu=program.gpu, reads=program.reads) as recording, \
            gpu_programs.answered(note), program.release():
        program.run(folder, way, *match.groups())
        events = len(recording.stream.events)
    first = max((event for name, event in marks if name == "begin"), default=-1)
    last = min((event for name, event in marks if name == "end" and event > first), default=-1)
    if min(first, last) < 0:
        raise Failure(f"{program.repository} kept no history of memory.")
    found = recorded.read(recording.write(path)).stream
    shift = len(found.events) - events  # what was there before the first event comes first
    return found.window(first + shift, last + shift)


def hold(ours: Stream, trace: Trace) -> Held:
    """Holds a recorded stream against a trace."""
    real = trace.stream()
    alignment = align(ours, real)
    alone = [f"recorded alone: {line}" for line in kinds(ours, alignment.only_first)]
    alone += [f"really alone: {line}" for line in kinds(real, alignment.only_second)]

    def standing(stream: Stream) -> int:
        return sum(map(rounded, stream.sizes[:stream.standing]))

    return Held(trace, alignment, releases(ours, real, alignment.pairs),
                (standing(ours), standing(real)),
                (peak(ours, rounded).bytes, peak(real, rounded).bytes), alone)


@dataclass(frozen=True)
class Fit:
    """The most bytes that were reserved, and between which the recorded program's lie.

    The program is replayed from its first allocation on, with new segments in several orders of
    addresses: the driver's own is not known.
    """

    real: int
    least: int
    most: int
    is_judged: bool = True

    @property
    def holds(self) -> bool:
        return not self.is_judged or self.least <= self.real <= self.most


def held(program: Program, trace: Trace, checkouts: Path) -> tuple[Held, Fit]:
    """Records a program in the ways it may have been called, and takes the one that fits best."""
    best: tuple[Held, Fit] | None = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.json.gz"
        for way in range(program.ways):
            found = hold(record(program, trace, checkouts, path, way), trace)
            if best is None or found.alignment.share > best[0].alignment.share:
                best = found, fits(program, trace, path)
            if found.holds:
                break
    assert best is not None
    return best


def fits(program: Program, trace: Trace, path: Path) -> Fit:
    """Has `ballast allocator` replay a recording, and holds its range against the trace.

    It cannot be judged where the process ran other steps before: their segments are still there.
    """
    answer = gpu_allocator.asked(path)["replayed"]
    return Fit(int(trace.fields["reserved_peak"]), int(answer["peak_reserved_least"]),
               int(answer["peak_reserved_most"]), program.is_alone)


HEADER = (f"{'':2}{'recorded steps':50} {'allocs':>6} {'equal':>8} {'releases':>8} "
          f"{'real peak':>14} {'differs':>12} {'before':>12} {'real reserved':>14} "
          f"{'least':>14} {'most':>14}")


def lines(held: Held, fit: Fit) -> list[str]:
    """A trace's lines of the table."""
    found = held.alignment
    total = len(found.pairs) + len(found.only_second)
    first = (f"{'✓' if held.holds and fit.holds else '✗'} {held.trace.name:50} {total:6,} "
             f"{found.share:8.3%} {held.releases.equal / max(held.releases.total, 1):8.3%} "
             f"{held.peaks[1]:14,} {held.growth:+12,} {held.standing[0] - held.standing[1]:+12,} "
             f"{fit.real:14,} " + (f"{fit.least:14,} {fit.most:14,}" if fit.is_judged
                                  else "not alone in its process"))
    return [first, *(f"    {line}" for line in held.alone)]


def all_of(traces: list[Trace], checkouts: Path) -> list[tuple[Trace, Program]]:
    """The traces whose program lies among the checkouts."""
    found = [(trace, program) for trace in traces if (program := gpu_programs.of(trace))]
    return [(trace, program) for trace, program in found
            if gpu_programs.place(program, checkouts)]

