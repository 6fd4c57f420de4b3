"""What a step is asked for, checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .errors import StepError
from .losses import IGNORED
from .sizes import bytes_of
from .values import are_known

MODES = ("full", "pruned", "replayed", "detached")


def check_mode(mode: str, keep: int, prefix_rows: int) -> None:
    if mode not in MODES:
        raise StepError(f"mode is '{mode}'; it has to be one of {', '.join(MODES)}")
    if keep and mode != "detached":
        raise StepError(f"keep={keep} leaves prefix rows in the graph of mode='detached'; mode is "
                        f"'{mode}'")
    if keep < 0 or keep > prefix_rows:
        raise StepError(f"keep={keep} of {prefix_rows} prefix rows that are read; give 0 to "
                        f"{prefix_rows}")


def check_rows(name: str, rows: int | None) -> None:
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 1):
        raise StepError(f"{name}={rows!r} has to be a number of tokens, 1 or more")


def check_chunk(chunk: int | str) -> None:
    if isinstance(chunk, str):
        bytes_of(chunk)
    else:
        check_rows("chunk", chunk)


def check_training(model: nn.Module, mode: str) -> None:
    """Refuses a model that no step trains, or, where rows run twice, that keeps count of them."""
    if not model.training:
        raise StepError("the model is in eval(); call model.train() before a training step")
    if not any(p.requires_grad for p in model.parameters()):
        raise StepError("no parameter of the model is trained: all have requires_grad=False")
    if mode not in ("replayed", "detached"):
        return
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.track_running_stats:
            raise StepError(f"{name} keeps statistics of the rows it runs, and a replayed prefix "
                            "would be counted twice; keep it in the graph with mode='full'")
    for name, parameter in model.named_parameters():
        if getattr(parameter, "_post_accumulate_grad_hooks", None):
            raise StepError(f"{name} has a hook that acts when its gradient is accumulated, such "
                            "as an optimizer inside the backward pass; a step accumulates it "
                            "several times")


def check_ids(name: str, ids: Tensor, dimensions: int) -> None:
    if not isinstance(ids, Tensor) or ids.ndim != dimensions or ids.is_floating_point():
        kind = "[batch, tokens]" if dimensions == 2 else "[tokens]"
        found = f"{list(ids.shape)} of {ids.dtype}" if isinstance(ids, Tensor) \
            else type(ids).__name__
        raise StepError(f"{name} has to be token numbers {kind}; it is {found}")
    if not ids.numel():
        raise StepError(f"{name} is empty")


def check_positions(positions: Tensor, mask: Tensor | None) -> None:
    """Refuses rows of several documents, which have no one prefix."""
    if not are_known(positions):
        return
    jumps = positions[:, 1:] - positions[:, :-1] != 1
    if mask is not None:
        jumps &= (mask[:, 1:] != 0) & (mask[:, :-1] != 0)
    if bool(jumps.any()):
        raise StepError("position_ids do not count up by one: rows of several documents (packing, "
                        "padding_free) have no one prefix; give each document a row of its own")


def is_behind(mask: Tensor, labels: Tensor) -> bool:
    """Whether all padding is behind its row's tokens, none of which sees it, and carries no loss."""
    return (are_known(mask, labels) and bool((mask[:, 1:] <= mask[:, :-1]).all())
            and not bool(((labels != IGNORED) & (mask == 0)).any()))


def prefix_lengths(n_c: int | Sequence[int] | Tensor, batch: int, tokens: int) -> list[int]:
    """The columns before the first that carries loss, of each row of a batch."""
    given: list[Any]
    if isinstance(n_c, Tensor):
        given = n_c.reshape(-1).tolist()
    else:
        given = list(n_c) if isinstance(n_c, list | tuple) else [n_c]
    for n in given:
        if isinstance(n, bool) or not isinstance(n, int):
            raise StepError("n_c has to be a whole number, or one for each row of the batch; it is "
                            f"{n_c!r}")
    if len(given) == 1:
        given *= batch
    if len(given) != batch:
        raise StepError(f"n_c gives {len(given)} lengths for a batch of {batch}")
    for n in given:
        if n < 1:
            raise StepError(f"n_c is {n}: the first token that carries loss needs one before it; "
                            "give 1 or more")
        if n >= tokens:
            raise StepError(f"n_c is {n} of {tokens} tokens: none is left that carries loss")
    return given


def labels_of(ids: Tensor, lengths: list[int], given: Tensor | None,
              mask: Tensor | None) -> Tensor:
    """Labels [batch, tokens] that are ignored in each row's prefix and in padding."""
    columns = torch.arange(ids.shape[1], device=ids.device)
    prefix = columns[None] < torch.tensor(lengths, device=ids.device)[:, None]
    if given is None:
        labels = ids.masked_fill(prefix, IGNORED)
        return labels if mask is None else labels.masked_fill(mask == 0, IGNORED)
    if given.shape != ids.shape:
        raise StepError(f"labels are {list(given.shape)} and input_ids {list(ids.shape)}; they "
                        "have to be of one shape (they are shifted inside)")
    if not are_known(ids, given):
        return given
    inside = ((given != IGNORED) & prefix).nonzero()
    if inside.numel():
        row, column = inside[0].tolist()
        raise StepError(f"labels carry loss inside the prefix (row {row}, column {column} of n_c = "
                        f"{lengths[row]}); set them to {IGNORED} there, or give a smaller n_c")
    if not bool((given != IGNORED).any()):
        raise StepError(f"every label is {IGNORED}: no token carries loss")
    return given
