"""The step that `ballast-probe record` runs: of a transformers model, as its Trainer has it."""

from __future__ import annotations

import contextlib
import importlib
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from unittest import mock

import torch

from ..configuration import Subject, dtype_of, make_subject, sizes
from ..errors import ProbeError, UsageError
from ..forward import freeze, leave_text
from ..options import DTYPES, HEADS, LOGITS, lora_settings, refuse_dropout
from ..pieces import add_head, import_head
from ..regions import Layout
from ..words import first_line
from .gpus import gpu_of
from .parallel import DDP, FSDP2, PARALLELS, exchanging, replicated, sharded
from .positions import refusing_more_tokens
from .processes import MOST_RANKS
from .recording import Recording
from .rules.attention import BACKENDS
from .step import step
from .subclasses import to_four_bits
from .writing import refuse_unreadable

ATTENTIONS = ("sdpa", "eager", *BACKENDS[1:])
OPTIMIZERS = ("adamw", "adamw-loop", "adamw-fused", "sgd", "none")
RECOMPUTES = ("none", "layer", "layer-reentrant")
BASES = ("plain", "4bit")
AUTOCASTS = {"none": None, "bf16": torch.bfloat16, "fp16": torch.float16}

_IGNORED = -100
_MOST_TOKENS = 1 << 28


@dataclass(frozen=True)
class Training:
    """What is asked about a step.

    Attributes:
        n_c: Prefix tokens, which carry no loss.
        n_g: Generated tokens, which carry loss.
        batch: Sequences at a time.
        gpu: The name of a GPU, a file with an entry of one's own, or `cpu`.
        attention: `eager`, `sdpa` for the backend that PyTorch chooses, or a backend by name.
        dtype: Of the weights; None for the configuration's own.
        autocast: `bf16` or `fp16`, or `none`.
        recompute: `layer` for gradient checkpointing as transformers does it.
        lora: An adapter of PEFT's, or None.
        base: `4bit` for linear layers of bitsandbytes' NF4, whose scales are quantised as well.
        trainable: A regular expression of parameters' names, or None for all.
        optimizer: Which one, of `OPTIMIZERS`.
        clip: The norm to which gradients are clipped; None for no clipping.
        steps: Steps of the optimizer.
        accumulate: Forward and backward passes before each.
        layers: The first so many decoder layers; None for all.
        dropout: The probability of every dropout; None for the configuration's own.
        logits: `answer` for those of rows that predict generated tokens alone (`logits_to_keep` of
            transformers); `chunked` for none at all: the loss in pieces, as TRL's trainers have it;
            `all` for every row's, as Trainer has them.
        ranks: How many processes train together, each on a GPU and a batch of its own.
        parallel: `fsdp2` or `ddp`; None for `fsdp2` where there are several ranks.
    """

    n_c: int
    n_g: int
    batch: int = 1
    gpu: str = "h100"
    attention: str = "sdpa"
    dtype: str | None = None
    autocast: str = "none"
    recompute: str = "none"
    lora: str | None = None
    base: str = "plain"
    trainable: str | None = None
    optimizer: str = "adamw"
    clip: float | None = 1.0
    steps: int = 2
    accumulate: int = 1
    layers: int | None = None
    dropout: float | None = 0.0
    logits: str = "all"
    ranks: int = 1
    parallel: str | None = None

    def validate(self) -> None:
        """Refuses what cannot be.

        Raises:
            UsageError: One sentence says what is wrong.
            ProbeError: A file of a GPU does not say what it is.
        """
        for name, value, least, most in (
            ("n-c", self.n_c, 0, _MOST_TOKENS), ("n-g", self.n_g, 1, _MOST_TOKENS),
            ("batch", self.batch, 1, 1 << 20), ("steps", self.steps, 1, 100),
            ("accumulate", self.accumulate, 1, 1000),
            ("layers", 1 if self.layers is None else self.layers, 1, 4096),
            ("ranks", self.ranks, 1, MOST_RANKS),
        ):
            if not least <= value <= most:
                raise UsageError(f"--{name} is {value} and must be from {least} to {most}")
        for name, word, words in (
            ("attention", self.attention, ATTENTIONS), ("dtype", self.dtype or DTYPES[0], DTYPES),
            ("autocast", self.autocast, tuple(AUTOCASTS)),
            ("recompute", self.recompute, RECOMPUTES),
            ("optimizer", self.optimizer, OPTIMIZERS), ("base", self.base, BASES),
            ("logits", self.logits, LOGITS),
            ("parallel", self.parallel or FSDP2, PARALLELS),
        ):
            if word not in words:
                raise UsageError(f"--{name} is '{word}' and must be one of {', '.join(words)}")
        if self.parallel is not None and self.ranks == 1:
            raise UsageError(f"--parallel {self.parallel} is about several processes; give --ranks "
                             "of 2 or more")
        if self.ranks > 1 and self.is_cpu:
            raise UsageError("--ranks is about GPUs, and --gpu is cpu; name a GPU")
        if not self.is_cpu:
            gpu_of(self.gpu)
        if self.n_c + self.n_g < 2:
            raise UsageError("with one token no row predicts another, so there is no loss")
        refuse_dropout(self.dropout)
        if self.clip is not None and not 0 < self.clip < float("inf"):
            raise UsageError(f"--clip is {self.clip:g} and must be more than 0")
        if self.lora is not None:
            lora_settings(self.lora)
        elif self.base != "plain":
            raise UsageError(f"a {self.base} base is not trained itself; give --lora")
        if self.base != "plain" and self.is_sharded:
            raise UsageError(f"--base {self.base} is not recorded in parts; give --parallel ddp, "
                             "which keeps the base whole, or no --ranks")
        if self.trainable is not None:
            try:
                re.compile(self.trainable)
            except re.error as error:
                raise UsageError(f"--trainable '{self.trainable}' is no regular expression: "
                                 f"{error}") from error

    @property
    def is_cpu(self) -> bool:
        """Whether it runs on a CPU."""
        return self.gpu == "cpu"

    @property
    def is_sharded(self) -> bool:
        """Whether each process has a part of the model alone."""
        return self.ranks > 1 and self.parallel != DDP


