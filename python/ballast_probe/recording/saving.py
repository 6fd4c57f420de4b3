"""Checkpoints: of tensors that have shapes alone there is nothing to save."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

_WRITERS = (("torch", "save"), ("safetensors.torch", "save_file"),
            ("safetensors.torch", "save_model"),
            ("transformers", "PreTrainedModel.save_pretrained"),
            ("peft", "PeftModel.save_pretrained"))
_SENTENCE = ("nothing is saved: torch.save and save_pretrained write no file, and what they would "
             "copy to the host takes nothing on the GPU")


@contextlib.contextmanager
def saving_nothing(assumptions: list[str]) -> Iterator[None]:
    """Lets a step save its model, and says once that nothing was."""

    def save(*_: Any, **__: Any) -> None:
        if _SENTENCE not in assumptions:
            assumptions.append(_SENTENCE)

    with contextlib.ExitStack() as stack:
        for module, path in _WRITERS:
            if module.split(".")[0] not in sys.modules:
                continue
            owner: Any = importlib.import_module(module)
            *parts, name = path.split(".")
            for part in parts:
                owner = getattr(owner, part, None)
            if owner is not None and hasattr(owner, name):
                stack.enter_context(mock.patch.object(owner, name, save))
        yield
