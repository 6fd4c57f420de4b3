"""Trainers whose steps have a prefix, against the same trainers as they are."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ballast import PrefixMixin, StepError, with_prefix
from trainer_cases import (
    IGNORED,
    VOCABULARY,
    Parameters,
    adapter,
    are_near,
    are_trained_alike,
    gradients_of,
    logged,
    parameters_of,
    small_model,
)

transformers: Any = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

Rows = list[dict[str, list[int]]]


def rows(count: int, seed: int = 1) -> Rows:
    """Rows of a prompt and an answer; the first has no prompt, and one no answer."""
    draw = random.Random(seed)
    made = []
    for index in range(count):
        prompt, answer = draw.randint(8, 30), draw.randint(2, 9)
        prompt = 0 if index == 0 else prompt
        ids = [draw.randrange(2, VOCABULARY) for _ in range(prompt + answer)]
        labels = [IGNORED] * prompt + ids[prompt:]
        if index == 3:
            labels = [IGNORED] * len(ids)
        made.append({"input_ids": ids, "labels": labels})
    return made


def collated(side: str) -> Callable[[Rows], dict[str, Tensor]]:
    """Pads rows on a side."""
    def collate(batch: Rows) -> dict[str, Tensor]:
        width = max(len(row["input_ids"]) for row in batch)

        def padded(name: str, value: int) -> Tensor:
            lines = [row.get(name, [1] * len(row["input_ids"])) for row in batch]
            gaps = [[value] * (width - len(line)) for line in lines]
            return torch.tensor([gap + line if side == "left" else line + gap
                                 for line, gap in zip(lines, gaps, strict=True)])

        return {"input_ids": padded("input_ids", 0), "labels": padded("labels", IGNORED),
                "attention_mask": padded("attention_mask", 0)}

    return collate


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return dict(output_dir=str(tmp_path), max_steps=4, per_device_train_batch_size=2, report_to=[],
                save_strategy="no", disable_tqdm=True, use_cpu=True, logging_steps=1, seed=3,
                learning_rate=1e-2, lr_scheduler_type="constant", optim="sgd")


def trained(kind: Any, model: Any, given: dict[str, Any], **others: Any) -> tuple[Parameters, Any]:
    arguments = transformers.TrainingArguments(**given)
    trainer = kind(model=model, args=arguments, **others)
    trainer.train()
    return parameters_of(trainer.model), trainer


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("side", "options", "given"), [
    ("right", {"chunk": 5}, {}),
    ("left", {"chunk": 5, "loss_chunk": 2}, {"gradient_accumulation_steps": 2}),
    ("right", {"mode": "pruned"}, {"optim": "adamw_torch", "adam_epsilon": 1e-3}),
    ("left", {"mode": "full"}, {"max_grad_norm": 0.1}),
    (
        "right", {"chunk": 64}, {"gradient_checkpointing": True, "max_grad_norm": 0.1,
                                 "gradient_accumulation_steps": 3}),
    ("left", {"chunk": 7}, {"average_tokens_across_devices": False}),
])
def test_trainer_trains_the_same_parameters(
        settings: dict[str, Any], side: str, options: Any, given: dict[str, Any]) -> None:
    others = dict(train_dataset=rows(12), data_collator=collated(side))
    wanted, plain = trained(transformers.Trainer, small_model(), settings | given, **others)
    kind = with_prefix(transformers.Trainer, **options)
    found, trainer = trained(kind, small_model(), settings | given, **others)
    are_trained_alike(found, wanted, parameters_of(small_model()))
    assert logged(trainer, "loss") == pytest.approx(logged(plain, "loss"), rel=1e-4)


def with_adapter() -> Any:
    from peft import get_peft_model

    made = small_model()
    torch.manual_seed(6)
    return get_peft_model(made, adapter())


@pytest.mark.filterwarnings("ignore")
def test_trainer_trains_the_same_adapter(settings: dict[str, Any]) -> None:
    pytest.importorskip("peft")
    others = dict(train_dataset=rows(8), data_collator=collated("right"))
    wanted, _ = trained(transformers.Trainer, with_adapter(), settings, **others)
    found, _ = trained(with_prefix(transformers.Trainer, chunk=5), with_adapter(), settings,
                       **others)
    are_trained_alike(found, wanted, parameters_of(with_adapter()))
    assert all("lora" in name for name in found)


@pytest.mark.filterwarnings("ignore")
def test_trainer_in_bfloat16_autocast(settings: dict[str, Any]) -> None:
    """The step is as near to float32's as the trainer's own is."""
    others = dict(train_dataset=rows(8), data_collator=collated("right"))
    one = settings | {"max_steps": 1}
    exact, _ = trained(transformers.Trainer, small_model(), one, **others)
    half = one | {"bf16": True}
    wanted, _ = trained(transformers.Trainer, small_model(), half, **others)
    found, _ = trained(with_prefix(transformers.Trainer, chunk=5), small_model(), half, **others)
    before = parameters_of(small_model())
    for name, start in before.items():
        step = exact[name] - start
        error, own = (float((one[name] - exact[name]).norm()) for one in (found, wanted))
        assert 0 < error <= max(2 * own, 0.02 * float(step.norm())), name


@pytest.mark.filterwarnings("ignore")
def test_evaluation_and_prediction_are_the_trainers_own(settings: dict[str, Any]) -> None:
    others = dict(eval_dataset=rows(6, seed=9), train_dataset=rows(4),
                  data_collator=collated("left"))
    every = settings | {"eval_strategy": "steps", "eval_steps": 1, "max_steps": 2}
    _, plain = trained(transformers.Trainer, small_model(), every, **others)
    _, trainer = trained(with_prefix(transformers.Trainer), small_model(), every, **others)
    wanted = logged(plain, "eval_loss")
    assert len(wanted) == 2 and logged(trainer, "eval_loss") == pytest.approx(wanted, rel=1e-5)
    logits = trainer.predict(others["eval_dataset"]).predictions
    assert logits.shape[2] == VOCABULARY and not trainer.model.training


def test_loss_and_outputs_of_a_batch(settings: dict[str, Any]) -> None:
    trainer = with_prefix(transformers.Trainer, chunk=4)(
        model=small_model().train(), args=transformers.TrainingArguments(**settings))
    batch = collated("right")(rows(6)[4:])
    wanted = trainer.model(**batch)
    loss, outputs = trainer.compute_loss(trainer.model, dict(batch), return_outputs=True)
    assert torch.allclose(loss, wanted.loss) and outputs.loss is loss and outputs.logits is None
    scaled = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=torch.tensor(40))
    assert torch.allclose(scaled * 40, loss * (batch["labels"][:, 1:] != IGNORED).sum())
    with torch.no_grad():
        _, outputs = trainer.compute_loss(trainer.model, dict(batch), return_outputs=True)
    assert outputs.logits.shape[:2] == batch["input_ids"].shape


def test_a_batch_without_loss_has_a_gradient_of_zero(settings: dict[str, Any]) -> None:
    trainer = with_prefix(transformers.Trainer)(
        model=small_model().train(), args=transformers.TrainingArguments(**settings))
    batch = collated("right")(rows(6)[3:4])
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is not None and not p.grad.any() for p in trainer.model.parameters())


@pytest.mark.parametrize(("change", "sentence"), [
    ({"position_ids": torch.tensor([[0, 1, 2, 3, 0, 1]])}, "position_ids do not count up by one"),
    ({"pixel_values": torch.zeros(1)}, "the batch holds pixel_values"),
    ({"labels": None}, "no input_ids or no labels"),
])
def test_a_batch_that_has_no_prefix_is_refused(
        settings: dict[str, Any], change: dict[str, Any], sentence: str) -> None:
    trainer = with_prefix(transformers.Trainer)(
        model=small_model().train(), args=transformers.TrainingArguments(**settings))
    ids = torch.arange(2, 8)[None]
    with pytest.raises(StepError, match=sentence) as found:
        trainer.compute_loss(trainer.model, {"input_ids": ids, "labels": ids} | change)
    assert "\n" not in str(found.value)


def test_an_adapter_of_virtual_tokens_is_refused(settings: dict[str, Any]) -> None:
    peft = pytest.importorskip("peft")
    made = peft.get_peft_model(small_model(), peft.PromptTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=4))
    with pytest.raises(StepError, match="puts tokens of its own in front"):
        with_prefix(transformers.Trainer)(
            model=made, args=transformers.TrainingArguments(**settings))


@pytest.mark.parametrize(("options", "sentence"), [
    ({"chunks": 3}, "there is no option chunks; there are mode, chunk"),
    ({"mode": "frozen"}, "mode is 'frozen'"),
    ({"chunk": 0}, "chunk=0 has to be a number of tokens"),
    ({"keep": 3}, "keep=3 leaves prefix rows"),
])
def test_options_are_checked_before_any_work(options: Any, sentence: str) -> None:
    with pytest.raises(StepError, match=sentence):
        with_prefix(transformers.Trainer, **options)


def test_a_loss_of_ones_own_is_not_replaced() -> None:
    class Weighted(transformers.Trainer):  # type: ignore[misc]
        def compute_loss(self, *_: Any, **__: Any) -> Any:
            raise AssertionError

    with pytest.raises(StepError, match="Weighted has a loss of its own"):
        with_prefix(Weighted)
    with pytest.raises(StepError, match="Weighted has a loss of its own"):
        type("Around", (PrefixMixin, Weighted), {"compute_loss": Weighted.compute_loss})
    with pytest.raises(StepError, match="PrefixMixin has to stand in front of Trainer"):
        type("Behind", (transformers.Trainer, PrefixMixin), {})

    class Doubled(PrefixMixin, transformers.Trainer):  # type: ignore[misc]
        prefix_options = {"mode": "pruned"}

        def compute_loss(self, *arguments: Any, **named: Any) -> Any:
            return 2 * super().compute_loss(*arguments, **named)

    assert with_prefix(Doubled, chunk=8).prefix_options == {"chunk": 8}


def test_rows_of_one_prompt_keep_as_many_of_it_as_there_are(settings: dict[str, Any]) -> None:
    trainer = with_prefix(transformers.Trainer, mode="detached", keep=100)(
        model=small_model().train(), args=transformers.TrainingArguments(**settings))
    batch = collated("right")(rows(6)[4:])
    trainer.compute_loss(trainer.model, batch).backward()
    found = gradients_of(trainer.model)
    trainer.model.zero_grad()
    trainer.model(**batch).loss.backward()
    are_near(found, gradients_of(trainer.model))


def test_padding_behind_rows_costs_no_copy_of_keys(
        settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no token sees padding, no mask is needed, nor what it costs."""
    from ballast.keyvalues import Seen

    def joined(*_: Any) -> Any:
        raise AssertionError("keys are copied together")

    monkeypatch.setattr(Seen, "joined", joined)
    trainer = with_prefix(transformers.Trainer, chunk=4)(
        model=small_model().train(), args=transformers.TrainingArguments(**settings))
    batch = rows(6)[4:]
    assert len({len(row["input_ids"]) for row in batch}) == 2
    trainer.compute_loss(trainer.model, collated("right")(batch)).backward()
    with pytest.raises(AssertionError, match="copied together"):
        trainer.compute_loss(trainer.model, collated("left")(batch)).backward()
