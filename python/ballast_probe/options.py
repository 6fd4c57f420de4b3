"""What is asked about one point, under the names of Ballast's options."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from .errors import UsageError
from .regions import Layout

MODES = ("full-graph", "detached-prefix")
ATTENTIONS = ("eager", "sdpa")
DTYPES = ("float32", "bfloat16", "float16")
RECOMPUTES = ("none", "layer")
#: The rows of which logits are made, and Ballast's words for them.
HEADS = {"all": "all-rows", "answer": "loss-rows", "chunked": "chunked"}
LOGITS = tuple(HEADS)
DEVICES = ("fake", "meta", "cpu", "cuda")

_MOST_TOKENS = 1 << 28


@dataclass(frozen=True)
class PointOptions:
    """One point of a measurement.

    Attributes:
        n_c: Prefix tokens, which carry no loss.
        n_g: Generated tokens, which carry loss.
        batch: Sequences at a time.
        mode: `full-graph`, or `detached-prefix`: rows before the cut run without a graph.
        keep_prefix: The last prefix rows that `detached-prefix` leaves in the graph; at least one
            is left, for its logits predict the first generated token.
        attention: transformers' implementation, `eager` or `sdpa`.
        dtype: Of parameters and activations; None for the configuration's own, or else `float32`.
        recompute: `layer` for gradient checkpointing as transformers does it.
        trainable: A regular expression; parameters in whose name it is found are trained. None for
            all of them.
        lora: An adapter of PEFT's, `r=16,alpha=32,targets=q_proj+v_proj`, on a frozen base; None
            for none.
        layers: The first so many decoder layers; None for all.
        seed: Of weights and tokens.
        device: `fake` runs on shapes alone and takes the ways that a CPU takes; `meta` runs on
            shapes alone; `cpu` and `cuda` compute.
        dropout: The probability of every dropout; None for what the configuration says.
        logits: `answer` for those of rows that predict generated tokens alone (`logits_to_keep` of
            transformers); `chunked` for none, but the loss in pieces, by TRL's fused head.
    """

    n_c: int
    n_g: int
    batch: int = 1
    mode: str = "full-graph"
    keep_prefix: int = 0
    attention: str = "sdpa"
    dtype: str | None = None
    recompute: str = "none"
    trainable: str | None = None
    lora: str | None = None
    layers: int | None = None
    seed: int = 0
    device: str = "fake"
    dropout: float | None = 0.0
    logits: str = "all"

    def validate(self) -> None:
        """Refuses what cannot be.

        Raises:
            UsageError: One sentence says what is wrong.
        """
        for name, value, least, most in (
            ("n-c", self.n_c, 0, _MOST_TOKENS), ("n-g", self.n_g, 1, _MOST_TOKENS),
            ("batch", self.batch, 1, 1 << 20), ("keep-prefix", self.keep_prefix, 0, _MOST_TOKENS),
            ("layers", 1 if self.layers is None else self.layers, 1, 4096),
            ("seed", self.seed, 0, (1 << 63) - 1),
        ):
            if not least <= value <= most:
                raise UsageError(f"--{name} is {value} and must be from {least} to {most}")
        for name, word, words in (
            ("mode", self.mode, MODES), ("attention", self.attention, ATTENTIONS),
            ("dtype", self.dtype or DTYPES[0], DTYPES), ("recompute", self.recompute, RECOMPUTES),
            ("logits", self.logits, LOGITS),
            ("device", self.device, DEVICES),
        ):
            if word not in words:
                raise UsageError(f"--{name} is '{word}' and must be one of {', '.join(words)}")
        refuse_dropout(self.dropout)
        if self.n_c == 0 and self.n_g == 1:
            raise UsageError(
                "with --n-c 0 and --n-g 1 no row predicts a token, so there is no loss")
        if self.keep_prefix > 0 and self.mode != "detached-prefix":
            raise UsageError("--keep-prefix goes with --mode detached-prefix alone")
        if self.keep_prefix > self.n_c:
            raise UsageError(f"--keep-prefix {self.keep_prefix} is more than the prefix has, --n-c "
                             f"{self.n_c}")
        if self.mode == "detached-prefix" and self.recompute == "layer":
            raise UsageError("--mode detached-prefix does not go with --recompute layer: "
                             "transformers drops the keys and values of the prefix under gradient "
                             "checkpointing")
        if self.lora is not None:
            lora_settings(self.lora)
        if self.trainable is not None:
            try:
                re.compile(self.trainable)
            except re.error as error:
                raise UsageError(f"--trainable '{self.trainable}' is no regular expression: "
                                 f"{error}") from error

    @property
    def cut(self) -> int:
        """The first row in the graph: 0 where all are."""
        if self.mode != "detached-prefix":
            return 0
        return max(0, self.n_c - max(self.keep_prefix, 1))

    @property
    def kept_rows(self) -> int | None:
        """The last rows of which `answer` makes logits; None for all, as without a prefix."""
        return self.n_g + 1 if self.logits == "answer" and self.n_c > 0 else None

    @property
    def layout(self) -> Layout:
        """Which rows are whose."""
        return Layout(n_c=self.n_c, n_g=self.n_g, batch=self.batch, first_row=self.cut)

    @property
    def recipe(self) -> str:
        """Ballast's word for whose ops the layers are made of."""
        return f"transformers-{self.attention}"


def refuse_dropout(probability: float | None) -> None:
    """Refuses what is no probability of a dropout; None is the configuration's own.

    Raises:
        UsageError: It is less than 0, or 1 or more, or no number.
    """
    if probability is not None and not 0 <= probability < 1:  # not so for NaN either
        raise UsageError(f"--dropout is {probability:g} and must be at least 0 and less than 1")


def lora_settings(text: str) -> dict[str, Any]:
    """What PEFT's LoraConfig takes, of `r=16,alpha=32,targets=q_proj+v_proj`.

    Raises:
        UsageError: One sentence says what is wrong.
    """
    wrong = UsageError(f"--lora '{text}' must be like r=16,alpha=32,targets=q_proj+v_proj, with "
                       "rslora=true and dropout=0.05 if wanted")
    pairs = [word.partition("=")[::2] for word in text.split(",")]
    words = dict(pairs)
    if not set(words) <= {"r", "alpha", "targets", "rslora", "dropout"}:
        raise wrong
    if "targets" not in words and "" not in words.values():
        raise UsageError(f"--lora '{text}' does not say which maps get an adapter; add "
                         "targets=all-linear, or some such as targets=q_proj+v_proj")
    if (again := next((name for name in words if [one for one, _ in pairs].count(name) > 1), None)):
        raise UsageError(f"--lora '{text}' gives {again} more than once")
    targets, scaled = words.get("targets", "").split("+"), words.get("rslora", "false")
    if not all(targets) or scaled not in ("true", "false"):
        raise wrong
    try:
        rank, alpha = int(words.get("r", "8")), float(words.get("alpha", "8"))
        dropout = float(words.get("dropout", "0"))
        if rank < 1 or not math.isfinite(alpha) or not 0 <= dropout < 1:
            raise wrong
        return {
            "r": rank, "lora_alpha": alpha, "lora_dropout": dropout,
            "use_rslora": scaled == "true",
            "target_modules": targets[0] if targets == ["all-linear"] else targets,
        }
    except ValueError as error:
        raise wrong from error
