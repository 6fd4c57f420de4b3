"""Which lengths to record a step at, so that its laws can be told from each other.

The first is a multiple of 128, as kernels like them. The others are not multiples of anything that a
kernel rounds to, and no two roundings give the same at both: 37 tokens over a multiple of 128 are 40,
48, 64, 64 or 128, and 67 are 72, 80, 96, 128 or 128. Where masks are padded to a multiple of 8, and
a step does otherwise at all other lengths, they are multiples of 8: 40 over is 40, 48, 64, 64 or 128,
and 72 over 72, 80, 96, 128 or 128. The completion is of another length each time, so that a law in
it is not taken for one in the tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..recording.kernels.base import to_multiple

Pair = tuple[int, int]

UNIT = 128
MULTIPLES = (1, 8, UNIT)
_BEYOND = ({1: (0, 37, 67), 8: (0, 40, 72), UNIT: (0, 0, 0)})
_APART = (0, 2_560, 5_376)  # from the first
_LEAST_APART = 3


@dataclass(frozen=True)
class Span:
    """The tokens of a sequence among which lengths are chosen.

    Attributes:
        least: The fewest.
        most: The most; what the model has positions for, if it says so.
        n_g: The completion that is asked about.
    """

    least: int
    most: int
    n_g: int

    def pairs(self, multiple: int) -> list[Pair]:
        """Three pairs of n_c and n_g, whose sums are multiples of a number.

        Raises:
            UsageError: There is no room for them.
        """
        first = to_multiple(max(self.least, self.n_g + 8), UNIT)
        room = self.most - first - UNIT
        if room < _LEAST_APART * UNIT:
            raise UsageError(
                f"a law of the length needs lengths that are {(_LEAST_APART + 1) * UNIT} tokens "
                f"apart, and between {self.least:,} and {self.most:,} tokens with a completion of "
                f"{self.n_g:,} there are none; give a shorter completion with --n-g, or record the "
                "step at its length with ballast-probe record")
        apart = _APART if room >= _APART[-1] else (0, room // 2 // UNIT * UNIT, room // UNIT * UNIT)
        pairs = []
        for distance, beyond, other in zip(apart, _BEYOND[multiple], (0, -3, 5)):
            tokens = first + distance + beyond
            n_g = max(2, self.n_g + other)
            pairs.append((tokens - n_g, n_g))
        return pairs

    def longest(self, multiple: int) -> Pair:
        """The longest, with the completion that is asked about."""
        tokens = self.most // multiple * multiple
        return tokens - self.n_g, self.n_g


def explored(least: int, most: int, n_g: int, multiple: int) -> list[Pair]:
    """Lengths at which kernels are looked at, besides those that are recorded: many, over a range.

    Powers of two and what lies beside them, multiples of 128, and lengths that are none.
    """
    tokens: set[int] = set()
    at = least
    while at <= most:
        tokens.update((at, to_multiple(at, UNIT), at + 1, at + 3, at * 2 - at // 3))
        at += max(1, at // 24)
    power = 1
    while power <= 2 * most:
        tokens.update((power - 1, power, power + 1))
        power *= 2
    fitting = {one // multiple * multiple for one in tokens}
    return [(one - n_g, n_g) for one in sorted(fitting) if max(least, n_g) <= one <= most]


def neighbours(pair: Pair, multiple: int, count: int = 8) -> Iterator[Pair]:
    """Lengths next to a pair's, which it is looked up against when a search ends there."""
    for step in range(-count, count + 1):
        if pair[0] + step * multiple >= 0:
            yield pair[0] + step * multiple, pair[1]


def spread(pairs: Sequence[Pair]) -> tuple[int, int]:
    """The fewest and the most tokens of some pairs."""
    tokens = [n_c + n_g for n_c, n_g in pairs]
    return min(tokens), max(tokens)
