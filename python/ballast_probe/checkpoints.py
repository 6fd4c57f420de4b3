"""What gradient checkpointing holds without saying so to hooks.

`torch.utils.checkpoint` saves the positional arguments of the function that it will run again, and
hooks see those. Keyword arguments that were bound to the function before, as transformers does with
masks and position embeddings, are held by the function object alone. Selective checkpoints keep the
results of some ops in a cache of theirs. This module notes both weakly as checkpoints are made;
tensors that are alive at the boundary are held.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
import torch.utils.checkpoint as torch_checkpoint

from .modules import tensors_in
from .tensors import tensors_behind

_GENERATOR = "_checkpoint_without_reentrant_generator"
_FUNCTION = "CheckpointFunction"
_CACHE = "_CachedTorchDispatchMode"


class HeldByCheckpoints:
    """The tensors that checkpointed functions were bound to, known weakly.

    With `is_whole` also those that they were called on, which hooks of saved tensors would see.
    """

    def __init__(self, *, is_whole: bool = False) -> None:
        self._is_whole = is_whole
        self._seen: list[weakref.ref[torch.Tensor]] = []
        self._caches: list[weakref.ref[Any]] = []
        #: Whether checkpoints can be watched in this version of PyTorch.
        self.is_known = all(hasattr(torch_checkpoint, name) for name in (_GENERATOR, _FUNCTION))

    def _note(self, function: object, keywords: object = None) -> None:
        self._seen += map(weakref.ref, tensors_in((function, keywords)))

    def alive(self) -> list[torch.Tensor]:
        """The tensors that are alive now."""
        tensors = [tensor for tensor in (reference() for reference in self._seen)
                   if tensor is not None]
        for cache in (reference() for reference in self._caches):
            tensors += tensors_behind(getattr(cache, "storage", None))
        return tensors

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Notes the checkpoints that are made inside."""
        if not self.is_known:
            yield
            return
        generator = getattr(torch_checkpoint, _GENERATOR)
        function_class = getattr(torch_checkpoint, _FUNCTION)

        def noting_generator(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
            # Behind the function stand five settings; keywords are the function's own.
            self._note((function, arguments) if self._is_whole else function, keywords)
            return generator(function, *arguments, **keywords)

        class Noting:
            """Stands in for the autograd function of reentrant checkpoints."""

            @staticmethod
            def apply(function: Callable[..., Any], *arguments: Any) -> Any:
                self._note(function)
                return function_class.apply(function, *arguments)

        with contextlib.ExitStack() as stack:
            for name, stand_in in ((_GENERATOR, noting_generator), (_FUNCTION, Noting)):
                stack.enter_context(mock.patch.object(torch_checkpoint, name, stand_in))
            if (cache_class := getattr(torch_checkpoint, _CACHE, None)) is not None:
                stack.enter_context(mock.patch.object(
                    cache_class, "__init__", self._noting_cache(cache_class.__init__)))
            yield

    def _noting_cache(self, make: Callable[..., None]) -> Callable[..., None]:
        def noting(cache: Any, *arguments: Any, **keywords: Any) -> None:
            make(cache, *arguments, **keywords)
            self._caches.append(weakref.ref(cache))

        return noting
