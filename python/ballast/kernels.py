"""Attention over keys that all queries see, or that each sees up to itself, with its log-sum-exp.

The log-sum-exp of each query's scores, [batch, heads, rows], is what lets attention over two sets
of keys be put together, and what a backward pass needs beside the output (Dao et al.,
"FlashAttention", 2022, section 3): with the output and the log-sum-exp of *all* keys, the backward
kernel of a part of the keys gives exactly that part's gradients.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

BLOCK = 4096
"""Prefix rows whose gradients are made at a time: what a backward pass holds beside them."""


class Attended(NamedTuple):
    """What queries [batch, heads, rows, width] read, and the log-sum-exp of their scores."""

    output: Tensor
    logsumexp: Tensor


class Gradients(NamedTuple):
    query: Tensor
    key: Tensor
    value: Tensor


def suits(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether a kernel here takes these tensors."""
    width = query.shape[-1]
    if not key.shape[-1] == value.shape[-1] == width or not query.dtype == key.dtype == value.dtype:
        return False
    if query.device.type == "cuda":
        half = query.dtype in (torch.float16, torch.bfloat16)
        return half and width % 8 == 0 and width <= 256
    return query.device.type == "cpu" and query.dtype.is_floating_point


def forward(query: Tensor, key: Tensor, value: Tensor, *, causal: bool, scale: float) -> Attended:
    """Attention of queries over keys of as many heads.

    Args:
        query: [batch, heads, rows, width].
        key, value: [batch, heads, keys, width].
        causal: Each query sees the keys up to its own, of as many rows; else it sees all.
        scale: What scores are multiplied by.
    """
    ops: Any = torch.ops.aten
    if query.device.type == "cuda":
        found = ops._scaled_dot_product_flash_attention(query, key, value, 0.0, causal, scale=scale)
        return Attended(found[0], found[1])
    output, logsumexp = ops._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, scale=scale)
    return Attended(output, logsumexp)


def backward(
    gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, attended: Attended, *,
    causal: bool, scale: float,
) -> Gradients:
    """The gradients that these keys' part of the attention has in a gradient of the whole output.

    Args:
        gradient: Of the whole output.
        attended: The whole output and log-sum-exp, whatever other keys have part in them.
    """
    ops: Any = torch.ops.aten
    output, logsumexp = attended
    if query.device.type == "cuda":
        # Without dropout the kernel draws nothing, and reads no random state.
        state = torch.empty(2, dtype=torch.uint64, device=query.device)
        unused = torch.empty((), dtype=torch.uint64, device=query.device)
        return Gradients(*ops._scaled_dot_product_flash_attention_backward(
            gradient, query, key, value, output, logsumexp, None, None, query.shape[2],
            key.shape[2], 0.0, causal, state, unused, scale=scale))
    return Gradients(*ops._scaled_dot_product_flash_attention_for_cpu_backward(
        gradient, query, key, value, output, logsumexp, 0.0, causal, scale=scale))


def merged(first: Attended, second: Attended) -> Attended:
    """Attention over two sets of keys, from that over each."""
    total = torch.logaddexp(first.logsumexp, second.logsumexp)
    one = (first.logsumexp - total).exp_().unsqueeze(-1)
    other = (second.logsumexp - total).exp_().unsqueeze(-1)
    output = first.output * one
    output.add_(second.output * other)
    return Attended(output.to(first.output.dtype), total)
