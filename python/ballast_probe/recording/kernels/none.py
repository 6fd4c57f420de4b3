"""Ops whose CUDA kernels take nothing beside their results."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

_NONE = frozenset(f"aten::{name}" for name in """
_unsafe_view _to_copy clone copy_ contiguous detach alias lift_fresh lift_fresh_copy empty
empty_like empty_strided empty_permuted new_empty new_empty_strided new_zeros new_ones new_full
zeros zeros_like
ones ones_like full full_like fill_ zero_ arange linspace scalar_tensor rand randn randint rand_like
randn_like randint_like normal_ uniform_ bernoulli_ random_ exponential_ log_normal_ cauchy_
geometric_ trunc_normal_ eye tril triu tril_ triu_ set_ resize_
mm bmm addmm baddbmm addmv mv addbmm dot vdot addr _addmm_activation
cat stack index index_select gather scatter scatter_ embedding select_backward slice_backward
constant_pad_nd repeat repeat_interleave roll flip where masked_fill masked_fill_ as_strided_scatter
slice_scatter select_scatter diagonal_scatter masked_scatter_
_softmax _softmax_backward_data _log_softmax _log_softmax_backward_data
_masked_softmax native_dropout native_dropout_backward nll_loss_forward nll_loss_backward
nll_loss2d_forward nll_loss2d_backward
gelu gelu_backward silu silu_ silu_backward sigmoid_backward tanh_backward threshold_backward
hardtanh_backward leaky_relu_backward elu_backward glu glu_backward softplus_backward
_scaled_dot_product_efficient_attention _scaled_dot_product_flash_attention
_fused_adamw_ _fused_adam_ _fused_sgd_ _fused_adagrad_
scatter_add scatter_add_ index_add index_add_ index_copy index_copy_ index_fill index_fill_
_local_scalar_dense is_same_size equal _amp_update_scale_ histc bincount floor_divide remainder
""".split())
_COLLECTIVES = ("c10d", "_c10d_functional")  # NCCL has its own memory


@cache
def needs_none(func: Any) -> bool:
    """Whether it is known of an op that its kernel takes nothing beside its results."""
    name = str(func._schema.name)
    return (name in _NONE or func.namespace in _COLLECTIVES or torch.Tag.pointwise in func.tags
            or (name.startswith("aten::_foreach_") and name != "aten::_foreach_norm"
                and name != "aten::_foreach_max")
            or func._schema.is_mutable and torch.Tag.inplace_view in func.tags
            or _is_view(func))


def _is_view(func: Any) -> bool:
    """Whether every result lies on an argument's storage."""
    returns = func._schema.returns
    return bool(returns) and all(
        one.alias_info is not None and not one.alias_info.is_write for one in returns)
