"""A causal language model as a step calls it: rows to hidden states, hidden states to logits.

Both go through the model's own forward pass, whatever is wrapped around it (PEFT's adapters,
autocast, sharded parameters): for the first a hook reads what the decoder gives, for the second the
decoder gives what it is told.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from . import attention
from .distributed import Shared
from .errors import StepError


class Caller:
    """Calls a model.

    Args:
        model: A causal language model of transformers, as it is or wrapped.
        recompute: Whether layers are computed again in the backward pass, each from its input; None
            for what the model is set to.

    Raises:
        StepError: It is no such model.
    """

    def __init__(self, model: nn.Module, recompute: bool | None) -> None:
        from transformers import PreTrainedModel

        self.model = model
        self.root = model.module if isinstance(model, DistributedDataParallel) else model
        self.shared = Shared(model, self.root)
        causal: Any = self.root
        if hasattr(causal, "_orig_mod"):
            causal = causal._orig_mod
        if hasattr(causal, "get_base_model"):
            causal = causal.get_base_model()
        head = causal.get_output_embeddings() if isinstance(causal, PreTrainedModel) else None
        if head is None:
            raise StepError(
                f"{type(causal).__name__} is no causal language model of transformers; give a "
                "model of AutoModelForCausalLM, or a PEFT model around one")
        if getattr(causal.config, "is_encoder_decoder", False):
            raise StepError(f"{type(causal).__name__} has an encoder, which reads the prompt whole; "
                            "a step with a prefix is of decoders")
        adapter = getattr(self.root, "active_peft_config", None)
        if getattr(adapter, "is_prompt_learning", False):
            raise StepError("an adapter that puts tokens of its own in front of a row moves every "
                            "prefix; use one inside the layers, such as LoRA")
        self.causal = causal
        self.decoder = _decoder(causal)
        self.config: Any = self.decoder.config
        if getattr(self.config, "output_router_logits", False):
            raise StepError("output_router_logits adds a loss of every row's routing, the prefix's "
                            "too; set model.config.output_router_logits = False")
        self._output: type[Any] | None = None
        self._accepts = set(inspect.signature(causal.forward).parameters)
        if not self._accepts & {"past_key_values", "kwargs"}:
            raise StepError(f"{type(causal).__name__} has no cache of keys and values, so that a "
                            "prefix cannot be put in front of other rows")
        layers: list[Any] = [m for m in self.decoder.modules() if _is_checkpointed(m)]
        on = any(layer.gradient_checkpointing for layer in layers)
        self.recomputes = on if recompute is None else recompute
        if self.recomputes and not layers:
            raise StepError(f"{type(causal).__name__} has no layers that can be computed again; "
                            "leave out recompute=True, and gradient_checkpointing_enable()")
        self._layers = layers
        self._flagged: list[Any] = [m for m in causal.modules()
                                    if getattr(m, "gradient_checkpointing", False) is True]
        # Whether the model attends as it likes, so that keys are copied together for it.
        self.copies_keys = not attention.can_run(causal, self.config)

    def rows(self, ids: Tensor, positions: Tensor | None, mask: Tensor | None, cache: Any,
             prefix_rows: int = 0) -> Tensor:
        """The hidden states [batch, rows, width] of tokens [batch, rows] behind a cache's prefix.

        Args:
            positions: [batch, rows]; None for those that the model counts.
            mask: [batch, prefix rows and rows] of ones and zeros; None where no row is padding.
        """
        taken: list[Tensor] = []

        def take(module: nn.Module, arguments: Any, output: Any) -> None:
            taken.append(output[0])
            self._output = type(output)

        given: dict[str, Any] = {"input_ids": ids, "attention_mask": mask,
                                 "use_cache": cache is not None}
        if cache is not None:
            given["past_key_values"] = cache
        if positions is not None and "position_ids" in self._accepts:
            given["position_ids"] = positions
        if "logits_to_keep" in self._accepts:
            given["logits_to_keep"] = 1
        hook = self.decoder.register_forward_hook(take)
        try:
            if cache is None:
                with self._layers_again(None):
                    self.root(**given)
            else:
                self._with_prefix(given, prefix_rows)
        finally:
            hook.remove()
        if len(taken) != 1:
            raise StepError(f"{type(self.causal).__name__} runs its decoder {len(taken)} times; it "
                            "has to run it once")
        return taken[0]

    def logits(self, hidden: Tensor) -> Tensor:
        """The logits [batch, rows, vocabulary] of hidden states [batch, rows, width]."""
        kind = self._output
        assert kind is not None, "logits are of rows that have been run"

        def told(*_: Any, **__: Any) -> Any:
            return (hidden,) if kind is tuple else kind(last_hidden_state=hidden)

        ids = torch.zeros(hidden.shape[:2], dtype=torch.long, device=hidden.device)
        with _replaced(self.decoder, "forward", told):
            output = self.root(input_ids=ids, use_cache=False)
        return output.logits  # type: ignore[no-any-return]

    def _with_prefix(self, given: dict[str, Any], prefix_rows: int) -> None:
        if self.copies_keys:
            with self._layers_again(None):
                self.root(**given)
            return
        with self._attending(prefix_rows), self._layers_again(prefix_rows):
            self.root(**given)

    @contextmanager
    def _attending(self, prefix_rows: int) -> Iterator[None]:
        """Attention over a prefix where it lies; sees whether the model hands its keys on."""
        with attention.running(self.config, prefix_rows) as run:
            yield
        if not run.passes_on:
            self.copies_keys = True

    @contextmanager
    def _layers_again(self, prefix_rows: int | None) -> Iterator[None]:
        """Has layers computed again in the backward pass, if asked for: in the way that is decided
        here, since transformers denies a layer that it computes again its cache."""
        with ExitStack() as stack:
            for module in self._flagged:
                stack.enter_context(_replaced(module, "gradient_checkpointing", False))
            for layer in self._layers:
                if self.recomputes and torch.is_grad_enabled():
                    again = partial(self._again, layer, layer.forward, prefix_rows)
                    stack.enter_context(_replaced(layer, "forward", again))
            yield

    def _again(self, layer: Any, forward: Callable[..., Any], prefix_rows: int | None,
               *arguments: Any, **named: Any) -> Any:
        def run(*arguments: Any, **named: Any) -> Any:
            with ExitStack() as stack:
                stack.enter_context(_replaced(layer, "gradient_checkpointing", False))
                if prefix_rows is not None:
                    stack.enter_context(self._attending(prefix_rows))
                return forward(*arguments, **named)

        return checkpoint(run, *arguments, use_reentrant=False, **named)


def _decoder(causal: Any) -> nn.Module:
    """The module that gives a causal language model's head its hidden states."""
    found = causal.get_decoder()
    if found is causal:
        found = getattr(causal, "model", None) or getattr(causal, "transformer", None)
    if not isinstance(found, nn.Module):
        raise StepError(f"no decoder is found in {type(causal).__name__}")
    return found


def _is_checkpointed(module: nn.Module) -> bool:
    from transformers.modeling_layers import GradientCheckpointingLayer

    return isinstance(module, GradientCheckpointingLayer)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Sets an attribute of one object, and takes it away or puts it back."""
    own = vars(owner)
    had, before = name in own, own.get(name)
    own[name] = value
    try:
        yield
    finally:
        if had:
            own[name] = before
        else:
            own.pop(name, None)
