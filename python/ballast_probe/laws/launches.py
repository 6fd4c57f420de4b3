"""What a kernel takes at any lengths, found by running its own description on traced numbers.

A description goes another way where a decision of its own falls otherwise: where a reduction begins
to be split, or a sort takes passes. Each way is a variant, with the decisions that lead to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..recording.kernels.base import Back, Launch, NotModelled, Outputs, Step, steps_of
from ..recording.kernels.operands import Operand
from .forms import Forms
from .traced import Trace, Traced
from .values import Evaluation, Values


class NoLaw(Exception):
    """Something at several lengths has no law; the text says what."""


@dataclass(frozen=True)
class Law:
    """A number that depends on lengths, by the place of its expression."""

    place: int


@dataclass(frozen=True)
class Variant:
    """One way that a kernel goes.

    Attributes:
        conditions: Comparisons by their places, and how each has to fall.
        steps: What it takes, by places of expressions, and gives back.
    """

    conditions: tuple[tuple[int, bool], ...]
    steps: tuple[Step, ...]

    def holds(self, at: Evaluation) -> bool:
        """Whether it is the way at some lengths."""
        return all((value := at[place]) is not None and bool(value) == truth
                   for place, truth in self.conditions)

    def document(self) -> dict[str, Any]:
        """The variant as it stands in a file."""
        return {"when": [[place, int(truth)] for place, truth in self.conditions],
                "steps": [-step.index - 1 if isinstance(step, Back)
                          else "outputs" if isinstance(step, Outputs) else step
                          for step in self.steps]}


@dataclass
class LaunchLaw:
    """A kernel with what it is given at any lengths.

    Attributes:
        launch: What it is given, with a `Law` in place of each number that depends on lengths.
        variants: The ways that have been seen.
    """

    launch: Any
    variants: list[Variant] = field(default_factory=list)

    def at(self, lengths: Evaluation) -> Variant | None:
        """The way at some lengths, if it has been seen."""
        return next((one for one in self.variants if one.holds(lengths)), None)

    def explore(self, values: Values, lengths: Evaluation) -> Variant:
        """The way at some lengths, found by running the description if it is new.

        Raises:
            Untraceable: The description does what no expression says.
        """
        if (known := self.at(lengths)) is not None:
            return known
        trace = Trace(values)

        def traced(law: Law) -> Traced:
            value = lengths[law.place]
            if value is None:
                raise NoLaw("what a kernel is given cannot be at such lengths")
            return Traced.make(value, law.place, trace)

        try:
            steps = steps_of(_replaced(self.launch, traced))
        except NotModelled:  # a recorder takes nothing then, and counts the call
            steps = ()
        placed = tuple(trace.place(step) if isinstance(step, int) else step for step in steps)
        variant = Variant(tuple(trace.conditions.items()), placed)
        self.variants.append(variant)
        return variant


def launch_law(launches: Sequence[Launch], forms: Forms) -> LaunchLaw:
    """What several calls of one kernel, at different lengths, have in common.

    Raises:
        NoLaw: They are not alike, or a number of theirs has no law.
    """
    try:
        return LaunchLaw(_joined(launches, forms))
    except NoLaw as error:
        raise NoLaw(f"{launches[0].name}: {error}") from error


def _joined(values: Sequence[Any], forms: Forms) -> Any:
    first = values[0]
    if all(value == first for value in values):
        return first
    if all(type(value) is int for value in values):
        if (place := forms.law(values)) is None:
            raise NoLaw(f"{', '.join(map(str, values))} have no law")
        return Law(place)
    if any(type(value) is not type(first) for value in values):
        raise NoLaw("it is called with values of other types")
    if isinstance(first, tuple):
        if any(len(value) != len(first) for value in values):
            raise NoLaw("it is called with other numbers of values")
        return tuple(_joined(parts, forms) for parts in zip(*values))
    if isinstance(first, (Launch, Operand)):
        return _made(first, lambda name: _joined([getattr(one, name) for one in values], forms))
    raise NoLaw(f"it is called with {first!r} at one length, and not at another")


def _replaced(value: Any, number: Callable[[Law], int]) -> Any:
    if isinstance(value, Law):
        return number(value)
    if isinstance(value, tuple):
        return tuple(_replaced(part, number) for part in value)
    if isinstance(value, (Launch, Operand)):
        return _made(value, lambda name: _replaced(getattr(value, name), number))
    return value


def _made(like: Launch | Operand, part: Callable[[str], Any]) -> Any:
    names: Iterable[str] = ("arguments", "keywords", "outputs") if isinstance(like, Launch) \
        else ("shape", "strides")
    return replace(like, **{name: part(name) for name in names})
