"""Allocations and releases in order, of a real run, a recording or a trace, and what differs.

A stream numbers its blocks in the order of allocation. Those that stand before it begins come
first, and have no event of allocation. An event k ≥ 0 allocates block k, an event -k-1 releases it,
as in a recording.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

# How many allocations of two streams may have no partner before their alignment is given up.
LIMIT = 4000


@dataclass
class Stream:
    """Blocks by number, and their events. `ops` says what allocated a block, "" if not known."""

    sizes: list[int] = field(default_factory=list)
    ops: list[str] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    standing: int = 0

    def allocate(self, size: int, op: str = "") -> int:
        """Notes an allocation, and returns the block's number."""
        number = len(self.sizes)
        self.sizes.append(size)
        self.ops.append(op)
        self.events.append(number)
        return number

    def stand(self, size: int, op: str = "") -> int:
        """Notes a block that stands before the first event, and returns its number."""
        if self.events:
            raise ValueError("a block cannot stand before events that are there already")
        self.sizes.append(size)
        self.ops.append(op)
        self.standing += 1
        return self.standing - 1

    def release(self, number: int) -> None:
        self.events.append(-number - 1)

    @property
    def allocated(self) -> range:
        """The numbers of the blocks that the stream itself allocates."""
        return range(self.standing, len(self.sizes))

    def without(self, is_left_out: Callable[[int], bool]) -> Stream:
        """The stream without some of its blocks; the others are numbered anew."""
        kept = [number for number in range(len(self.sizes)) if not is_left_out(number)]
        new = {old: number for number, old in enumerate(kept)}
        events = [new[event] if event >= 0 else -new[-event - 1] - 1 for event in self.events
                  if (event if event >= 0 else -event - 1) in new]
        return Stream([self.sizes[old] for old in kept], [self.ops[old] for old in kept], events,
                      sum(old < self.standing for old in kept))

    def window(self, first: int, last: int | None = None) -> Stream:
        """The events from one on up to another; what is held before the first stands."""
        held = set(range(self.standing))
        for event in self.events[:first]:
            if event >= 0:
                held.add(event)
            else:
                held.discard(-event - 1)
        events = self.events[first:last]
        numbers = sorted(held) + [event for event in events if event >= 0]
        new = {old: number for number, old in enumerate(numbers)}
        return Stream([self.sizes[old] for old in numbers], [self.ops[old] for old in numbers],
                      [new[event] if event >= 0 else -new[-event - 1] - 1 for event in events],
                      len(held))


