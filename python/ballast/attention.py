"""The attention that a step runs a model with, in place of PyTorch's: it reads a prefix where it lies.

transformers' own would copy a layer's stored keys and values behind each other with the new ones, and
once more for each query head that shares them, and keep the copies for the backward pass. This one runs
a kernel over the prefix, which all rows see, another over the rows themselves, and puts both together;
it keeps no copy, and adds the prefix's gradients where they are gathered. Rows of a batch that share one
prefix read the same keys.

Where a mask is needed (a sliding window, padding) or no kernel suits, the keys are copied together and
the model's own attention runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import kernels
from .errors import StepError
from .kernels import Attended
from .keyvalues import Seen
from .typing import apply

NAME = "ballast"
_TAG = "_ballast_seen"
_run: ContextVar[Run | None] = ContextVar("run", default=None)


@dataclass
class Run:
    """A call of a model that attends with what stands here.

    Attributes:
        prefix_rows: In front of the call's rows.
        passes_on: Whether each attention has been given the keys as the cache gave them.
    """

    prefix_rows: int
    passes_on: bool = True


def tag(keys: Tensor, seen: Seen) -> None:
    """Marks the keys of new rows with the prefix in front of them."""
    setattr(keys, _TAG, seen)


@contextmanager
def running(config: Any, prefix_rows: int) -> Iterator[Run]:
    """Lets a model of this configuration attend with what stands here."""
    _register()
    run = Run(prefix_rows)
    before = config._attn_implementation
    token = _run.set(run)
    config._attn_implementation = NAME
    try:
        yield run
    finally:
        config._attn_implementation = before
        _run.reset(token)


def can_run(model: Any, config: Any) -> bool:
    """Whether a model attends with PyTorch's function, and lets another stand in for it."""
    return config._attn_implementation == "sdpa" and bool(model._supports_attention_backend)


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, _mask)


def _mask(*, q_length: int, q_offset: int = 0, attention_mask: Tensor | None = None,
          local_size: int | None = None, allow_is_causal_skip: bool = True,
          **others: Any) -> Tensor | None:
    """None where each row sees all before it, which needs no mask."""
    from transformers.masking_utils import sdpa_mask

    is_plain = attention_mask is None and allow_is_causal_skip
    if is_plain and (local_size is None or q_offset + q_length <= local_size):
        return None
    return sdpa_mask(  # type: ignore[no-any-return]
        q_length=q_length, q_offset=q_offset, attention_mask=attention_mask, local_size=local_size,
        **{**others, "allow_is_causal_skip": q_offset == 0 and allow_is_causal_skip})


