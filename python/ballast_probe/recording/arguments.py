"""What an op is called with: the tensors among it, and whether it makes data of the host's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

_WHOLE = ("aten::arange", "aten::randperm", "aten::randint")  # numbers, unless told otherwise
_MOST_ON_HOST = 1 << 24  # elements of a host's tensor whose numbers are kept


def tensors_among(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    """The tensors in the arguments or the result of an op."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors_among(value)


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A value with its tensors changed, also those within lists and tuples."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(mapped(one, change) for one in value)
    return value


def is_small_data(name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    """Whether an op makes whole numbers or a single one on the host, which are data."""
    dtype = keywords.get("dtype")
    if dtype is None and name in _WHOLE and not any(
            isinstance(one, float) for one in arguments):
        dtype = torch.int64
    sizes = [one for one in arguments if isinstance(one, (list, tuple))]
    count = 1
    for extent in sizes[0] if sizes else ():
        count *= int(extent) if isinstance(extent, int) else 1
    if count > _MOST_ON_HOST:
        return False
    return (isinstance(dtype, torch.dtype) and not dtype.is_floating_point) or (
        bool(sizes) and len(sizes[0]) == 0)
