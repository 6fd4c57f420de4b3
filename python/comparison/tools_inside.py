"""Tools that look into a model, and the models that they are given; see scripts/compare-tools."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from .tools_run import (
    CHECKPOINTING, KEPT, LORA, PEAK, RANK, RANKS, STATES, TRACED, WEIGHTS, Row, Run,
)

def torchinfo(run: Run) -> list[Row]:
    """The sum of all modules' results, of a forward pass on meta."""
    import torch

    ids = torch.zeros(1, run.tokens, dtype=torch.long, device="meta")
    said = importlib.import_module("torchinfo").summary(
        on_meta(run), input_data={"input_ids": ids}, device="meta", verbose=0)
    return [Row(WEIGHTS, said.total_param_bytes, "the tied embedding twice"),
            Row(KEPT, said.total_output_bytes, "'Forward/backward pass size'")]


def torchsummary(run: Run) -> list[Row]:
    """torchsummary makes float32 inputs, which an embedding does not take."""
    ask = importlib.import_module("torchsummary").summary
    try:
        ask(on_meta(run), (run.tokens,), batch_size=1, device="cpu")
    except Exception as error:
        return [Row(KEPT, None, f"ends with {type(error).__name__}: {str(error)[:90]}")]
    return [Row(KEPT, None, "ran")]


def torchlens(run: Run) -> list[Row]:
    """A traced forward pass, which really runs: at 128 tokens, for it takes no tensors on meta."""
    import torch
    from transformers import AutoModelForCausalLM

    lens = importlib.import_module("torchlens")
    model = AutoModelForCausalLM.fromconfiguration(configuration(run), dtype=torch.bfloat16)
    ids = torch.zeros(1, TRACED, dtype=torch.long)
    trace = lens.trace(model, None, input_kwargs={"input_ids": ids, "labels": ids})
    return [Row(WEIGHTS, int(trace.total_param_memory), ""),
            Row(KEPT, int(trace.total_autograd_memory),
                f"total_autograd_memory, of {TRACED} tokens", TRACED),
            Row("all results of ops", int(trace.total_activation_memory),
                f"{trace.num_ops} ops, of {TRACED} tokens", TRACED)]


def memtracker(run: Run) -> list[Row]:
    """PyTorch's MemTracker under fake tensors, two steps each."""
    from torch.distributed._tools.mem_tracker import MemTracker

    rows: list[Row] = []
    for question in (PEAK, CHECKPOINTING, LORA):
        with _fake(run, lora=question == LORA) as (model, batch):
            if question == CHECKPOINTING:
                model.gradient_checkpointing_enable()
            optimizer = _adamw(model)
            tracker = MemTracker()
            tracker.track_external(model, optimizer, *batch.values())
            try:
                peak = _two_steps(tracker, model, optimizer, batch)
            except RuntimeError as error:  # it hooks the gradients of frozen weights too
                rows.append(Row(question, None, f"ends with: {error}"))
                continue
        if question == PEAK:
            rows += [Row(STATES, 2 * peak["Parameter"] + peak["Optstate"],
                         "gradients counted as the weights"),
                     Row(KEPT, peak["Activation"], "'Activation' at the peak")]
        rows.append(Row(question, peak["Total"], "as CPU's kernels"))
    return rows


def fsdp2(run: Run) -> list[Row]:
    """PyTorch's FSDPMemTracker, as torchtitan's estimation script used it, of 8 pretended ranks."""
    import torch.distributed as group
    from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.testing._internal.distributed.fake_pg import FakeStore

    group.init_process_group("fake", rank=0, world_size=RANKS, store=FakeStore())
    mesh = init_device_mesh("cpu", (RANKS,))
    with _fake(run) as (model, batch):
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        optimizer = _adamw(model)
        tracker = FSDPMemTracker(model, optimizer)
        tracker.track_inputs(tuple(batch.values()))
        peak = _two_steps(tracker, model, optimizer, batch)
    return [Row(RANK, peak["Total"], "as CPU's kernels")]


# Models


ON_HUB = {"llama-3.2-1b": "meta-llama/Llama-3.2-1B", "llama-3.1-8b": "meta-llama/Llama-3.1-8B",
           "qwen2.5-0.5b": "Qwen/Qwen2.5-0.5B", "qwen2.5-7b": "Qwen/Qwen2.5-7B"}


def configuration(run: Run) -> Any:
    """The model's configuration, as transformers has it."""
    from ballast_probe.configuration import make_configuration, read_configuration

    return make_configuration(read_configuration(run.model)[1], layers=None, dropout=None)


def on_meta(run: Run) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.fromconfiguration(configuration(run), dtype=torch.bfloat16)
    model.tie_weights()
    return model


@contextlib.contextmanager
def _fake(run: Run, lora: bool = False) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A model made on meta, whose parameters are fake tensors of a CPU."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    model = _with_adapter(on_meta(run)) if lora else on_meta(run)
    with FakeTensorMode():
        made: dict[int, Any] = {}
        for module in model.modules():
            for name, one in module.named_parameters(recurse=False, remove_duplicate=False):
                if id(one) not in made:
                    made[id(one)] = torch.nn.Parameter(
                        torch.empty(one.shape, dtype=one.dtype), one.requires_grad)
                setattr(module, name, made[id(one)])
            for name, one in module.named_buffers(recurse=False):
                setattr(module, name, torch.empty(one.shape, dtype=one.dtype))
        ids = torch.zeros(1, run.tokens, dtype=torch.long)
        yield model.train(), {"input_ids": ids, "labels": torch.zeros_like(ids)}


def _with_adapter(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(model, LoraConfig(
        r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))


def _adamw(model: Any) -> Any:
    import torch

    return torch.optim.AdamW([one for one in model.parameters() if one.requires_grad],
                             foreach=True)


def _two_steps(tracker: Any, model: Any, optimizer: Any, batch: dict[str, Any]) -> dict[str, int]:
    import torch

    with tracker:
        for step in range(2):
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
            optimizer.step()
            optimizer.zero_grad()
            if step == 0:
                tracker.reset_mod_stats()
    (peak,) = tracker.get_tracker_snapshot("peak").values()
    return {str(getattr(kind, "value", kind)): count for kind, count in peak.items()}
