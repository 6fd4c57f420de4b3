"""What training loses where the prompt's part of the gradient is left out.

    scripts/with-pytorch examples/what_detaching_costs.py --output results/detaching
    scripts/plot results/detaching/training.csv

A small Llama learns two tasks whose answers stand in the prompt: to look up the values of keys, and
to copy. It learns each in several modes of `ballast.prefix_step`, from the same weights and on the
same batches. Writes training.csv: the loss over steps and over seconds of processor time, the
accuracy on rows that no step has seen, and the bytes at the peak of a step. Prints what came of it.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ballast_probe
import torch
from ballast import prefix_step
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

IGNORED = -100  # the label of a token that carries no loss
EVERY = 10  # steps from one row of training.csv to the next
LEARNED = 0.95  # the accuracy at which a task counts as learned
COLUMNS = ["task", "mode", "keep", "seed", "step", "seconds", "loss", "accuracy", "peak_bytes"]

Batch = tuple[Tensor, Tensor]
"""Tokens and labels, each [rows, tokens]."""


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes:
        n_c: Columns before the first token that carries loss.
        draw: Makes a batch of so many rows.
        steps: After which the full graph has long learned it.
        keep: Last prompt rows that stay in the graph where some do: a quarter of the prompt.
        chunk: Prompt rows that run at a time where they run twice: half of the prompt.
    """

    name: str
    words: int
    n_c: int
    rows: int
    steps: int
    keep: int
    chunk: int
    draw: Callable[[int, torch.Generator], Batch]


def lookup(rows: int, chance: torch.Generator) -> Batch:
    """Keys 0 to 7 in some order, a value 8 to 15 behind each, a bar; then four of the pairs again,
    whose values carry the loss."""
    keys = torch.rand(rows, 8, generator=chance).argsort(1)
    values = torch.randint(8, 16, (rows, 8), generator=chance)
    pairs = torch.stack([keys, values], 2)
    asked = torch.rand(rows, 8, generator=chance).argsort(1)[:, :4]
    answers = pairs.gather(1, asked[:, :, None].expand(-1, -1, 2))
    ids = torch.cat([pairs.flatten(1), torch.full((rows, 1), 16), answers.flatten(1)], 1)
    labels = torch.full_like(ids, IGNORED)
    labels[:, 18::2] = ids[:, 18::2]
    return ids, labels


def copy(rows: int, chance: torch.Generator) -> Batch:
    """32 random tokens of 64, a bar, and the same tokens again, which carry the loss."""
    text = torch.randint(64, (rows, 32), generator=chance)
    ids = torch.cat([text, torch.full((rows, 1), 64), text], 1)
    labels = ids.clone()
    labels[:, :33] = IGNORED
    return ids, labels


TASKS = {task.name: task for task in (
    Task("lookup", words=17, n_c=18, rows=32, steps=1000, keep=4, chunk=9, draw=lookup),
    Task("copy", words=65, n_c=33, rows=16, steps=300, keep=8, chunk=16, draw=copy))}


def small_model(task: Task) -> LlamaForCausalLM:
    """Two layers of width 64, with random weights."""
    config = LlamaConfig(
        vocab_size=task.words, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=128,
        initializer_range=0.1, attn_implementation="sdpa")
    return LlamaForCausalLM(config).train()


class Training:
    """A model that learns a task in one mode."""

    def __init__(self, task: Task, mode: str, keep: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.task, self.mode, self.keep = task, mode, keep
        self.model = small_model(task)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=4e-3, betas=(0.9, 0.98))
        self.warm_up = torch.optim.lr_scheduler.LinearLR(self.optimizer, 0.02, 1.0, total_iters=50)
        self.seconds = 0.0
        self.losses: list[float] = []

    def step(self, ids: Tensor, labels: Tensor) -> None:
        began = time.process_time()
        loss = prefix_step(self.model, ids, self.task.n_c, labels=labels, mode=self.mode,
                           keep=self.keep, chunk=self.task.chunk)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.warm_up.step()
        self.seconds += time.process_time() - began
        self.losses.append(loss.item())

    @torch.no_grad()
    def accuracy(self, ids: Tensor, labels: Tensor) -> float:
        """How much of what carries loss the model would have said itself."""
        said, asked = self.model(ids).logits[:, :-1].argmax(-1), labels[:, 1:]
        return float((said == asked)[asked != IGNORED].double().mean())


