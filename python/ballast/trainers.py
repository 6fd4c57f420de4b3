"""`prefix_step` as the loss of transformers' Trainer and of TRL's SFTTrainer.

    from ballast import with_prefix

    trainer = with_prefix(SFTTrainer, chunk=1024)(model, args=arguments, train_dataset=rows)
    trainer.train()

All else stays the trainer's: batches, accumulation, clipping, optimizer, evaluation, checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict, TypeVar, Unpack, cast

import torch
from torch import Tensor, nn

from . import asked
from .errors import StepError
from .losses import IGNORED
from .steps import prefix_step

Class = TypeVar("Class", bound=type)

_READ = {"input_ids", "labels", "attention_mask", "position_ids"}
# What trainers set for all batches, and a step decides itself.
_SETTINGS = {"use_cache", "return_dict", "return_loss"}
# Classes whose `compute_loss` is that of labels.
_LOSSES = {("transformers", "Trainer"), ("trl", "SFTTrainer")}


class PrefixOptions(TypedDict, total=False):
    """Options of `prefix_step`, which says what they are. `keep` is as many rows as a batch has, if
    that is fewer."""

    mode: str
    chunk: int | str
    keep: int
    loss_chunk: int | None
    recompute: bool | None
    kv_gradients: torch.dtype | None


def with_prefix(trainer: Class, **options: Unpack[PrefixOptions]) -> Class:
    """A trainer's class whose training steps are `prefix_step`.

    Args:
        trainer: `transformers.Trainer`, `trl.SFTTrainer`, or a class of yours that leaves their
            `compute_loss` as it is.
        options: Of `prefix_step`.

    Raises:
        StepError: An option or the trainer cannot be taken.
    """
    bases = (trainer,) if issubclass(trainer, PrefixMixin) else (PrefixMixin, trainer)
    return cast(Class, type(f"Prefix{trainer.__name__}", bases, {"prefix_options": options}))


class PrefixMixin:
    """In front of a trainer's class, has its training steps be `prefix_step`.

        class MyTrainer(PrefixMixin, Trainer):
            prefix_options = {"chunk": 512}

    Each row's prefix ends at its first label that is not -100. Evaluation and prediction run as the
    trainer has them.
    """

    prefix_options: ClassVar[PrefixOptions] = {}

    args: Any
    accelerator: Any

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        _check_options(cls.prefix_options)
        _check_order(cls)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        given = named.get("args", arguments[1] if len(arguments) > 1 else None)
        if given is not None:
            _check_settings(given)  # before a data set is made ready
        super().__init__(*arguments, **named)
        _check_trainer(self)

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False,
                     num_items_in_batch: Tensor | int | None = None) -> Any:
        """The loss of a batch, as trainers ask for it.

        The outputs of a training step hold its loss alone: there are no logits of whole rows.
        """
        if not (model.training and torch.is_grad_enabled()):
            return super().compute_loss(  # type: ignore[misc]
                model, inputs, return_outputs=return_outputs, num_items_in_batch=num_items_in_batch)
        batch = _batch_of(inputs)
        if batch is None:
            # Through the model, since other processes may wait for its gradients.
            loss = (model(input_ids=inputs["input_ids"][:, :2], use_cache=False).logits * 0).sum()
        else:
            loss = self._prefix_loss(model, batch, num_items_in_batch)
        _count_tokens(self, inputs)
        if not return_outputs:
            return loss
        from transformers.modeling_outputs import CausalLMOutput

        return loss, CausalLMOutput(loss=loss)

    def _prefix_loss(self, model: nn.Module, batch: _Batch, items: Tensor | int | None) -> Tensor:
        options = self.prefix_options.copy()
        options["keep"] = min(options.get("keep", 0), min(batch.lengths) - 1)
        loss = prefix_step(
            model, batch.ids, batch.lengths, labels=batch.labels, attention_mask=batch.mask,
            position_ids=batch.positions, num_items_in_batch=items, **options)
        if items is not None and self.args.average_tokens_across_devices:
            # Tokens are counted over all processes, whose gradients are averaged.
            loss = loss * (self.accelerator.num_processes // _tensor_parallel(self))
        return loss


@dataclass(frozen=True)
class _Batch:
    ids: Tensor
    labels: Tensor
    lengths: list[int]
    mask: Tensor | None
    positions: Tensor | None


def _batch_of(inputs: Mapping[str, Any]) -> _Batch | None:
    """A trainer's batch as `prefix_step` takes it; None where no token carries loss."""
    others = sorted(name for name, value in inputs.items()
                    if name not in _READ | _SETTINGS and value is not None)
    if others:
        raise StepError(f"the batch holds {others[0]}, which a step with a prefix does not read: "
                        "it takes input_ids, labels, attention_mask and position_ids; is it a "
                        "packed one, or of pictures?")
    ids, labels = inputs.get("input_ids"), inputs.get("labels")
    if ids is None or labels is None:
        raise StepError("the batch has no input_ids or no labels; a step with a prefix needs both")
    mask, positions = inputs.get("attention_mask"), inputs.get("position_ids")
    if positions is not None:
        asked.check_positions(positions, mask)
    # Nothing predicts the first token of a row.
    labels = torch.cat([torch.full_like(labels[:, :1], IGNORED), labels[:, 1:]], dim=1)
    carries = labels != IGNORED
    some = carries.any(dim=1)
    # A row without loss shortens nobody's prefix.
    lengths = torch.where(some, carries.int().argmax(dim=1), labels.shape[1] - 1).tolist()
    if not any(some.tolist()):
        return None
    return _Batch(ids, labels, lengths, mask, positions)


