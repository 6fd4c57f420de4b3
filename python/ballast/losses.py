"""Log-probabilities of tokens from hidden states, some rows at a time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from .calls import Caller
from .typing import split

IGNORED = -100
"""The label of a token that carries no loss, as everywhere in transformers."""


def log_probabilities(caller: Caller, hidden: Tensor, targets: Tensor, rows: int | None) -> Tensor:
    """The log-probability [rows], in float32, of each row's target.

    Args:
        hidden: [rows, width].
        targets: [rows] of tokens.
        rows: As many have logits at a time; they are computed again in the backward pass where there
            are more. None for all at once.
    """
    if rows is None or hidden.shape[0] <= rows:
        return _piece(caller, hidden, targets)
    pieces = [
        checkpoint(_piece, caller, part, target, use_reentrant=False, preserve_rng_state=False)
        if torch.is_grad_enabled() else _piece(caller, part, target)
        for part, target in zip(split(hidden, rows), split(targets, rows), strict=True)]
    return torch.cat(pieces)


def _piece(caller: Caller, hidden: Tensor, targets: Tensor) -> Tensor:
    logits = caller.logits(hidden[None])[0]
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return -functional.cross_entropy(wide, targets, reduction="none")
