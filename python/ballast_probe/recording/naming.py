"""Which module runs, whichever model it belongs to, and which one's backward runs.

Hooks of every module keep the stack. A module is known by its path from the first module that was
called with nothing around it. Autograd numbers its nodes as they are made; the numbers between a
module's entry and its exit are its own, and so is the backward of those nodes.
"""

from __future__ import annotations

import bisect
import contextlib
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.autograd import _get_sequence_nr  # type: ignore[attr-defined]
from torch.nn.modules import module as torch_module
from torch.nn.parallel import DistributedDataParallel

Listener = Callable[[torch.nn.Module], None]


@dataclass(frozen=True, slots=True)
class RunningNode:
    """The autograd node that runs, by its number and name.

    The node itself is not held: with it were the graph around it, and a gradient that somebody else
    holds is copied where it would have been taken.
    """

    number: int
    name: str


class RunningModules:
    """The modules that are running now, innermost last.

    Attributes:
        roots: The modules that were called with nothing around them, each once.
    """

    def __init__(self, on_root: Listener, on_root_left: Listener) -> None:
        self.roots: list[weakref.ref[torch.nn.Module]] = []
        self._on_root, self._on_root_left = on_root, on_root_left
        self._paths: weakref.WeakKeyDictionary[torch.nn.Module, str] = weakref.WeakKeyDictionary()
        self._running: list[tuple[torch.nn.Module, str]] = []
        self._numbers: list[int] = []  # of autograd, at which the path below began
        self._began: list[str] = []

    def name(self, root: torch.nn.Module) -> None:
        """Takes a module for a model: paths of its parts are from here, a wrapper aside."""
        if root in self._paths:
            return
        if isinstance(root, DistributedDataParallel):
            self._paths[root] = ""
            root = root.module
        prefix = f"{type(root).__name__}:" if self.roots else ""
        self.roots.append(weakref.ref(root))
        for path, part in root.named_modules():
            self._paths.setdefault(part, prefix + path)

    def _enter(self, module: torch.nn.Module, _arguments: object) -> None:
        is_root = not self._running and torch._C._current_graph_task_id() == -1
        if not self._running and module not in self._paths:
            self.name(module)
        path = self._paths.get(module)
        if path is None:  # put in since
            path = f"{self.path}.{type(module).__name__}".lstrip(".")
        self._running.append((module, path))
        self._note(path)
        if is_root:
            self._on_root(module)

    def _leave(self, module: torch.nn.Module, _arguments: object, _output: object) -> None:
        if any(one is module for one, _ in self._running):
            while self._running.pop()[0] is not module:
                pass
        self._note(self.path)
        if not self._running and torch._C._current_graph_task_id() == -1:
            self._on_root_left(module)

    def _note(self, path: str) -> None:
        number = _get_sequence_nr()
        if self._numbers and self._numbers[-1] == number:
            self._began[-1] = path
        else:
            self._numbers.append(number)
            self._began.append(path)

    @property
    def path(self) -> str:
        """The innermost module that is running; empty for a model itself, or outside of any."""
        return self._running[-1][1] if self._running else ""

    @property
    def parts(self) -> Iterator[tuple[torch.nn.Module, str]]:
        """Every module of a model that is known, with its path."""
        for root in (reference() for reference in self.roots):
            for part in root.modules() if root is not None else ():
                yield part, self._paths.get(part, "")

    @property
    def is_running(self) -> bool:
        """Whether a module runs."""
        return bool(self._running)

    def path_of(self, number: int) -> str:
        """The module that ran when the node of a number was made."""
        place = bisect.bisect_right(self._numbers, number) - 1
        return self._began[place] if place >= 0 else ""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Listens to every module inside."""
        handles = [torch_module.register_module_forward_pre_hook(self._enter),
                   torch_module.register_module_forward_hook(self._leave, always_call=True)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
