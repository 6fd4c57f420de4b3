"""Kernels of Triton's, which do not run on shapes alone: they are refused by name."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, NoReturn
from unittest import mock

from ..errors import ProbeError
from .reads import line


@contextlib.contextmanager
def refusing_triton() -> Iterator[None]:
    """Refuses every kernel of Triton's that is started inside, as Liger's and Unsloth's are."""
    kinds: list[Any] = []
    for module, name in (("triton.runtime.jit", "JITFunction"),
                         ("triton.runtime.autotuner", "Autotuner")):
        if (kind := getattr(sys.modules.get(module), name, None)) is not None:
            kinds.append(kind)

    def refuse(kernel: Any, *_: Any, **__: Any) -> NoReturn:
        function = getattr(kernel, "fn", kernel)
        name = getattr(function, "__name__", None) or getattr(
            getattr(function, "fn", None), "__name__", "of no name")
        raise ProbeError(f"{line()} starts Triton's kernel {name}, and what a kernel of Triton's "
                         "allocates is not known; switch such kernels off for the recording "
                         "(Liger's use_liger_kernel=False; Unsloth has no such switch)")

    with contextlib.ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(mock.patch.object(kind, "run", refuse))
        yield
