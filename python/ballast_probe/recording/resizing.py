"""Storages that get another size while they live: so FSDP2 frees and refills parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch

from .recorder import Recorder

_OP = "storage::resize_"


@contextlib.contextmanager
def resizing(recorder: Recorder) -> Iterator[None]:
    """Notes every `untyped_storage().resize_(n)` inside, which no dispatch mode sees.

    A size of 0 frees the memory, and views stay (c10/cuda: resize_bytes_cuda).
    """
    resize: Callable[..., Any] = torch.UntypedStorage.resize_

    def resized(storage: torch.UntypedStorage, size: int) -> Any:
        result = resize(storage, size)
        recorder.resized(storage, _OP)
        return result

    with mock.patch.object(torch.UntypedStorage, "resize_", resized, create=True):
        yield
