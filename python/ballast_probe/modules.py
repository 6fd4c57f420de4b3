"""Which module of a model is running: a stack that forward hooks keep."""

from __future__ import annotations

import functools
import re
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.hooks import RemovableHandle

from .tensors import tensors_behind

_NUMBER = re.compile(r"(?:^|\.)(\d+)(?:\.|$)")


def layer_of(path: str) -> int | None:
    """The layer that a module belongs to: the first number in its path."""
    found = _NUMBER.search(path)
    return int(found[1]) if found else None


def op_of(path: str) -> str:
    """The module without its layer: `self_attn.q_proj` of `model.layers.0.self_attn.q_proj`."""
    found = _NUMBER.search(path)
    if not found:
        return path or "model"
    return path[found.end():] or "layer"


def tensors_in(value: object, depth: int = 6) -> Iterator[torch.Tensor]:
    """The tensors in nested containers, `functools.partial` objects and closures."""
    if isinstance(value, torch.Tensor):
        yield value
        return
    if depth == 0 or value is None or isinstance(value, (str, bytes, int, float, torch.nn.Module)):
        return
    parts: list[Any] = []
    if isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, (list, tuple, set)):
        parts = list(value)
    else:
        if isinstance(value, functools.partial):
            parts += [value.func, value.args, value.keywords]
        for cell in getattr(value, "__closure__", None) or ():
            try:
                parts.append(cell.cell_contents)
            except ValueError:  # not assigned yet
                continue
        parts += getattr(value, "__defaults__", None) or ()
        if hasattr(value, "__self__"):
            parts.append(value.__self__)
    for part in parts:
        yield from tensors_in(part, depth - 1)


class ModuleStack:
    """The modules of a model that are running now, innermost last."""

    def __init__(self, model: torch.nn.Module | None) -> None:
        self._running: list[str] = []
        self._handles: list[RemovableHandle] = []
        self._outputs: list[weakref.ref[torch.Tensor]] = []
        for path, module in model.named_modules() if model is not None else ():
            self._watch(path, module)

    def _watch(self, path: str, module: torch.nn.Module) -> None:
        def enter(*_: object) -> None:
            self._running.append(path)

        def leave(_module: object, _arguments: object, output: object) -> None:
            if path in self._running:
                while self._running.pop() != path:
                    pass
            if path == "":
                self._outputs += map(weakref.ref, tensors_behind(output))

        self._handles.append(module.register_forward_pre_hook(enter, prepend=True))
        self._handles.append(module.register_forward_hook(leave, always_call=True))

    @property
    def path(self) -> str:
        """The innermost module that is running; empty for the model itself, or outside of it."""
        return self._running[-1] if self._running else ""

    def outputs(self) -> list[torch.Tensor]:
        """What the model has returned and is still alive."""
        return [tensor for tensor in (reference() for reference in self._outputs)
                if tensor is not None]

    def remove(self) -> None:
        """Takes the hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
