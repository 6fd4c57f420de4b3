"""Which expression of the lengths gives some numbers that were recorded at several of them.

A number that depends on the length of a sequence is, nearly always, an extent or a product of
extents: `k·m + k'` with `m` the tokens, the prefix, a product of two such, or such a number rounded
up to what a kernel takes at a time. Forms are tried from the simplest on, and the first that gives
every number exactly is the law. The lengths are chosen so that no two forms give the same there.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from .values import Evaluation, Values

UNITS = (8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class _Monomial:
    """A product of extents: its place among the values, and what it is at each point."""

    place: int
    at: tuple[int, ...]


class Forms:
    """Finds laws over some points.

    Attributes:
        values: The table in which laws are put.

    Args:
        values: The table in which laws are put.
        points: The lengths at which numbers were recorded, each in the order of the variables.
        counts: Whole numbers of the model by which tokens may be multiplied and divided, such as
            experts for each token and experts, as pairs.
    """

    def __init__(self, values: Values, points: Sequence[Sequence[int]],
                 counts: Sequence[tuple[int, int]] = ()) -> None:
        self.values = values
        self._evaluations = [Evaluation(values, point) for point in points]
        self._counts = counts
        self._found: dict[tuple[int, ...], int | None] = {}

    def law(self, numbers: Sequence[int]) -> int | None:
        """The place of an expression that gives all the numbers; None if no form does."""
        key = tuple(numbers)
        if key not in self._found:
            self._found[key] = self._law(key)
        return self._found[key]

    def _law(self, numbers: tuple[int, ...]) -> int | None:
        if all(number == numbers[0] for number in numbers):
            return self.values.place(numbers[0])
        for monomial in self._monomials:
            if (place := self._line(numbers, monomial)) is not None:
                return place
        if self._batches is not None:
            for monomial in self._monomials:
                if (place := self._plane(numbers, monomial, self._batches)) is not None:
                    return place
        return self._parabola(numbers)

    def _line(self, numbers: tuple[int, ...], monomial: _Monomial) -> int | None:
        """`k·m + k'`."""
        first = numbers[0], monomial.at[0]
        for number, size in zip(numbers, monomial.at):
            if size != first[1]:
                factor, rest = divmod(number - first[0], size - first[1])
                if rest:
                    return None
                break
        else:
            return None
        constant = first[0] - factor * first[1]
        if any(factor * size + constant != number for number, size in zip(numbers, monomial.at)):
            return None
        return self._sum([(factor, monomial.place), (constant, self.values.place(1))])

    def _plane(self, numbers: tuple[int, ...], monomial: _Monomial, batch: _Monomial) -> int | None:
        """`k·m + k'·batch`."""
        for one, other in itertools.combinations(range(len(numbers)), 2):
            scale = monomial.at[one] * batch.at[other] - monomial.at[other] * batch.at[one]
            if scale == 0:
                continue
            factor, rest = divmod(
                numbers[one] * batch.at[other] - numbers[other] * batch.at[one], scale)
            each, other_rest = divmod(numbers[one] - factor * monomial.at[one], batch.at[one])
            if rest or other_rest or any(
                    factor * size + each * count != number
                    for number, size, count in zip(numbers, monomial.at, batch.at)):
                return None
            return self._sum([(factor, monomial.place), (each, batch.place)])
        return None

    def _parabola(self, numbers: tuple[int, ...]) -> int | None:
        """`k·t² + k'·t + k''` in the tokens, of four points or more."""
        tokens = self._tokens
        if len(set(tokens.at)) < 4:
            return None
        a, b, c = (list(dict(zip(tokens.at, numbers)).items())[place] for place in range(3))
        slope, rest = divmod((b[1] - a[1]) * (c[0] - b[0]) - (c[1] - b[1]) * (b[0] - a[0]),
                             (b[0] - a[0]) * (c[0] - b[0]) * (a[0] - c[0]))
        if rest:
            return None
        line, rest = divmod(b[1] - a[1] - slope * (b[0] ** 2 - a[0] ** 2), b[0] - a[0])
        constant = a[1] - slope * a[0] ** 2 - line * a[0]
        if rest or any(slope * size ** 2 + line * size + constant != number
                       for number, size in zip(numbers, tokens.at)):
            return None
        square = self.values.apply("*", tokens.place, tokens.place)
        return self._sum([(slope, square), (line, tokens.place),
                          (constant, self.values.place(1))])

    def _sum(self, terms: Sequence[tuple[int, int]]) -> int:
        """The place of a sum of multiples."""
        values, total = self.values, self.values.place(0)
        for factor, place in terms:
            if factor:
                total = values.apply("+", total, values.apply(
                    "*", place, values.place(factor)))
        return total

    # What products are made of.

    def _monomial(self, place: int) -> _Monomial:
        found = tuple(evaluation[place] for evaluation in self._evaluations)
        assert None not in found
        return _Monomial(place, found)  # type: ignore[arg-type]

    @cached_property
    def _tokens(self) -> _Monomial:
        values = self.values
        return self._monomial(values.apply("+", values.place("n_c"), values.place("n_g")))

    @cached_property
    def _batches(self) -> _Monomial | None:
        if "batch" not in self.values.variables:
            return None
        return self._monomial(self.values.place("batch"))

    @cached_property
    def _extents(self) -> list[int]:
        """Extents by length, the likeliest first."""
        values = self.values
        tokens = self._tokens.place
        one = values.place(1)
        before = values.apply("-", tokens, one)  # a row for each token that predicts another
        extents = [tokens, values.place("n_c"), values.place("n_g"), before]
        for experts, all_experts in self._counts:
            chosen = values.apply("*", tokens, values.place(experts))
            extents += [values.apply("//", chosen, values.place(all_experts)),
                        self._rounded(chosen, all_experts)]
        extents += [self._rounded(extent, unit)
                    for extent in (tokens, before) for unit in UNITS]
        return extents

    def _rounded(self, place: int, unit: int) -> int:
        """How many units hold a value."""
        values = self.values
        return values.apply("//", values.apply("+", place, values.place(unit - 1)),
                            values.place(unit))

    @cached_property
    def _monomials(self) -> list[_Monomial]:
        """Products, of which no two are the same at every point: the likelier one is taken."""
        values, extents = self.values, self._extents
        places = list(extents)
        places += [values.apply("*", one, other)
                   for one, other in itertools.combinations_with_replacement(extents, 2)]
        if self._batches is not None:
            batch = self._batches.place
            places = [batch, *(values.apply("*", place, batch) for place in places), *places]
        distinct: dict[tuple[int, ...], _Monomial] = {}
        for place in places:
            monomial = self._monomial(place)
            distinct.setdefault(monomial.at, monomial)
        return list(distinct.values())
