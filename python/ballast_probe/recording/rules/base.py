"""What a rule is: one thing that a device does, and a plain run on fake tensors does not."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ...regions import Layout
from ..gpus import GPU
from ..recorder import PASS, Call, Recorder


@dataclass(frozen=True)
class Setting:
    """What rules may look at.

    Attributes:
        recorder: The recorder that they serve.
        gpu: The GPU's entry; None on a CPU.
        attention: The backend of scaled dot products that is asked for, or `auto`.
        is_packed: Whether several sequences lie in a row.
        is_padded: Whether a batch has padding.
        layout: The lengths of its sequences; None where nobody has said.
    """

    recorder: Recorder
    gpu: GPU | None = None
    attention: str = "auto"
    is_packed: bool = False
    is_padded: bool = False
    layout: Layout | None = None


class Rule:
    """A named finding.

    Attributes:
        name: What it is called where it is switched off.
        source: The file and the function of PyTorch's that it is read from.
        devices: Where it holds.
    """

    name: str
    source: str
    devices: tuple[str, ...] = ("cuda",)

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        """Puts what PyTorch runs in the device's way, and takes it back."""
        yield

    def notes(self) -> list[str]:
        """What the last step took for given, in sentences."""
        return []

    def instead(self, recorder: Recorder, call: Call) -> Any:
        """The result of an op that the device runs otherwise, or `PASS`."""
        return PASS


@contextlib.contextmanager
def implementing(*ops: tuple[str, Callable[..., Any]], key: str) -> Iterator[None]:
    """Runs ops of PyTorch's by other functions at a dispatch key, while it lasts.

    Args:
        ops: Names as in `aten`, with the overload behind a dot, and the functions.
        key: The dispatch key, such as `AutogradCPU`.
    """
    library: Any = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that something is overridden is what is wanted
            for name, function in ops:
                library.impl(name, function, key, allow_override=True)
        yield
    finally:
        library._destroy()
