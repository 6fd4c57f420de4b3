"""What kernels take beside their results, against figures of real GPUs and PyTorch's sources."""

from __future__ import annotations

import pytest
import torch

from ballast_probe.recording import Recording
from ballast_probe.recording.gpus import GPU, gpu_of, table
from ballast_probe.recording.kernels import KERNELS
from ballast_probe.recording.kernels.cub import sort_bytes
from ballast_probe.recording.kernels.none import needs_none
from ballast_probe.recording.kernels.operands import Operand
from ballast_probe.recording.kernels.products import PRODUCTS, workspace_bytes
from ballast_probe.recording.kernels.reductions import of_tensor
from ballast_probe.recording.stream import Role

from conftest import made, on_gpu

H100, RTX_4090 = gpu_of("h100"), gpu_of("rtx-4090")


def taken(recording: Recording, role: Role = Role.TEMPORARY) -> list[int]:
    return [tensor.bytes for tensor in recording.tensors if tensor.role is role]


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def test_every_kernel_says_where_it_is_from() -> None:
    assert all(kernel.source and name.startswith(("aten::", "bitsandbytes::", "fsdp::"))
               for name, kernel in KERNELS.items())
    assert [name for name in KERNELS if name in PRODUCTS] == ["bitsandbytes::gemm_4bit"]


@pytest.mark.parametrize("tensor, over, accumulator, gpu, bytes_taken", [
    # A whole sum of many elements is split over the chip: a buffer, and a semaphore.
    (empty(1 << 24), None, 4, H100, [4 * 528, 4]),
    (empty(512, 10_000), [-1], 4, H100, []),  # a row is short for a block
    (empty(4, 4), None, 4, H100, []),
    (empty(0, 4), [0], 4, H100, []),
])
def test_reductions(tensor: torch.Tensor, over: list[int] | None, accumulator: int, gpu: GPU,
                    bytes_taken: list[int]) -> None:
    assert of_tensor(Operand.of(tensor), over, accumulator, gpu) == bytes_taken


def test_a_maximum_that_a_real_h100_split() -> None:
    """Over 10,000 words of 512 rows whose words are not next to each other."""
    assert of_tensor(Operand.of(empty(10_000, 512).t()), [1], 16, H100) == [164_626_432, 16]


