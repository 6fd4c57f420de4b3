"""Steps with a prefix against the whole graph's gradient; see scripts/check-prefixes."""

from __future__ import annotations

import random
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ballast import group_step, prefix_step
from checkout.command import Words

from .prefix_models import EAGER, FAMILIES, Fields, built, in_float64, random_fields

Gradients = dict[str, Tensor]
IGNORED = -100


@dataclass(frozen=True)
class Case:
    """A model, a batch and a way to run it."""

    model: Fields
    seed: int
    api: str  # prefix, group
    mode: str  # replayed, pruned, full
    attention: str  # sdpa, eager
    batch: int
    lengths: tuple[int, ...]  # prefix tokens of each row; of a group, of the prompt
    suffixes: tuple[int, ...]  # tokens behind it, of each row or completion
    padding: str  # none, left, right
    chunk: int
    loss_chunk: int | None
    at_a_time: int | None = None
    has_holes: bool = False  # some labels are ignored
    recomputes: bool = False
    adapter: str = "none"  # none, some, all
    accumulation: int = 1

    @property
    def name(self) -> str:
        words = [self.model["model_type"], self.api, self.mode, self.attention,
                 f"{'+'.join(map(str, self.lengths))} | {'+'.join(map(str, self.suffixes))}",
                 f"chunk {self.chunk}"]
        words += [f"{self.padding} padding"] if self.padding != "none" else []
        words += [f"{self.at_a_time} at a time"] if self.at_a_time else []
        words += ["holes"] if self.has_holes else []
        words += ["recomputed"] if self.recomputes else []
        words += [f"lora {self.adapter}"] if self.adapter != "none" else []
        words += [f"{self.accumulation} a step"] if self.accumulation > 1 else []
        return ", ".join(words)


def random_case(draw: random.Random, family: str) -> Case:
    api = draw.choice(("prefix", "prefix", "group"))
    batch = draw.randint(1, 3) if api == "prefix" else draw.randint(1, 5)
    ragged = draw.random() < 0.4
    n_c, n_g = draw.randint(1, 60), draw.randint(1, 20)
    if api == "prefix":
        lengths = tuple(draw.randint(1, 60) if ragged else n_c for _ in range(batch))
    else:
        lengths = (n_c,)
    suffixes = tuple(draw.randint(1, 20) if ragged or api == "group" else n_g for _ in range(batch))
    padding = "none"
    if api == "prefix" and batch > 1:
        padding = draw.choice(("left", "right")) if ragged else "none"
    mode = draw.choice(("replayed", "replayed", "replayed", "pruned", "full"))
    if api == "group" and mode == "full":
        mode = "replayed"
    at_a_time = draw.randint(1, batch) if api == "group" and draw.random() < 0.6 else None
    return Case(
        random_fields(draw, family), draw.randint(0, 1 << 30), api,
        "replayed" if at_a_time else mode,
        "eager" if family in EAGER else draw.choice(("sdpa", "sdpa", "eager")),
        batch, lengths, suffixes, padding, draw.choice((1, 3, 7, 16, 64)),
        draw.choice((None, 1, 4)), at_a_time, api == "prefix" and draw.random() < 0.3,
        draw.random() < 0.3, draw.choice(("none", "none", "some", "all")),
        draw.choice((1, 1, 2)) if api == "prefix" else 1)


@dataclass(frozen=True)
class Batch:
    ids: Tensor
    labels: Tensor
    mask: Tensor | None
    columns: list[int]  # before the first that carries loss, by row


def batch_of(case: Case, draw: torch.Generator) -> Batch:
    """Rows of a prefix and a suffix each, padded to one width."""
    vocab = case.model["vocab_size"]
    width = max(n + s for n, s in zip(case.lengths, case.suffixes, strict=True))
    ids = torch.randint(1, vocab, (case.batch, width), generator=draw)
    labels = torch.full_like(ids, IGNORED)
    mask = torch.zeros_like(ids)
    columns = []
    for row, (n, s) in enumerate(zip(case.lengths, case.suffixes, strict=True)):
        start = width - n - s if case.padding == "left" else 0
        mask[row, start:start + n + s] = 1
        labels[row, start + n:start + n + s] = ids[row, start + n:start + n + s]
        columns.append(start + n)
    if case.has_holes:
        keep = torch.rand(ids.shape, generator=draw) < 0.6
        keep[0, columns[0]] = True
        labels = labels.masked_fill(~keep, IGNORED)
    return Batch(ids, labels, None if case.padding == "none" else mask, columns)


def adapted(model: Any, case: Case) -> Any:
    if case.adapter == "none":
        return model
    from peft import LoraConfig, get_peft_model

    maps = sorted({name.rsplit(".", 1)[-1] for name, module in model.named_modules()
                   if isinstance(module, nn.Linear) and "lm_head" not in name
                   and "embed_out" not in name and "router" not in name})
    if case.model["model_type"] == "gpt2":
        maps = ["c_attn", "c_fc"]
    targets = maps if case.adapter == "all" else maps[:1]
    if case.model["model_type"] == "deepseek_v3":  # its first by name is a part of the experts
        targets = maps if case.adapter == "all" else ["kv_b_proj"]
    config = LoraConfig(r=3, target_modules=targets, task_type="CAUSAL_LM",
                        fan_in_fan_out=case.model["model_type"] == "gpt2")
    found = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in found.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    return found.train()


