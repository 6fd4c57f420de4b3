"""The next cheaper things to change about a training, as `--also` names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import UsageError
from ..recording.trainer import Training

_LORA = "r=16,alpha=32,targets=all-linear"

#: What each sets; an adapter that is there stays as it is.
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "checkpointing": {"recompute": "layer"},
    "lora": {"lora": _LORA},
    "qlora": {"lora": _LORA, "base": "4bit"},
    "answer-logits": {"logits": "answer"},
    "chunked-loss": {"logits": "chunked"},
    "fused-optimizer": {"optimizer": "adamw-fused"},
    "sgd": {"optimizer": "sgd"},
}


def options_of(change: str) -> str:
    """What asks for a change on a command line, such as `--recompute layer`."""
    return " ".join(f"--{name} {value}" for name, value in CHANGES[change].items())


def changed(training: Training, words: str | None) -> dict[str, Training]:
    """The trainings with the changes that were asked for; those that change nothing are left out.

    Raises:
        UsageError: There is no such change, or none of them changes anything.
    """
    if words is None:
        return {}
    names = list(CHANGES) if words == "all" else words.split(",")
    for name in names:
        if name not in CHANGES:
            raise UsageError(f"--also has '{name}' and must be some of {', '.join(CHANGES)}, "
                             "separated by commas, or all")
        if names.count(name) > 1:
            raise UsageError(f"--also names '{name}' more than once; name it once")
    found = {}
    for name in names:
        asked = replace(training, **{key: value for key, value in CHANGES[name].items()
                                     if key != "lora" or training.lora is None})
        if asked != training:
            found[name] = asked
    if not found:
        raise UsageError(f"--also {words} changes nothing about this step; leave it out, or name "
                         "another change")
    return found
