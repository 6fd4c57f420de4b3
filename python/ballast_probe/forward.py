"""A training step of a transformers model, up to the moment before its backward."""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch

from .configuration import Subject, dtype_of
from .errors import OutOfMemory, ProbeError, UsageError
from .options import DTYPES, PointOptions, lora_settings
from .pieces import add_head, import_head
from .recorder import Probe, record
from .words import first_line

_IGNORED = -100  # the label of a row without loss
# What PyTorch says where values are asked for that shapes do not have.
_DATA_DEPENDENT = ("DataDependentOutputException", "DynamicOutputShapeException")


@dataclass
class Step:
    """What one forward pass gave.

    Attributes:
        probe: What it saved.
        loss: None where nothing was computed.
        cuda_before_bytes: What CUDA had allocated before the step: parameters, buffers, ids.
        cuda_bytes: What it had allocated at the boundary.
        cuda_peak_bytes: The most that it had allocated during forward and backward.
    """

    probe: Probe
    loss: float | None = None
    cuda_before_bytes: int | None = None
    cuda_bytes: int | None = None
    cuda_peak_bytes: int | None = None


class Model:
    """A model on a device, as it trains."""

    def __init__(self, subject: Subject, options: PointOptions) -> None:
        """Builds the model.

        Raises:
            ProbeError: transformers cannot build it, or nothing of it would be trained.
        """
        from torch._subclasses.fake_tensor import FakeTensorMode

        self.device = options.device
        self.config = subject.text
        self.dtype = options.dtype or dtype_of(self.config)
        if self.dtype not in DTYPES:
            raise UsageError(f"the configuration's dtype is {self.dtype}; give --dtype "
                             f"{', '.join(DTYPES[:-1])} or {DTYPES[-1]}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ProbeError("--device cuda: PyTorch finds no CUDA device")
        self._fake = FakeTensorMode(allow_non_fake_inputs=True) if self.device == "fake" else None
        self.module = self._build(subject, options)

    def _build(self, subject: Subject, options: PointOptions) -> torch.nn.Module:
        import transformers

        torch.manual_seed(options.seed)
        try:
            with self._running(), self._placed(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = getattr(transformers, subject.builder).from_config(
                    subject.config, attn_implementation=options.attention,
                    dtype=getattr(torch, self.dtype))
                module = module.train()
                if options.recompute == "layer":
                    enable = getattr(module, "activation_checkpointing_enable",
                                     None) or module.gradient_checkpointing_enable
                    enable()
        except Exception as error:
            if options.attention == "sdpa" and "scaled_dot_product_attention" in str(error):
                raise ProbeError(f"transformers has no sdpa attention for models of type "
                                 f"'{self.config.model_type}'; give --attention eager") from error
            # Of several parts the whole is built, where its text model is none by itself.
            raise ProbeError(f"transformers cannot build this model of type "
                             f"'{subject.config.model_type}': {first_line(error)}; around its own "
                             "forward pass, ballast_probe.record counts any model") from error
        assert isinstance(module, torch.nn.Module)
        if subject.config is not subject.text:
            leave_text(module, type(subject.text))
        if options.lora is not None:
            return self._adapted(module, options)
        freeze(module, options.trainable)
        return module

    def _adapted(self, module: torch.nn.Module, options: PointOptions) -> torch.nn.Module:
        """The model with PEFT's adapter, and what is found trained beside it."""
        try:
            import peft
        except ImportError as error:
            raise ProbeError("--lora needs PEFT; pip install peft") from error
        assert options.lora is not None
        try:
            with contextlib.ExitStack() as stack:
                for one in (self._running(), self._placed(), warnings.catch_warnings()):
                    stack.enter_context(one)
                if self._fake is not None:
                    stack.enter_context(mock.patch.object(torch.nn.Module, "to", _stay))
                warnings.simplefilter("ignore")
                adapted: Any = peft.get_peft_model(module, peft.LoraConfig(
                    **lora_settings(options.lora), task_type="CAUSAL_LM",
                    init_lora_weights=False))
        except Exception as error:
            raise ProbeError(f"PEFT cannot adapt this model of type '{self.config.model_type}': "
                             f"{first_line(error)}") from error
        for name, parameter in module.named_parameters():
            if options.trainable is not None and ".lora_" not in name:
                parameter.requires_grad_(
                    re.search(options.trainable, name.replace(".base_layer", "")) is not None)
        assert isinstance(module, torch.nn.Module)
        del adapted  # its layers stay in the model, whose names are the ones that are reported
        return module

    @contextlib.contextmanager
    def _placed(self) -> Iterator[None]:
        with torch.device("cpu" if self.device == "fake" else self.device):
            yield

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Makes tensors without memory where that was asked for.

        Reading a value of such a tensor is impossible. The one value that transformers reads for
        every model is whether several sequences lie packed in a row, and here none do; of a fake
        tensor it does not ask, and builds a mask that no real one has. PyTorch's shape rule of the
        grouped product of experts knows bfloat16 alone; a CPU multiplies float32 as well.
        """
        if self.device not in ("fake", "meta"):
            yield
            return
        from torch import _meta_registrations as shape_rules
        from transformers import masking_utils

        grouped: Any = getattr(shape_rules, "_meta_grouped_mm_common", None)
        output: Any = getattr(shape_rules, "_create_grouped_mm_output_tensor", None)

        def any_dtype(a: torch.Tensor, b: torch.Tensor, *rest: Any, **named: Any) -> Any:
            is_scaled = any(named.get(name) is not None for name in named if "scale" in name)
            if output is None or a.dtype != torch.float32 or rest or is_scaled:
                return grouped(a, b, *rest, **named)
            return output(a, b, named.get("offs"), named.get("out_dtype"))

        with contextlib.ExitStack() as stack:
            for module, name, stand_in in (
                (masking_utils, "find_packed_sequence_indices", lambda *_, **__: None),
                (shape_rules, "_meta_grouped_mm_common", any_dtype),
            ):
                if hasattr(module, name):
                    stack.enter_context(mock.patch.object(module, name, stand_in))
            if self._fake is not None:
                stack.enter_context(self._fake)
            # What goes wrong is said once, by whoever asked.
            logger = logging.getLogger("torch._subclasses.fake_tensor")
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL + 1)
            yield

    @property
    def parameter_bytes(self) -> int:
        """Of all parameters, tied ones once."""
        return sum(parameter.nbytes for parameter in self.module.parameters())

    @property
    def gradient_bytes(self) -> int:
        """Of the gradients that a step makes."""
        return sum(parameter.nbytes for parameter in self.module.parameters()
                   if parameter.requires_grad)

    def step(self, options: PointOptions) -> Step:
        """Runs the point's forward pass and its loss.

        Raises:
            ProbeError: The model cannot run it.
        """
        if options.logits == "chunked":
            import_head()
        torch.manual_seed(options.seed)
        try:
            with self._running(), self._placed(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._step(options)
        except ProbeError:
            raise
        except Exception as error:
            what = f"the model of type '{self.config.model_type}'"
            if isinstance(error, (MemoryError, torch.OutOfMemoryError)) \
                    or "can't allocate memory" in str(error):
                raise OutOfMemory(f"{what} needs more memory at this point than device "
                                  f"{self.device} has") from error
            if type(error).__name__ in _DATA_DEPENDENT:
                raise ProbeError(f"{what} reads values of its tensors in its forward pass, and "
                                 f"device {self.device} has their shapes alone; give --device cpu, "
                                 "which needs the memory") from error
            raise ProbeError(f"{what} cannot run this point on device {self.device}: "
                             f"{type(error).__name__}: {first_line(error)}") from error

    def _step(self, options: PointOptions) -> Step:
        n, cut = options.n_c + options.n_g, options.cut
        ids = torch.randint(0, int(self.config.vocab_size), (options.batch, n))
        labels = ids.clone()
        labels[:, :options.n_c] = _IGNORED
        rows = min(options.kept_rows or n, n - cut)
        labels, kept = labels[:, n - rows:], dict[str, Any]()
        if options.kept_rows is not None:
            kept = {"logits_to_keep": rows}
        elif options.logits == "chunked":
            add_head(self.module)
            kept = {"fused_lm_head": True}
        is_cuda = self.device == "cuda"
        before = None
        if is_cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        with record(self.module, options.layout) as probe:
            if cut == 0:
                loss = self.module(input_ids=ids, labels=labels, use_cache=False, **kept).loss
            else:
                cache = self._prefix(ids[:, :cut])
                loss = self.module(input_ids=ids[:, cut:], labels=labels,
                                   past_key_values=cache, use_cache=True, **kept).loss
                del cache
            if not isinstance(loss, torch.Tensor):
                raise ProbeError(f"the model of type '{self.config.model_type}' returned no loss")
            if not loss.requires_grad:
                raise ProbeError("nothing that is trained takes part in the loss")
            probe.boundary(loss)
        step = Step(probe, cuda_before_bytes=before)
        if is_cuda:
            step.cuda_bytes = torch.cuda.memory_allocated()
            torch.autograd.backward(loss)
            torch.cuda.synchronize()
            step.cuda_peak_bytes = torch.cuda.max_memory_allocated()
            self.module.zero_grad(set_to_none=True)
        if self.device in ("cpu", "cuda"):
            step.loss = float(loss.detach())
        return step

    def _prefix(self, ids: torch.Tensor) -> Any:
        """The keys and values of the rows before the cut, which no graph knows."""
        options: dict[str, Any] = {"use_cache": True}
        if "logits_to_keep" in inspect.signature(self.module.forward).parameters:
            options["logits_to_keep"] = 1  # nobody looks at the prefix's logits
        with torch.no_grad():
            output = self.module(input_ids=ids, **options)
        cache = getattr(output, "past_key_values", None)
        if cache is None or cache.get_seq_length() != ids.shape[1]:
            raise ProbeError(f"the model of type '{self.config.model_type}' keeps no keys and "
                             "values of a prefix, so --mode detached-prefix is not for it")
        return cache


def _stay(module: torch.nn.Module, *_: Any, **__: Any) -> torch.nn.Module:
    """In place of `to` while PEFT makes adapters of fake tensors, which PyTorch cannot move.

    PEFT makes them in float32, moves them to their base's type, and back to float32 in the end.
    """
    return module


def leave_text(module: torch.nn.Module, text_class: type) -> None:
    """Takes the other parts of a model away: without pictures or sound none of them runs."""
    text = [path for path, part in module.named_modules()
            if type(getattr(part, "config", None)) is text_class]
    if not text or "" in text:
        return
    head: Any = getattr(module, "get_output_embeddings", lambda: None)()

    def strip(parent: torch.nn.Module, above: str) -> None:
        for name, part in list(parent.named_children()):
            path = f"{above}{name}"
            if path in text or part is head or next(part.parameters(), None) is None:
                continue
            if any(one.startswith(f"{path}.") for one in text):
                strip(part, f"{path}.")
            else:
                setattr(parent, name, torch.nn.Identity())

    strip(module, "")


def freeze(module: torch.nn.Module, trainable: str | None) -> None:
    """Freezes the parameters in whose name the pattern is not found."""
    if trainable is None:
        return
    found = 0
    for name, parameter in module.named_parameters():
        is_trained = re.search(trainable, name) is not None
        parameter.requires_grad_(is_trained)
        found += is_trained
    if found == 0:
        example = next((name for name, _ in module.named_parameters()), "")
        raise ProbeError(f"--trainable '{trainable}' is found in no parameter's name, such as "
                         f"{example}")