def whole_graph(model: Any, case: Case, draw: torch.Generator) -> float:
    """Adds the whole graph's gradient, as transformers has it."""
    total = 0.0
    if case.api == "group":
        prompt, completions = group_of(case, draw)
        found = torch.zeros(len(completions), max(case.suffixes), dtype=model.dtype)
        for row, completion in enumerate(completions):
            logits = model(torch.cat([prompt, completion])[None], use_cache=False).logits
            kept = logits[0, prompt.numel() - 1:-1].log_softmax(-1)
            found[row, :completion.numel()] = kept.gather(1, completion[:, None])[:, 0]
        loss = group_loss(found)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()
    for _ in range(case.accumulation):
        batch = batch_of(case, draw)
        loss = model(batch.ids, labels=batch.labels, attention_mask=batch.mask,
                     use_cache=False).loss / case.accumulation
        loss.backward()
        total += loss.item()
    return total


def with_prefix(model: Any, case: Case, draw: torch.Generator) -> float:
    """Adds the gradient that a step with a prefix has."""
    given: dict[str, Any] = dict(mode=case.mode, chunk=case.chunk, loss_chunk=case.loss_chunk,
                                 recompute=case.recomputes)
    if case.api == "group":
        prompt, completions = group_of(case, draw)
        loss = group_step(model, prompt, completions, lambda found, mask: group_loss(found),
                          at_a_time=case.at_a_time, **given)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()
    total = 0.0
    for _ in range(case.accumulation):
        batch = batch_of(case, draw)
        loss = prefix_step(model, batch.ids, batch.columns, labels=batch.labels,
                           attention_mask=batch.mask, **given) / case.accumulation
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total


def group_of(case: Case, draw: torch.Generator) -> tuple[Tensor, list[Tensor]]:
    vocab = case.model["vocab_size"]
    prompt = torch.randint(1, vocab, (case.lengths[0],), generator=draw)
    return prompt, [torch.randint(1, vocab, (n,), generator=draw) for n in case.suffixes]


def group_loss(found: Tensor) -> Tensor:
    """A loss in which completions are not apart from each other."""
    sums = found.sum(1)
    return -(sums * 0.1).sin().sum() - sums.logsumexp(0) + (found * found).mean()


def gradients_of(model: Any) -> Gradients:
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()
            if parameter.grad is not None}


def errors(found: Gradients, wanted: Gradients) -> dict[str, float]:
    """The relative error (L2) of each parameter's gradient. One that is 0 but for rounding, such as
    of a bias of keys, is held against a millionth of the whole gradient."""
    if found.keys() != wanted.keys():
        return {", ".join(sorted(found.keys() ^ wanted.keys())): float("inf")}
    whole = sum(float(g.double().norm()) ** 2 for g in wanted.values()) ** 0.5
    return {name: float((found[name].double() - want.double()).norm())
            / max(float(want.double().norm()), 1e-6 * whole) for name, want in wanted.items()}


def worst(found: Gradients, wanted: Gradients) -> tuple[float, str]:
    """The largest of them, and of which parameter it is."""
    return max((error, name) for name, error in errors(found, wanted).items())


def both(case: Case, dtype: torch.dtype) -> tuple[Gradients, Gradients]:
    """The whole graph's gradient and that of a step with a prefix, in a type."""
    results: list[Gradients] = []
    for run in (whole_graph, with_prefix):
        model = adapted(built(case.model, case.attention, dtype, case.seed), case)
        for parameter in model.parameters():
            parameter.data = parameter.data.to(dtype)
        run(model, case, torch.Generator().manual_seed(case.seed))
        results.append(gradients_of(model))
    return results[0], results[1]


def check(case: Case) -> tuple[str | None, float, float]:
    """What is wrong, if anything, and the errors in float64 and in float32.

    In float32 each parameter's has to be the whole graph's to 1e-3. One that is what little large
    terms leave is not; it has to be at most three times as far from that in float64.
    """
    with in_float64():
        wanted, found = both(case, torch.float64)
    double, name = worst(found, wanted)
    if not double <= 1e-10:
        return f"{double:.2g} in float64, at {name}", double, 0.0
    whole, found = both(case, torch.float32)
    single, name = worst(found, whole)
    ours, theirs = errors(found, wanted), errors(whole, wanted)
    for one, error in errors(found, whole).items():
        if not error <= 1e-3 and not ours.get(one, error) <= 3 * theirs.get(one, 0):
            return f"{error:.2g} in float32, at {one}", double, single
    return None, double, single


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--random", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    given = parser.parse_args(words)
    warnings.filterwarnings("ignore")
    import transformers

    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)  # the models are small
    draw = random.Random(given.seed)
    families = list(FAMILIES)
    draw.shuffle(families)
    cases = [random_case(draw, families[n % len(families)]) for n in range(given.random)]
    bad, began = 0, time.monotonic()
    doubles: list[float] = []
    singles: list[float] = []
    for number, case in enumerate(cases, 1):
        if given.only and number != given.only:
            continue
        try:
            fault, double, single = check(case)
        except Exception as problem:  # noqa: BLE001, a fault is a row of its own
            if given.only:
                raise
            fault, double, single = f"{type(problem).__name__}: {problem}", 0.0, 0.0
        doubles.append(double)
        singles.append(single)
        if fault:
            bad += 1
            print(f"{number}: {case.name}: {fault}", flush=True)
        elif sys.stdout.isatty():
            print(f"{number}: {case.name}: {double:.1e} in float64, {single:.1e} in float32")
    count = len(doubles)
    print(f"{count - bad} of {count} steps have the whole graph's gradient: to {max(doubles):.1e} "
          f"in float64 and {max(singles):.1e} in float32, of the largest relative error of a "
          f"parameter; seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


__all__ = ["Case", "check", "main", "random_case"]