def peak_bytes(task: Task, mode: str, keep: int) -> int:
    """The most that a step holds at once: weights, their gradients, and what the mode keeps."""
    with ballast_probe.step(device="cpu") as recording:
        model = small_model(task)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        ids, labels = task.draw(task.rows, torch.Generator())
        loss = prefix_step(model, ids, task.n_c, labels=labels, mode=mode, keep=keep,
                           chunk=task.chunk)
        loss.backward()  # type: ignore[no-untyped-call]
    return recording.stream.peak().bytes


def train(task: Task, modes: list[tuple[str, int]], seed: int, steps: int,
          write: Callable[..., None]) -> None:
    """Trains in all modes side by side, each on the same batches."""
    chance = torch.Generator().manual_seed(1000 + seed)
    unseen = task.draw(256, torch.Generator().manual_seed(99))
    trainings = [Training(task, mode, keep, seed) for mode, keep in modes]
    for step in range(1, steps + 1):
        batch = task.draw(task.rows, chance)
        for one in trainings:
            one.step(*batch)
            if step % EVERY == 0:
                loss = sum(one.losses[-EVERY:]) / EVERY
                write(one, seed, step, loss, one.accuracy(*unseen))


def spread(values: list[float], form: str) -> str:
    """The lowest and the highest of all seeds."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} … {high}"


def report(rows: list[dict[str, str]]) -> None:
    """A line for each task and mode: what came of it, the lowest and the highest of all seeds."""
    print(f"{'task':6}  {'mode':15}  {'steps to 95 %':>13}  {'accuracy at the end':>19}  "
          f"{'loss at the end':>15}  {'ms a step':>11}  {'bytes at the peak':>17}")
    for task, mode, keep in dict.fromkeys((r["task"], r["mode"], r["keep"]) for r in rows):
        mine = [r for r in rows if (r["task"], r["mode"], r["keep"]) == (task, mode, keep)]
        last = [r for r in mine if r["step"] == mine[-1]["step"]]
        reached = [next((float(r["step"]) for r in mine if r["seed"] == one["seed"]
                         and float(r["accuracy"]) >= LEARNED), float("inf")) for one in last]
        print(f"{task:6}  {mode + (f' keep={keep}' if keep != '0' else ''):15}  "
              f"{spread(reached, '.0f').replace('inf', 'never'):>13}  "
              f"{spread([float(r['accuracy']) for r in last], '.1%'):>19}  "
              f"{spread([float(r['loss']) for r in last], '.3f'):>15}  "
              f"{spread([1e3 * float(r['seconds']) / int(r['step']) for r in last], '.0f'):>11}  "
              f"{int(mine[0]['peak_bytes']):>17,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("results/detaching"), metavar="FOLDER")
    parser.add_argument("--task", choices=TASKS, help="one of them, not both")
    parser.add_argument("--steps", type=int, help="default: 1000 and 300")
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--modes", default="full,replayed,detached,kept", metavar="A,B,…",
                        help="of these and pruned; kept: detached but for some prompt rows")
    parser.add_argument("--quick", action="store_true", help="20 steps of one seed, to try it")
    given = parser.parse_args()
    torch.set_num_threads(1)  # so that seconds of processor time can be compared
    given.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    with open(given.output / "training.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for task in [TASKS[given.task]] if given.task else TASKS.values():
            modes = [("detached", task.keep) if mode == "kept" else (mode, 0)
                     for mode in given.modes.split(",")]
            peaks = {one: peak_bytes(task, *one) for one in modes}

            def write(one: Training, seed: int, step: int, loss: float, accuracy: float) -> None:
                peak = peaks[one.mode, one.keep]
                rows.append(dict(zip(COLUMNS, map(str, (
                    one.task.name, one.mode, one.keep, seed, step, f"{one.seconds:.3f}",
                    f"{loss:.7g}", f"{accuracy:.5f}", peak)), strict=True)))
                writer.writerow(rows[-1])
                file.flush()

            steps = 20 if given.quick else given.steps or task.steps
            for seed in range(1 if given.quick else given.seeds):
                train(task, modes, seed, steps, write)
    report(rows)


if __name__ == "__main__":
    main()
