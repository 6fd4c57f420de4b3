"""The points of `ballast-probe run` as JSON."""

from __future__ import annotations

import json

import pytest

from ballast_probe import cli, files

SMALL = ("--model-type llama --set hidden_size=64 --set intermediate_size=96 "
         "--set num_hidden_layers=2 --set num_attention_heads=4 --set num_key_value_heads=2 "
         "--set vocab_size=211").split()


def run(*arguments: str) -> int:
    return cli.main(["run", *arguments])


def test_points_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SMALL, "--n-c", "20,30", "--n-g", "8", "--tensors", "--format", "json") == 0
    points = json.loads(capsys.readouterr().out)
    assert [point["n_c"] for point in points] == [20, 30]
    for point in points:
        assert [*point] == [*files.POINT_COLUMNS, "tensors"] and point["peak_bytes"] is None
        assert sum(one["bytes"] for one in point["tensors"]) == point["retained_bytes"] > 0
    assert run(*SMALL, "--n-c", "20", "--n-g", "8", "--format", "xml") == cli.WRONG_USAGE
    assert "--format is 'xml'" in capsys.readouterr().err