def record_training(values: Mapping[str, Any], training: Training, *, name: str = "",
                    command: str = "ballast-probe record") -> Recording:
    """Records the training of a transformers model.

    Args:
        values: The contents of its configuration.
        training: What is asked.
        name: What the model is called.
        command: How it was called.

    Raises:
        ProbeError: It cannot be built or run, or is too large for a recording.
        UsageError: What is asked cannot be meant.
    """
    training.validate()
    _import(training)
    subject = make_subject(values, layers=training.layers, dropout=training.dropout)
    device = "cpu" if training.is_cpu else "cuda"
    backend = training.attention if training.attention in BACKENDS else "auto"
    notes: list[str] = []
    with step(device=device, gpu=training.gpu, attention=backend, ranks=training.ranks,
              layout=Layout(training.n_c, training.n_g, training.batch)) as recording:
        recording.call = command
        recording.options = {key: value for key, value in asdict(training).items()}
        recording.model = {"name": name or subject.text.model_type, "configuration": dict(values)}
        with _explained(subject), _quietly():
            model = _build(subject, training, device)
            if training.ranks > 1:
                model = _in_parallel(model, training, notes)
            _train(model, subject, training, device)
    refuse_unreadable(recording.stream)
    recording.point = _point(subject, training, recording.model["name"])
    recording.assumptions += [
        *notes, *subject.notes, "what a model returns is dropped before backward, as "
        "transformers' Trainer does", *_routing(subject)]
    return recording


def _point(subject: Subject, training: Training, name: str) -> dict[str, Any]:
    """The step in the words of Ballast's points, as rows of `points.csv` have them."""
    is_eager = training.attention == "eager"
    point = {
        "model": name, **sizes(subject.text), "n_c": training.n_c, "n_g": training.n_g,
        "batch": training.batch, "mode": "full-graph", "keep_prefix": 0, "loss_rows": "next-token",
        "head": HEADS[training.logits], "dtype": training.dtype or dtype_of(subject.text),
        "attention": "materialized" if is_eager else "fused",
        "recipe": f"transformers-{'eager' if is_eager else 'sdpa'}",
        "recompute": training.recompute.removesuffix("-reentrant"), "lora": training.lora,
        "trainable": training.trainable, "dropout": training.dropout,
        "optimizer": training.optimizer.split("-")[0],
    }
    return {key: value for key, value in point.items() if value is not None}


def _routing(subject: Subject) -> list[str]:
    experts = [name for name in ("num_experts", "num_local_experts", "n_routed_experts")
               if getattr(subject.text, name, None)]
    return ["every expert gets as many tokens as any other"] if experts else []


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _explained(subject: Subject) -> Iterator[None]:
    """Turns whatever goes wrong into a sentence."""
    try:
        yield
    except ProbeError:
        raise
    except Exception as error:
        raise ProbeError(f"the model of type '{subject.config.model_type}' cannot be trained on "
                         f"shapes alone: {type(error).__name__}: {first_line(error)}") from error


