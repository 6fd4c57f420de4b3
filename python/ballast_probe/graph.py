"""Which autograd node holds which packed object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

_RAW = "_raw_saved_"


def saved_by_nodes(roots: Iterable[torch.Tensor]) -> Iterator[tuple[object, str]]:
    """Every packed object in the graph behind some tensors, with who holds it: `MulBackward0.self`.

    Objects are read without unpacking, so that nothing is computed again for them.
    """
    waiting = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen = set(waiting)
    names: dict[type, list[str]] = {}
    while waiting:
        node = waiting.pop()
        if type(node) not in names:
            names[type(node)] = [name for name in dir(node) if name.startswith(_RAW)]
        for name in names[type(node)]:
            for packed in _packed(node, name):
                yield packed, f"{node.name().removesuffix('>')}.{name.removeprefix(_RAW)}"
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)


def _packed(node: object, name: str) -> Iterator[object]:
    try:
        value = getattr(node, name)
    except RuntimeError:  # freed by a backward pass
        return
    for saved in value if isinstance(value, (list, tuple)) else (value,):
        try:
            yield getattr(saved, "data", None)
        except RuntimeError:
            continue
