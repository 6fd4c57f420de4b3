"""Whole numbers that remember how they came about, and what was decided by them.

A kernel's description is Python that reads extents. Run on traced ones it takes the way that it
takes at their lengths, and leaves behind the expressions of what it takes from the allocator and
the conditions under which any other lengths go the same way.
"""

from __future__ import annotations

from typing import Any, NoReturn

from .values import Values


class Untraceable(Exception):
    """Something was done to a traced number that no expression says."""


class Trace:
    """What one run has decided.

    Attributes:
        values: The table in which expressions stand.
        conditions: The truth of each comparison, by its place, in the order of their making.
    """

    def __init__(self, values: Values) -> None:
        self.values = values
        self.conditions: dict[int, bool] = {}

    def place(self, value: int) -> int:
        """The place of a number's expression."""
        return value.place if isinstance(value, Traced) else self.values.place(int(value))

    def decide(self, operation: str, one: int, other: int, truth: bool) -> bool:
        """Notes a comparison; gives its truth."""
        place = self.values.apply(operation, self.place(one), self.place(other))
        if not isinstance(self.values.entries[place], int):
            self.conditions[place] = truth
        return truth


class Traced(int):
    """A whole number with its expression."""

    trace: Trace
    place: int

    @staticmethod
    def make(value: int, place: int, trace: Trace) -> Traced:
        """A number whose expression stands at a place."""
        made = Traced(value)
        made.trace, made.place = trace, place
        return made

    def _of(self, operation: str, value: int, *operands: int) -> Traced:
        places = [self.trace.place(operand) for operand in operands]
        return Traced.make(value, self.trace.values.apply(operation, *places), self.trace)

    def __add__(self, other: int) -> Traced:
        return self._of("+", int(self) + int(other), self, other)

    def __radd__(self, other: int) -> Traced:
        return self._of("+", int(other) + int(self), other, self)

    def __sub__(self, other: int) -> Traced:
        return self._of("-", int(self) - int(other), self, other)

    def __rsub__(self, other: int) -> Traced:
        return self._of("-", int(other) - int(self), other, self)

    def __mul__(self, other: int) -> Traced:
        return self._of("*", int(self) * int(other), self, other)

    def __rmul__(self, other: int) -> Traced:
        return self._of("*", int(other) * int(self), other, self)

    def __floordiv__(self, other: int) -> Traced:
        return self._of("//", int(self) // int(other), self, other)

    def __rfloordiv__(self, other: int) -> Traced:
        return self._of("//", int(other) // int(self), other, self)

    def __mod__(self, other: int) -> Traced:
        return self._of("%", int(self) % int(other), self, other)

    def __rmod__(self, other: int) -> Traced:
        return self._of("%", int(other) % int(self), other, self)

    def __lshift__(self, other: int) -> Traced:
        return self._of("<<", int(self) << int(other), self, other)

    def __rlshift__(self, other: int) -> Traced:
        return self._of("<<", int(other) << int(self), other, self)

    def __neg__(self) -> Traced:
        return self._of("-", -int(self), 0, self)

    def __pos__(self) -> Traced:
        return self

    def bit_length(self) -> Traced:
        return self._of("bits", int(self).bit_length(), self)

    def __lt__(self, other: int) -> bool:
        return self.trace.decide("<", self, other, int(self) < int(other))

    def __le__(self, other: int) -> bool:
        return self.trace.decide("<=", self, other, int(self) <= int(other))

    def __gt__(self, other: int) -> bool:
        return self.trace.decide("<", other, self, int(other) < int(self))

    def __ge__(self, other: int) -> bool:
        return self.trace.decide("<=", other, self, int(other) <= int(self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, int):
            return NotImplemented
        return self.trace.decide("==", self, other, int(self) == int(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return not self.trace.decide("==", self, 0, int(self) == 0)

    __hash__ = int.__hash__

    def __int__(self) -> int:
        return int.__int__(self)

    def _refuse(self, *_: Any) -> NoReturn:
        raise Untraceable("a number that depends on lengths is used as no expression says")

    __float__ = __truediv__ = __rtruediv__ = __pow__ = __rpow__ = _refuse
    __divmod__ = __rdivmod__ = __and__ = __rand__ = __or__ = __ror__ = _refuse
    __xor__ = __rxor__ = __rshift__ = __rrshift__ = __invert__ = _refuse
    __abs__ = __round__ = __trunc__ = __ceil__ = __floor__ = _refuse
