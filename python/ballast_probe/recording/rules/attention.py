"""Scaled dot products as CUDA dispatches them: cuDNN's, flash, memory-efficient or plain ops."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from ...errors import ProbeError
from ..reads import line
from ..recorder import PASS, Call, Recorder
from .base import Rule, Setting, implementing

aten = torch.ops.aten

BACKENDS = ("auto", "cudnn", "flash", "efficient", "math")
_HALF = (torch.float16, torch.bfloat16)
_MASK_ALIGNMENT = 8
_MOST_OF_CUDNN = 65_535  # sequences, and heads
_NAMES = {"cudnn": "cuDNN's kernel", "flash": "the flash kernel",
          "efficient": "the memory-efficient kernel", "math": "plain ops"}


@dataclass(frozen=True)
class Question:
    """What the choice of a backend looks at."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    dropout: float
    is_causal: bool
    is_grouped: bool
    capability: tuple[int, int]

    @property
    def heads(self) -> tuple[int, int]:
        """The extents of a query's head and of a value's."""
        return self.query.shape[-1], self.value.shape[-1]

    @property
    def is_half(self) -> bool:
        """Whether all is of a half type."""
        return self.query.dtype in _HALF

    @property
    def is_trained(self) -> bool:
        """Whether a gradient is asked for."""
        return torch.is_grad_enabled() and any(
            tensor.requires_grad for tensor in (self.query, self.key, self.value))

    @property
    def is_plain(self) -> bool:
        """Whether the tensors are of four axes, of which the last is contiguous."""
        return all(tensor.dim() == 4 and tensor.stride(-1) == 1
                   for tensor in (self.query, self.key, self.value))

    @property
    def has_plain_mask(self) -> bool:
        """Whether there is no mask, or one for each batch and head, and without a gradient."""
        mask = self.mask
        if mask is None:
            return True
        wanted = (*self.query.shape[:3], self.key.shape[2])[-mask.dim():]
        return (not mask.requires_grad and mask.stride(-1) == 1 and mask.dim() in (2, 4)
                and all(one in (1, other) for one, other in zip(mask.shape, wanted)))

    @property
    def has_alike_heads(self) -> bool:
        """Whether there are as many heads of keys as of queries."""
        return self.query.shape[1] == self.key.shape[1] == self.value.shape[1]


def _takes_cudnn(ask: Question) -> bool:
    """`can_use_cudnn_attention` with cuDNN 9.15 and later."""
    rows, columns = ask.query.shape[-2], ask.key.shape[-2]
    return (ask.is_half and ask.is_plain and ask.has_plain_mask and ask.capability >= (8, 0)
            and _has_cudnn_widths(ask) and columns > 1
            and max(ask.query.shape[:2]) <= _MOST_OF_CUDNN
            and (ask.dropout * 16).is_integer() and (rows > 1 or ask.dropout == 0)
            and (ask.has_alike_heads or ask.is_grouped) and not _is_deterministic())


def _has_cudnn_widths(ask: Question) -> bool:
    """Whether cuDNN has kernels for the heads: 256 wide on sm90, 192 beside 128 on sm100."""
    limit = 256 if ask.capability == (9, 0) else 128
    if ask.capability[0] == 10 and ask.heads == (192, 128):
        limit = 192
    return all(width <= limit and width % 8 == 0 for width in ask.heads)


def _is_deterministic() -> bool:
    return torch.are_deterministic_algorithms_enabled() \
        and not torch.is_deterministic_algorithms_warn_only_enabled()


def _takes_flash(ask: Question) -> bool:
    width, value_width = ask.heads
    small_chip = (8, 6) <= ask.capability <= (8, 9) or ask.capability >= (12, 0)
    is_too_wide = 192 < width <= 224 or (width > 224 and ask.dropout > 0)
    return (ask.is_half and ask.is_plain and ask.mask is None and ask.capability >= (8, 0)
            and width == ask.key.shape[-1] == value_width <= 256
            and not (ask.is_trained and small_chip and is_too_wide)
            and not (ask.is_causal and ask.query.shape[2] != ask.key.shape[2])
            and (ask.has_alike_heads or ask.is_grouped))


def _takes_efficient(ask: Question) -> bool:
    width, value_width = ask.heads
    alignment = 8 if ask.is_half else 4
    return (ask.query.dtype in (*_HALF, torch.float32) and ask.is_plain
            and width == ask.key.shape[-1] and width % alignment == value_width % alignment == 0
            and ask.has_alike_heads)


_TAKES: dict[str, Callable[[Question], bool]] = {
    "cudnn": _takes_cudnn, "flash": _takes_flash, "efficient": _takes_efficient,
    "math": lambda _: True}
_DEPRIORITIZED = "TORCH_CUDNN_SDPA_DEPRIORITIZED"
_ENABLED = {"cudnn": "_get_cudnn_sdp_enabled", "flash": "_get_flash_sdp_enabled",
            "efficient": "_get_mem_efficient_sdp_enabled", "math": "_get_math_sdp_enabled"}


def _is_enabled(backend: str) -> bool:
    """Whether the step has left a backend switched on."""
    ask: Callable[[], bool] = getattr(torch._C, _ENABLED[backend])
    return bool(ask())


