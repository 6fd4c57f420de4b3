"""The virtual device: what counts, what it says of itself, and that everything is taken back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor

from ballast_probe import ProbeError, UsageError, versions
from ballast_probe.recording import Role, step

from conftest import made, on_gpu


def test_only_what_is_on_the_device_counts() -> None:
    def run() -> None:
        host = torch.ones(100)
        there = host.to("cuda")
        again = torch.zeros(50, device="cuda")
        assert str(host.device) == "cpu" and not host.is_cuda and host.is_cpu
        for tensor in (there, again, there + 1, there[:10], torch.zeros_like(there)):
            assert str(tensor.device) == "cuda:0" and tensor.is_cuda and tensor.get_device() == 0
        back = there.cpu()
        assert str(back.device) == "cpu" and str((back + 1).device) == "cpu"
        with torch.device("cuda"):
            assert torch.ones(3).is_cuda
        assert host.to(there).is_cuda and there.to("cuda", torch.bfloat16).dtype == torch.bfloat16
        assert there.to(torch.float16).is_cuda and there.cuda() is there

    assert made(on_gpu(run)) == [
        ("_to_copy", 400), ("zeros", 200), ("add", 400), ("zeros_like", 400), ("ones", 12),
        ("_to_copy", 400), ("_to_copy", 200), ("_to_copy", 200)]


def test_a_batch_of_a_data_loader() -> None:
    data = torch.utils.data.TensorDataset(torch.arange(40).view(4, 10))

    def run() -> None:
        for (batch,) in torch.utils.data.DataLoader(data, batch_size=2, pin_memory=True,
                                                     num_workers=2):
            assert batch.sum().item() in (190, 590)  # numbers of the host are real
            assert batch.to("cuda", non_blocking=True).is_cuda

    recording = on_gpu(run)
    assert made(recording) == [("_to_copy", 160)] * 2
    assert {tensor.role for tensor in recording.tensors} == {Role.INPUT}


def test_a_real_model_is_moved_and_comes_back() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8))
    weight, before = model[0].weight, {name: id(one) for name, one in model.named_parameters()}

    def run() -> None:
        model.to("cuda")
        assert model[0].weight.is_cuda
        model(torch.ones(4, 8, device="cuda")).sum().backward()

    recording = on_gpu(run)
    assert recording.bytes_of(Role.PARAMETER) == 4 * (64 + 8 + 16)
    assert {name: id(one) for name, one in model.named_parameters()} == before
    assert model[0].weight is weight and weight.grad is None
    assert not isinstance(model[1].running_mean, FakeTensor)


def test_a_model_that_is_there_already() -> None:
    model = torch.nn.Linear(8, 8)
    with step(model, gpu="l4") as recording:
        assert model.weight.is_cuda and model.weight.device.type == "cuda"
        model(torch.ones(4, 8, device="cuda")).sum().backward()
        assert model.weight.grad is not None and model.weight.grad.is_cuda
    assert recording.bytes_of(Role.PARAMETER, 1) == 4 * 72
    assert recording.bytes_of(Role.GRADIENT) == 4 * 72 and model.weight.grad is None


def test_torch_cuda_answers() -> None:
    def run() -> None:
        assert torch.cuda.is_available() and torch.cuda.device_count() == 1
        assert torch.cuda.get_device_capability() == (8, 0)
        before = torch.cuda.memory_allocated()
        held = torch.empty(1000, device="cuda")
        assert torch.cuda.memory_allocated() == before + 4096 and held.is_cuda
        free, total = torch.cuda.mem_get_info()
        assert 0 < free < total
        torch.cuda.synchronize()
        with torch.cuda.device(0), torch.cuda.stream(torch.cuda.Stream()):
            torch.cuda.nvtx.range_push("a")
        assert torch.accelerator.current_accelerator() == torch.device("cuda")

    on_gpu(run)


def _patched() -> list[object]:
    device: object = vars(FakeTensor)["device"]
    return [device, torch.utils.swap_tensors, torch.nn.Module._apply, torch.set_autocast_enabled,
            torch.nn.Module.zero_grad]


@pytest.mark.parametrize("is_failing", [False, True])
def test_everything_is_taken_back(is_failing: bool) -> None:
    names = ("is_available", "device_count", "memory_allocated", "Stream", "device")
    before = {name: getattr(torch.cuda, name) for name in names}
    others = _patched()

    def run() -> None:
        torch.ones(1, device="cuda")
        if is_failing:
            raise KeyError("of the step's own")

    if is_failing:
        with pytest.raises(KeyError, match="own"):
            on_gpu(run)
    else:
        on_gpu(run)
    assert {name: getattr(torch.cuda, name) for name in names} == before
    assert _patched() == others
    assert "is_cuda" not in vars(FakeTensor)
    assert float(torch.ones(2).sum()) == 2  # no mode is left


def test_a_read_is_named_with_its_line() -> None:
    def run() -> None:
        loss = torch.ones(3, device="cuda").sum()
        if loss.item() > 2:
            raise AssertionError

    with pytest.raises(ProbeError, match=r"test_virtual.py:\d+ reads the value .* give reads="):
        on_gpu(run)
    with step(gpu="h100", reads=1.0):
        run()
    line = run.__code__.co_firstlineno + 2
    with step(gpu="h100", reads={f"test_virtual.py:{line}": 1.0}):
        run()
    with step(gpu="h100", reads=7):
        assert torch.ones(2, device="cuda").tolist() == [7, 7]


def test_weights_that_are_drawn_within_bounds_read_nothing_of_the_callers() -> None:
    """`trunc_normal_` asks whether anything lies out of its bounds: two masks, and their union."""
    with step(gpu="h100") as recording:
        weight = torch.empty(64, 32, device="cuda")
        torch.nn.init.trunc_normal_(weight, std=0.02, a=-0.06, b=0.06)
    sizes = [tensor.bytes for tensor in recording.tensors]
    assert sizes[0] == 64 * 32 * 4 and sizes.count(64 * 32) == 3


def test_a_shape_that_values_decide_is_named() -> None:
    with pytest.raises(ProbeError, match=r"test_virtual.py:\d+ runs aten::nonzero"):
        on_gpu(lambda: torch.ones(3, device="cuda").nonzero())


def test_what_is_no_gpu_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no GPU 'none'; give one of a100-40gb"):
        on_gpu(lambda: None, gpu="none")
    with pytest.raises(ProbeError, match="does not say its memory_bytes"):
        on_gpu(lambda: None, gpu={"name": "mine", "title": "Mine"})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="device is 'tpu'"):
        with step(device="tpu"):
            pass


def test_the_device_is_there_in_backward_too() -> None:
    found: list[bool] = []

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
            context.kept = x.detach()
            return x * 2

        @staticmethod
        def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore
            kept = context.kept
            found.extend((kept.to(gradient.device) is kept, kept.to("cuda") is kept,
                          torch.ones(2).is_cuda, torch.ones(2, device="cuda").is_cuda))
            return gradient

    def run() -> None:
        x = torch.ones(10, device="cuda", requires_grad=True)
        Function.apply(x).sum().backward()  # type: ignore[no-untyped-call]

    assert "_to_copy" not in [op for op, _ in made(on_gpu(run))]
    assert found == [True, True, False, True]


def test_another_pytorch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def assumptions() -> str:
        with step(gpu="h100") as recording:
            torch.ones(2, device="cuda")
        return " ".join(recording.assumptions)

    assert "rules" not in assumptions()
    monkeypatch.setitem(versions.CHECKED, "torch", "2.99.0")
    assert "are those of torch 2.99.0, and this is torch 2." in assumptions()
