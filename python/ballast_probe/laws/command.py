"""The command `ballast-probe fit`."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..asked import asked_model
from ..completing import complete
from ..configuration import make_subject
from ..errors import ProbeError, UsageError
from ..printed import add_format, is_json, print_json
from ..recording import writing
from ..recording.command import add_step, place, training_of
from ..recording.recording import Recording
from ..recording.trainer import Training, record_training
from .changes import CHANGES, changed, options_of
from .fitting import Fit, Fitter, Model, batches, prompts, refuse_lengths
from .planner import Question, refuse_memory, require_program
from .table import answer_of, table, values_of
from .workers import processors, workers

_N_G = 512
_ASKED = -1  # as a prefix: it is what is asked for

EXAMPLES = """
examples:
  ballast-probe fit --model llama-3.1-8b --gpu a100-80gb --recompute layer \\
      --lora r=16,alpha=32,targets=all-linear
      how long a prompt fits before a completion of 512 tokens, to the token
  ballast-probe fit --model llama-3.2-1b --gpu h100 --n-c 4096 --n-g 1024
      how many sequences at a time, such as a group of completions that are trained together
  ballast-probe fit --model path/to/config.json --gpu rtx-4090 --n-g 128 --output recordings/mine \\
      --also checkpointing,lora,qlora,fused-optimizer
      the same, and what each change would let fit; afterwards, without Python:
      ballast plan --recording recordings/mine/recording.json.gz --memory 24GiB,48GiB,80GiB
