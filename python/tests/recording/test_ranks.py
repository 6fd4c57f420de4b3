"""Several ranks: what one holds by closed forms, what is refused, and that all is taken back."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard

from ballast_probe import ProbeError, UsageError, cli
from ballast_probe.recording import Recording, Role, processes, reserved, step, writing
from ballast_probe.recording.trainer import Training, record_training

SMALL = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 211}
WORDS = ["record", "--model-type", "llama", "--n-c", "1", "--n-g", "8", "--steps", "1",
         *(word for name, value in SMALL.items() if name != "model_type"
           for word in ("--set", f"{name}={value}"))]
# Rows and columns: attention, the rest of a layer, its two norms; then what is in no layer.
LAYER = [(64, 64), (32, 64), (32, 64), (64, 64), (96, 64), (96, 64), (64, 96), (64, 1), (64, 1)]
OUTSIDE = [(211, 64), (211, 64), (64, 1)]
LORA = "r=4,alpha=8,targets=all-linear"


def recorded(ranks: int, **more: object) -> Recording:
    return record_training(SMALL, Training(
        n_c=12, n_g=12, ranks=ranks, steps=1, clip=None, **more))  # type: ignore[arg-type]


def shard(shapes: list[tuple[int, int]], ranks: int) -> int:
    """Elements of one rank's part: whole rows, as many as the first rank has."""
    return sum(math.ceil(rows / ranks) * columns for rows, columns in shapes)


def taken(recording: Recording, role: Role, op: str) -> set[int]:
    return {tensor.bytes for tensor in recording.tensors if (tensor.role, tensor.op) == (role, op)}


@pytest.mark.parametrize("ranks", [8, 5])
def test_a_rank_of_fsdp2_holds_its_part(ranks: int) -> None:
    recording = recorded(ranks, autocast="bf16")
    layer, outside = shard(LAYER, ranks), shard(OUTSIDE, ranks)
    last = len(recording.events) - 1
    assert recording.bytes_of(Role.PARAMETER, last) == 4 * (2 * layer + outside)
    assert recording.bytes_of(Role.OPTIMIZER_STATE, last) == 8 * (2 * layer + outside)
    assert taken(recording, Role.GRADIENT, "aten::empty") == {4 * layer, 4 * outside}
    buffers = taken(recording, Role.COLLECTIVE, "aten::empty")
    for part in (layer, outside):
        # A rank's part in half precision, all parts of it, and a float32 gradient, padded.
        assert {2 * part, 2 * ranks * part, 4 * ranks * part} <= buffers
    whole = {2 * ranks * shard([shape], ranks) for shape in LAYER}  # again, in backward
    assert taken(recording, Role.COLLECTIVE, "storage::resize_") == whole
    queues = {tensor.queue for tensor in recording.tensors if tensor.role is Role.GRADIENT}
    assert len(queues) == 1 and 0 not in queues  # made in the stream of reductions
    assert any("MixedPrecisionPolicy(param_dtype=torch.bfloat16" in sentence
               for sentence in recording.assumptions)


def test_passes_before_the_last_keep_gradients_whole() -> None:
    recording = recorded(8, accumulate=2)
    elements = sum(rows * columns for rows, columns in [*LAYER, *LAYER, *OUTSIDE])
    boundary = recording.stream.boundaries[1] - 1
    held = sum(tensor.bytes for tensor in recording.stream.standing(boundary)
               if tensor.role in (Role.GRADIENT, Role.BACKWARD))
    assert held == 4 * elements
    assert "so that they are whole until then" in " ".join(recording.assumptions)


@pytest.mark.parametrize("more", [
    {"recompute": "layer-reentrant"}, {"lora": LORA, "dtype": "bfloat16", "recompute": "layer"},
    {"parallel": "ddp", "recompute": "layer", "accumulate": 2},
])
def test_every_kind_of_step_on_several_ranks(more: dict[str, object]) -> None:
    if "lora" in more:
        pytest.importorskip("peft")
    recording = recorded(4, layers=1, **more)
    last = len(recording.events) - 1
    alive = {tensor.role for tensor in recording.stream.standing(last)}
    assert not alive & {Role.ACTIVATION, Role.BACKWARD, Role.TEMPORARY, Role.GRADIENT}
    assert recording.bytes_of(Role.OPTIMIZER_STATE, last) > 0
    buckets = recording.bytes_of(Role.COLLECTIVE, last)
    assert (buckets > 0) == (more.get("parallel") == "ddp")
    assert any(tensor.module.startswith("model.layers.0") or ".layers.0." in tensor.module
               for tensor in recording.tensors)


@pytest.mark.parametrize("words, sentence, status", [
    (["--ranks", "0"], "--ranks is 0 and must be from 1 to 4096", 64),
    (["--ranks", "-8"], "--ranks", 64),
    (["--ranks", "x"], "--ranks", 64),
    (["--ranks", "8192"], "--ranks is 8192", 64),
    (["--ranks", "8", "--gpu", "cpu"], "--ranks is about GPUs, and --gpu is cpu", 64),
    (["--ranks", "8", "--parallel", "zero3"], "--parallel is 'zero3' and must be one of", 64),
    (["--parallel", "ddp"], "give --ranks of 2 or more", 64),
])
def test_what_cannot_be_is_a_sentence(words: list[str], sentence: str, status: int,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*WORDS, *words]) == status
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and "Traceback" not in error


