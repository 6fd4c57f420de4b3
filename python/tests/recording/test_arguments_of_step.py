"""`ballast_probe.step` refuses at once what cannot be meant; a recording's file and its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import on_cpu

from ballast_probe import Layout, ProbeError, UsageError
from ballast_probe.recording import step, writing


@pytest.mark.parametrize("arguments, sentence", [
    ({"attention": "flashy"}, "attention is 'flashy' and must be one of auto"),
    ({"attention": None}, "attention is None"),
    ({"attention": "flashy", "device": "cpu"}, "attention is 'flashy'"),
    ({"reads": "x"}, "reads is 'x' and must be"),
    ({"reads": [1.0]}, "reads is [1.0] and must be"),
    ({"reads": {"x": 1.0}}, "reads has the line 'x'"),
    ({"reads": {42: 1.0}}, "reads has the line 42"),
    ({"reads": {"train.py:42": "x"}}, "reads has 'x' for train.py:42"),
    ({"layout": (1, 2)}, "layout is (1, 2) and must be"),
    ({"layout": Layout(-1, 2)}, "layout's n_c is -1"),
    ({"layout": Layout(1, 2.5)}, "layout's n_g is 2.5"),  # type: ignore[arg-type]
    ({"model": 3}, "model is 3 and must be"),
    ({"model": torch.nn.Linear}, "model is its class and must be"),
    ({"without": "in-place-gradients"}, "without is 'in-place-gradients' and must be a list"),
    ({"without": 3}, "without is 3"),
    ({"without": ["nothing"]}, "there is no rule 'nothing'"),
    ({"without": [3]}, "there is no rule 3"),
    ({"is_packed": 1}, "is_packed is 1"),
    ({"is_padded": "no"}, "is_padded is 'no'"),
    ({"gpu": 3}, "must be an object"),
    ({"gpu": "h10"}, "there is no GPU 'h10'"),
    ({"device": "tpu"}, "device is 'tpu'"),
])
def test_each_is_one_sentence_at_once(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)) as caught:
        with step(**arguments):
            pytest.fail("the block ran")
    assert "\n" not in str(caught.value)


def _train() -> None:
    (torch.ones(8, requires_grad=True) * 2).sum().backward()


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    recording = on_cpu(_train)
    file = recording.write(tmp_path / "results" / "mine" / "recording.json.gz")
    assert file.parent == tmp_path / "results" / "mine" and writing.read(file)["version"] == 1
    assert recording.write(f"{tmp_path}/other/") == tmp_path / "other" / writing.NAME
    assert recording.write(tmp_path) == tmp_path / writing.NAME


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    recording = on_cpu(_train)
    (tmp_path / "cfg.json").write_text("{}")
    for path in (tmp_path / "cfg.json" / "x", tmp_path / "cfg.json" / "x" / "y", "a\0b", "a\0b/",
                 tmp_path / ("x" * 300)):
        with pytest.raises(ProbeError, match="cannot be written") as caught:
            recording.write(path)
        assert "\0" not in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["cfg.json"]


def test_a_value_that_json_has_not(tmp_path: Path) -> None:
    recording = on_cpu(_train)
    recording.point = {"dropout": float("nan")}
    with pytest.raises(ProbeError, match="none of JSON's"):
        recording.write(tmp_path / "made" / "recording.json.gz")
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_is_not_written(tmp_path: Path) -> None:
    recording = on_cpu(lambda: torch.empty(1 << 42, dtype=torch.uint8))
    with pytest.raises(ProbeError, match=r"of aten::empty.*, uint8 4398046511104, takes"):
        recording.write(tmp_path / "recording.json.gz")
    assert list(tmp_path.iterdir()) == []


def test_two_backwards_with_nothing_between_begin_once(tmp_path: Path) -> None:
    from ballast_probe.recording.stream import Stream

    stream = Stream()
    stream.mark_boundary()
    stream.mark_boundary()
    stream.allocate(8, op="aten::mm")
    stream.mark_boundary()
    stream.settle()
    assert stream.boundaries == [0, 1]

    def run() -> None:
        one, two = (torch.zeros((), requires_grad=True) for _ in range(2))
        one.grad, two.grad = torch.zeros(()), torch.zeros(())
        seed = torch.ones(())
        one.backward(seed)
        two.backward(seed)

    found = on_cpu(run).stream.boundaries
    assert found == sorted(set(found))
