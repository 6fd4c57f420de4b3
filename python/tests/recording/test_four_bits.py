"""Bases of 4 bits, by bitsandbytes' own modules; left out where it is not installed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ballast_probe.recording import Recording, Role, step
from ballast_probe.recording.trainer import Training, record_training

from conftest import made

pytest.importorskip("peft")
bits: Any = pytest.importorskip("bitsandbytes")

_CONFIGURATION = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 256,
    "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 300, "dtype": "bfloat16"}
_LAYER = [(256, 256), (128, 256), (128, 256), (256, 256), (512, 256), (512, 256), (256, 512)]


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record_training(_CONFIGURATION, Training(
        n_c=0, n_g=2000, lora="r=4,alpha=8,targets=all-linear", base="4bit", gpu="a100-80gb",
        steps=1))


def test_weights_are_packed(recording: Recording) -> None:
    packed = [one.bytes for one in recording.tensors if one.op == "bitsandbytes::quantize_4bit"
              and one.dtype == "uint8"]
    assert packed == [rows * columns // 2 for rows, columns in _LAYER] * 2
    scales = [(one.dtype, one.bytes) for one in recording.tensors
              if one.op == "bitsandbytes::quantize_blockwise"]
    expected = [(kind, size) for rows, columns in _LAYER for kind, size in (
        ("uint8", rows * columns // 64), ("float32", 4 * -(-rows * columns // 64 // 256)))]
    assert scales == expected * 2


def test_they_are_written_out_for_each_product(recording: Recording) -> None:
    op = "bitsandbytes::gemm_4bit"
    first = [one.bytes for one in recording.tensors if one.op == op][:4]
    scales = 4 * 256 * 256 // 64
    assert first == [scales, scales, 256 * 256 * 2, 2000 * 256 * 2]
    kinds = {one.role for one in recording.tensors if one.op == op}
    assert Role.TEMPORARY in kinds
    # And again in backward, but where nothing behind is trained: the first layer's q, k and v.
    again = [one.bytes for one in recording.tensors if one.op == "bitsandbytes::dequantize_4bit"]
    assert sorted(again) == sorted(rows * columns * 2 for rows, columns in _LAYER + _LAYER[3:])
    assert all(one.node.endswith("MatMul4BitBackward") for one in recording.tensors
               if one.op == "bitsandbytes::dequantize_4bit")
    assert not recording.not_modelled


def test_few_rows_may_be_one_kernel() -> None:
    def run(rows: int) -> Recording:
        with step(gpu="h100") as recording:
            layer = bits.nn.Linear4bit(256, 512, bias=False, compute_dtype=torch.bfloat16,
                                       quant_type="nf4").to("cuda")
            x = torch.ones(rows, 256, device="cuda", dtype=torch.bfloat16, requires_grad=True)
            layer(x).sum().backward()
        return recording

    assert run(64).not_modelled == {"bitsandbytes::gemm_4bit": 1}
    many = run(2000)
    assert not many.not_modelled
    assert ("bitsandbytes::gemm_4bit", 256 * 512 * 2) in made(many)
    assert "_to_copy" not in [one.op for one in many.tensors if one.node]
