"""transformers models: fake tensors against real ones, and counts made by hand."""

from __future__ import annotations

import time

import pytest
from conftest import CONFIGURATIONS, MULTIMODAL, multiset, todays

from ballast_probe import (
    PointOptions, ProbeError, Prober, RegionBytes, UsageError, probe_configuration,
)
from ballast_probe.configuration import make_subject, with_settings

UNKNOWN = ["gemma", "phi3", "mixtral", "gpt_neox", "olmo2", "granite", "qwen3_moe", "gemma3_text",
           "starcoder2", "deepseek_v3", "opt", "phi", "qwen2_moe", "falcon", "stablelm", "cohere",
           "glm", "smollm3", "deepseek_v2"]


@pytest.mark.parametrize(("family", "attention"), todays([
    (family, attention) for family in CONFIGURATIONS for attention in ("eager", "sdpa")]))
def test_fake_tensors_save_what_real_ones_do(family: str, attention: str) -> None:
    """In both modes, with dtypes in turn; the regions sum to the total, tensor by tensor."""
    dtypes = ("float32", "bfloat16") if attention == "eager" else ("bfloat16", "float32")
    for mode, dtype in zip(("full-graph", "detached-prefix"), dtypes):
        options = PointOptions(n_c=44, n_g=13, batch=2, attention=attention, mode=mode, dtype=dtype)
        fake = probe_configuration(CONFIGURATIONS[family], options)
        real = Prober(CONFIGURATIONS[family], PointOptions(**{**vars(options), "device": "cpu"}))
        step = real._model("cpu").step(PointOptions(**{**vars(options), "device": "cpu"}))
        assert multiset(fake.saved) == multiset(step.probe.saved), (mode, dtype)
        assert [one.node for one in fake.saved] == [one.node for one in step.probe.saved]
        assert step.loss is not None and step.loss > 0
        assert fake.options.device == "fake" and fake.notes == ()
        assert all(one.regions.total == one.storage_bytes for one in fake.saved)
        assert min(vars(fake.regions).values()) >= 0
        assert fake.regions.prefix > 0 and fake.regions.generated > 0


def test_ten_families_are_unknown_to_ballast() -> None:
    known = {"gpt2", "llama", "mistral", "qwen2", "qwen3"}
    assert len(set(UNKNOWN) - known) >= 10 and set(UNKNOWN) < set(CONFIGURATIONS)


def test_a_llama_by_hand() -> None:
    """Every saved byte of a float32 llama with fused attention, from the model's sizes."""
    b, c, g, layers, d, kv, f, h, v = 2, 44, 13, 2, 64, 32, 96, 4, 211
    n = b * (c + g)
    # A norm keeps its input, rstd, the normalised rows and, as the input of what follows, its
    # product; its casts to float32 are no other tensors here.
    norm = 3 * d + 1
    attention = d + kv + kv + d + h  # q, k, v, the output, and the log-sum-exp
    layer = 2 * norm + attention + 4 * f  # gate, its activation, up, and their product
    once = norm + v  # the last norm, and logarithms of probabilities
    rotary = 2 * (c + g) * 16  # cosines and sines, for all sequences and layers
    expected = 4 * (layers * layer * n + once * n + rotary) + 8 * n + 8 * n + 4  # ids and labels
    found = probe_configuration(CONFIGURATIONS["llama"], PointOptions(n_c=c, n_g=g, batch=b))
    assert found.retained_bytes == expected
    assert found.regions.shared == 4  # the weight of all labels
    assert found.regions.prefix * g == found.regions.generated * c
    assert found.regions.crossing == 0


def test_crossing_is_the_probabilities_of_generated_rows() -> None:
    found = probe_configuration(
        CONFIGURATIONS["llama"], PointOptions(n_c=44, n_g=13, batch=2, attention="eager"))
    assert found.regions.crossing == 2 * 2 * 4 * 13 * 44 * 4  # layers, batch, heads, rows, keys