def test_the_file_names_ranks_and_streams(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reserved, "program", lambda: None)
    assert cli.main([*WORDS, "--ranks", "8", "--layers", "1", "--output", str(tmp_path)]) == 0
    assert "exchanged by ranks" in capsys.readouterr().out
    values = writing.read(tmp_path / writing.NAME)
    assert (values["ranks"], values["rank"]) == (8, 0)
    assert set(values["tensors"]["stream"]) == {0, 1, 3}  # the collective itself allocates nothing
    assert "stream" not in recorded(8, layers=1, parallel="ddp").values()["tensors"]


def test_a_step_of_ones_own() -> None:
    before = dict(os.environ)

    def run() -> None:
        dist.init_process_group("nccl")
        assert (dist.get_rank(), dist.get_world_size()) == (0, 4)
        assert os.environ["WORLD_SIZE"] == "4" and os.environ["LOCAL_RANK"] == "0"
        model = nn.parallel.DistributedDataParallel(nn.Linear(8, 8).to("cuda"), device_ids=[0])
        model(torch.ones(2, 8, device="cuda")).sum().backward()
        total = torch.ones(3, device="cuda")
        dist.all_reduce(total)
        assert total.is_cuda
        dist.destroy_process_group()

    with step(gpu="h100", ranks=4) as recording:
        run()
    assert [tensor.shape for tensor in recording.tensors if tensor.role is Role.COLLECTIVE] \
        == [(72,), (72,), (3,)]  # weights that are sent to all, their gradients, the total
    assert not dist.is_initialized() and dict(os.environ) == before


def test_shards_of_a_model_that_was_made_without_memory() -> None:
    """As PyTorch's example has it: on `meta`, sharded by default, and then put on the GPU."""
    with step(gpu="h100", ranks=8) as recording:
        with torch.device("meta"):
            model = nn.Sequential(nn.Linear(24, 50), nn.Linear(50, 24, bias=False))
        assert model[0].weight.is_meta and model[0].weight.device.type == "meta"
        assert nn.Linear(2, 2).to("meta").weight.is_meta
        for part in (*model, model):
            fully_shard(part)
        assert model[0].weight.is_meta
        model.to_empty(device="cuda")
        assert model[0].weight.is_cuda and not model[0].weight.is_meta
        model(torch.ones(2, 24, device="cuda")).sum().backward()
    part = [7 * 24, 7, 3 * 50]
    last = len(recording.events) - 1
    assert recording.bytes_of(Role.PARAMETER, last) == 4 * sum(part)
    assert recording.bytes_of(Role.GRADIENT, last) == 4 * sum(part)
    whole = taken(recording, Role.COLLECTIVE, "aten::empty")
    assert {8 * 4 * (part[0] + part[1]), 8 * 4 * part[2]} <= whole


def test_what_a_step_may_not_do_is_named() -> None:
    for ranks in (0, True, 1.5, "8"):
        with pytest.raises(UsageError, match="must be from 1 to 4096"):
            with step(ranks=ranks):  # type: ignore[arg-type]
                pass
    with pytest.raises(ProbeError, match="as rank 1 of 2, and rank 0 of 4 is recorded"):
        with step(ranks=4):
            dist.init_process_group("nccl", rank=1, world_size=2)
    with pytest.raises(ProbeError, match="a hook of the step's own"):
        with step(ranks=4):
            model = nn.parallel.DistributedDataParallel(nn.Linear(8, 8).to("cuda"))
            model.register_comm_hook(None, lambda *_: None)  # type: ignore[arg-type]
    with pytest.raises(ProbeError, match="shard the model with fully_shard"):
        with step(ranks=2):
            FullyShardedDataParallel(nn.Linear(8, 8).to("cuda"))
    with step(ranks=2) as recording:
        torch.ones(2, device="cuda").record_stream(torch.cuda.Stream())
    assert recording.not_modelled == {"aten::record_stream": 1}
    with processes.process_group(2):
        with pytest.raises(UsageError, match="a process group is there already"):
            with step(ranks=2):
                pass
    with step():
        with pytest.raises(UsageError, match="a step is being recorded already"):
            with step():
                pass
    assert not dist.is_initialized()


def test_transformers_trainer_shards_as_accelerate_does(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    rows = [{"input_ids": torch.zeros(16, dtype=torch.long),
             "labels": torch.zeros(16, dtype=torch.long)}] * 8
    with step(gpu="h100", ranks=8) as recording:
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL))
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=1, report_to=[],
            save_strategy="no", optim="adamw_torch", disable_tqdm=True, fsdp="full_shard auto_wrap",
            fsdp_config={"fsdp_version": 2,
                         "transformer_layer_cls_to_wrap": ["LlamaDecoderLayer"]})
        transformers.Trainer(model=model, args=arguments, train_dataset=rows).train()
    part = 2 * shard(LAYER, 8) + shard(OUTSIDE, 8)
    assert max_of(recording, Role.PARAMETER) == 4 * part  # gradients and both moments of each
    assert max_of(recording, Role.GRADIENT) == 4 * part
    assert max_of(recording, Role.OPTIMIZER_STATE) == 8 * part


def max_of(recording: Recording, role: Role) -> int:
    """The most bytes of a role that are alive when backward or the last event ends."""
    ends = [*(span.first_event - 1 for span in recording.stream.spans[1:]),
            len(recording.events) - 1]
    return max(recording.bytes_of(role, end) for end in ends)
