"""What scripts/compare-recording and scripts/check-gpu found that a recording had otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ballast_probe.recording import Recording
from ballast_probe.recording.rules.grouping import GroupedProducts
from ballast_probe.recording.stream import Role

from conftest import made, on_cpu, on_gpu


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("axes", [(2, 3), (3, 3), (2, 2)])
def test_products_of_groups_have_real_layouts(dtype: torch.dtype, axes: tuple[int, int]) -> None:
    def product() -> torch.Tensor:
        first = torch.ones(*(2,) * (axes[0] == 3), 8, 16, dtype=dtype)
        second = torch.ones(*(2,) * (axes[1] == 3), 16, 24, dtype=dtype)
        ends = None if axes == (3, 3) else torch.tensor([4, 16 if axes == (2, 2) else 8],
                                                        dtype=torch.int32)
        return torch._grouped_mm(first, second, offs=ends)

    real = product()
    shapes: list[tuple[tuple[int, ...], tuple[int, ...], torch.dtype]] = []

    def run() -> None:
        one = product()
        shapes.append((tuple(one.shape), one.stride(), one.dtype))

    recording = on_cpu(run)
    assert shapes == [(tuple(real.shape), real.stride(), real.dtype)]
    assert made(recording, "_grouped_mm") == [("_grouped_mm", real.untyped_storage().nbytes())]
    if dtype != torch.bfloat16:
        with pytest.raises(RuntimeError, match="BF16"):
            on_cpu(run, without=GroupedProducts.name)


def test_a_gradient_behind_a_checkpoint_is_taken_and_not_copied() -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)).requires_grad_(False)
    scale = torch.nn.Parameter(torch.ones(8))

    def run() -> None:
        x = torch.ones(4, 8).requires_grad_(True)
        y = checkpoint(lambda one: layers(one) * scale + one, x, use_reentrant=True)
        y.sum().backward()

    assert "new_empty_strided" not in [op for op, _ in made(on_cpu(run))]


@pytest.mark.parametrize("on", [on_cpu, on_gpu])
def test_a_mask_is_added_into_the_scores(on: Callable[..., Recording]) -> None:
    def run() -> None:
        device = "cuda" if on is on_gpu else "cpu"
        query = torch.ones(1, 2, 9, 8, device=device, requires_grad=True)
        value = torch.ones(1, 2, 9, 5, device=device)  # of another width: no kernel takes it
        functional.scaled_dot_product_attention(
            query, query, value, torch.zeros(9, 9, device=device)).sum().backward()

    assert ("add", 2 * 81 * 4) not in made(on(run))
    assert ("add", 2 * 81 * 4) in made(on(run, without="mask-in-place"))


def test_views_in_inference_mode_are_remembered_by_nobody() -> None:
    def run() -> None:
        table = torch.ones(2, 8, 4, device="cuda")
        with torch.inference_mode():
            for _ in range(3):
                table[:, :8, :].unbind(0)

    assert made(on_gpu(run), "ones") == [("ones", 256)]


def temporaries(run: object) -> list[int]:
    return [one.bytes for one in on_gpu(run).tensors if one.role is Role.TEMPORARY]


def test_a_base_that_is_a_number_goes_to_the_device() -> None:
    def power(base: float) -> list[int]:
        return temporaries(lambda: base ** torch.ones(32, device="cuda"))

    assert power(10_000.0) == power(10_000) == [8]
    assert power(1.0) == []


def test_indices_of_the_host_go_to_the_device() -> None:
    def run(is_there: bool) -> list[int]:
        def step() -> None:
            x = torch.ones(16, 32, device="cuda", requires_grad=True)
            rows = torch.arange(16)
            x[rows.to("cuda") if is_there else rows, torch.zeros_like(rows).to("cuda")].sum() \
                .backward()

        return temporaries(step)

    sorting = [128, 128, 64, 128, 128, 128, 1]  # 64: what is added up is a sum's gradient
    assert run(is_there=True) == sorting
    # Once in forward, before the result, and once in backward.
    assert run(is_there=False) == [128, 128, *sorting]


def test_values_that_are_added_up_are_made_dense() -> None:
    def run() -> None:
        table = torch.ones(16, 8, device="cuda", requires_grad=True)
        weight = torch.ones(8, 4, device="cuda").t()
        (table[torch.zeros(4, dtype=torch.long).to("cuda")] * weight).sum().backward()

    assert temporaries(run)[-7:] == [32, 32, 4 * 8 * 4, 32, 32, 32, 1]
