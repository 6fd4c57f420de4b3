"""Scaled dot products: what flash, the memory-efficient kernel and cuDNN compute beside them."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from .base import OUTPUTS, Back, Launch, Step, kernel, to_multiple, up
from .operands import Operand


def _copies(*tensors: Operand) -> list[int]:
    """What is copied because it is not laid out token by token, `[batch, rows, heads, width]`."""
    return [tensor.numel() * tensor.element_size() for tensor in tensors
            if not tensor.transpose(1, 2).is_contiguous()]


@kernel("aten::_scaled_dot_product_efficient_attention_backward", source=(
    "aten/src/ATen/native/transformers/cuda/attention_backward.cu: "
    "_efficient_attention_backward; mem_eff_attention/kernel_backward.h: workspace_size"))
def _efficient(launch: Launch) -> Iterable[Step]:
    query = launch.arguments[1]
    batch, heads, rows, width = query.shape
    copies = _copies(launch.arguments[0])
    first = len(copies)
    yield from copies
    delta = 4 * batch * heads * rows
    yield OUTPUTS
    if query.dtype == torch.float32:
        block = 64
        # delta: the product of two gradients in float32, its sum over a head, and that in order
        yield 4 * batch * rows * heads * width
        yield delta
        yield delta
        yield Back(first + 1)
        yield Back(first)
        yield 4 * batch * heads * up(rows, block) * up(width, block) * (block * block + 4)


@kernel("aten::_scaled_dot_product_flash_attention_backward", source=(
    "aten/src/ATen/native/transformers/cuda/flash_attn/flash_api.cpp: mha_bwd"))
def _flash(launch: Launch) -> Iterable[Step]:
    query, key = launch.arguments[1], launch.arguments[2]
    batch, heads, rows, width = query.shape
    key_heads, columns = key.shape[1], key.shape[2]
    padded = to_multiple(rows, 128)
    yield from _copies(launch.arguments[0], launch.arguments[4])
    yield OUTPUTS
    yield 4 * batch * heads * padded  # softmax_d
    yield 4 * batch * heads * padded * (to_multiple(width, 32) if width <= 192 else 256)  # dq_accum
    if key_heads != heads:  # of every head of queries, summed afterwards
        yield query.element_size() * batch * columns * heads * width
        yield query.element_size() * batch * columns * heads * width


_PLAN = ("cuDNN's attention: the workspace that cuDNN's own plan asks for at run time is not "
         "counted{}")


@kernel("aten::_scaled_dot_product_cudnn_attention", missing=_PLAN.format(" in forward"), source=(
    "aten/src/ATen/native/cudnn/MHA.cpp: run_cudnn_SDP_fprop; cudnn-frontend 1.18 to 1.23, "
    "include/cudnn_frontend/node/scaled_dot_product_flash_attention.h: SDPANodeBase, "
    "get_fe_workspace_size_node (nothing without ALiBi)"))
def _cudnn(launch: Launch) -> Iterable[Step]:
    return []


@kernel("aten::_scaled_dot_product_cudnn_attention_backward", missing=_PLAN.format(
    " in backward, beyond the sums that its frontend always takes, in float32: of the queries' "
    "gradient, and of each row"), source=(
    "aten/src/ATen/native/cudnn/MHA.cpp: run_cudnn_SDP_bprop; cudnn-frontend 1.18 to 1.23, "
    "scaled_dot_product_flash_attention.h: CompositeSDPABackwardNode, "
    "dQ_accum_size, softmax_sum_size"))
def _cudnn_backward(launch: Launch) -> Iterable[Step]:
    """One workspace, of which the frontend's part is known: [B, H, T, D] and [B, H, T] float32."""
    gradient, query = launch.arguments[:2]
    batch, heads, rows, width = query.shape
    yield OUTPUTS
    if gradient.stride(-1) != 1:
        yield gradient.numel() * gradient.element_size()
    yield 4 * batch * heads * rows * (width + 1)
