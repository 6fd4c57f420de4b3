"""The loss of several completions of one prompt, which runs once: `group_step`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from . import asked
from .calls import Caller
from .errors import StepError
from .losses import log_probabilities
from .prefix import Prefix, Rows, half_way
from .sizes import chunk_rows
from .steps import CHUNK, LOSS_CHUNK
from .surroundings import Autocast, RandomStates
from .typing import apply, backward, split

GroupLoss = Callable[[Tensor, Tensor], Tensor]
"""A loss of log-probabilities [completions, tokens], in float32, and of a mask of the same shape
that is True where a completion has a token; log-probabilities are 0 elsewhere."""

MODES = ("replayed", "pruned", "detached")


def group_step(
    model: nn.Module,
    prompt_ids: Tensor,
    completions: Sequence[Tensor],
    loss: GroupLoss | None = None,
    *,
    mode: str = "replayed",
    at_a_time: int | None = None,
    chunk: int | str = CHUNK,
    loss_chunk: int | None = LOSS_CHUNK,
    recompute: bool | None = None,
    kv_gradients: torch.dtype | None = torch.float32,
) -> Tensor:
    """The loss of several completions of one prompt, whose keys and values are made once.

        loss = group_step(model, prompt, completions)
        loss.backward()

    `loss.backward()` adds to `.grad` what it would if each completion had been run behind a prompt
    of its own, to rounding, in every mode but 'detached'.

    Args:
        model: A causal language model of transformers, in train(), as it is or in PEFT, DDP or
            FSDP2.
        prompt_ids: Tokens [tokens] or [1, tokens].
        completions: Tokens [tokens] of each completion; lengths may differ.
        loss: A function of log-probabilities and their mask, each [completions, longest
            completion], that gives a scalar: a policy gradient (GRPO), a preference (DPO). Default:
            the mean of the negative log-probabilities over all tokens of all completions.
        mode: 'replayed': the prompt runs without a graph, then once more in the backward pass,
            `chunk` rows at a time: exact. 'pruned': the prompt stays in the graph: exact.
            'detached': its part of the gradient is left out: biased.
        at_a_time: Completions in a graph at a time. Default: all, each run once. With fewer, every
            completion is run without a graph for the loss, and once more in the backward pass.
        chunk, loss_chunk, recompute, kv_gradients: As of `prefix_step`.

    Returns:
        The loss, a scalar.

    Raises:
        StepError: What is asked for cannot be; or the backward pass found that the model does not
            repeat itself.
    """
    if isinstance(prompt_ids, Tensor) and prompt_ids.ndim == 1:
        prompt_ids = prompt_ids[None]
    asked.check_ids("prompt_ids", prompt_ids, 2)
    if prompt_ids.shape[0] != 1:
        raise StepError(f"prompt_ids are {prompt_ids.shape[0]} prompts; give one, [tokens] or "
                        "[1, tokens], and call group_step for each group")
    if not len(completions):
        raise StepError("no completion is given")
    for index, completion in enumerate(completions):
        asked.check_ids(f"completion {index}", completion, 1)
        if completion.device != prompt_ids.device:
            raise StepError(f"completion {index} is on {completion.device} and the prompt on "
                            f"{prompt_ids.device}")
    if mode not in MODES:
        raise StepError(f"mode is '{mode}'; it has to be one of {', '.join(MODES)}")
    asked.check_chunk(chunk)
    for name, rows in (("at_a_time", at_a_time), ("loss_chunk", loss_chunk)):
        asked.check_rows(name, rows)
    together = len(completions) if at_a_time is None else min(at_a_time, len(completions))
    if mode == "pruned" and together < len(completions):
        raise StepError("mode='pruned' keeps the prompt in one graph, which all completions share: "
                        "leave out at_a_time, or use mode='replayed'")
    asked.check_training(model, mode)

    caller = Caller(model, recompute)
    group = _Group(caller, prompt_ids, completions, mode, chunk, loss_chunk, kv_gradients)
    found = group.whole() if together == len(completions) else group.in_parts(together)
    if loss is None:
        count = sum(completion.numel() for completion in completions)
        return caller.shared.watched(-found.sum() / count, defers=group.defers(together))
    value = loss(found, group.mask)
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise StepError("the loss has to give a scalar tensor")
    if not value.requires_grad:
        raise StepError("the loss does not depend on the completions' log-probabilities, so that "
                        "no parameter has a gradient of it")
    return caller.shared.watched(value, defers=group.defers(together))


class _Group:
    """Completions behind a prompt. The prompt's last token leads each of them, since it predicts
    the first token of each; the prefix is what stands before it."""

    def __init__(self, caller: Caller, prompt: Tensor, completions: Sequence[Tensor], mode: str,
                 chunk: int | str, loss_chunk: int | None, kv_gradients: torch.dtype | None) -> None:
        self._caller, self._mode, self._loss_chunk = caller, mode, loss_chunk
        count = prompt.shape[1] - 1
        self._first = count
        self._lengths = [completion.numel() for completion in completions]
        longest = max(self._lengths)
        positions = torch.arange(count + 1 + longest, device=prompt.device)
        self._positions = positions[None, count:]
        self.ids = prompt.new_zeros(len(completions), 1 + longest)
        self.mask = torch.zeros(len(completions), longest, dtype=torch.bool, device=prompt.device)
        for row, completion in enumerate(completions):
            self.ids[row, 0] = prompt[0, -1]
            self.ids[row, 1:1 + completion.numel()] = completion
            self.mask[row, :completion.numel()] = True
        self._prefix = None
        if count:
            rows = Rows(prompt[:, :-1], positions[None, :count], None)
            self._prefix = Prefix(caller, rows, chunk_rows(caller, rows.ids, chunk), kv_gradients)
        self.count = len(completions)

    def whole(self) -> Tensor:
        """Log-probabilities [completions, tokens] of all, in one graph."""
        prefix = self._prefix
        if prefix is not None:
            if self._mode == "pruned":
                prefix.run_in_graph()
            else:
                prefix.run()
                if self._mode == "replayed":
                    prefix.replayed()
        return self.log_probabilities(slice(None), None if prefix is None else prefix.cache())

    def in_parts(self, together: int) -> Tensor:
        """The same, of as many at a time, each run again in the backward pass."""
        if self._prefix is not None:
            self._prefix.run()
        trigger = torch.zeros((), device=self.ids.device, requires_grad=True)
        parts = [slice(first, first + together) for first in range(0, self.count, together)]
        return apply(_InParts, trigger, self, parts)  # type: ignore[no-any-return]

    def log_probabilities(self, part: slice, cache: Any) -> Tensor:
        """Those of some completions [completions, tokens]; their rows are padded behind, which no
        token of theirs sees."""
        lengths = self._lengths[part]
        longest = max(lengths)
        ids = self.ids[part, :1 + longest]
        positions = self._positions[:, :1 + longest].expand(ids.shape[0], -1)
        hidden = self._caller.rows(ids, positions, None, cache, self._first)
        # Rows of tokens alone, one completion behind the other.
        rows = torch.cat([hidden[row, :count] for row, count in enumerate(lengths)])
        targets = torch.cat([ids[row, 1:1 + count] for row, count in enumerate(lengths)])
        values = log_probabilities(self._caller, rows, targets, self._loss_chunk)
        return torch.stack([functional.pad(value, (0, self.mask.shape[1] - value.shape[0]))
                            for value in split(values, lengths)])

    def without_graph(self, part: slice) -> Tensor:
        with torch.no_grad():
            return self.log_probabilities(part, self._cache())

    def _cache(self) -> Any:
        return None if self._prefix is None else self._prefix.gathering(self._mode == "replayed")

    def backward(self, part: slice, gradient: Tensor) -> None:
        with torch.enable_grad():
            found = self.log_probabilities(part, self._cache())
        if not self._replays and part.stop >= self.count:
            self._caller.shared.last()
        backward(found, gradient)

    @property
    def _replays(self) -> bool:
        return self._prefix is not None and self._mode == "replayed"

    def defers(self, together: int) -> bool:
        """Whether the step has several backward passes."""
        return self._replays or together < self.count

    def finish(self) -> None:
        if self._prefix is not None and self._replays:
            self._prefix.replay()


class _InParts(torch.autograd.Function):
    """Log-probabilities whose backward pass runs the completions again, some at a time."""

    @staticmethod
    def forward(ctx: Any, trigger: Tensor, group: _Group, parts: list[slice]) -> Tensor:
        ctx.group, ctx.parts, ctx.states = group, parts, {}
        ctx.autocast = Autocast(trigger.device)
        found = []
        for part in parts:
            states = RandomStates(group.ids)
            found.append(group.without_graph(part))
            if states.moved():
                ctx.states[part.start] = states
        return torch.cat(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        group: _Group = ctx.group
        with half_way():
            for part in ctx.parts:
                with ExitStack() as stack:
                    stack.enter_context(ctx.autocast.again())
                    if part.start in ctx.states:
                        stack.enter_context(ctx.states[part.start].again())
                    group.backward(part, gradient[part])
            group.finish()
        return gradient.new_zeros(()), None, None
