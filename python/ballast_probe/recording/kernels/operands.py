"""A kernel's operands by their extents alone, which are whole numbers, or stand for some.

A kernel is described from extents, strides and types. Where they are numbers that remember how they
came about (`ballast_probe.laws.traced`), so is what the kernel takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor as a kernel sees it, without its data.

    Attributes:
        shape: Its extents.
        strides: The elements from one entry of an axis to the next.
        dtype: Its type.
        is_on_host: Whether it lies on the host.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    is_on_host: bool = False

    @staticmethod
    def of(tensor: torch.Tensor, *, is_on_host: bool = False) -> Operand:
        """A tensor's."""
        return Operand(tuple(tensor.shape), tensor.stride(), tensor.dtype, is_on_host)

    @staticmethod
    def dense(shape: Sequence[int], dtype: torch.dtype) -> Operand:
        """One whose rows lie one behind the other."""
        strides, size = [1] * len(shape), 1
        for axis in reversed(range(len(shape))):
            strides[axis] = size
            size = size * shape[axis]
        return Operand(tuple(shape), tuple(strides), dtype)

    def dim(self) -> int:
        """Its axes."""
        return len(self.shape)

    def numel(self) -> int:
        """Its elements."""
        count = 1
        for extent in self.shape:
            count = count * extent
        return count

    def element_size(self) -> int:
        """The bytes of an element."""
        return self.dtype.itemsize

    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.numel() * self.element_size()

    def stride(self, axis: int) -> int:
        """The elements from one entry of an axis to the next."""
        return self.strides[axis]

    def transpose(self, one: int, other: int) -> Operand:
        """The same with two axes exchanged."""
        order = list(range(self.dim()))
        order[one], order[other] = order[other], order[one]
        return Operand(tuple(self.shape[axis] for axis in order),
                       tuple(self.strides[axis] for axis in order), self.dtype, self.is_on_host)

    def is_contiguous(self) -> bool:
        """Whether elements lie as they are counted (`_compute_contiguous` of PyTorch's)."""
        return self._are_dense(reversed(range(self.dim())))

    def is_non_overlapping_and_dense(self) -> bool:
        """Whether they do in some order of axes (`_compute_non_overlapping_and_dense`)."""
        axes = [axis for axis in range(self.dim()) if not self.shape[axis] < 2]
        if self.numel() == 0:
            return True
        return self._are_dense(sorted(axes, key=lambda axis: self.strides[axis]))

    def _are_dense(self, axes: Iterable[int]) -> bool:
        """Whether each of some axes, fastest first, lies over those before it."""
        if self.numel() == 0:
            return True
        size = 1
        for axis in axes:
            if self.shape[axis] != 1:
                if self.strides[axis] != size:
                    return False
                size = size * self.shape[axis]
        return True


def operands_among(values: Iterable[Any]) -> Iterator[Operand]:
    """The operands in a call's arguments, also those within tuples."""
    for value in values:
        if isinstance(value, Operand):
            yield value
        elif isinstance(value, tuple):
            yield from operands_among(value)