def _attention(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
               dropout: float = 0.0, scaling: float | None = None,
               **others: Any) -> tuple[Tensor, None]:
    """As `ALL_ATTENTION_FUNCTIONS` call it: query [batch, heads, rows, width], key and value of fewer
    heads; gives [batch, rows, heads, width]."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    seen: Seen | None = getattr(key, _TAG, None)
    run = _run.get()
    if seen is None and run is not None:
        run.passes_on = False
        if run.prefix_rows:
            raise StepError(f"{type(module).__name__} does not read the keys as its cache gave them")
    if seen is None or seen.end == seen.first:
        return sdpa_attention_forward(  # type: ignore[no-any-return]
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others)
    special = any(others.get(name) is not None for name in ("softcap", "s_aux", "position_bias"))
    if attention_mask is None and not dropout and not special and kernels.suits(query, key, value):
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        output = apply(_PrefixAttention, seen.anchor, query, key, value, seen.keys, seen.values, seen,
                       scale)
        return output.transpose(1, 2), None
    key, value = seen.joined(key, value)
    if attention_mask is None:
        rows, before = query.shape[2], seen.end - seen.first
        attention_mask = torch.ones(
            rows, before + rows, dtype=torch.bool, device=query.device).tril_(before)[None, None]
    return sdpa_attention_forward(  # type: ignore[no-any-return]
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others)


class _PrefixAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchor: Tensor | None, query: Tensor, key: Tensor, value: Tensor,
                past_key: Tensor, past_value: Tensor, seen: Seen, scale: float) -> Tensor:
        attended = _over_both(query, key, value, past_key, past_value, scale)
        ctx.save_for_backward(query, key, value, past_key, past_value, *attended)
        ctx.seen, ctx.scale, ctx.has_anchor = seen, scale, anchor is not None
        return attended.output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        query, key, value, past_key, past_value, output, logsumexp = ctx.saved_tensors
        attended, scale, seen = Attended(output, logsumexp), ctx.scale, ctx.seen
        groups = query.shape[1] // key.shape[1]
        own = kernels.backward(gradient, query, _repeated(key, groups), _repeated(value, groups),
                               attended, causal=True, scale=scale)
        # Sums over blocks of the prefix are made in float32, or wider.
        wide = torch.promote_types(query.dtype, torch.float32)
        query_gradient = own.query.to(wide)

        fold = _Fold(query, past_key)
        folded = fold.fold(gradient), fold.fold(query)
        whole = Attended(fold.fold(output), fold.fold(logsumexp.unsqueeze(-1)).squeeze(-1))
        flows = ctx.needs_input_grad[4] and not seen.gathers
        past_gradients = (torch.empty_like(past_key), torch.empty_like(past_value)) if flows else None
        total = None
        for start in range(0, past_key.shape[2], kernels.BLOCK):
            rows = slice(start, start + kernels.BLOCK)
            part = kernels.backward(*folded, past_key[:, :, rows], past_value[:, :, rows], whole,
                                    causal=False, scale=scale)
            total = part.query.to(wide) if total is None else total.add_(part.query)
            if past_gradients is not None:
                past_gradients[0][:, :, rows], past_gradients[1][:, :, rows] = part.key, part.value
            else:
                seen.gather(start, part.key, part.value)
            del part
        assert total is not None
        query_gradient = (query_gradient + fold.unfold(total)).to(query.dtype)
        anchor = gradient.new_zeros(()) if ctx.has_anchor else None
        past = past_gradients or (None, None)
        return (anchor, query_gradient, _summed(own.key, groups), _summed(own.value, groups), *past,
                None, None)


def _over_both(query: Tensor, key: Tensor, value: Tensor, past_key: Tensor, past_value: Tensor,
               scale: float) -> Attended:
    groups = query.shape[1] // key.shape[1]
    own = kernels.forward(query, _repeated(key, groups), _repeated(value, groups),
                          causal=True, scale=scale)
    fold = _Fold(query, past_key)
    past = kernels.forward(fold.fold(query), past_key, past_value, causal=False, scale=scale)
    return kernels.merged(own, Attended(
        fold.unfold(past.output), fold.unfold(past.logsumexp.unsqueeze(-1)).squeeze(-1)))


class _Fold:
    """Query heads that share a key head, and batch rows that share a prefix, as more rows of one.

    [batch, heads, rows, width] of a query becomes [prefixes, key heads, batch · groups · rows, width],
    which a kernel reads over keys that are not repeated.
    """

    def __init__(self, query: Tensor, past_key: Tensor) -> None:
        self.batch, self.heads, self.rows, _ = query.shape
        self.prefixes, self.key_heads = past_key.shape[:2]
        self.groups = self.heads // self.key_heads
        self.is_shared = self.prefixes == 1 and self.batch > 1

    def fold(self, tensor: Tensor) -> Tensor:
        width = tensor.shape[-1]
        if self.is_shared:
            tensor = tensor.reshape(self.batch, self.key_heads, self.groups, self.rows, width)
            tensor = tensor.transpose(0, 1)
        return tensor.reshape(self.prefixes, self.key_heads, -1, width)

    def unfold(self, tensor: Tensor) -> Tensor:
        width = tensor.shape[-1]
        if self.is_shared:
            tensor = tensor.reshape(self.key_heads, self.batch, self.groups, self.rows, width)
            tensor = tensor.transpose(0, 1)
        return tensor.reshape(self.batch, self.heads, self.rows, width)


def _repeated(keys: Tensor, groups: int) -> Tensor:
    """Each key head once for each query head that reads it."""
    return keys if groups == 1 else keys.repeat_interleave(groups, dim=1)


def _summed(gradients: Tensor, groups: int) -> Tensor:
    if groups == 1:
        return gradients
    batch, heads, rows, width = gradients.shape
    return gradients.view(batch, heads // groups, groups, rows, width).sum(2)