@pytest.mark.parametrize("mode", ["full-graph", "detached-prefix"])
def test_sizes_that_coincide_do_not_matter(mode: str) -> None:
    """With 64 tokens an axis of 64 may be tokens or the width; other lengths tell."""
    def regions(n_c: int, n_g: int) -> RegionBytes:
        options = PointOptions(n_c=n_c, n_g=n_g, attention="eager", mode=mode)
        return probe_configuration(CONFIGURATIONS["llama"], options).regions

    at, before, after = regions(48, 16), regions(47, 16), regions(49, 16)
    for region in ("generated", "crossing", "shared"):
        values = [getattr(one, region) for one in (before, at, after)]
        assert values[1] * 2 == values[0] + values[2], region
    # The probabilities of prefix rows make the prefix quadratic.
    second = before.prefix - 2 * at.prefix + after.prefix
    assert second == (2 * 2 * 4 * 4 if mode == "full-graph" else 0)


def test_detached_prefix_keeps_keys_and_values_and_the_rows_that_stay() -> None:
    found = {keep: probe_configuration(
        CONFIGURATIONS["llama"],
        PointOptions(n_c=44, n_g=13, mode="detached-prefix", keep_prefix=keep, attention="eager"))
        for keep in (0, 1, 3, 44)}
    full = probe_configuration(CONFIGURATIONS["llama"],
                               PointOptions(n_c=44, n_g=13, attention="eager"))
    assert found[0].saved == found[1].saved
    assert found[44].saved == full.saved
    assert found[44].notes == found[3].notes == ()
    keys = [one for one in found[3].saved if one.node == "BmmBackward0.mat2"]
    assert len(keys) == 4 and all(57 in one.shape for one in keys)
    for one in keys:
        assert one.regions == RegionBytes(
            prefix=one.storage_bytes * 44 // 57, generated=one.storage_bytes * 13 // 57)
    norm = next(one for one in found[3].saved if one.node == "RsqrtBackward0.result")
    assert norm.regions == RegionBytes(prefix=3 * 4, generated=13 * 4)


def test_frozen_weights_need_no_inputs() -> None:
    options = PointOptions(n_c=44, n_g=13, trainable=r"q_proj")
    some = probe_configuration(CONFIGURATIONS["llama"], options)
    every = probe_configuration(CONFIGURATIONS["llama"], PointOptions(n_c=44, n_g=13))
    assert some.retained_bytes < every.retained_bytes
    assert not any(one.path == "model.layers.1.mlp.down_proj" for one in some.saved)
    assert any(one.path == "model.layers.0.self_attn.q_proj" for one in some.saved)
    assert some.gradient_bytes == 2 * 64 * 64 * 4
    assert some.parameter_bytes == every.parameter_bytes == every.gradient_bytes


def test_checkpointing_keeps_the_inputs_of_layers() -> None:
    options = PointOptions(n_c=44, n_g=13, recompute="layer", attention="eager")
    found = probe_configuration(CONFIGURATIONS["llama"], options)
    inside = [one for one in found.saved if one.layer is not None]
    assert [one.key for one in inside] == [((1, 57, 64), "float32", 57 * 64 * 4)] * 2
    # The mask, cosines and sines, and positions.
    assert found.held_by_checkpoint_bytes == 57 * 57 * 4 + 2 * 57 * 16 * 4 + 57 * 8
    real = probe_configuration(
        CONFIGURATIONS["llama"], PointOptions(**{**vars(options), "device": "cpu"}))
    assert multiset(real.saved) == multiset(found.saved)
    assert real.held_by_checkpoint_bytes == found.held_by_checkpoint_bytes


def test_dropout_saves_masks() -> None:
    def saved(device: str, dropout: float | None) -> object:
        return multiset(probe_configuration(CONFIGURATIONS["gpt2"], PointOptions(
            n_c=20, n_g=8, attention="eager", device=device, dropout=dropout)).saved)

    assert saved("fake", 0.1) == saved("cpu", 0.1) == saved("fake", None)
    assert saved("fake", 0.0) != saved("fake", 0.1)


def test_large_models_take_seconds() -> None:
    began = time.process_time()
    found = probe_configuration("llama-3.1-8b", PointOptions(n_c=7168, n_g=1024))
    assert time.process_time() - began < 60
    assert found.parameter_bytes == 16_060_522_496
    assert found.options.dtype == "bfloat16"
    assert found.retained_bytes == found.regions.total == 57_124_487_180
    assert found.regions.shared == 12


def test_what_cannot_be_is_refused() -> None:
    for options, sentence in (
        (PointOptions(n_c=-1, n_g=2), "n-c"), (PointOptions(n_c=1, n_g=0), "n-g"),
        (PointOptions(n_c=0, n_g=1), "no loss"),
        (PointOptions(n_c=1, n_g=1, mode="nonsense"), "full-graph"),
        (PointOptions(n_c=1, n_g=1, trainable="["), "regular expression"),
        (PointOptions(n_c=1, n_g=1, keep_prefix=1), "detached-prefix"),
        (PointOptions(n_c=9, n_g=1, mode="detached-prefix", recompute="layer"), "drops"),
        (PointOptions(n_c=16, n_g=1, mode="detached-prefix", keep_prefix=17), "more than"),
    ):
        with pytest.raises(UsageError, match=sentence):
            probe_configuration(CONFIGURATIONS["llama"], options)
    with pytest.raises(ProbeError, match="no parameter"):
        probe_configuration(CONFIGURATIONS["llama"],
                            PointOptions(n_c=4, n_g=4, trainable="nothing"))
    with pytest.raises(UsageError, match="the model has 2"):
        probe_configuration(CONFIGURATIONS["llama"], PointOptions(n_c=4, n_g=4, layers=3))


def test_the_first_layers_alone() -> None:
    for family in ("gpt2", "llama", "gemma3_text"):
        options = PointOptions(n_c=44, n_g=13, layers=1)
        found = probe_configuration(CONFIGURATIONS[family], options)
        assert found.sizes["layers"] == 1
        assert {one.layer for one in found.saved} == {None, 0}


@pytest.mark.parametrize("family", MULTIMODAL)
def test_of_a_multimodal_model_the_text_model_is_measured(family: str) -> None:
    """It keeps what the text model does that transformers has by itself, and a note says so."""
    values, text = MULTIMODAL[family]
    options = PointOptions(n_c=20, n_g=8)
    found = probe_configuration(values, options)
    assert found.options.dtype == "bfloat16"  # which stands outside of the text model's part
    assert any("what is measured is its text model" in note for note in found.notes)
    alone = probe_configuration({**text, "dtype": "bfloat16"}, options)
    assert multiset(found.saved) == multiset(alone.saved)
    assert found.regions == alone.regions and found.sizes == alone.sizes
    assert found.parameter_bytes == alone.parameter_bytes == found.gradient_bytes
    fewer = probe_configuration(values, PointOptions(n_c=20, n_g=8, layers=1))
    assert fewer.sizes["layers"] == 1 and fewer.retained_bytes < found.retained_bytes
    real = probe_configuration(values, PointOptions(n_c=20, n_g=8, device="cpu"))
    assert multiset(real.saved) == multiset(found.saved) and real.loss is not None


def test_settings_reach_the_text_model() -> None:
    values = MULTIMODAL["llava"][0]
    for name in ("num_hidden_layers", "text_config.num_hidden_layers"):
        assert with_settings(values, {name: 1})["text_config"]["num_hidden_layers"] == 1
    both = with_settings(values, {"text_config": {"hidden_size": 32}, "vocab_size": 99})
    assert both["text_config"] == {**values["text_config"], "hidden_size": 32, "vocab_size": 99}
    for name in ("text_config.num_hidden_layer", "vision_config.layers", "num_hidden_layer"):
        with pytest.raises(UsageError, match=name):
            with_settings(values, {name: 1})


@pytest.mark.parametrize("name", [
    "LlamaForSequenceClassification", "LlamaModel", "LlamaForTokenClassification",
    "LlamaForQuestionAnswering", "LlamaForCausalLMEagle3"])
def test_another_head_is_refused(name: str) -> None:
    values = {**CONFIGURATIONS["llama"], "architectures": [name]}
    with pytest.raises(ProbeError, match=f"of {name}.*--set architectures=null"):
        probe_configuration(values, PointOptions(n_c=4, n_g=4))
    for heads in (None, [], ["LlamaForCausalLM"], ["MyOwnForCausalLM"]):
        assert probe_configuration({**values, "architectures": heads},
                                   PointOptions(n_c=4, n_g=4)).retained_bytes > 0
    with pytest.raises(ProbeError, match="BartForConditionalGeneration"):
        probe_configuration(
            {"model_type": "bart", "architectures": ["BartForConditionalGeneration"]},
            PointOptions(n_c=4, n_g=4))


@pytest.mark.parametrize("family", ["gemma3", "llava", "qwen3_vl"])
def test_another_head_of_a_text_model_is_refused(family: str) -> None:
    """A part may be of a class without a head, as transformers writes it."""
    values, options = MULTIMODAL[family][0], PointOptions(n_c=4, n_g=4)

    def with_heads(*names: str) -> dict[str, object]:
        return {**values, "text_config": {**values["text_config"], "architectures": [*names]}}

    for name in ("LlamaForSequenceClassification", "Qwen3VLForTokenClassification"):
        with pytest.raises(ProbeError, match=f"text_config is of {name}.*"
                           "--set text_config.architectures=null measures"):
            probe_configuration(with_heads(name), options)
        allowed = with_settings(with_heads(name), {"text_config.architectures": None})
        assert probe_configuration(allowed, options).retained_bytes > 0
    for name in ("Qwen2_5_VLTextModel", "LlamaModel", "LlamaForCausalLM",
                 "Qwen2_5_VLForConditionalGeneration"):
        assert probe_configuration(with_heads(name), options).retained_bytes > 0
    inner = {**MULTIMODAL["llava"][1], "architectures": ["LlamaForQuestionAnswering"]}
    omni = {"model_type": "qwen2_5_omni", "thinker_config": {"text_config": inner}}
    with pytest.raises(ProbeError, match="thinker_config.text_config is of LlamaForQ") as caught:
        probe_configuration(omni, options)
    assert "--set" not in str(caught.value)  # which does not reach so far


def test_a_model_that_cannot_be_built_is_called_by_its_own_type() -> None:
    """Whatever type the file gives the part of it that is no model by itself."""
    with pytest.raises(ProbeError, match="type 'qwen2_5_omni'.*ballast_probe.record"):
        probe_configuration({"model_type": "qwen2_5_omni", "thinker_config": {
            "text_config": MULTIMODAL["qwen3_vl"][1]}}, PointOptions(n_c=4, n_g=4))


@pytest.mark.parametrize("quantization, words", [
    ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes, 4 bits"),
    ({"quant_method": "gptq", "bits": 3, "group_size": 128}, "gptq, 3 bits"),
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "(fp8)"),
])
def test_quantized_weights_are_said(quantization: dict[str, object], words: str) -> None:
    options = PointOptions(n_c=4, n_g=4, dtype="bfloat16")
    plain = probe_configuration(CONFIGURATIONS["llama"], options)
    found = probe_configuration(
        {**CONFIGURATIONS["llama"], "quantization_config": quantization}, options)
    assert found.retained_bytes == plain.retained_bytes and plain.notes == ()
    (note,) = found.notes
    assert words in note


