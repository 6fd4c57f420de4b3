"""examples/grpo_step.py against the naive step, where each completion has its own prompt."""

from __future__ import annotations

import runpy
from functools import partial
from typing import Any

import pytest
import torch

from ballast import group_step
from checkout import ROOT
from trainer_cases import are_near, gradients_of

EXAMPLE = ROOT / "examples/grpo_step.py"


def naive(model: Any, prompt: Any, completions: Any, loss: Any) -> torch.Tensor:
    rows = [model(torch.cat([prompt, one])[None]).logits[0, prompt.numel() - 1:-1].log_softmax(-1)
            .gather(1, one[:, None])[:, 0] for one in completions]
    found = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.zeros_like(found, dtype=torch.bool)
    for row, one in enumerate(completions):
        mask[row, :one.numel()] = True
    result: torch.Tensor = loss(found, mask)
    return result


@pytest.mark.parametrize("at_a_time", [None, 2])
def test_the_gradient_of_a_step_of_grpo_is_the_naive_one(at_a_time: int | None) -> None:
    example = runpy.run_path(str(EXAMPLE))
    policy, old, reference = (example["made"](seed=seed) for seed in (0, 0, 1))
    with torch.no_grad():  # some ratios are far enough from 1 to be clipped
        for parameter in policy.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    prompt = torch.randint(100, (70,))
    completions = [torch.randint(100, (length,)) for length in (12, 20, 7)]
    before = example["log_probabilities"](old, prompt, completions)
    loss = example["grpo"](torch.tensor([1.0, -0.7, 0.2]), before,
                           example["log_probabilities"](reference, prompt, completions))

    now = example["log_probabilities"](policy, prompt, completions)
    assert ((now - before).exp() - 1).abs().max() > example["CLIP"]
    results = []
    for step in (naive, partial(group_step, at_a_time=at_a_time, chunk=16)):
        policy.zero_grad()
        value: Any = step(policy.train(), prompt, completions, loss)
        value.backward()
        results.append((value.item(), gradients_of(policy)))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-4)
    are_near(results[1][1], results[0][1])


def test_the_example_learns(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    losses = [float(line.split()[3].rstrip(",")) for line in capsys.readouterr().out.splitlines()]
    assert len(losses) == 3 and losses[-1] < losses[0]
