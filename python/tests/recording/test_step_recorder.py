"""The stream: what it says of each tensor, its phases, its peak and its file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch

from ballast_probe import Layout, ProbeError
from ballast_probe.recording import Phase, Recording, Role, Stream, step, writing
from ballast_probe.recording.stream import exactly, to_blocks

from conftest import made, on_cpu, on_gpu


def _train(device: str = "cpu", steps: int = 2) -> Recording:
    model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
    with step(device=device, layout=Layout(6, 4)) as recording:
        model.to(device)
        optimizer = torch.optim.AdamW(model.parameters())
        for _ in range(steps):
            loss = model(torch.ones(10, 16, device=device)).square().mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    return recording


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_phases_and_roles(device: str) -> None:
    recording = _train(device)
    spans = recording.stream.spans
    wanted = [Phase.FORWARD, Phase.LOSS, Phase.BACKWARD, Phase.CLIP, Phase.OPTIMIZER, Phase.ZERO]
    for number in (0, 1):
        phases = [span.phase for span in spans if span.step == number]
        assert [phase for phase in phases if phase in wanted] == wanted
    assert [span.first_event for span in spans] == sorted(span.first_event for span in spans)
    assert spans[0].phase is Phase.MODEL and spans[0].first_event == 0
    weights = 4 * (16 * 32 + 32 + 32 * 4 + 4)
    last = len(recording.events) - 1
    assert recording.bytes_of(Role.PARAMETER, last) == weights
    assert recording.bytes_of(Role.GRADIENT, last) == 0
    states = 2 * weights + (16 if device == "cpu" else 0)  # a CPU's counts of steps are tensors too
    assert recording.bytes_of(Role.OPTIMIZER_STATE, last) == states
    boundary = recording.stream.boundaries[1] - 1
    kept = [tensor for tensor in recording.stream.standing(boundary) if tensor.is_kept]
    assert {tensor.node for tensor in kept if tensor.role is Role.ACTIVATION} == {
        "AddmmBackward0.mat1", "PowBackward0.self"}
    for role in (Role.PARAMETER, Role.GRADIENT):
        assert {tensor.module for tensor in recording.tensors if tensor.role is role} == {"0", "2"}


def test_every_event_is_of_a_tensor_that_is_alive() -> None:
    recording = _train("cuda")
    alive: set[int] = set()
    for event in recording.events:
        if event >= 0:
            assert event not in alive
            alive.add(event)
        else:
            alive.remove(-event - 1)
    assert sorted(event for event in recording.events if event >= 0) \
        == list(range(len(recording.tensors)))
    assert recording.peak.bytes == max(recording.stream.totals())
    assert sum(to_blocks(tensor.bytes) for tensor in recording.peak.standing) \
        == recording.peak.bytes


def test_a_stream_settles_what_was_there_before() -> None:
    stream = Stream(exactly)
    first = stream.allocate(10, op="a")
    nothing = stream.allocate(0, op="b")
    stream.begin(Phase.FORWARD)
    before = stream.discover(100)
    stream.release(first)
    stream.release(nothing)
    stream.mark_boundary()
    stream.release(before)
    stream.settle()
    assert [tensor.bytes for tensor in stream.tensors] == [100, 10]
    assert stream.events == [0, 1, -2, -1] and stream.boundaries == [3]
    assert stream.span_of(1).phase is Phase.MODEL and stream.span_of(2).phase is Phase.FORWARD
    assert list(stream.totals()) == [100, 110, 100, 0] and stream.peak().bytes == 110


def test_views_are_one_tensor_and_what_is_resized_is_two() -> None:
    def run() -> None:
        x = torch.ones(4, 4)
        y = x.view(16)[3:].t().unsqueeze(0)
        torch.add(x, x, out=(made_larger := torch.empty(0)))
        assert made_larger.shape == (4, 4) and y is not None

    assert made(on_cpu(run)) == [("ones", 64), ("add", 64)]


@pytest.mark.parametrize("is_reentrant", [False, True])
def test_checkpoints_keep_their_arguments_and_run_again(is_reentrant: bool) -> None:
    from torch.utils.checkpoint import checkpoint

    layer = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.GELU())
    x = torch.ones(4, 8, requires_grad=True)

    def run() -> None:
        y = checkpoint(layer, x * 2, use_reentrant=is_reentrant)
        (y.square().sum()).backward()

    recording = on_cpu(run)
    twice = [tensor for tensor in recording.tensors if tensor.op == "aten::addmm"]
    assert [tensor.module for tensor in twice] == ["0", "0"]
    gelus = [tensor for tensor in recording.tensors if tensor.op == "aten::gelu"]
    assert len(gelus) == (2 if is_reentrant else 1)  # nobody needs it again
    kept = [tensor.op for tensor in recording.tensors if tensor.is_kept and tensor.op]
    assert "aten::mul" in kept and "aten::addmm" not in kept


def test_the_file(tmp_path: Path) -> None:
    recording = _train("cuda")
    path = recording.write(tmp_path)
    assert path.name == "recording.json.gz"
    assert writing.read(path) == json.loads(json.dumps(recording.values()))
    values = json.loads(gzip.decompress(path.read_bytes()))
    assert (values["format"], values["version"]) == ("ballast-recording", 1)
    tables, rows = values["tables"], values["tensors"]
    assert {len(column) for column in rows.values()} == {len(recording.tensors)}
    for column, table in (("op", "ops"), ("module", "modules"), ("node", "nodes"),
                          ("role", "roles"), ("dtype", "dtypes"), ("shape", "shapes"),
                          ("regions", "regions")):
        assert max(rows[column]) < len(tables[table])
    for size, region in zip(rows["bytes"], rows["regions"]):
        assert sum(tables["regions"][region]) == size and len(tables["regions"][region]) == 5
    assert tables["modules"][0] == tables["nodes"][0] == tables["dtypes"][0] == ""
    assert tables["shapes"][0] == [] and tables["roles"] == [str(role) for role in Role]
    assert values["gpu"]["name"] == "h100" and values["device"] == "cuda"
    assert any(tables["regions"][region][0] > 0 for region in rows["regions"])


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "recording.json.gz"
    for content, sentence in ((b"nonsense", "is no recording"),
                              (gzip.compress(b"{}"), "no recording of ballast-probe's"),
                              (gzip.compress(b'{"format": "ballast-recording", "version": 2}'),
                               "version 2")):
        path.write_bytes(content)
        with pytest.raises(ProbeError, match=sentence):
            writing.read(path)
    whole = _train("cpu", 1).write(path).read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ProbeError, match="is no recording"):
        writing.read(path)


def test_a_recording_is_final_at_the_end_of_its_block() -> None:
    with step(device="cpu") as recording:
        torch.ones(3)
        with pytest.raises(ProbeError, match="not final yet"):
            recording.tensors
    assert len(recording.tensors) == 1


def test_the_answer() -> None:
    text = _train("cuda").summary()
    for word in ("weights", "gradients", "optimizer's states", "retained for backward",
                 "peak allocated", "largest tensors at the peak", "has 78.60 GiB for PyTorch"):
        assert word in text
    tiny = {**(on_gpu(lambda: None, gpu="l4").gpu or {}), "memory_bytes": 300 << 20,
            "context_bytes": 250 << 20}
    with step(gpu=tiny) as recording:
        torch.empty(100 << 20, dtype=torch.uint8, device="cuda")
    assert "runs out of memory, 50.00 MiB short" in recording.summary()