@pytest.mark.parametrize("name", ["quantization_config", "compression_config"])
@pytest.mark.parametrize("family", ["gemma3", "llava", "qwen3_vl"])
def test_quantized_weights_of_a_text_model_are_said(family: str, name: str) -> None:
    """Once, also where the file says so in both places; and what is built is not quantized."""
    values, options = MULTIMODAL[family][0], PointOptions(n_c=4, n_g=4)
    quantized = {name: {"quant_method": "gptq", "bits": 3}}
    inside = {**values, "text_config": {**values["text_config"], **quantized}}
    plain = probe_configuration(values, options)
    for file in (inside, {**inside, **quantized}):
        found = probe_configuration(file, options)
        assert [note for note in found.notes if "gptq, 3 bits" in note] == [found.notes[0]]
        assert found.notes[1:] == plain.notes and found.retained_bytes == plain.retained_bytes
        assert not hasattr(make_subject(file, layers=None, dropout=None).text, name)


@pytest.mark.parametrize(("family", "targets", "dtype"), [
    *((family, targets, dtype) for dtype in ("float32", "bfloat16", "float16")
      for family, targets in (("llama", "q_proj+v_proj"), ("llama", "all-linear"),
                              ("gpt2", "c_attn"))),
    ("gemma3_text", "all-linear", "bfloat16")])
