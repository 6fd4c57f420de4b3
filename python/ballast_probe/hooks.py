"""Listens to what autograd saves, also where the step has hooks of its own.

Of nested `saved_tensors_hooks` PyTorch calls the innermost pair alone. So whatever pair the step
puts on top while this listens, or had put there before, is called by this one, and what it returns
is noted in place of the tensor: a copy on the host, a packed one, a key to something elsewhere.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from unittest import mock

import torch

from .graph import CHECKPOINTS
from .tensors import parts_of, storage_bytes, tensors_behind

Pack = Callable[[torch.Tensor], object]
Unpack = Callable[[object], torch.Tensor]


class Pair:
    """A pair of hooks of the step's own, and the tensors that it knew before it was used."""

    def __init__(self, pack: Pack, unpack: Unpack) -> None:
        self.pack, self.unpack = pack, unpack
        self._before = [weakref.ref(tensor) for tensor in tensors_behind(pack, unpack)]

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.pack.__module__}.{getattr(self.pack, '__qualname__', '')}".replace(
            ".<locals>", "").replace(".__init__", "")

    def collected(self) -> list[torch.Tensor]:
        """The tensors that the hooks keep themselves, as one does whose `pack` returns a key."""
        before = {id(tensor) for tensor in (reference() for reference in self._before)
                  if tensor is not None}
        return [tensor for tensor in tensors_behind(self.pack, self.unpack)
                if id(tensor) not in before]


class Packed:
    """What autograd holds in place of a tensor; it dies with the graph.

    Without hooks of the step's own it keeps the tensor detached: an op's own result knows the op's
    node, which would hold itself for ever.
    """

    __slots__ = ("value", "path", "pair", "device", "passed_bytes", "__weakref__")

    def __init__(self, value: object, path: str, pair: Pair | None, tensor: torch.Tensor) -> None:
        self.value, self.path, self.pair = value, path, pair
        self.device = tensor.device.type
        self.passed_bytes = sum(map(storage_bytes, parts_of(tensor))) if pair else 0

    @property
    def tensors(self) -> list[torch.Tensor]:
        """What of it is a tensor, now: hooks may change their mind."""
        return list(tensors_behind(self.value))


def chain(packed: object) -> Iterator[object]:
    """What autograd holds, and what lies inside where one probe listens inside another."""
    while isinstance(packed, Packed):
        yield packed
        packed = packed.value


class Listener:
    """The tensors that autograd was given to keep, known weakly."""

    def __init__(self, path: Callable[[], str]) -> None:
        self._path = path
        self._packed: list[weakref.ref[Packed]] = []
        self.is_open = True
        #: Whether a backward pass asked for something before the boundary.
        self.is_used = False

    def alive(self) -> list[Packed]:
        """What is kept now, in the order of saving."""
        return [packed for packed in (reference() for reference in self._packed)
                if packed is not None]

    def _around(self, pack: Pack | None, unpack: Unpack | None) -> tuple[Pack, Unpack]:
        pair = Pair(pack, unpack) if pack is not None and unpack is not None else None
        mine: weakref.WeakSet[Packed] = weakref.WeakSet()

        def noting(tensor: torch.Tensor) -> object:
            if not self.is_open:
                return tensor if pair is None else pair.pack(tensor)
            value = tensor.detach() if pair is None else pair.pack(tensor)
            packed = Packed(value, self._path(), pair, tensor)
            mine.add(packed)
            self._packed.append(weakref.ref(packed))
            return packed

        def giving(value: object) -> torch.Tensor:
            if isinstance(value, Packed) and value in mine:
                self.is_used |= self.is_open
                value = value.value
            if pair is not None:
                return pair.unpack(value)
            assert isinstance(value, torch.Tensor)
            return value

        return noting, giving

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Notes what is saved inside, by whichever hooks."""
        autograd = torch._C._autograd
        push = autograd._push_saved_tensors_default_hooks

        def pushing(pack: Pack, unpack: Unpack) -> None:
            is_heard = self.is_open and getattr(pack, "__module__", None) != CHECKPOINTS
            push(*(self._around(pack, unpack) if is_heard else (pack, unpack)))

        outer = autograd._top_saved_tensors_default_hooks(True)
        with mock.patch.object(autograd, "_push_saved_tensors_default_hooks", pushing):
            push(*self._around(*(outer or (None, None))))
            try:
                yield
            finally:
                autograd._pop_saved_tensors_default_hooks()
