"""The keys and values of a prefix: stored once, read by every later row, gathering their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .typing import apply


class KeyValues:
    """One layer's keys and values of a prefix, and the gradients that they gather.

    Attributes:
        keys, values: [batch, key-value heads, prefix rows, width]; None until the layer has run.
            Leaves outside of any graph, or part of one where the prefix is in it.
        key_gradients, value_gradients: Of the same shapes, in `gradient_type`; None until some row
            has been read in a backward pass.
    """

    def __init__(self, rows: int, gradient_type: torch.dtype | None) -> None:
        self.rows = rows
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.key_gradients: Tensor | None = None
        self.value_gradients: Tensor | None = None
        self._gradient_type = gradient_type

    def store(self, first: int, keys: Tensor, values: Tensor) -> None:
        """Takes the rows from `first` on, of which there is no graph."""
        if self.keys is None or self.values is None:
            self.keys = _rows_like(keys, self.rows)
            self.values = _rows_like(values, self.rows)
        end = first + keys.shape[2]
        self.keys[:, :, first:end] = keys
        self.values[:, :, first:end] = values

    def gather(self, first: int, keys: Tensor, values: Tensor) -> None:
        """Adds to the gradients of the rows from `first` on; `keys` and `values` may be of more
        batch rows than the prefix has, which then all read the same one."""
        if self.keys is None or self.values is None:
            raise AssertionError("gradients of rows that were never stored")
        if self.key_gradients is None or self.value_gradients is None:
            dtype = self.keys.dtype
            if self._gradient_type is not None:
                dtype = torch.promote_types(dtype, self._gradient_type)
            self.key_gradients = torch.zeros_like(self.keys, dtype=dtype)
            self.value_gradients = torch.zeros_like(self.values, dtype=dtype)
        end = first + keys.shape[2]
        if keys.shape[0] != self.keys.shape[0]:
            keys = keys.sum(0, keepdim=True)
            values = values.sum(0, keepdim=True)
        self.key_gradients[:, :, first:end].add_(keys)
        self.value_gradients[:, :, first:end].add_(values)

    def release(self) -> None:
        self.key_gradients = self.value_gradients = None


def _rows_like(part: Tensor, rows: int) -> Tensor:
    batch, heads, _, width = part.shape
    return part.new_empty(batch, heads, rows, width)


@dataclass(frozen=True)
class Seen:
    """Which rows of a layer's prefix a call sees, and how their gradients go on.

    Attributes:
        layer: The layer's keys and values.
        first, end: The prefix rows seen: those below `first` are outside of the layer's window.
        anchor: A scalar that every reader hangs its graph on, so that a backward pass has been
            through all readers before it reaches what the anchor came from; None where it needs not.
        gathers: Whether the layer gathers gradients. Where it does not, they flow to `layer.keys` if
            these are in a graph, or nowhere.
    """

    layer: KeyValues
    first: int
    end: int
    anchor: Tensor | None
    gathers: bool

    @property
    def keys(self) -> Tensor:
        assert self.layer.keys is not None
        return self.layer.keys[:, :, self.first:self.end]

    @property
    def values(self) -> Tensor:
        assert self.layer.values is not None
        return self.layer.values[:, :, self.first:self.end]

    def gather(self, first: int, keys: Tensor, values: Tensor) -> None:
        """Adds to the gradients of the rows from `first` of those seen on."""
        if self.gathers:
            self.layer.gather(self.first + first, keys, values)

    def joined(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The prefix's keys and values with these of later rows behind them, copied together."""
        if self.gathers:
            return apply(_Joined, self.anchor, keys, values, self)  # type: ignore[no-any-return]
        return _behind(self.keys, keys), _behind(self.values, values)


def _behind(prefix: Tensor, rows: Tensor) -> Tensor:
    return torch.cat([prefix.expand(rows.shape[0], -1, -1, -1), rows], dim=2)


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchor: Tensor | None, keys: Tensor, values: Tensor,
                seen: Seen) -> tuple[Tensor, Tensor]:
        ctx.seen, ctx.rows = seen, seen.end - seen.first
        ctx.has_anchor = anchor is not None
        return _behind(seen.keys, keys), _behind(seen.values, values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, keys: Tensor, values: Tensor) -> tuple[Tensor | None, ...]:
        rows = ctx.rows
        ctx.seen.gather(0, keys[:, :, :rows], values[:, :, :rows])
        anchor = keys.new_zeros(()) if ctx.has_anchor else None
        return anchor, keys[:, :, rows:], values[:, :, rows:], None