def rounded(size: int) -> int:
    """What PyTorch's CUDA allocator takes for a request of a size, before blocks are split."""
    return max(512, -(-size // 512) * 512)


@dataclass(frozen=True)
class Peak:
    """The most bytes that a stream holds at once, with what stands, and after which event."""

    bytes: int
    event: int  # -1: before the first


def peak(stream: Stream, size: Callable[[int], int] = lambda size: size) -> Peak:
    """The first peak of a stream; `size` gives what a block of a requested size counts for."""
    held = sum(size(one) for one in stream.sizes[:stream.standing])
    best = Peak(held, -1)
    for number, event in enumerate(stream.events):
        if event >= 0:
            held += size(stream.sizes[event])
            if held > best.bytes:
                best = Peak(held, number)
        else:
            held -= size(stream.sizes[-event - 1])
    return best


def alive(stream: Stream, event: int) -> list[int]:
    """The blocks that are held after an event, -1 for those that stand before the first."""
    held = set(range(stream.standing))
    for one in stream.events[:event + 1]:
        if one >= 0:
            held.add(one)
        else:
            held.discard(-one - 1)
    return sorted(held)


@dataclass(frozen=True)
class Alignment:
    """Allocations of two streams that are equal in order, by number, and those without partner."""

    pairs: list[tuple[int, int]]
    only_first: list[int]
    only_second: list[int]

    @property
    def share(self) -> float:
        """The part of the allocations that are equal in order, of the stream that has more."""
        total = len(self.pairs) + max(len(self.only_first), len(self.only_second))
        return len(self.pairs) / total if total else 1.0


def align(first: Stream, second: Stream) -> Alignment:
    """The longest common subsequence of two streams' allocations by bytes.

    Streams that differ by more than LIMIT allocations are aligned up to where that many differ.
    """
    a = [first.sizes[number] for number in first.allocated]
    b = [second.sizes[number] for number in second.allocated]
    pairs = [(first.allocated[i], second.allocated[j]) for i, j in _common(a, b)]
    mine, others = {i for i, _ in pairs}, {j for _, j in pairs}
    return Alignment(pairs, [number for number in first.allocated if number not in mine],
                     [number for number in second.allocated if number not in others])


def _common(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]]:
    """Places of a longest common subsequence: Myers, "An O(ND) Difference Algorithm" (1986)."""
    start, end = 0, 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    head = [(i, i) for i in range(start)]
    tail = [(len(a) - end + i, len(b) - end + i) for i in range(end)]
    middle = _middle(a[start:len(a) - end], b[start:len(b) - end])
    return head + [(start + i, start + j) for i, j in middle] + tail


def _middle(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]]:
    zero = min(len(a) + len(b), LIMIT) + 1  # where diagonal 0 stands
    furthest = array("i", [0]) * (2 * zero + 1)
    history: list[array[int]] = []
    for distance in range(zero):
        history.append(furthest[zero - distance - 1:zero + distance + 2:2])
        for k in range(-distance, distance + 1, 2):
            below, above = furthest[zero + k - 1], furthest[zero + k + 1]
            i = above if k == -distance or (k != distance and below < above) else below + 1
            while i < len(a) and i - k < len(b) and a[i] == b[i - k]:
                i += 1
            furthest[zero + k] = i
            if i >= len(a) and i - k >= len(b):
                return _traced(history, k, i)
    last = range(1 - zero, zero, 2)
    inside = [k for k in last if furthest[zero + k] <= len(a) and furthest[zero + k] - k <= len(b)]
    if not inside:
        return []
    best = max(inside, key=lambda k: 2 * furthest[zero + k] - k)
    return _traced(history, best, furthest[zero + best])


def _traced(history: list[array[int]], k: int, i: int) -> list[tuple[int, int]]:
    """The pairs on the way that the search took to a place of a diagonal."""
    pairs = []
    for distance in range(len(history) - 1, -1, -1):
        before = history[distance]
        at = (k + distance) // 2  # of diagonal k - 1; that of k + 1 stands next to it
        is_down = k == -distance or (k != distance and before[at] < before[at + 1])
        start = before[at + 1] if is_down else before[at] + 1
        while i > start:
            i -= 1
            pairs.append((i, i - k))
        k, i = (k + 1, start) if is_down else (k - 1, start - 1)
    return pairs[::-1]


@dataclass(frozen=True)
class Releases:
    """How many pairs are released at the same place among the pairs' allocations, of how many."""

    equal: int
    total: int


def releases(first: Stream, second: Stream, pairs: list[tuple[int, int]]) -> Releases:
    """Holds the places of releases against each other; to stay in both streams is equal too."""
    mine = _places(first, {i for i, _ in pairs})
    others = _places(second, {j for _, j in pairs})
    return Releases(sum(mine.get(i) == others.get(j) for i, j in pairs), len(pairs))


def _places(stream: Stream, counted: set[int]) -> dict[int, int]:
    """How many counted allocations come before the release of each block."""
    places: dict[int, int] = {}
    before = 0
    for event in stream.events:
        if event in counted:
            before += 1
        elif event < 0:
            places[-event - 1] = before
    return places


def kinds(stream: Stream, numbers: list[int], most: int = 8) -> list[str]:
    """The kinds among some blocks, the most frequent first: "3 × aten::add, 64 bytes"."""
    found = Counter((stream.ops[number] or "?", stream.sizes[number]) for number in numbers)
    lines = [f"{count} × {op}, {size:,} bytes" for (op, size), count in found.most_common(most)]
    left = len(found) - most
    return lines + ([f"and {left} kinds more"] if left > 0 else [])


def is_whole(stream: Stream) -> bool:
    """Whether allocations come in order of numbers, and nothing is released twice or unborn."""
    born = [event for event in stream.events if event >= 0]
    if born != list(stream.allocated):
        return False
    held = set(range(stream.standing))
    for event in stream.events:
        if event >= 0:
            held.add(event)
        elif -event - 1 in held:
            held.remove(-event - 1)
        else:
            return False
    return all(later > earlier for earlier, later in pairwise(born))