"""


def add_parser(commands: Any) -> None:
    """Adds the command to those of `ballast-probe`."""
    parser = commands.add_parser(
        "fit", help="the longest prompt, or largest batch, with which a step fits a GPU",
        epilog=EXAMPLES,
        description="Records training steps of a transformers model at a few lengths, finds from\n"
                    "them what the step allocates at every length, and with that the longest\n"
                    "prompt that fits the GPU; then records the step at it and one past it to see.",
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add_step(parser, n_g=_N_G)
    parser.add_argument("--n-c", type=int, metavar="N", help="prefix tokens of each sequence, "
                        "which carry no loss; with it the largest batch is found, of completions "
                        "or texts, and without it the longest prefix")
    answer = parser.add_argument_group("answer")
    answer.add_argument("--memory", metavar="SIZE", help="what the step has to fit, such as 80GiB; "
                        "several are separated by commas (default: the GPU's, which is a little "
                        "less than it is sold as)")
    complete(answer.add_argument(
        "--also", metavar="LIST", help="record the step with each of these changes "
        f"too, and say what they let fit: {', '.join(CHANGES)}, or all"),
        [*CHANGES, "all"], lists=True)
    output = parser.add_argument_group("output")
    complete(output.add_argument(
        "--output", type=Path, metavar="DIR",
        help=f"write {writing.NAME} into this folder, and that of each change into "
        "one of its name in there"), paths="directory")
    output.add_argument("--overwrite", action="store_true",
                        help="replace recordings that are there")
    add_format(output)


def run(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    """Runs the command; gives its exit status.

    Raises:
        ProbeError: The step cannot be recorded, follows no law, or its file cannot be written.
        UsageError: What is asked cannot be meant.
    """
    prints_json = is_json(arguments)
    training = training_of(arguments, _ASKED if arguments.n_c is None else arguments.n_c)
    replace(training, n_c=1 if arguments.n_c is None else arguments.n_c).validate()
    if training.n_c >= 0 and training.batch != 1:
        raise UsageError("with --n-c the largest batch is asked for; leave --batch out, or --n-c "
                         "to ask for the longest prompt")
    if training.is_cpu:
        raise UsageError("fit is about the memory of GPUs, and --gpu is cpu; name a GPU")
    refuse_memory(arguments.memory)
    changes = changed(training, arguments.also)
    require_program()
    name, values = asked_model(arguments)
    question = Question(memory=arguments.memory)
    said = Progress()
    command = shlex.join(["ballast-probe", *words])
    folder: Path | None = arguments.output
    files = {change: place(folder / change if folder and change else folder, arguments.overwrite)
             for change in ["", *changes]}
    fits: dict[str, Fit] = {}
    refused: dict[str, str] = {}
    for change, asked in {"": training, **changes}.items():
        try:
            fits[change] = fit = _fit(name, values, asked, question, command, said.of(change))
        except ProbeError as error:
            if not change:
                raise
            said.end()
            refused[change] = str(error)
            print(f"ballast-probe: {change}: {error}", file=sys.stderr)
            continue
        said.end()
        if not change and not prints_json:
            if training.n_c >= 0 and not answer_of(fit).get("fits"):
                print(f"Not even one sequence of {training.n_c:,} tokens of prompt and "
                      f"{training.n_g:,} of answer fits; without --n-c the longest prompt is found.\n")
            print(fit.summary(), flush=True)
            print(_untold(training, asked_for_changes=bool(changes)), flush=True)
        if (file := files[change]) is not None:
            fit.recording.write(file)
    said.end()
    if prints_json:
        print_json(values_of(fits, refused)
                   | {"recording": str(files[""]) if files[""] is not None else None})
        return 0
    if changes:
        print("\n" + table({change: answer_of(fit) for change, fit in fits.items()}))
        print("\nEach is the step above with one change; several are asked for by their options "
              "together:\n" + "\n".join(f"  {name:{max(map(len, changes))}}  {options_of(name)}"
                                        for name in changes))
    if (file := files[""]) is not None:
        ballast = shlex.quote(require_program())
        print(f"\nThe recording is in {file}; for other GPUs (this one's kernels are in it), memories "
              f"or completions:\n  {ballast} plan --recording {file} --gpu rtx-4090,h100,h200\n"
              f"  {ballast} plan --recording {file} --memory 40GiB --n-g {2 * training.n_g}\n"
              "for what it takes at lengths of your own, or over time:\n"
              f"  {ballast} measure --recording {file} --n-c 4096 --timeline step.json\n"
              f"  {ballast} sweep lengths.yaml --recording {file} --output results/lengths   "
              "# with a line n_c: [1024, 4096] in lengths.yaml")
    return 0


def _untold(training: Training, *, asked_for_changes: bool) -> str:
    """What the step has and has not, and what has not been tried, in words of who asked."""
    has = [f"LoRA {training.lora}" if training.lora else "every weight is trained",
           "layers are checkpointed" if training.recompute != "none" else "no checkpointing",
           f"an answer of {training.n_g:,} tokens behind the prompt (--n-g)"]
    lines = [f"In this step {', '.join(has)}; it was recorded without a GPU."]
    left = [f"{name} ({options_of(name)})" for name in changed(training, "all")]
    if left and not asked_for_changes:
        lines.append(f"Not tried: {', '.join(left)}.\n--also all says what each of them lets fit.")
    return "\n" + "\n".join(lines)


def _fit(name: str, values: Mapping[str, Any], training: Training, question: Question,
         command: str, say: Any) -> Fit:
    subject = make_subject(values, layers=training.layers, dropout=training.dropout)

    def record(n_c: int, n_g: int, batch: int = training.batch) -> Recording:
        return record_training(values, replace(training, n_c=n_c, n_g=n_g, batch=batch), name=name,
                               command=command)

    model = Model.of(subject.text)
    refuse_lengths(model, max(training.n_c, 0), training.n_g)
    spans = prompts(model, training.n_g, training.batch) if training.n_c < 0 \
        else batches(training.n_c, training.n_g)
    with workers(record, processors()) as recorders:
        return Fitter(recorders, model, spans, question, say, recorders.start).run()


class Progress:
    """Says on a terminal what is being done."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._began = time.monotonic()

    def of(self, change: str) -> Any:
        """What is told of a fit with a change."""
        def say(text: str) -> None:
            if self._is_shown:
                seconds = time.monotonic() - self._began
                what = f"{change}: {text}" if change else text
                sys.stderr.write(f"\r\x1b[K{what} ({seconds:.0f} s)")
                sys.stderr.flush()
        return say

    def end(self) -> None:
        """Clears the line."""
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
