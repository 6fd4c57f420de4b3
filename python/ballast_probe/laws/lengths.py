"""Which lengths to record a step at, so that its laws can be told from each other.

The first is a multiple of 128, as kernels like them. The others are not multiples of anything that
a kernel rounds to, and no two roundings give the same at both: 37 tokens over a multiple of 128 are
40, 48, 64, 64 or 128, and 67 are 72, 80, 96, 128 or 128. Where masks are padded to a multiple of 8,
and a step does otherwise at all other lengths, they are multiples of 8: 40 over is 40, 48, 64, 64
or 128, and 72 over 72, 80, 96, 128 or 128. The completion is of another length each time, so that a
law in it is not taken for one in the tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from ..errors import UsageError
from ..recording.kernels.base import to_multiple
from .laws import Range

Point = tuple[int, ...]

UNIT = 128
MULTIPLES = (1, 8, UNIT)
_BEYOND = {1: (0, 37, 67), 8: (0, 40, 72), UNIT: (0, 0, 0)}
_APART = (0, 2_560, 5_376)  # from the first
_LEAST_APART = 3
_NEAR = 2_048  # tokens around an answer
_FEW = 24  # sequences


class Span(Protocol):
    """Sizes of a step among which lengths are chosen."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the lengths."""
        ...

    @property
    def multiples(self) -> tuple[int, ...]:
        """What sizes may have to be a multiple of, to have the same skeleton."""
        ...

    @property
    def step(self) -> int:
        """How far apart sizes are that are recorded, where there is no law."""
        ...

    @property
    def least(self) -> int:
        """The smallest."""
        ...

    @property
    def most(self) -> int:
        """The largest."""
        ...

    @property
    def far(self) -> int:
        """Where it is seen first whether laws hold far out."""
        ...

    @property
    def alone(self) -> Point | None:
        """Lengths that are smaller than all that laws are made of; None if there are none."""
        ...

    def size(self, point: Point) -> int:
        """What is asked about, of some lengths."""
        ...

    def at(self, size: int) -> Point:
        """The lengths of a size."""
        ...

    def points(self, multiple: int) -> list[Point]:
        """Lengths that make laws, whose sizes are multiples of a number.

        Raises:
            UsageError: There is no room for them.
        """
        ...

    def within(self, least: int, most: int) -> Span:
        """The same between others."""
        ...

    def around(self, size: int) -> Span:
        """The same near a size."""
        ...

    def named(self, size: int) -> str:
        """A size in words."""
        ...

    def range(self, least: int, most: int, multiple: int, most_tokens: int | None) -> Range:
        """Where laws hold that were seen to hold from a size to another."""
        ...

    def bounds(self, range: Range) -> tuple[int, int]:
        """The smallest and the largest size of a range."""
        ...


@dataclass(frozen=True)
class PromptSpan:
    """Tokens of a sequence, for a step of which the longest prompt is asked.

    Attributes:
        least: The fewest.
        most: The most; what the model has positions for, if it says so.
        n_g: The completion that is asked about.
        batch: Sequences at a time.
    """

    least: int
    most: int
    n_g: int
    batch: int = 1
    variables = ("n_c", "n_g")
    multiples = MULTIPLES
    step = UNIT
    alone = None

    @property
    def far(self) -> int:
        return self.most

    def size(self, point: Point) -> int:
        return sum(point)

    def at(self, size: int) -> Point:
        return size - self.n_g, self.n_g

    def points(self, multiple: int) -> list[Point]:
        first = to_multiple(max(self.least, self.n_g + 8), UNIT)
        room = self.most - first - UNIT
        if room < _LEAST_APART * UNIT:
            raise UsageError(
                f"a law of the length needs lengths that are {(_LEAST_APART + 1) * UNIT} tokens "
                f"apart, and between {self.least:,} and {self.most:,} tokens with a completion of "
                f"{self.n_g:,} there are none; give a shorter completion with --n-g, or record the "
                "step at its length with ballast-probe record")
        apart = _APART if room >= _APART[-1] else (0, room // 2 // UNIT * UNIT, room // UNIT * UNIT)
        found: list[Point] = []
        for distance, beyond, other in zip(apart, _BEYOND[multiple], (0, -3, 5)):
            tokens = first + distance + beyond
            n_g = max(2, self.n_g + other)
            found.append((tokens - n_g, n_g))
        return found

    def within(self, least: int, most: int) -> PromptSpan:
        return replace(self, least=max(least, self.n_g + 2), most=most)

    def around(self, size: int) -> PromptSpan:
        near = max(_NEAR, size // 16)
        return self.within(size - near, size + near)

    def named(self, size: int) -> str:
        return f"{size:,} tokens"

    def range(self, least: int, most: int, multiple: int, most_tokens: int | None) -> Range:
        return Range((least, most), multiple, (self.batch, self.batch), most_tokens)

    def bounds(self, range: Range) -> tuple[int, int]:
        return range.tokens


@dataclass(frozen=True)
class BatchSpan:
    """Sequences at a time, for a step of which the largest batch is asked.

    One alone is not among those that make laws: tensors of one sequence lie in memory in the order
    of several dimensions at once, and steps make use of it.

    Attributes:
        least: The fewest.
        most: The most.
        n_c: Prefix tokens of each.
        n_g: Generated tokens of each.
    """

    least: int
    most: int
    n_c: int
    n_g: int
    variables = ("n_c", "n_g", "batch")
    multiples = (1,)
    step = 1

    @property
    def far(self) -> int:
        return min(self.most, max(self.least + 4, _FEW))

    @property
    def alone(self) -> Point:
        return self.at(1)

    def size(self, point: Point) -> int:
        return point[2]

    def at(self, size: int) -> Point:
        return self.n_c, self.n_g, size

    def points(self, multiple: int) -> list[Point]:
        first = max(2, self.least)
        if first + 3 > self.most:
            raise UsageError(f"a law of the batch needs batches up to {first + 3}, and there are "
                             f"none over {self.most}")
        return [self.at(first), self.at(first + 1), self.at(first + 3)]

    def within(self, least: int, most: int) -> BatchSpan:
        return replace(self, least=least, most=most)

    def around(self, size: int) -> BatchSpan:
        return self.within(size - 4, size + 4)

    def named(self, size: int) -> str:
        return f"a batch of {size:,}"

    def range(self, least: int, most: int, multiple: int, most_tokens: int | None) -> Range:
        tokens = self.n_c + self.n_g
        return Range((tokens, tokens), 1, (least, most), most_tokens, "batch")

    def bounds(self, range: Range) -> tuple[int, int]:
        return range.batch


def explored(span: Span, least: int, most: int, multiple: int) -> list[Point]:
    """Lengths at which kernels are looked at, besides those that are recorded: many, over a range.

    Powers of two and what lies beside them, multiples of 128, and sizes that are none.
    """
    sizes: set[int] = set()
    at = least
    while at <= most:
        sizes.update((at, to_multiple(at, UNIT), at + 1, at + 3, at * 2 - at // 3))
        at += max(1, at // 24)
    power = 1
    while power <= 2 * most:
        sizes.update((power - 1, power, power + 1))
        power *= 2
    fitting = {one // multiple * multiple for one in sizes}
    return [point for one in sorted(fitting) if least <= one <= most
            and min(point := span.at(one)) >= 0]


def neighbours(span: Span, size: int, multiple: int, count: int = 8) -> Iterator[Point]:
    """Lengths next to a size, at which kernels are looked at where a search ends there."""
    for step in range(-count, count + 1):
        point = span.at(size + step * multiple)
        if min(point) >= 0:
            yield point
