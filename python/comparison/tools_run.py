"""The step that scripts/compare-tools asks about, and what a tool says of it."""

from __future__ import annotations

from dataclasses import dataclass

STATES = "weights, gradients, optimizer"
KEPT = "kept for backward"
PEAK = "peak of the step"
CHECKPOINTING = "peak, checkpointing"
LORA = "peak, LoRA"
RANK = "peak, one of 8 ranks"
WEIGHTS = "weights"
ADAPTER = "r=16,alpha=32,targets=all-linear"
RANKS = 8
TRACED = 128
GIB = 1 << 30


@dataclass(frozen=True)
class Run:
    """The step that every tool is asked about: AdamW, bfloat16, one sequence."""

    model: str = "llama-3.2-1b"
    n_c: int = 4096
    n_g: int = 512

    @property
    def tokens(self) -> int:
        """The sequence's length."""
        return self.n_c + self.n_g


@dataclass(frozen=True)
class Row:
    """One thing that a tool said.

    Attributes:
        question: What it was asked, of the names above.
        bytes: Its answer; None if it has none.
        note: What the figure is, or why there is none.
        tokens: Of the sequence, if another than the run's.
    """

    question: str
    bytes: int | None
    note: str
    tokens: int | None = None
