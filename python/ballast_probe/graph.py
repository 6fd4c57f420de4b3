"""What the graph behind a loss holds: who keeps a packed object, and what no hook has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch

from .tensors import look_behind

CHECKPOINTS = "torch.utils.checkpoint"
"""The module of PyTorch whose hooks and functions keep nothing themselves but random states."""

_RAW, _SAVED = "_raw_saved_", "_saved_"


@dataclass
class Graph:
    """What stands in a graph.

    Attributes:
        packed: Every object that a hook returned, and who holds it: `MulBackward0.self`.
        unheard: Tensors that no hook was asked about.
        saved: Those, numbers among them, and who holds them.
        leaves: The tensors that gradients are accumulated into.
        by_hand: Tensors that a function's context holds in attributes, at whatever depth, and the
            attributes' names.
        hidden: The names of attributes that cannot be looked into, with the types that hide there,
            and how many such attributes there are.
        is_freed: Whether a backward pass has freed a part.
    """

    packed: list[tuple[object, str]] = field(default_factory=list)
    unheard: list[torch.Tensor] = field(default_factory=list)
    saved: list[tuple[torch.Tensor, str]] = field(default_factory=list)
    leaves: list[torch.Tensor] = field(default_factory=list)
    by_hand: list[tuple[torch.Tensor, str]] = field(default_factory=list)
    hidden: Counter[str] = field(default_factory=Counter)
    is_freed: bool = False


def graph_behind(roots: Iterable[torch.Tensor]) -> Graph:
    """Walks the graph behind some tensors.

    Objects are read without unpacking, so that nothing is computed again for them.
    """
    graph = Graph()
    waiting = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen = set(waiting)
    names: dict[type, list[str]] = {}
    while waiting:
        node = waiting.pop()
        if type(node) not in names:
            names[type(node)] = [name.removeprefix(_RAW) for name in dir(node)
                                 if name.startswith(_RAW)]
        _read(node, names[type(node)], graph)
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return graph


def _read(node: torch.autograd.graph.Node, names: Iterable[str], graph: Graph) -> None:
    label = node.name().removesuffix(">")
    if (leaf := getattr(node, "variable", None)) is not None:
        graph.leaves.append(leaf)
    found = []
    try:
        for name in names:
            found += [(held, f"{label}.{name}") for held in _held(node, name)]
        if names and not found:
            for name in names:
                getattr(node, _SAVED + name, None)  # nothing to unpack: asks whether it is freed
    except RuntimeError:
        graph.is_freed = True
    for held, name in found:
        if not isinstance(held, torch.Tensor):
            graph.packed.append((held, name))
            continue
        graph.saved.append((held, name))
        if held.dim() > 0:  # a number of Python's has no axis
            graph.unheard.append(held)
    if isinstance(node, torch.autograd.function.BackwardCFunction) \
            and getattr(type(node), "_forward_cls", None).__module__ != CHECKPOINTS:
        for name, value in vars(node).items():
            tensors, hidden = look_behind(value)
            graph.by_hand += [(tensor, f"{label}.{name}") for tensor in tensors]
            graph.hidden.update([f"{label}.{name} ({', '.join(hidden)})"] if hidden else [])


def _held(node: object, name: str) -> Iterator[object]:
    value = getattr(node, _RAW + name)
    for saved in value if isinstance(value, (list, tuple)) else (value,):
        if (held := getattr(saved, "data", None)) is not None:
            yield held