def chosen(ask: Question, wanted: str) -> str:
    """The backend that CUDA would take; `wanted` comes first where it can serve.

    Raises:
        ProbeError: None that is switched on can.
    """
    order = ["flash", "efficient", "math", "cudnn"]
    if ask.capability[0] in (9, 10) and os.environ.get(_DEPRIORITIZED) != "1":
        order = ["cudnn", "flash", "efficient", "math"]
    if wanted != "auto":
        order = [wanted, *(one for one in order if one not in (wanted, "cudnn"))]
    for backend in order:
        if _is_enabled(backend) and _TAKES[backend](ask):
            return backend
    raise ProbeError(
        f"{line() or 'the step'} leaves no kernel of attention switched on that takes such tensors "
        f"({ask.query.dtype}, heads of {ask.query.shape[-1]}); a GPU says: No available kernel")


def run(ask: Question, backend: str, scale: float | None) -> torch.Tensor:
    """The product, by a backend's own op, whose rule of shapes is CUDA's."""
    query, key, value, mask = ask.query, ask.key, ask.value, ask.mask
    if mask is not None and mask.dtype == torch.bool and backend != "math":
        mask = _additive(mask, query)
    result: torch.Tensor
    if backend == "cudnn":
        result = aten._scaled_dot_product_cudnn_attention(
            query, key, value, mask, ask.is_trained, ask.dropout, ask.is_causal, False,
            scale=scale)[0]
        return result
    if backend == "flash":
        width = query.shape[-1]
        scale = width ** -0.5 if scale is None else scale
        pad = -width % 8
        if pad:
            query, key, value = (torch.nn.functional.pad(one, (0, pad))
                                 for one in (query, key, value))
        result = aten._scaled_dot_product_flash_attention(
            query, key, value, ask.dropout, ask.is_causal, False, scale=scale)[0]
        return result[..., :width] if pad else result
    if backend == "efficient":
        if mask is not None:
            mask = _padded(mask, query, key)
        result = aten._scaled_dot_product_efficient_attention(
            query, key, value, mask, ask.is_trained, ask.dropout, ask.is_causal, scale=scale)[0]
        return result
    result = aten._scaled_dot_product_attention_math(
        query, key, value, mask, ask.dropout, ask.is_causal, None, scale=scale,
        enable_gqa=ask.is_grouped)[0]
    return result


def _additive(mask: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """A mask of yes and no as one that is added, in the query's type."""
    zero, lowest = (query.new_full((), value) for value in (0.0, float("-inf")))
    return torch.where(mask, zero, lowest)


def _padded(mask: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """A mask whose rows are laid out in multiples of 8, over every head."""
    columns = mask.shape[-1]
    if columns % _MASK_ALIGNMENT:
        mask = torch.nn.functional.pad(mask, (0, -columns % _MASK_ALIGNMENT))[..., :columns]
    return mask.expand(*query.shape[:3], key.shape[2])


class HostSeeds(Rule):
    """The states of random numbers that attention returns lie on the host, but for cuDNN's.

    cuDNN reads them from the device: two whole numbers, taken before the result and kept for
    backward, dropout or not. Its log-sum-exp is not made where no gradient is asked for.
    """

    name = "host-seeds"
    source = ("aten/src/ATen/native/transformers/cuda/attention.cu: _flash_attention_forward, "
              "_efficient_attention_forward (philox state outside of a graph capture), "
              "_cudnn_attention_forward (cudnn_seed, cudnn_offset)")

    _ops = frozenset(f"aten::_scaled_dot_product_{backend}_attention"
                     for backend in ("flash", "efficient", "cudnn"))

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if call.name not in self._ops or not call.is_counted:
            return PASS
        results = call.run()
        tensors = [one for one in results if isinstance(one, torch.Tensor)]
        seeds = [one for one in tensors if one.numel() <= 2 and not one.is_floating_point()]
        others = [one for one in tensors if not any(one is seed for seed in seeds)]
        if call.func is aten._scaled_dot_product_cudnn_attention.default:
            others = [*seeds, *others]
            if not call.arguments[4]:  # compute_log_sumexp
                recorder.note(replace(call, is_counted=False), others.pop())
        else:
            recorder.note(replace(call, is_counted=False), seeds)
        recorder.note(call, others)
        return results


class CudaAttention(Rule):
    """The backend that CUDA chooses, run by its own op; a CPU has one of its own."""

    name = "cuda-attention"
    source = ("aten/src/ATen/native/transformers/cuda/sdp_utils.cpp: select_sdp_backend; "
              "aten/src/ATen/native/transformers/attention.cpp: scaled_dot_product_attention")

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self._wanted = "auto"

    def notes(self) -> list[str]:
        return [f"scaled dot products run by {_NAMES[backend]}"
                + (", as PyTorch 2.13 with cuDNN 9.15 and later chooses on this GPU"
                   if self._wanted == "auto" else "") for backend in self.taken]

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        self.taken, self._wanted = {}, setting.attention
        assert setting.gpu is not None
        capability = setting.gpu.capability

        def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
                   attn_mask: torch.Tensor | None = None, dropout_p: float = 0.0,
                   is_causal: bool = False, *, scale: float | None = None,
                   enable_gqa: bool = False) -> Any:
            if not setting.recorder.is_on_device(query):
                return aten.scaled_dot_product_attention.default.decompose(
                    query, key, value, attn_mask, dropout_p, is_causal, scale=scale,
                    enable_gqa=enable_gqa)
            ask = Question(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa,
                           capability)
            backend = chosen(ask, setting.attention)
            self.taken[backend] = self.taken.get(backend, 0) + 1
            with setting.recorder.placing(True):  # the mask that plain ops make of `is_causal` too
                return run(ask, backend, scale)

        setting.recorder.composites["aten::scaled_dot_product_attention"] = attend
        with implementing(("scaled_dot_product_attention", attend), key="AutogradCPU"):
            yield
