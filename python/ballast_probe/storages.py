"""The distinct storages among what was saved, and where they lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from .tensors import address, parts_of, storage_bytes


@dataclass(frozen=True)
class Kept:
    """A dense tensor that is kept, by which module and autograd node."""

    tensor: torch.Tensor
    path: str
    node: str


class Storages:
    """Groups what is kept by storage, parameters aside.

    Attributes:
        parameters: The storages that do not count.
        groups: Those that do, in the order of saving, with everything that keeps them.
    """

    def __init__(self, parameters: set[int]) -> None:
        self.parameters = parameters
        self.groups: dict[int, list[Kept]] = {}
        self._moved: dict[str, int] = {}
        self._unseen: dict[str, int] = {}

    def add(self, tensors: Iterable[torch.Tensor], path: str, node: str, device: str,
            *, is_new: bool = False) -> None:
        """Adds tensors; `device` is where they were when they were saved.

        With `is_new` only storages that nothing else keeps.
        """
        for tensor in tensors:
            parts = parts_of(tensor)
            if not parts:
                kind = str(tensor.layout).removeprefix("torch.")
                self._unseen[kind] = self._unseen.get(kind, 0) + 1
            for part in parts:
                where = address(part)
                if where in self.parameters or (is_new and where in self.groups):
                    continue
                if where not in self.groups and part.device.type != device:
                    at = part.device.type
                    self._moved[at] = self._moved.get(at, 0) + storage_bytes(part)
                self.groups.setdefault(where, []).append(Kept(part, path, node))

    def notes(self) -> list[str]:
        """Sentences about what lies elsewhere, and what has no bytes that can be seen."""
        notes = [f"{size:,} of the bytes lie on device {at}, where hooks of the step's own have "
                 "moved them" for at, size in self._moved.items()]
        notes += [f"{count} saved tensors of layout {kind} have no storage that can be seen and "
                  "are not counted" for kind, count in self._unseen.items()]
        return notes
