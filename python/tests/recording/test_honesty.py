"""A user's own step: what would be recorded wrongly is recorded rightly, said, or refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from ballast_probe import ProbeError, UsageError
from ballast_probe.recording import Role, step

PARAMETERS = 4 * (256 * 512 + 512 * 10)  # float32


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(256, 512, bias=False), nn.ReLU(), nn.Linear(512, 10, bias=False))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 1,
          device: str = "cuda") -> None:
    for _ in range(steps):
        model(torch.ones(64, 256, device=device)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_a_step_that_runs_on_the_host_is_an_error() -> None:
    """It has been computed then, so the sentence says so."""
    model = net()
    with pytest.raises(ProbeError, match="on the GPU: the step ran on the host, for real"):
        with step():
            train(model, torch.optim.SGD(model.parameters()), device="cpu")


def test_an_optimizer_of_before_the_move_is_refused() -> None:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(ProbeError, match="made before its model was moved"):
        with step():
            train(model.cuda(), optimizer)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))


def test_states_and_gradients_of_before_count_and_stay_as_they_are() -> None:
    """An optimizer that has run, and a pass whose gradients stand."""
    model = net()
    optimizer = torch.optim.AdamW(model.parameters())
    train(model, optimizer, device="cpu")
    model(torch.ones(64, 256)).square().mean().backward()
    state = copy.deepcopy(optimizer.state_dict()["state"])
    gradients = [parameter.grad.clone() for parameter in model.parameters()
                 if parameter.grad is not None]
    with step(model) as recording:
        train(model, optimizer, steps=2)
    assert recording.most_bytes_of(Role.OPTIMIZER_STATE) == 2 * PARAMETERS
    assert recording.most_bytes_of(Role.GRADIENT) == PARAMETERS
    first = [tensor.bytes for tensor in recording.tensors if not tensor.op]
    assert sum(first) == 4 * PARAMETERS  # parameters, gradients, two moments
    for number, values in optimizer.state_dict()["state"].items():
        assert all(torch.equal(value, state[number][name]) for name, value in values.items())
    assert [parameter.grad for parameter in model.parameters()] != [None, None]
    assert all(torch.equal(a.grad, b) for a, b in zip(model.parameters(), gradients)
               if a.grad is not None)


@pytest.mark.parametrize("run", [
    lambda: torch.ones(3, device="cuda") + torch.ones(3),
    lambda: net()(torch.ones(64, 256, device="cuda")),
    lambda: functional.cross_entropy(torch.ones(4, 7, device="cuda"), torch.zeros(4).long()),
])
def test_tensors_of_two_devices_are_refused(run: Callable[[], object]) -> None:
    with pytest.raises(ProbeError, match=r"honesty.py:\d+ gives aten::.* of the GPU and of"):
        with step():
            run()


def test_what_may_come_from_the_host_does() -> None:
    with step() as recording:
        table = torch.ones(10, 4, device="cuda")
        table[torch.zeros(3).long()] += torch.tensor(2.0)
        table.copy_(torch.ones(10, 4))
        table.mul_(torch.tensor(3.0))
    assert recording.tensors


def test_one_gpu_is_there() -> None:
    for run in (lambda: torch.ones(2, device="cuda:1"), lambda: torch.ones(2).to("xpu"),
                lambda: torch.cuda.set_device(3), lambda: net().to(2)):
        with pytest.raises(ProbeError, match="one GPU, cuda:0"):
            with step():
                run()
    with step() as recording:
        net().to(0)
        torch.ones(2, device=0)
    assert sum(tensor.bytes for tensor in recording.tensors) == PARAMETERS + 8


def test_blocks_do_not_nest() -> None:
    with step():
        with pytest.raises(UsageError, match="being recorded already"):
            with step():
                pass


def test_an_error_in_the_block_is_said() -> None:
    with pytest.raises(KeyError):
        with step() as recording:
            torch.ones(2, device="cuda")
            raise KeyError
    assert "the step ended in KeyError" in " ".join(recording.assumptions)


def test_what_is_not_followed_is_said_or_refused() -> None:
    with step() as recording:
        nn.LSTM(8, 8, device="cuda")(torch.ones(2, 3, 8, device="cuda"))
        torch.compile(net())
    said = " ".join(recording.assumptions)
    assert "nn.LSTM runs cuDNN's kernel" in said and "torch.compile is not followed" in said
    with pytest.raises(ProbeError, match="nn.DataParallel splits"):
        with step():
            nn.DataParallel(net().cuda())(torch.ones(4, 256, device="cuda"))
    with pytest.raises(ProbeError, match="CUDAGraph takes its memory"):
        with step():
            torch.cuda.CUDAGraph()


def test_a_model_is_copied_saved_and_logged(tmp_path: Path) -> None:
    """An average of weights, a checkpoint, and the commonest line of a log."""
    with step(reads=0.5) as recording:
        model = net().cuda()
        average = copy.deepcopy(model)
        torch.save(average.state_dict(), tmp_path / "model.pt")
        loss = model(torch.ones(64, 256, device="cuda")).mean()
        assert f"{loss:.3f} {loss:>6.1f}" == "0.500    0.5"
        nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2), 2)
    weights = [tensor.bytes for tensor in recording.tensors if tensor.shape == (512, 256)]
    assert weights == [4 * 512 * 256] * 2 and not list(tmp_path.iterdir())
    assert "nothing is saved" in " ".join(recording.assumptions)
    with pytest.raises(ProbeError, match=r"test_honesty.py:\d+ reads the value"):
        with step():
            f"{torch.ones((), device='cuda'):.2f}"


@pytest.mark.parametrize("device_map", [None, "cuda", "auto", {"": 0}])
def test_a_model_is_read_from_files(device_map: object, tmp_path: Path) -> None:
    """transformers reads them in threads, and names GPUs by numbers."""
    transformers = pytest.importorskip("transformers")
    configuration = transformers.GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=50)
    transformers.GPT2LMHeadModel(configuration).save_pretrained(tmp_path)
    with step() as recording:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            tmp_path, dtype=torch.bfloat16, device_map=device_map).to("cuda")
        tokens = torch.zeros(1, 8, dtype=torch.long, device="cuda")
        model(input_ids=tokens, labels=tokens).loss.backward()
        count = sum(parameter.numel() for parameter in model.parameters())
    for role in (Role.PARAMETER, Role.GRADIENT):
        assert recording.most_bytes_of(role) == 2 * count


def test_peaks_can_be_reset() -> None:
    with step(gpu="l4"):
        x = torch.ones(1 << 20, device="cuda")
        del x
        torch.cuda.reset_peak_memory_stats()
        assert torch.cuda.max_memory_allocated() == 0
        x = torch.ones(1 << 40, device="cuda")
        assert torch.cuda.mem_get_info()[0] == 0
        statistics = torch.cuda.memory_stats()
        assert statistics["reserved_bytes.all.peak"] == 1 << 42 and statistics["num_ooms"] == 0


def test_plain_attention_makes_its_causal_mask_on_the_gpu() -> None:
    """As a CPU makes it: what PyTorch's own formula allocates is of the same sizes."""
    def sizes(device: str) -> list[int]:
        with step(device=device, attention="math") as recording:
            q = torch.ones(1, 2, 24, 16, device=device)
            if device == "cuda":
                functional.scaled_dot_product_attention(q, q, q, is_causal=True)
            else:
                torch.ops.aten._scaled_dot_product_attention_math(q, q, q, None, 0.0, True)
        return sorted(tensor.bytes for tensor in recording.tensors
                      if tensor.role is not Role.WORKSPACE)

    found = sizes("cuda")
    assert found == sizes("cpu") and found.count(24 * 24) == 2  # all ones, and below the diagonal


def test_a_kernel_that_cannot_serve_is_refused_as_a_gpu_does() -> None:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    for dtype, is_there in ((torch.bfloat16, True), (torch.float32, False)):
        with step() as recording:
            q = torch.ones(1, 2, 24, 64, device="cuda", dtype=dtype)
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                if is_there:
                    functional.scaled_dot_product_attention(q, q, q)
                else:
                    with pytest.raises(ProbeError, match=r"py:\d+ leaves no kernel of attention"):
                        functional.scaled_dot_product_attention(q, q, q)
        assert ("flash" in " ".join(recording.assumptions)) == is_there
