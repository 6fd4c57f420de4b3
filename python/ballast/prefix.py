"""A prefix without loss, run ahead of the rows that read it, and exact replay of its gradient.

A prefix's keys and values are all that later rows read of it. It is run without a graph, some rows
at a time, and these are stored. Rows behind it read them and gather their gradients. Then the
prefix is run a second time with a graph, from its last chunk to its first, and each chunk's
backward pass starts from the gradients that later rows have gathered in its own keys and values;
what it reads of earlier chunks gathers there in turn. That is the chain rule in another order: the
gradient is the whole graph's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .cache import PrefixCache, windows
from .calls import Caller
from .errors import StepError
from .keyvalues import KeyValues
from .surroundings import Autocast, RandomStates
from .typing import apply
from .values import are_known


@dataclass(frozen=True)
class Rows:
    """Tokens [batch, rows] with their positions, and which columns before and among them are
    padding.

    Attributes:
        positions: [batch, rows]; None where the model counts them, of the mask or of the columns.
        mask: [batch, columns from the first on], None where nothing is padded.
    """

    ids: Tensor
    positions: Tensor | None
    mask: Tensor | None

    def part(self, first: int, end: int | None) -> Rows:
        """The columns [first, end) of rows that begin at column 0; None for the last."""
        return Rows(self.ids[:, first:end],
                    None if self.positions is None else self.positions[:, first:end],
                    None if self.mask is None else self.mask[:, :end])


class Prefix:
    """The keys and values of a prefix in front of rows that carry loss.

    Args:
        rows: The prefix [batch, rows], from column 0 on.
        chunk: Rows that run at a time.
        gradient_type: In which gradients of keys and values are gathered; None for the keys' own.
    """

    def __init__(self, caller: Caller, rows: Rows, chunk: int,
                 gradient_type: torch.dtype | None) -> None:
        self._caller, self._rows, self._gradient_type = caller, rows, gradient_type
        self.shared = caller.shared
        self.count = rows.ids.shape[1]
        self._chunks = [(first, min(first + chunk, self.count))
                        for first in range(0, self.count, chunk)]
        self._widths = windows(caller.config)
        self._layers = self._empty(self.count)
        self._states: dict[int, RandomStates] = {}
        self._autocast = Autocast(rows.ids.device)
        self._anchor: Tensor | None = None

    def _empty(self, count: int) -> list[KeyValues | None]:
        return [None if width == "none" else KeyValues(count, self._gradient_type)
                for width in self._widths]

    def run(self) -> None:
        """Runs the prefix without a graph, and stores its keys and values."""
        for first, end in self._chunks:
            states = RandomStates(self._rows.ids)
            cache = self._cache(first, stores=True)
            with torch.no_grad():
                self._call(first, end, cache)
            cache.fresh()
            if states.moved():
                self._states[first] = states

    def run_in_graph(self) -> None:
        """Runs the prefix with a graph, of which its keys and values are left: what the last layer
        does with its rows beyond them goes at once.

        Raises:
            StepError: The model's parameters are sharded.
        """
        if self.shared.is_sharded:
            raise StepError("mode='pruned' has a gradient come into layers past their outputs, "
                            "where FSDP2 does not gather their parameters; use mode='replayed' or "
                            "'full'")
        cache = self._cache(0)
        self._call(0, self.count, cache)
        for layer, fresh in zip(self._layers, cache.fresh(), strict=True):
            if layer is not None and fresh is not None:
                layer.keys, layer.values = fresh

    def replayed(self) -> None:
        """Has the rows read from here on gather gradients, and their backward pass replay the
        prefix."""
        device = self._rows.ids.device
        trigger = torch.zeros((), device=device, requires_grad=True)
        self._anchor = apply(_Replay, trigger, self)

    def cache(self) -> PrefixCache:
        """A cache with the whole prefix, for rows behind it."""
        return self._cache(self.count, anchor=self._anchor, gathers=self._anchor is not None)

    def gathering(self, gathers: bool) -> PrefixCache:
        """The same, for a backward pass inside another: nothing has to wait for its readers."""
        return self._cache(self.count, gathers=gathers)

    def replay(self) -> None:
        """Goes on with the gradients that keys and values have gathered to the model's
        parameters."""
        difference: Tensor | None = None
        try:
            for first, end in reversed(self._chunks):
                with ExitStack() as stack:
                    stack.enter_context(torch.enable_grad())
                    stack.enter_context(self._autocast.again())
                    if first in self._states:
                        stack.enter_context(self._states[first].again())
                    cache = self._cache(first, gathers=True)
                    self._call(first, end, cache)
                found = self._backward(cache, first, end, is_last=first == 0)
                difference = found if difference is None else torch.maximum(difference, found)
        finally:
            for layer in self._layers:
                if layer is not None:
                    layer.release()
        self._check(difference)

    def _backward(self, cache: PrefixCache, first: int, end: int, *, is_last: bool) -> Tensor:
        roots: list[Tensor] = []
        gradients: list[Tensor] = []
        differences: list[Tensor] = []
        for layer, fresh in zip(self._layers, cache.fresh(), strict=True):
            if layer is None or fresh is None or layer.keys is None or layer.values is None:
                continue
            for made, stored, gathered in (
                    (fresh[0], layer.keys, layer.key_gradients),
                    (fresh[1], layer.values, layer.value_gradients)):
                differences.append(_difference(made.detach(), stored[:, :, first:end]))
                if made.requires_grad and gathered is not None:
                    roots.append(made)
                    gradients.append(gathered[:, :, first:end].to(made.dtype))
        del cache, fresh, made
        if is_last:
            self.shared.last()
        if roots:
            self.shared.gather()
            torch.autograd.backward(roots, gradients)
        return torch.stack(differences).max()

    def _check(self, difference: Tensor | None) -> None:
        if difference is None or not are_known(difference):
            return
        worst = difference.item()
        half = any(layer is not None and layer.keys is not None and layer.keys.dtype.itemsize == 2
                   for layer in self._layers)
        if not worst <= (0.25 if half else 1e-2):
            raise StepError(
                "the prefix's keys and values came out otherwise when it was run again (by "
                f"{worst:.2g} of their size): the model draws or counts something in its forward "
                "pass that a second pass cannot repeat. The gradients in .grad are wrong: set them "
                "to zero, and keep the prefix in the graph with mode='full'")

    def _call(self, first: int, end: int, cache: PrefixCache) -> None:
        part = self._rows.part(first, end)
        self._caller.rows(part.ids, part.positions, part.mask, cache, first)

    def _cache(self, rows: int, *, stores: bool = False, anchor: Tensor | None = None,
               gathers: bool = False) -> PrefixCache:
        return PrefixCache(self._layers, self._widths, rows, stores=stores, anchor=anchor,
                           gathers=gathers, copies=self._caller.copies_keys)


def _difference(made: Tensor, stored: Tensor) -> Tensor:
    """The largest difference of two tensors in terms of their root mean square."""
    wide = torch.promote_types(stored.dtype, torch.float32)
    size: Tensor = torch.linalg.vector_norm(stored, dtype=wide) / max(1, stored.numel()) ** 0.5
    return (made - stored).abs().max() / size.clamp_min(1e-12)


class _Replay(torch.autograd.Function):
    """A scalar whose backward pass runs a prefix's replay."""

    @staticmethod
    def forward(ctx: Any, trigger: Tensor, prefix: Prefix) -> Tensor:
        ctx.prefix = prefix
        return trigger.detach().clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        prefix: Prefix = ctx.prefix
        with half_way():
            prefix.shared.afterwards(prefix.replay)
        return gradient.new_zeros(()), None


@contextmanager
def half_way() -> Iterator[None]:
    """Around backward passes inside a backward pass: says of an error what it leaves behind."""
    try:
        yield
    except StepError:
        raise
    except BaseException as error:
        error.add_note("ballast: the step's backward pass ended half-way; what it has added to "
                       ".grad is not its gradient: set the gradients to zero before the next step")
        raise
