"""Why PyTorch keeps a tensor, by the node and the op."""

from __future__ import annotations

from studies.prefix_token import reason


def test_the_first_reason_that_fits() -> None:
    assert reason("input_layernorm", "PowBackward0.self").startswith("the norm's input")
    assert reason("mlp.down_proj", "MmBackward0.self") == "a projection's input, for its weight"
    assert reason("lm_head", "MmBackward0.self").startswith("the head's input")
    assert reason("self_attn", "ScaledDotProduct.key") == "keys"
    assert reason("mlp", "NobodyKnows") == ""
