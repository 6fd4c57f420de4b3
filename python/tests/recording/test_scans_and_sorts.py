"""What scans, sorts, choices and grouped products take, by PyTorch's and cub's sources."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from ballast_probe.recording.gpus import gpu_of
from ballast_probe.recording.kernels.base import NotModelled
from ballast_probe.recording.kernels.cub import (
    scan_by_key_bytes, scan_bytes, segmented_sort_bytes, sort_bytes,
)
from ballast_probe.recording.stream import Role

from conftest import on_gpu

A100, H100, RTX_4090 = gpu_of("a100-80gb"), gpu_of("h100"), gpu_of("rtx-4090")


def taken(run: Callable[[], object], gpu: str = "a100-80gb") -> list[int]:
    return [one.bytes for one in on_gpu(run, gpu=gpu).tensors if one.role is Role.TEMPORARY]


def _ones(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.ones(*shape, dtype=dtype, device="cuda")


def test_sorting_goes_by_the_chip() -> None:
    # 64-bit pairs: 3,840 a block before Hopper, 4,608 there; 1,024 bytes a block.
    assert sort_bytes(46_080, 64, A100) - sort_bytes(46_080, 64, H100) == 1024 * (12 - 10)
    # One pass has no second copy.
    assert sort_bytes(46_080, 7, A100, value=0) == 2048 + 12 * 1024 + 256 + 255
    assert sort_bytes(2305, 64, A100) > 1 == sort_bytes(2304, 64, A100)
    assert sort_bytes(4000, 16, H100, key=2) == 4096 + 1024 + 8192 + 32_000 + 256 + 255
    with pytest.raises(NotModelled):
        sort_bytes(4000, 16, A100, key=2)


def test_scanning() -> None:
    assert scan_bytes(896, 8) == scan_bytes(1, 8) == 768 + 255 + 1 + 255  # 33 tiles of 16 bytes
    assert scan_bytes(896 * 16 + 1, 8) == 1024 + 255 + 1 + 255
    assert scan_bytes(1920 * 32 + 1, 4) == 768 + 255 + 1 + 255
    assert scan_by_key_bytes(1, RTX_4090) == 768 + 256 + 255


@pytest.mark.parametrize("shape, axis, temporaries", [
    # A range of places, for rows of 4,096 and fewer.
    ((8, 4096), 1, [8 * 4096]),
    ((5000,), 0, [8 * 5000, sort_bytes(5000, 32, A100, key=4)]),
    ((3, 5000), 1, [8 * 15_000, 8 * 15_000, 4 * 15_000, sort_bytes(15_000, 32, A100, key=4),
                    sort_bytes(15_000, 2, A100, value=0)]),
    ((200, 5000), 1, [8 * 1_000_000, segmented_sort_bytes(1_000_000, 4)]),
    # Along another axis: values, and results' values and places, in order.
    ((5000, 200), 0, [4 * 1_000_000, 4 * 1_000_000, 8 * 1_000_000, 8 * 1_000_000,
                      segmented_sort_bytes(1_000_000, 4)]),
])
def test_sorting_rows(shape: tuple[int, ...], axis: int, temporaries: list[int]) -> None:
    assert taken(lambda: _ones(*shape).sort(dim=axis)) == temporaries
    assert taken(lambda: torch.sort(_ones(*shape), dim=axis, stable=True)) == temporaries


def test_long_rows_are_sorted_one_by_one() -> None:
    one = sort_bytes(1_000_000, 32, A100, key=4)
    assert taken(lambda: _ones(2, 1_000_000).sort()) == [8_000_000, one, one]


def test_choosing_among_many() -> None:
    assert taken(lambda: _ones(30, 64).topk(4)) == []
    assert taken(lambda: _ones(64, 30).t().topk(4)) == [64 * 30 * 4]
    rows, length = 10, 32_000
    blocks = rows * -(-length // (4 * 256))
    scan = scan_by_key_bytes(blocks, A100)
    assert taken(lambda: _ones(rows, length).topk(50)) == [
        4 * rows, 8 * rows, 8 * rows, 512 * blocks, 1024 * rows, 4 * blocks, 4 * blocks, scan, scan]
    assert on_gpu(lambda: _ones(30_000).topk(5000)).not_modelled == {"aten::topk": 1}


def test_choosing_as_a_real_a100_did() -> None:
    """5 of 32,000 words, by a release without the sums of digits that came later."""
    blocks = 32_000 // (4 * 256) + 1
    assert (512 * blocks, 4 * blocks, scan_by_key_bytes(blocks, A100)) == (16_384, 128, 1_279)
    found = taken(lambda: _ones(1, 32_000).topk(5))
    assert found[3] == 16_384 and found[-4:] == [128, 128, 1_279, 1_279]


def test_sums_along_an_axis() -> None:
    assert taken(lambda: _ones(64, 30).cumsum(1)) == taken(lambda: _ones(64, 30).cumsum(0)) == []
    assert taken(lambda: _ones(64, 30).t().cumsum(0)) == [64 * 30 * 4]
    assert taken(lambda: _ones(2000).cumsum(0)) == [scan_bytes(2000, 4)]
    assert taken(lambda: _ones(1, 2000).cumprod(1)) == [scan_bytes(2000, 4)]
    # Whole numbers are added as 64 bits.
    assert taken(lambda: _ones(2000, dtype=torch.int32).cumsum(0)) == [
        16_000, scan_bytes(2000, 8)]


def test_sums_along_an_axis_that_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert taken(lambda: _ones(20_000).cumsum(0)) == [4 * 3]  # 8,192 items a block
    assert taken(lambda: _ones(10_000_000).cumsum(0)) == [4 * A100.multiprocessors]


def _grouped(dtype: torch.dtype = torch.bfloat16) -> None:
    tokens, experts = _ones(64, 32, dtype=dtype), _ones(5, 32, 48, dtype=dtype)
    ends = torch.tensor([16, 32, 40, 50, 64], dtype=torch.int32).to("cuda")
    torch._grouped_mm(tokens, experts, offs=ends)


def test_products_of_groups_are_one_kernel_on_a_hopper() -> None:
    assert taken(_grouped, "h100") == [3 * 8 * 6 + (12 + 24) * 5, 132 * 5 * 128]
    assert on_gpu(_grouped, gpu="b200").not_modelled == {"aten::_grouped_mm": 1}
    one_by_one = on_gpu(_grouped)
    assert taken(_grouped) == [] and not one_by_one.not_modelled
    assert [one.bytes for one in one_by_one.tensors if one.role is Role.WORKSPACE] == [8_519_680]
    assert not [one for one in on_gpu(_grouped, gpu="h100").tensors if one.role is Role.WORKSPACE]
    assert taken(lambda: _grouped(torch.float32), "h100") == []