def _check_options(options: PrefixOptions) -> None:
    known = PrefixOptions.__annotations__
    for name in options:
        if name not in known:
            raise StepError(f"there is no option {name}; there are {', '.join(known)}")
    keep = options.get("keep", 0)
    asked.check_mode(options.get("mode", "replayed"), keep, max(0, keep))
    asked.check_chunk(options.get("chunk", 1))
    asked.check_rows("loss_chunk", options.get("loss_chunk"))


def _check_order(cls: type) -> None:
    """Refuses a class whose own loss would go unheard, or be put in the place of a step's."""
    order = cls.__mro__
    # Classes below the mixin may have a loss around the step's.
    owner = next((one for one in order
                  if "compute_loss" in vars(one) and not issubclass(one, PrefixMixin)), None)
    if owner is None:
        return
    if order.index(owner) < order.index(PrefixMixin):
        raise StepError(f"PrefixMixin has to stand in front of {owner.__name__} among the bases of "
                        f"{cls.__name__}")
    if (owner.__module__.split(".")[0], owner.__name__) not in _LOSSES:
        raise StepError(f"{owner.__name__} has a loss of its own, which the step's would replace: "
                        "only those of Trainer and SFTTrainer are the negative log-likelihood of "
                        "labels")


def _check_settings(args: Any) -> None:
    """Refuses what a trainer is told to do that a step with a prefix does not follow."""
    def wants(name: str) -> bool:
        return bool(getattr(args, name, None))

    optimizer = str(getattr(args.optim, "value", args.optim))
    _refuse({
        "label_smoothing_factor smooths over logits that are never whole; set it to 0":
            wants("label_smoothing_factor"),
        "use_liger_kernel replaces the forward pass that a step with a prefix calls; leave it out":
            wants("use_liger_kernel"),
        "packing puts several documents into one row, which has no one prefix; set packing=False":
            wants("packing"),
        "padding_free puts several rows into one, which has no one prefix; set padding_free=False":
            wants("padding_free"),
        "loss_type='dft' weighs each token by its probability; set loss_type='nll'":
            getattr(args, "loss_type", None) not in (None, "nll"),
        "activation_offloading follows one forward and one backward pass, and a step with a prefix "
        "has several; leave it out": wants("activation_offloading"),
        "neftune_noise_alpha scales its noise by the length of what runs, a chunk; leave it out":
            getattr(args, "neftune_noise_alpha", None) is not None,
        f"optim='{optimizer}' acts inside the backward pass, of which a step with a prefix has "
        "several": "lomo" in optimizer or "layerwise" in optimizer,
        "nn.DataParallel copies the model for each call; start one process for each GPU "
        "(torchrun), or let one GPU be seen (CUDA_VISIBLE_DEVICES)": getattr(args, "n_gpu", 1) > 1,
    })


def _check_trainer(trainer: Any) -> None:
    """Refuses what a trainer has been made with."""
    _check_settings(trainer.args)
    parallel = getattr(trainer.accelerator, "parallelism_config", None)
    _refuse({
        "compute_loss_func takes logits that are never whole; leave it out":
            getattr(trainer, "compute_loss_func", None) is not None,
        "the routers' loss is of every row, the prefix's too; set router_aux_loss_coef=0.0":
            bool(getattr(trainer, "aux_loss_enabled", False)),
        "an adapter that puts tokens of its own in front of a row moves every prefix; use one "
        "inside the layers, such as LoRA": _has_virtual_tokens(trainer.model),
        "DeepSpeed's engine runs the model in its own way; use DDP or FSDP2":
            bool(getattr(trainer, "is_deepspeed_enabled", False)),
        "a context or a sequence in parallel leaves each process a part of the prefix":
            bool(getattr(parallel, "cp_enabled", False) or getattr(parallel, "sp_enabled", False)),
    })


def _has_virtual_tokens(model: Any) -> bool:
    return bool(getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False))


def _refuse(reasons: Mapping[str, bool]) -> None:
    for sentence, is_so in reasons.items():
        if is_so:
            raise StepError(sentence)


def _tensor_parallel(trainer: Any) -> int:
    """Processes that are given the same batch."""
    ask = getattr(trainer, "get_tp_size", None)
    return int(ask()) if ask is not None else 1


def _count_tokens(trainer: Any, inputs: Mapping[str, Any]) -> None:
    """What SFTTrainer logs as num_tokens. Entropy and accuracy would need logits of all rows."""
    if not (hasattr(trainer, "_total_train_tokens") and hasattr(trainer, "_metrics")):
        return
    mask, ids = inputs.get("attention_mask"), inputs["input_ids"]
    count = torch.tensor(ids.numel(), device=ids.device) if mask is None else mask.sum()
    total = int(trainer.accelerator.gather_for_metrics(count).sum())
    trainer._total_train_tokens += total // _tensor_parallel(trainer)
    trainer._metrics["train"]["num_tokens"] = [trainer._total_train_tokens]
