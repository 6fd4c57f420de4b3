"""What a CUDA kernel takes from the allocator beside its results, and in which order.

A kernel is described by its steps: a number takes so many bytes, `Back(i)` gives back the i-th that
was taken, `OUTPUTS` is where the op's results are allocated (first, if it is not among them). What
is not given back goes when the op ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..gpus import GPU
from .operands import Operand, operands_among


class Outputs:
    """The place of an op's results among its steps."""


OUTPUTS: Final = Outputs()


@dataclass(frozen=True)
class Back:
    """Gives back a temporary: the one that was taken as number `index`, from 0."""

    index: int


Step = int | Back | Outputs


@dataclass(frozen=True, slots=True)
class Launch:
    """An op's call as its kernel sees it: a value, which two calls alike have in common.

    Attributes:
        name: The op, `aten::sum`.
        arguments: By place, with operands for tensors and tuples for lists.
        keywords: By name.
        outputs: The results.
        gpu: Where it runs.
        is_deterministic: Whether PyTorch was told to use deterministic algorithms.
    """

    name: str
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    outputs: tuple[Operand, ...]
    gpu: GPU
    is_deterministic: bool = False

    def argument(self, place: int, name: str, standard: Any = None) -> Any:
        """An argument by its place or its name."""
        if len(self.arguments) > place:
            return self.arguments[place]
        return dict(self.keywords).get(name, standard)

    @property
    def tensors(self) -> list[Operand]:
        """The operands that the op was given."""
        return [*operands_among(self.arguments),
                *operands_among(value for _, value in self.keywords)]

    @property
    def first(self) -> Operand:
        """The first of them."""
        return next(operands_among((*self.arguments, *(value for _, value in self.keywords))))


class NotModelled(Exception):
    """What a kernel takes for such arguments is not known."""


Describe = Callable[[Launch], Iterable[Step]]


@dataclass(frozen=True)
class Kernel:
    """How an op's kernel is described.

    Attributes:
        describe: The steps of a call.
        source: The file and the function of PyTorch's that they are read from.
        missing: What it takes beside them that is not known, as a sentence; "" if nothing.
    """

    describe: Describe
    source: str
    missing: str = ""


KERNELS: dict[str, Kernel] = {}


def kernel(*names: str, source: str, missing: str = "") -> Callable[[Describe], Describe]:
    """Describes the kernels of some ops, `aten::sum`; `missing` says what is not known of them."""

    def register(describe: Describe) -> Describe:
        for name in names:
            assert name not in KERNELS
            KERNELS[name] = Kernel(describe, source, missing)
        return describe

    return register


def steps_of(launch: Launch) -> tuple[Step, ...]:
    """What an op's kernel does; nothing where it is not described.

    Raises:
        NotModelled: It is not known for such arguments.
    """
    known = KERNELS.get(launch.name)
    return tuple(known.describe(launch)) if known else ()


def up(value: int, unit: int) -> int:
    """How many units hold a value."""
    return -(-value // unit)


def to_multiple(value: int, unit: int) -> int:
    """A value rounded up to a multiple."""
    return up(value, unit) * unit