def _build(subject: Subject, training: Training, device: str) -> torch.nn.Module:
    """The model, made on the host and moved to the device, unless its shards will be."""
    import transformers

    dtype = training.dtype or dtype_of(subject.text)
    if dtype not in DTYPES:
        raise UsageError(f"the configuration's dtype is {dtype}; give --dtype "
                         f"{', '.join(DTYPES[:-1])} or {DTYPES[-1]}")
    builder = getattr(transformers, subject.builder)
    with mock.patch.object(transformers.PreTrainedModel, "init_weights", _leave):
        model: torch.nn.Module = builder.from_config(
            subject.config, dtype=getattr(torch, dtype),
            attn_implementation="eager" if training.attention == "eager" else "sdpa")
    model.train()
    if subject.config is not subject.text:
        leave_text(model, type(subject.text))
    refusing_more_tokens(model, subject.text.model_type, training.n_c + training.n_g)
    if training.base == "4bit":
        to_four_bits(model, getattr(torch, dtype))
    if not training.is_sharded:
        model.to(device)
    if training.recompute != "none":
        enable: Any = getattr(model, "activation_checkpointing_enable", None) \
            or getattr(model, "gradient_checkpointing_enable")
        enable({"use_reentrant": training.recompute == "layer-reentrant"})
    if training.logits == "chunked":
        add_head(model)
    if training.lora is not None:
        return _adapted(model, training)
    freeze(model, training.trainable)
    return model


def _in_parallel(model: torch.nn.Module, training: Training, notes: list[str]) -> torch.nn.Module:
    """The model as one of several processes has it."""
    if training.is_sharded:
        notes.append(sharded(model, AUTOCASTS[training.autocast]))
    else:
        model, sentence = replicated(model)
        notes.append(sentence)
    if training.accumulate > 1:
        notes.append("gradients are exchanged after the last of the passes before a step alone, as "
                     "transformers' Trainer does" + (
                         ", so that they are whole until then" if training.is_sharded else ""))
    return model


def _import(training: Training) -> None:
    """Imports what a step needs beside transformers, before there is a virtual GPU."""
    needed = [("peft", "--lora needs PEFT")] if training.lora is not None else []
    if training.base == "4bit":
        needed.append(("bitsandbytes", "--base 4bit needs bitsandbytes"))
    if training.logits == "chunked":
        needed.append(("trl", "--logits chunked needs TRL"))
    for package, sentence in needed:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ProbeError(f"{sentence}; pip install {package}") from error
    if training.logits == "chunked":
        import_head()


def _leave(model: torch.nn.Module) -> None:
    """In place of the filling of weights, whose values nobody has."""
    tie: Any = getattr(model, "tie_weights")
    tie()


def _adapted(model: torch.nn.Module, training: Training) -> torch.nn.Module:
    import peft

    assert training.lora is not None
    if training.recompute != "none":
        require: Any = getattr(model, "enable_input_require_grads")
        require()
    adapted: torch.nn.Module = peft.get_peft_model(model, peft.LoraConfig(
        **lora_settings(training.lora), task_type="CAUSAL_LM"))
    if training.trainable is not None:
        for name, parameter in adapted.named_parameters():
            if ".lora_" not in name and re.search(training.trainable, name):
                parameter.requires_grad_(True)
    return adapted


def _optimizer(model: torch.nn.Module, training: Training) -> torch.optim.Optimizer | None:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if training.optimizer == "none":
        return None
    if training.optimizer == "sgd":
        return torch.optim.SGD(trained, lr=1e-4)
    is_fused = training.optimizer == "adamw-fused"
    foreach = False if training.optimizer == "adamw-loop" else None
    return torch.optim.AdamW(trained, lr=1e-4, fused=is_fused or None,
                             foreach=None if is_fused else foreach)


def _train(model: torch.nn.Module, subject: Subject, training: Training, device: str) -> None:
    """The steps, as a loop of transformers' Trainer has them."""
    shape = (training.batch, training.n_c + training.n_g)
    ids = torch.zeros(shape, dtype=torch.long)
    labels = torch.zeros(shape, dtype=torch.long)
    labels[:, :training.n_c] = _IGNORED
    kept: dict[str, Any] = {"fused_lm_head": True} if training.logits == "chunked" else {}
    if training.logits == "answer" and training.n_c > 0:
        rows = training.n_g + 1  # the last of the prefix predicts the first generated token
        labels, kept = labels[:, -rows:], {"logits_to_keep": rows}
    optimizer = _optimizer(model, training)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise ProbeError("nothing is trained")
    dtype = None if training.is_sharded else AUTOCASTS[training.autocast]
    for _ in range(training.steps):
        for number in range(training.accumulate):
            batch = {"input_ids": ids.to(device, copy=True), "labels": labels.to(device, copy=True)}
            with exchanging(model, number == training.accumulate - 1):
                with torch.autocast(device, dtype, enabled=dtype is not None):
                    loss = model(**batch, **kept, use_cache=False).loss
                del batch
                if training.accumulate > 1:
                    loss = loss / training.accumulate
                loss.backward()
                del loss
        if training.clip is not None:
            torch.nn.utils.clip_grad_norm_(trained, training.clip)
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad()
        else:
            model.zero_grad()
