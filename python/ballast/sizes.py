"""How many rows a chunk has, where its size is given in bytes."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from .calls import Caller
from .errors import StepError
from .values import are_known

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
# Rows of the two passes by which a row's bytes are measured.
_FEW, _MORE = 32, 64


def chunk_rows(caller: Caller, ids: Tensor, chunk: int | str) -> int:
    """The rows of a chunk of `chunk` rows, or of one whose graph keeps at most so many bytes.

    A row's bytes are measured: what the layers' ops save of 32 rows and of 64, by distinct storages.

    Args:
        ids: The prefix [batch, rows].
        chunk: A number of rows, or bytes such as '512MiB'.

    Raises:
        StepError: It is no number of bytes, or one row takes more.
    """
    if isinstance(chunk, int):
        return chunk
    budget = bytes_of(chunk)
    rows = ids.shape[1]
    if rows < _MORE:
        return rows
    few, more = (_saved_bytes(caller, ids[:, :count]) for count in (_FEW, _MORE))
    of_a_row = max(1, (more - few) // (_MORE - _FEW))
    standing = max(0, few - _FEW * of_a_row)
    found = (budget - standing) // of_a_row
    if found < 1:
        raise StepError(f"chunk='{chunk}' is less than one row takes, {of_a_row + standing:,} bytes")
    return min(found, rows)


def bytes_of(text: str) -> int:
    """The bytes of '512MiB' and its like.

    Raises:
        StepError: It is not like that.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(B|KiB|MiB|GiB)", text)
    if match is None or float(match[1]) == 0:
        raise StepError(f"chunk='{text}' has to be a number of tokens, or bytes such as '512MiB'")
    return int(float(match[1]) * _UNITS[match[2]])


def _saved_bytes(caller: Caller, ids: Tensor) -> int:
    """Bytes of distinct storages that a pass of some first rows saves, without the parameters'."""
    own = {parameter.untyped_storage()._cdata for parameter in caller.root.parameters()}
    found: dict[int, int] = {}
    held: list[Tensor] = []

    def pack(tensor: Tensor) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own and storage._cdata not in found:
            found[storage._cdata] = storage.nbytes()
            held.append(tensor)  # so that no other storage takes its place
        return tensor

    positions = torch.arange(ids.shape[1], device=ids.device).expand(ids.shape[0], -1)
    states = torch.random.fork_rng(enabled=are_known(ids))
    with states, torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda it: it):
        caller.rows(ids, positions, None, None)
    return sum(found.values())