def test_reductions_of_more_than_32_bits_are_run_in_halves() -> None:
    parts = of_tensor(Operand.dense((1 << 32,), torch.bfloat16), None, 4, H100)
    values = (1 << 30) // 512  # of a thread, of which a block takes 256 at most
    assert parts == [4 * values // 256, 4] * 4


def test_sorting_pairs() -> None:
    assert sort_bytes(2048, 14, RTX_4090) == 1  # RTX 4090, batch 4, 512 tokens
    assert sort_bytes(4096, 14, RTX_4090) == 72_191  # RTX 4090, batch 4, 1,024 tokens


def test_indexing_that_adds_up() -> None:
    def run() -> None:
        weight = torch.ones(10_000, 8, device="cuda", requires_grad=True)
        weight[torch.zeros(4, 1024, dtype=torch.long).to("cuda")].sum().backward()

    size = 8 * 4096
    dense = 4096 * 8 * 4  # of the sum's gradient, which is expanded
    assert taken(on_gpu(run))[-7:] == [size, size, dense, size, size, size, 72_191]


def test_indexing_sorts_where_every_run_has_to_give_the_same() -> None:
    def run() -> None:
        there = torch.zeros(10_000, device="cuda")
        places = torch.zeros(4096, dtype=torch.long).to("cuda")
        there[places] = torch.ones(4096, device="cuda")
        there[places] = 0.0  # of one value it does not matter which comes last

    assert taken(on_gpu(run)) == []
    torch.use_deterministic_algorithms(True)
    try:
        recording = on_gpu(run)
    finally:
        torch.use_deterministic_algorithms(False)
    assert taken(recording) == [8 * 4096] * 5 + [72_191]


def test_workspaces_of_both_threads() -> None:
    def run() -> None:
        weight = torch.ones(8, 8, device="cuda", requires_grad=True)
        for _ in range(2):
            (weight @ weight).sum().backward()

    recording = on_gpu(run, gpu="h100")
    assert taken(recording, Role.WORKSPACE) == [33_554_432] * 2
    first = next(place for place, tensor in enumerate(recording.tensors)
                 if tensor.role is Role.WORKSPACE)
    assert recording.tensors[first - 1].op == "aten::mm"  # behind its result
    assert taken(on_gpu(run, gpu="rtx-4090"), Role.WORKSPACE) == [8_519_680] * 2


def test_the_setting_of_a_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workspace_bytes(H100, ":4096:2:16:8") == 8_519_680
    assert workspace_bytes(H100, "nonsense") == 33_554_432
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")

    def run() -> None:
        x = torch.ones(8, 8, device="cuda")
        x @ x

    assert taken(on_gpu(run), Role.WORKSPACE) == [16 * 1024 * 8]


def _attention(dtype: torch.dtype, heads: int, key_heads: int) -> None:
    query = torch.ones(2, heads, 200, 80, device="cuda", dtype=dtype, requires_grad=True)
    key, value = (torch.ones(2, key_heads, 200, 80, device="cuda", dtype=dtype, requires_grad=True)
                  for _ in range(2))
    torch.nn.functional.scaled_dot_product_attention(
        query, key, value, enable_gqa=heads != key_heads).transpose(1, 2).sum().backward()


def test_backward_of_the_efficient_kernel() -> None:
    recording = on_gpu(lambda: _attention(torch.float32, 4, 4))
    rows = 2 * 4 * 200
    sizes = [tensor.bytes for tensor in recording.tensors if tensor.role is Role.TEMPORARY
             and tensor.op == "aten::_scaled_dot_product_efficient_attention_backward"]
    assert sizes[-4:] == [4 * rows * 80, 4 * rows, 4 * rows,
                          4 * 2 * 4 * 4 * 2 * (64 * 64 + 4)]


def test_backward_of_the_flash_kernel_with_grouped_heads() -> None:
    recording = on_gpu(lambda: _attention(torch.bfloat16, 4, 2))
    sizes = [tensor.bytes for tensor in recording.tensors if tensor.role is Role.TEMPORARY
             and tensor.op == "aten::_scaled_dot_product_flash_attention_backward"]
    assert sizes[-4:] == [4 * 2 * 4 * 256, 4 * 2 * 4 * 256 * 96, *[2 * 2 * 200 * 4 * 80] * 2]


def test_backward_of_an_embedding_sums_in_float32() -> None:
    def run(tokens: int) -> None:
        layer = torch.nn.Embedding(5000, 64, device="cuda", dtype=torch.bfloat16)
        layer(torch.zeros(1, tokens, dtype=torch.long).to("cuda")).sum().backward()

    op = "embedding_dense_backward"
    few = [size for _, size in made(on_gpu(lambda: run(3072)), op)]
    assert few[-1] == 5000 * 64 * 2
    many = [size for _, size in made(on_gpu(lambda: run(6000)), op)]
    assert many[-1] == 4 * (6000 // 10 + 5000) * 64 and 5000 * 64 * 2 in many


def test_norms_of_many_tensors() -> None:
    def run() -> None:
        torch._foreach_norm([torch.ones(200_000, device="cuda"), torch.ones(10, device="cuda")])

    assert [size for _, size in made(on_gpu(run), "_foreach_norm")] == [4 * 2 * 4, 4, 4]


def test_numbers_of_where_are_moved_to_the_device() -> None:
    def run() -> None:
        x = torch.ones(1000, device="cuda")
        torch.where(x > 0, x, float("-inf"))

    assert [size for _, size in made(on_gpu(run), "where")] == [4, 4000]


def test_what_is_not_known_is_counted() -> None:
    def run() -> None:
        x = torch.ones(1000, device="cuda")
        x.sort()
        x.cummax(0)
        x.half().cumsum(0)
        x.half().cumsum(0)
        x + x

    assert on_gpu(run).not_modelled == {"aten::cummax": 1, "aten::cumsum": 2}
    aten = torch.ops.aten
    assert needs_none(aten.add.Tensor) and needs_none(aten.view.default)
    assert needs_none(aten.mul_.Tensor) and not needs_none(aten.cumsum.default)


def test_gpus() -> None:
    assert "cpu" not in table() and {"h100", "a100-80gb", "rtx-4090", "b200"} <= set(table())
    assert all(gpu.memory_bytes > gpu.context_bytes > 0 and gpu.multiprocessors > 0
               for gpu in table().values())
    assert gpu_of(H100.values()) == H100 and RTX_4090.capability == (8, 9)


def test_one_row_that_is_sorted_whole() -> None:
    def run() -> None:
        torch.ones(10_000, device="cuda", dtype=torch.int64).sort()

    assert taken(on_gpu(run)) == [80_000, sort_bytes(10_000, 64, gpu_of("a100-80gb"))]
