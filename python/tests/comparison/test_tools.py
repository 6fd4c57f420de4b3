"""What scripts/compare-tools reads of others' answers, and their formulas."""

import json

import pytest
from checkout import Failure
from comparison.tools import (
    LIST,
    TOOLS,
    cookbook_bytes,
    deepspeed_bytes,
    line,
    llmfit_bytes,
    megatron_bytes,
    pins,
)
from comparison.tools_run import Row

SIZES = {"L": 16, "h": 2048, "f": 8192, "a": 32, "k": 8, "v": 128256, "s": 4608, "tied": 1}
GIB = 1 << 30


def test_cookbook_says_what_its_program_prints() -> None:
    """calc_transformer_mem.py of 827ee3b, run on 2026-11-30, to the two places that it prints."""
    said = cookbook_bytes(SIZES)
    assert {name: f"{count / GIB:.2f}" for name, count in said.items() if name != "parameters"} == {
        "weights": "2.81", "gradients": "5.62", "optimizer": "16.85", "kept": "55.41",
        "kept, checkpointing": "4.78"}
    assert f"{said['parameters'] / 1e9:.2f}" == "1.51"


def test_megatron_counts_this_models_parameters() -> None:
    """theoretical_memory_usage.py of d98e8a6, run on 2026-11-30; Llama 3.2 1B has 1,235,814,400."""
    said = megatron_bytes(SIZES)
    assert said["parameters"] == 1_235_814_400
    assert said["states"] == 18 * 1_235_814_400 == 22_244_659_200
    assert round(said["kept"]) == 6_661_392_998
    untied = megatron_bytes({**SIZES, "tied": 0})
    assert untied["parameters"] - said["parameters"] == 128256 * 2048


def test_deepspeeds_table() -> None:
    text = """Estimated memory needed for params, optim states and gradients for a:
  per CPU  |  per GPU |   Options
   27.62GB |   2.30GB | offload_optimizer=OffloadDeviceEnum.cpu
    6.91GB |  23.02GB | offload_optimizer=none
"""
    assert deepspeed_bytes(text) == round(23.02 * GIB)
    with pytest.raises(Failure):
        deepspeed_bytes("")


def test_llmfits_plan() -> None:
    text = json.dumps({"disk_size_gb": 2.4716288, "minimum": {"vram_gb": 3.0}})
    assert llmfit_bytes(text) == (2_471_628_800, 3 * GIB)


def test_a_line_says_how_much_more_than_ballast_that_is() -> None:
    assert "+50.00%" in line(Row("peak", 3, ""), 2)
    assert "%" not in line(Row("peak", 3, ""), None)
    assert line(Row("peak", None, "needs the network"), 2).endswith("needs the network")


def test_every_tool_of_the_list_is_asked() -> None:
    listed = {pin.split("==")[0] for pin in pins(LIST.read_text())}
    inside = {"cookbook", "megatron", "memtracker", "fsdp2"}
    assert set(TOOLS) - inside <= listed
    assert all("==" in pin for pin in pins(LIST.read_text()))