def test_adapters_of_fake_tensors_are_those_of_real_ones(
    family: str, targets: str, dtype: str
) -> None:
    options = PointOptions(n_c=20, n_g=8, dtype=dtype, lora=f"r=4,alpha=8,targets={targets}")
    fake = probe_configuration(CONFIGURATIONS[family], options)
    real = probe_configuration(CONFIGURATIONS[family],
                               PointOptions(**{**vars(options), "device": "cpu"}))
    assert fake.options.device == "fake" and fake.notes == ()
    assert multiset(fake.saved) == multiset(real.saved)
    assert [one.node for one in fake.saved] == [one.node for one in real.saved]
    assert fake.parameter_bytes == real.parameter_bytes
    assert fake.gradient_bytes == real.gradient_bytes < fake.parameter_bytes


def test_adapters_of_a_large_model_take_no_memory() -> None:
    """5 GB of weights are not there; the gradients are those of the adapters, in float32."""
    layers = 8
    found = probe_configuration("llama-3.1-8b", PointOptions(
        n_c=7168, n_g=1024, layers=layers, lora="r=16,alpha=32,targets=q_proj+v_proj"))
    layer = 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336 + 2)
    assert found.options.device == "fake"
    assert found.gradient_bytes == layers * 16 * (4096 + 4096 + 4096 + 1024) * 4
    assert found.parameter_bytes == 2 * (
        layers * layer + 2 * 128_256 * 4096 + 4096) + found.gradient_bytes


