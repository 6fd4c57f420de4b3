"""The loss of a batch whose first tokens carry none: `prefix_step`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from . import asked
from .calls import Caller
from .errors import StepError
from .losses import IGNORED, log_probabilities
from .prefix import Prefix, Rows
from .sizes import chunk_rows
from .values import all_true, are_known

CHUNK = 1024
"""Prefix rows that run at a time, if nothing is said."""

LOSS_CHUNK = 1024
"""Rows that have logits at a time, if nothing is said."""


def prefix_step(
    model: nn.Module,
    input_ids: Tensor,
    n_c: int | Sequence[int] | Tensor,
    *,
    mode: str = "replayed",
    labels: Tensor | None = None,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
    chunk: int | str = CHUNK,
    keep: int = 0,
    loss_chunk: int | None = LOSS_CHUNK,
    recompute: bool | None = None,
    kv_gradients: torch.dtype | None = torch.float32,
    num_items_in_batch: int | Tensor | None = None,
) -> Tensor:
    """The loss of a batch whose first n_c tokens carry none, with little kept of these.

        loss = prefix_step(model, input_ids, n_c=prompt_tokens)
        loss.backward()

    `loss.backward()` adds to `.grad` what it would after `model(input_ids, labels=labels).loss`, to
    rounding, in every mode but 'detached'.

    Args:
        model: A causal language model of transformers, in train(), as it is or in PEFT, DDP or
            FSDP2.
        input_ids: Tokens [batch, tokens].
        n_c: Columns before the first token that carries loss: one number, or one for each row.
        mode: 'replayed': the prefix runs without a graph, then once more in the backward pass,
            `chunk` rows at a time: exact. 'pruned': the prefix stays in the graph, but for what
            nothing reads: exact. 'full': all stays, with logits of the rows that carry loss alone:
            exact. 'detached': the prefix runs without a graph, and its part of the gradient is left
            out: biased.
        labels: [batch, tokens], shifted inside as transformers does, -100 for tokens without loss,
            as all inside the prefix have to be. Default: the tokens behind the prefix.
        attention_mask: [batch, tokens], 0 for padding, on either side. Padding on the left has
            keys copied together, which takes memory; padding behind a row costs nothing.
        position_ids: [batch, tokens]. Default: as the model counts them itself: 0, 1, 2, …, padding
            too, in most.
        chunk: Prefix rows that run at a time, for 'replayed' and 'detached'; or what the graph of
            as many may keep, such as '512MiB'.
        keep: Last prefix rows that 'detached' leaves in the graph.
        loss_chunk: Rows that have logits at a time; None for all.
        recompute: Whether the layers of rows in a graph are computed again in the backward pass;
            None for what the model is set to (`gradient_checkpointing_enable()`).
        kv_gradients: Type in which 'replayed' gathers the gradients of keys and values; None for
            their own, which halves them in bfloat16 and rounds each sum.
        num_items_in_batch: What the sum over tokens is divided by; default: how many carry loss
            here.

    Returns:
        The mean negative log-likelihood, a scalar in float32.

    Raises:
        StepError: What is asked for cannot be; or the backward pass found that the model does not
            repeat itself.
    """
    asked.check_ids("input_ids", input_ids, 2)
    batch, tokens = input_ids.shape
    lengths = asked.prefix_lengths(n_c, batch, tokens)
    asked.check_chunk(chunk)
    asked.check_rows("loss_chunk", loss_chunk)
    cut = min(lengths) - 1
    asked.check_mode(mode, keep, cut)
    for name, given in (("attention_mask", attention_mask), ("position_ids", position_ids)):
        if given is not None and given.shape != input_ids.shape:
            raise StepError(f"{name} is {list(given.shape)} and input_ids {list(input_ids.shape)}; "
                            "they have to be of one shape")
    if attention_mask is not None and all_true(attention_mask):
        attention_mask = None
    if position_ids is not None:
        asked.check_positions(position_ids, attention_mask)
    # Where every row behind the prefix carries loss, nothing has to be looked up.
    is_whole = labels is None and attention_mask is None and len(set(lengths)) == 1
    targets = input_ids if is_whole else asked.labels_of(input_ids, lengths, labels, attention_mask)
    if attention_mask is not None and asked.is_behind(attention_mask, targets):
        attention_mask = None
    asked.check_training(model, mode)
    caller = Caller(model, recompute)

    if position_ids is None and attention_mask is None:
        position_ids = torch.arange(tokens, device=input_ids.device).expand(batch, -1)
    rows = Rows(input_ids, position_ids, attention_mask)
    if mode == "full" or cut == 0:
        hidden, first = caller.rows(input_ids, position_ids, attention_mask, None), 0
    else:
        first = cut - keep
        count = chunk_rows(caller, input_ids[:, :first], chunk) if first else 0
        prefix = Prefix(caller, rows.part(0, first), count, kv_gradients) if first else None
        hidden = _behind(prefix, caller, rows, first, mode)
    skip = cut - first
    loss = _mean_loss(caller, hidden[:, skip:-1], targets[:, cut + 1:], is_whole, loss_chunk,
                      num_items_in_batch)
    return caller.shared.watched(loss, defers=mode == "replayed" and first > 0)


def _behind(prefix: Prefix | None, caller: Caller, rows: Rows, first: int, mode: str) -> Tensor:
    """The hidden states of the rows from `first` on, which read the prefix as the mode says."""
    if prefix is None:
        return caller.rows(rows.ids, rows.positions, rows.mask, None)
    if mode == "pruned":
        prefix.run_in_graph()
    else:
        prefix.run()
        if mode == "replayed":
            prefix.replayed()
    behind = rows.part(first, None)
    return caller.rows(behind.ids, behind.positions, behind.mask, prefix.cache(), first)


def _mean_loss(caller: Caller, hidden: Tensor, targets: Tensor, is_whole: bool,
               loss_chunk: int | None, items: int | Tensor | None) -> Tensor:
    """Of hidden states [batch, rows, width] whose rows predict `targets` [batch, rows]."""
    if is_whole or not are_known(targets):
        hidden, targets = hidden.flatten(0, 1), targets.flatten()
    else:
        carries = targets != IGNORED
        hidden, targets = hidden[carries], targets[carries]
    found = log_probabilities(caller, hidden, targets, loss_chunk)
    count = found.shape[0] if items is None else items
    return -found.sum() / count
