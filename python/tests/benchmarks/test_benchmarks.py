"""What is made of measured seconds; nothing is timed here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import busy, growth, race


def test_an_exponent_is_that_of_the_power() -> None:
    lengths = [512, 1024, 2048, 4096]
    assert growth.exponent(lengths, [3e-9 * n**2 for n in lengths]) == pytest.approx(2)
    assert growth.exponent(lengths, [0.1] * 4) == pytest.approx(0)


@pytest.mark.parametrize(("op", "part"), [
    ("layers.0.attention", "attention"), ("layers.3.q_proj.backward", "projections"),
    ("layers.0.attention_norm", "norms, rotary, SwiGLU, sums"), ("head", "head and loss"),
    ("embedding", "embedding"), ("optimizer", None),
])
def test_parts_of_a_step(op: str, part: str | None) -> None:
    assert growth.part_of(op) == part


def test_an_op_within_an_op_counts_once(tmp_path: Path) -> None:
    def event(kind: str, name: str, time: float, category: str = "forward") -> dict[str, object]:
        return {"ph": kind, "name": name, "cat": category, "ts": time * 1e6}

    (tmp_path / "trace.json").write_text(json.dumps({"traceEvents": [
        event("B", "forward", 0, "phase"), event("B", "attention", 1), event("B", "q_proj", 2),
        event("E", "q_proj", 3), event("E", "attention", 4), event("B", "head", 4), event("E", "head", 6),
        event("E", "forward", 7, "phase")]}))
    seconds = growth.seconds_of(tmp_path / "trace.json")
    assert seconds["attention"] == 3 and seconds["projections"] == 0 and seconds["head and loss"] == 2
    assert seconds["the rest"] == 2 and seconds["the step"] == 7


def test_the_first_and_last_of_a_sweep_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("status,forward_seconds,backward_seconds\n" + "".join(
        f"ok,{second},1\n" for second in range(4)) + "failed,,\n")
    assert busy.steps(tmp_path) == [2, 3]


def test_a_race_shows_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    race.show({"rows": [{"step": "full-graph, fused", "against": "SDPA", "reach": 0.85, "ballast_seconds": 1.0,
                         "pytorch_seconds": 2.0, "ratio": 0.5, "ratios": [0.4, 0.6], "ratio_at_peak": 0.3,
                         "ballast_loss": 9.0, "pytorch_loss": 9.1}],
               "peak_gflops": 10, "pytorch_peak_gflops": 11})
    assert "0.50 (0.40–0.60)   0.85     0.30  9.0000 = 9.1000" in capsys.readouterr().out
