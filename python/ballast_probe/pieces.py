"""TRL's fused head: the loss of a few rows and words at a time, without logits."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import ProbeError

MODULE = "trl.kernels.chunked_logprob"
#: What SFTTrainer asks of it beside the loss, for its log.
_OUTPUTS = ("log_probs", "entropy", "is_top1")


def import_head() -> None:
    """Imports it, before there is a virtual GPU.

    Raises:
        ProbeError: This TRL has no such head.
    """
    try:
        importlib.import_module(MODULE)
        getattr(importlib.import_module("trl.trainer.utils"), "add_fused_lm_head")
    except (ImportError, AttributeError) as error:
        raise ProbeError("--logits chunked is about the fused head of TRL 1.16, and this TRL has "
                         "none; pip install trl==1.16.0") from error


def add_head(model: Any) -> None:
    """Gives a model the head, before an adapter is put around it, as SFTTrainer does."""
    from trl.trainer.utils import add_fused_lm_head

    add_fused_lm_head(model, outputs=_OUTPUTS)
