"""Trainers of other libraries, run as they are. Those that are not installed are left out."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from ballast_probe import ProbeError
from ballast_probe.recording import Phase, step


def _configuration() -> Any:
    import transformers

    return transformers.LlamaConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=211, dtype="bfloat16")


def test_transformers_trainer(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    import transformers

    rows = [{"input_ids": list(range(32)), "labels": list(range(32)),
             "attention_mask": [1] * 32} for _ in range(8)]
    with step(gpu="a100-80gb") as recording:
        model = transformers.AutoModelForCausalLM.from_config(_configuration())
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path), per_device_train_batch_size=2, max_steps=2, report_to=[],
            save_strategy="no", disable_tqdm=True)
        transformers.Trainer(model=model, args=arguments, train_dataset=rows).train()
    assert len(recording.stream.boundaries) == 2
    assert {Phase.FORWARD, Phase.BACKWARD, Phase.CLIP, Phase.OPTIMIZER} <= {
        span.phase for span in recording.stream.spans}
    assert not recording.not_modelled


def test_triton_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class JITFunction:
        def __init__(self, fn: Any) -> None:
            self.fn = fn

        def run(self) -> None:
            raise AssertionError("it ran")

    def liger_cross_entropy_kernel() -> None: ...

    module: Any = types.ModuleType("triton.runtime.jit")
    module.JITFunction = JITFunction
    monkeypatch.setitem(sys.modules, "triton.runtime.jit", module)
    kernel = JITFunction(liger_cross_entropy_kernel)
    with pytest.raises(ProbeError, match="starts Triton's kernel liger_cross_entropy_kernel"):
        with step(gpu="h100"):
            kernel.run()
    with pytest.raises(AssertionError, match="it ran"):
        kernel.run()


def test_inference_mode_is_taken_apart_as_other_modes_are() -> None:
    def ops(mode: Any) -> list[str]:
        with step(gpu="a100-80gb") as recording:
            x = torch.ones(2, 4, 32, 16, device="cuda", dtype=torch.bfloat16)
            with mode():
                torch.nn.functional.scaled_dot_product_attention(x, x, x)
                torch.einsum("bhtd,bhsd->bhts", x, x)
        return [tensor.op for tensor in recording.tensors]

    assert ops(torch.inference_mode) == ops(torch.no_grad)
