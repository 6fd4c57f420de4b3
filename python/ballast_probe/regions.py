"""Which tokens a saved byte belongs to.

A region is `prefix`, `generated`, `crossing` (rows of generated tokens against columns of the
prefix: attention probabilities and masks) or `shared` (no token axis). Rows of the prefix are
`prefix` whatever columns they have.

Which axis of a tensor runs over tokens is not written on it. Run at several lengths, every extent
is found as a function of the two, `constant + per_prefix·n_c + per_generated·n_g`; run once, an
extent that equals a number of rows is taken for rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class RegionBytes:
    """Bytes by the tokens that they belong to."""

    prefix: int = 0
    generated: int = 0
    crossing: int = 0
    shared: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.prefix + self.generated + self.crossing + self.shared

    def __add__(self, other: RegionBytes) -> RegionBytes:
        return RegionBytes(self.prefix + other.prefix, self.generated + other.generated,
                           self.crossing + other.crossing, self.shared + other.shared)


@dataclass(frozen=True)
class Layout:
    """Which rows of the sequences are whose.

    Attributes:
        n_c: Prefix tokens, which carry no loss.
        n_g: Generated tokens.
        batch: Sequences.
        first_row: The first row that is in the graph; rows before it ran without one.
    """

    n_c: int
    n_g: int
    batch: int = 1
    first_row: int = 0

    @property
    def n(self) -> int:
        """All tokens of a sequence."""
        return self.n_c + self.n_g


@dataclass(frozen=True)
class Rows:
    """An axis over tokens: how many of its positions are whose.

    `other` are positions of neither, such as what a kernel pads a row to.
    """

    prefix: Fraction
    generated: Fraction
    other: Fraction = Fraction(0)

    @property
    def extent(self) -> Fraction:
        """All positions."""
        return self.prefix + self.generated + self.other


def rows_by_law(extents: Sequence[int], steps: tuple[int, int], layout: Layout) -> Rows | None:
    """What an axis is, from its extents at four pairs of lengths.

    Args:
        extents: At (n_c, n_g), (n_c + a, n_g), (n_c, n_g + b) and (n_c + a, n_g + b).
        steps: a and b.
        layout: The lengths of the first.

    Returns:
        The rows; None if the extent is the same at all lengths, or no law of first degree gives it.
    """
    here, longer_prefix, longer_answer, both = extents
    per_prefix = Fraction(longer_prefix - here, steps[0])
    per_generated = Fraction(longer_answer - here, steps[1])
    is_law = both - here == (longer_prefix - here) + (longer_answer - here)
    if not is_law or per_prefix < 0 or per_generated < 0 or per_prefix == per_generated == 0:
        return None
    prefix, generated = per_prefix * layout.n_c, per_generated * layout.n_g
    constant = here - prefix - generated
    if per_generated == 0:  # rows of the prefix alone, but for those that stay in the graph
        return Rows(Fraction(here), Fraction(0))
    if per_prefix == 0 and constant > 0:  # the last rows of the prefix stay, however long it is
        return Rows(constant, generated)
    if constant < 0:  # the last rows are missing
        generated += constant
        return Rows(prefix + min(generated, Fraction(0)), max(generated, Fraction(0)))
    return Rows(prefix, generated, constant)


def rows_by_size(extent: int, layout: Layout) -> Rows | None:
    """What an axis is, by its extent alone: rows if it is as long as rows are, or a multiple."""
    inside = layout.n_c - layout.first_row
    lengths = [(layout.n_c, layout.n_g)]
    if layout.first_row > 0:
        lengths += [(inside, layout.n_g), (layout.first_row, 0)]
    for prefix, generated in lengths:
        rows = prefix + generated
        for times in {1, layout.batch}:
            if rows > 1 and extent == times * rows:
                return Rows(Fraction(times * prefix), Fraction(times * generated))
    return None


def divide(total: int, axes: Sequence[Rows | None]) -> RegionBytes:
    """Divides a storage's bytes by the rows of its axes, outermost first; the sum is `total`.

    The first axis over tokens says whose value it is, the second which token is looked at.
    """
    over_tokens = [axis for axis in axes if axis is not None and axis.extent > 0]
    if total == 0 or not over_tokens:
        return RegionBytes(shared=total)
    rows = over_tokens[0]
    prefix = int(total * rows.prefix / rows.extent)
    shared = int(total * rows.other / rows.extent)
    generated = total - prefix - shared
    if len(over_tokens) == 1:
        return RegionBytes(prefix, generated, 0, shared)
    keys = over_tokens[1]
    crossing = int(generated * keys.prefix / keys.extent)
    return RegionBytes(prefix, generated - crossing, crossing, shared)
