"""What several ranks exchange."""

from __future__ import annotations

from typing import Any

from ..arguments import tensors_among
from ..recorder import PASS, Call, Recorder
from ..stream import Role
from .base import Rule

_IN_A_PASS = (Role.ACTIVATION, Role.BACKWARD, Role.TEMPORARY)

#: Several collectives in one, into tensors that are there: PyTorch has no fake kernels of them.
_COALESCED = ("c10d::allgather_into_tensor_coalesced_", "c10d::reduce_scatter_tensor_coalesced_",
              "c10d::allreduce_coalesced_")


class ExchangedBuffers(Rule):
    """What goes through a collective is a buffer of it, and to wait for one makes no tensor.

    FSDP2's parameters are buffers as well while they are whole: their own shards are parameters.
    """

    name = "exchanged-buffers"
    source = ("torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py; "
              "torch/csrc/distributed/c10d/Functional.cpp: wait_tensor")
    devices = ("cuda", "cpu")

    def instead(self, recorder: Recorder, call: Call) -> Any:
        roles: tuple[Role, ...] = (*_IN_A_PASS, Role.OTHER)
        if call.func.namespace in ("c10d", "_c10d_functional"):
            exchanged = call.tensors
        elif call.name in ("fsdp::split_with_sizes_copy", "fsdp::chunk_cat"):
            exchanged = list(tensors_among([call.keywords["out"]]))
        elif call.name == "fsdp::all_gather_copy_in":
            exchanged, roles = call.tensors, _IN_A_PASS
        else:
            return PASS
        for row in recorder.rows(exchanged):
            if row.role in roles:
                row.role = Role.COLLECTIVE
        if call.name == "_c10d_functional::wait_tensor":
            return call.arguments[0]
        if call.name in _COALESCED:
            from torch._C._distributed_c10d import FakeWork

            return FakeWork().boxed()
        return PASS
