"""DistributedDataParallel: where its reducer's buckets lie."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch

from ..recorder import PASS, Call, Recorder
from ..stream import Role
from .base import Rule, Setting

_EMPTY = torch.ops.aten.empty.memory_format


class BucketsOnDevice(Rule):
    """Buckets of gradients are on the GPU. Lists of their indices are numbers, and stay here.

    The reducer's own code makes the buckets as it is made, and anew before the second forward, by
    the order in which gradients came: of 1 MiB first, then of `bucket_cap_mb`.
    """

    name = "buckets-on-device"
    source = "torch/csrc/distributed/c10d/reducer.cpp: initialize_buckets, rebuild_buckets"

    def __init__(self) -> None:
        self._depth = 0

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        distributed: Any = torch.distributed
        if not distributed.is_available():
            yield
            return
        from torch.nn.parallel import DistributedDataParallel

        with contextlib.ExitStack() as stack:
            for owner, name in ((DistributedDataParallel, "_ddp_init_helper"),
                                (distributed.Reducer, "_rebuild_buckets")):
                stack.enter_context(mock.patch.object(
                    owner, name, self._making(getattr(owner, name))))
            yield

    def _making(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def running(*arguments: Any, **keywords: Any) -> Any:
            self._depth += 1
            try:
                return run(*arguments, **keywords)
            finally:
                self._depth -= 1

        return running

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if not self._depth or call.func is not _EMPTY or call.is_counted:
            return PASS
        dtype = call.keywords.get("dtype")
        if dtype is None or not dtype.is_floating_point:
            return PASS
        call.is_counted = True
        bucket = call.run()
        recorder.note(call, bucket)
        if (row := recorder.row(bucket)) is not None:
            row.role = Role.COLLECTIVE
        return bucket