def test_float16_keeps_what_bfloat16_does() -> None:
    found = [multiset(probe_configuration(CONFIGURATIONS["llama"], PointOptions(
        n_c=20, n_g=8, dtype=dtype)).saved) for dtype in ("float16", "bfloat16")]
    renamed = {(shape, dtype.replace("bfloat16", "float16"), size): count
               for (shape, dtype, size), count in found[1].items()}
    assert found[0] == renamed


@pytest.mark.parametrize("model_type, attention", [
    ("gemma2", "eager"), ("gpt_oss", "eager"), ("bloom", "eager"), ("mamba", "eager"),
    ("gptj", "eager")])
def test_families_without_sdpa_name_the_flag_that_works(model_type: str, attention: str) -> None:
    small = {"gemma2": {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
                        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16},
             "gpt_oss": {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
                         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
                         "num_local_experts": 4, "num_experts_per_tok": 2},
             "bloom": {"hidden_size": 64, "n_layer": 2, "n_head": 4},
             "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
             "gptj": {"n_embd": 64, "n_layer": 2, "n_head": 4, "rotary_dim": 8}}[model_type]
    values = {"model_type": model_type, "vocab_size": 211, **small}
    with pytest.raises(ProbeError, match="give --attention eager"):
        probe_configuration(values, PointOptions(n_c=12, n_g=6))
    found = probe_configuration(values, PointOptions(n_c=12, n_g=6, attention=attention))
    assert found.retained_bytes == found.regions.total > 0


def test_a_forward_that_reads_values_is_sent_to_the_cpu() -> None:
    values = {"model_type": "jetmoe", "vocab_size": 211, "hidden_size": 64, "num_hidden_layers": 1,
              "kv_channels": 16, "intermediate_size": 96, "num_local_experts": 4}
    with pytest.raises(ProbeError, match="give --device cpu"):
        probe_configuration(values, PointOptions(n_c=12, n_g=6))
    assert probe_configuration(values, PointOptions(n_c=12, n_g=6, device="cpu")).loss is not None
