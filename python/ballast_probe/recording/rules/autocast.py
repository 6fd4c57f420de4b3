"""Autocast as CUDA has it: other ops in other lists than a CPU's, and a cache of cast weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch

from .base import Rule, Setting, implementing

_KEY = torch._C.DispatchKey.AutocastCPU

_LOWER = """
_convolution _convolution.deprecated conv1d conv2d conv3d conv_tbc conv_transpose1d
conv_transpose2d.input conv_transpose3d.input convolution prelu addmm addmv addr matmul einsum mm mv
linalg_vecdot linear addbmm baddbmm bmm chain_matmul linalg_multi_dot
_scaled_dot_product_flash_attention scaled_dot_product_attention
""".split()
_FLOAT = """
acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar
pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm rms_norm group_norm
frobenius_norm.dim nuclear_norm nuclear_norm.dim cosine_similarity poisson_nll_loss
cosine_embedding_loss nll_loss nll_loss2d hinge_embedding_loss kl_div l1_loss smooth_l1_loss
huber_loss mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss
triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm
logsumexp
""".split()
_FLOAT_RESULT = """
prod prod.dim_int softmax.int log_softmax.int cumprod cumsum linalg_vector_norm linalg_matrix_norm
linalg_matrix_norm.str_ord sum sum.dim_IntList
""".split()
_WIDEST = """
addcdiv addcmul atan2 bilinear cross dot vdot index_put tensordot scatter_add cat stack
""".split()


class CudaAutocast(Rule):
    """CUDA's lists of ops, put in the place of the CPU's, and its cache of cast leaf weights."""

    name = "cuda-autocast"
    source = ("aten/src/ATen/autocast_mode.h: AT_FORALL_LOWER_PRECISION_FP, AT_FORALL_FP32, "
              "AT_FORALL_FP32_SET_OPT_DTYPE, AT_FORALL_PROMOTE; autocast_mode.cpp: cached_cast")

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        lists = _Lists(setting)
        enable, choose, clear = (torch.set_autocast_enabled, torch.set_autocast_dtype,
                                 torch.clear_autocast_cache)

        def enabling(*arguments: Any) -> None:
            enable(*arguments)
            if arguments[0] in ("cuda", True, False):  # the old form is CUDA's
                lists.put_in()
                enable("cpu", arguments[-1])

        def choosing(device: str, dtype: torch.dtype) -> None:
            choose(device, dtype)
            if device == "cuda":
                choose("cpu", dtype)

        def clearing() -> None:
            lists.cast.clear()
            clear()

        was_enabled, was_dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
        with contextlib.ExitStack() as stack:
            for name, stand_in in (("set_autocast_enabled", enabling),
                                   ("set_autocast_dtype", choosing),
                                   ("clear_autocast_cache", clearing)):
                stack.enter_context(mock.patch.object(torch, name, stand_in))
            stack.callback(choose, "cpu", was_dtype)
            stack.callback(enable, "cpu", was_enabled)
            stack.callback(lists.take_out)
            yield


class _Lists:
    """What stands in for the CPU's autocast while CUDA's is enabled."""

    def __init__(self, setting: Setting) -> None:
        self.cast: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._is_here = setting.recorder.is_on_device
        self._in_place = contextlib.ExitStack()
        self._is_in_place = False

    def put_in(self) -> None:
        """Registers the lists, once."""
        if self._is_in_place:
            return
        self._is_in_place = True
        ops: list[tuple[str, Callable[..., Any]]] = []
        for names, make in ((_LOWER, self._lower), (_FLOAT, self._float),
                            (_FLOAT_RESULT, self._float_result), (_WIDEST, self._widest)):
            for name in names:
                op, _, overload = name.partition(".")
                packet = getattr(torch.ops.aten, op, None)
                if packet is not None and (overload or "default") in packet.overloads():
                    ops.append((name, make(getattr(packet, overload or "default"))))
        self._in_place.enter_context(implementing(*ops, key="AutocastCPU"))

    def take_out(self) -> None:
        """Gives the CPU its own back."""
        self.cast.clear()
        self._in_place.close()
        self._is_in_place = False

    def _is_eligible(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor) and value.is_floating_point() \
            and value.dtype != torch.float64 and self._is_here(value)

    def _as(self, value: Any, dtype: torch.dtype) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(self._as(one, dtype) for one in value)
        if not self._is_eligible(value) or value.dtype == dtype:
            return value
        if not self._is_cached(value, dtype):
            return value.to(dtype)
        if id(value) not in self.cast:
            self.cast[id(value)] = (value, value.to(dtype))
        return self.cast[id(value)][1]

    @staticmethod
    def _is_cached(tensor: torch.Tensor, dtype: torch.dtype) -> bool:
        return (dtype == torch.get_autocast_dtype("cpu") and tensor.dtype == torch.float32
                and tensor.requires_grad and tensor.is_leaf and not tensor._is_view()
                and torch.is_autocast_cache_enabled() and not torch.is_inference_mode_enabled())

    def _lower(self, op: Any) -> Callable[..., Any]:
        def run(*arguments: Any, **keywords: Any) -> Any:
            dtype = torch.get_autocast_dtype("cpu")
            with _without():
                return op(*(self._as(one, dtype) for one in arguments),
                          **{name: self._as(one, dtype) for name, one in keywords.items()})

        return run

    def _float(self, op: Any) -> Callable[..., Any]:
        def run(*arguments: Any, **keywords: Any) -> Any:
            with _without():
                return op(*(self._as(one, torch.float32) for one in arguments),
                          **{name: self._as(one, torch.float32) for name, one in keywords.items()})

        return run

    def _float_result(self, op: Any) -> Callable[..., Any]:
        place = [argument.name for argument in op._schema.arguments].index("dtype")

        def run(*arguments: Any, **keywords: Any) -> Any:
            with _without():
                given = arguments[place] if len(arguments) > place else keywords.get("dtype")
                if self._is_eligible(arguments[0]) and given is None:
                    arguments = arguments[:place]
                    keywords["dtype"] = torch.float32
                return op(*arguments, **keywords)

        return run

    def _widest(self, op: Any) -> Callable[..., Any]:
        def run(*arguments: Any, **keywords: Any) -> Any:
            dtype = torch.get_autocast_dtype("cpu")
            if any(one.dtype == torch.float32 for value in arguments
                   for one in (value if isinstance(value, (list, tuple)) else (value,))
                   if self._is_eligible(one)):
                dtype = torch.float32
            with _without():
                return op(*(self._as(one, dtype) for one in arguments), **keywords)

        return run


def _without() -> Any:
    """Keeps autocast out of what runs inside, as its kernels do."""
    return torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(_KEY))
