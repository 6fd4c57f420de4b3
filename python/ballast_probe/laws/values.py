"""Whole numbers that depend on lengths: a table of expressions, each made of earlier ones.

    0  "n_c"
    1  "n_g"
    2  ["+", 0, 1]          the tokens of a sequence
    3  8192
    4  ["*", 2, 3]          a bfloat16 row of 4,096 for each
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Entry = int | str | tuple[str, int] | tuple[str, int, int]

#: What an expression does, by its name in a file. Division and modulo are Python's: rounded down.
OPERATIONS: Mapping[str, Callable[..., int]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "//": lambda a, b: a // b, "%": lambda a, b: a % b, "<<": lambda a, b: a << b,
    "bits": lambda a: int(a).bit_length(),
    "<": lambda a, b: int(a < b), "<=": lambda a, b: int(a <= b), "==": lambda a, b: int(a == b),
}


class Values:
    """A table of expressions, each once.

    Args:
        variables: The names of the lengths.
    """

    def __init__(self, variables: Sequence[str]) -> None:
        self.variables = tuple(variables)
        self.entries: list[Entry] = []
        self._places: dict[tuple[type, Entry], int] = {}
        for name in self.variables:
            self.place(name)

    def place(self, entry: Entry) -> int:
        """The place of an expression, which is put in if it is new."""
        key = type(entry), entry
        if (place := self._places.get(key)) is None:
            place = self._places[key] = len(self.entries)
            self.entries.append(entry)
        return place

    def apply(self, operation: str, *operands: int) -> int:
        """The place of an operation on expressions at places; of two numbers it is a number."""
        numbers = [self.entries[place] for place in operands]
        if all(isinstance(number, int) for number in numbers):
            return self.place(OPERATIONS[operation](*numbers))
        if operation in ("+", "-") and numbers[1] == 0 or operation in ("*", "//") \
                and numbers[1] == 1:
            return operands[0]
        if operation == "+" and numbers[0] == 0 or operation == "*" and numbers[0] == 1:
            return operands[1]
        return self.place((operation, *operands))  # type: ignore[arg-type]

    def document(self) -> list[Any]:
        """The table as it stands in a file."""
        return [list(entry) if isinstance(entry, tuple) else entry for entry in self.entries]


class Evaluation:
    """Every expression of a table at one set of lengths, found as it is asked for.

    Args:
        values: The table, which may grow.
        lengths: A number for each variable.
    """

    def __init__(self, values: Values, lengths: Sequence[int]) -> None:
        self.lengths = tuple(lengths)
        self._values = values
        self._found: list[int | None] = list(self.lengths)

    def __getitem__(self, place: int) -> int | None:
        """An expression's value; None where it has none, as of a division by zero."""
        entries, found = self._values.entries, self._found
        while len(found) <= place:
            entry = entries[len(found)]
            if isinstance(entry, int):
                found.append(entry)
                continue
            assert isinstance(entry, tuple)
            operands = [found[operand] for operand in entry[1:]]
            try:
                found.append(None if None in operands else OPERATIONS[entry[0]](*operands))
            except (ZeroDivisionError, ValueError):
                found.append(None)
        return found[place]
