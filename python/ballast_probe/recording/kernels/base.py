"""What a CUDA kernel takes from the allocator beside its results, and in which order.

A kernel is described by its steps: a number takes so many bytes, `Back(i)` gives back the i-th that
was taken, `OUTPUTS` is where the op's results are allocated (first, if it is not among them). What
is not given back goes when the op ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from ..gpus import GPU
from ..recorder import Call


class Outputs:
    """The place of an op's results among its steps."""


OUTPUTS: Final = Outputs()


@dataclass(frozen=True)
class Back:
    """Gives back a temporary: the one that was taken as number `index`, from 0."""

    index: int


Step = int | Back | Outputs


@dataclass(frozen=True)
class Launch:
    """An op's call as its kernel sees it."""

    gpu: GPU
    call: Call
    outputs: Sequence[torch.Tensor]
    is_on_host: Callable[[torch.Tensor], bool]

    def argument(self, place: int, name: str, standard: Any = None) -> Any:
        """An argument by its place or its name."""
        if len(self.call.arguments) > place:
            return self.call.arguments[place]
        return self.call.keywords.get(name, standard)

    @property
    def first(self) -> torch.Tensor:
        """The first tensor that the op was given."""
        return self.call.tensors[0]


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


def up(value: int, unit: int) -> int:
    """How many units hold a value."""
    return -(-value // unit)


def to_multiple(value: int, unit: int) -> int:
    """A value rounded up to a multiple."""
    return up(value, unit) * unit
