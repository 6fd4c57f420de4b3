"""The command `ballast-probe`."""

from __future__ import annotations

import argparse
import datetime
import itertools
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from . import completing, files, table, versions
from .asked import add_model, asked_model
from .completing import complete
from .configuration import configuration_file
from .errors import OutOfMemory, ProbeError, UsageError
from .laws import command as fit_command
from .options import ATTENTIONS, DEVICES, DTYPES, LOGITS, MODES, RECOMPUTES, PointOptions
from .points import Prober, ProbeResult
from .printed import add_format, is_json, print_json
from .recording import command as record_command
from .words import first_line, printable

DONE, FAILED, WRONG_USAGE = 0, 1, 64

_EXAMPLES = """
examples:
  ballast-probe run --model llama-3.1-8b --n-c 7168 --n-g 1024 --tensors
      every tensor that the step keeps, summed over layers, in seconds and without its memory
  ballast-probe run --model path/to/config.json --n-c 512,1024,2048 --n-g 256 --output results/now
      points.csv, ledger.csv and sweep.json for 'ballast compare', 'scripts/plot' and CI
  ballast-probe run --model-type gemma --set hidden_size=64 --set head_dim=16 --n-c 48 --n-g 16

exit status: 0 done; 1 it failed, with one sentence on standard error; 64 wrong usage
"""


class _Parser(argparse.ArgumentParser):
    """Ends with Ballast's status for wrong usage, and one sentence."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _whole_numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


_whole_numbers.__name__ = "whole number or list"


def _words(text: str) -> list[str]:
    return text.split(",")


def _dropout(text: str) -> float | None:
    return None if text == "config" else float(text)


_dropout.__name__ = "probability"


def parser_of_command() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ballast-probe", description="Lists every tensor that a PyTorch "
        "training step keeps for its backward pass.",
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=versions.own())
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    run = commands.add_parser(
        "run", help="what a transformers model keeps", epilog=_EXAMPLES, allow_abbrev=False,
        description="Runs the forward pass of a transformers model and lists what it keeps for\n"
                    "its backward. Options with a list take several values, a,b,c or given again;\n"
                    "every combination is a point.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model(run)
    several = {"action": "extend", "default": None}
    point: Any = run.add_argument_group("point")
    point.add_argument("--n-c", type=_whole_numbers, required=True, **several,
                       metavar="LIST", help="prefix tokens, which carry no loss")
    point.add_argument("--n-g", type=_whole_numbers, required=True, **several,
                       metavar="LIST", help="generated tokens, which carry loss")
    point.add_argument("--batch", type=_whole_numbers, **several, metavar="LIST",
                       help="sequences at a time (default 1)")
    for name, words in (("mode", MODES), ("attention", ATTENTIONS), ("dtype", DTYPES),
                        ("recompute", RECOMPUTES), ("logits", LOGITS)):
        standard = {"attention": "sdpa", "dtype": "the configuration's, or else float32"}.get(
            name, words[0])
        complete(point.add_argument(f"--{name}", type=_words, **several, metavar="LIST",
                                    help=f"{', '.join(words)} (default: {standard})"),
                 words, lists=True)
    point.add_argument("--keep-prefix", type=int, default=0, metavar="W",
                       help="last prefix rows that detached-prefix leaves in the graph")
    point.add_argument("--trainable", metavar="REGEX",
                       help="parameters in whose name it is found are trained (default: all)")
    point.add_argument("--lora", metavar="WORDS",
                       help="an adapter of PEFT's on a frozen base, such as "
                       "r=16,alpha=32,targets=q_proj+v_proj")
    point.add_argument("--layers", type=int, metavar="N", help="the first N decoder layers")
    point.add_argument("--dropout", type=_dropout, default=0.0, metavar="P",
                       help="probability of every dropout, or config for the configuration's own "
                       "(default 0)")
    point.add_argument("--seed", type=int, default=0, help="of weights and tokens (default 0)")
    complete(point.add_argument(
        "--device", default="fake", metavar="DEVICE",
        help=f"{', '.join(DEVICES)} (default: fake: shapes alone, as on a CPU)"), DEVICES)
    output: Any = run.add_argument_group("output")
    complete(output.add_argument("--output", type=Path, metavar="DIR",
                                 help="write points.csv, ledger.csv and sweep.json"),
             paths="directory")
    output.add_argument("--overwrite", action="store_true", help="replace results that are there")
    output.add_argument("--tensors", action="store_true",
                        help="print what each point keeps, summed over layers")
    add_format(output)
    record_command.add_parser(commands)
    fit_command.add_parser(commands)
    completing.add_parser(commands)
    return parser


def _points(arguments: argparse.Namespace) -> list[PointOptions]:
    """Every combination, those of one model together."""
    points = []
    for mode, attention, dtype, recompute, logits, batch, n_g, n_c in itertools.product(
            arguments.mode or [MODES[0]], arguments.attention or ["sdpa"],
            arguments.dtype or [None], arguments.recompute or ["none"],
            arguments.logits or [LOGITS[0]], arguments.batch or [1], arguments.n_g, arguments.n_c):
        point = PointOptions(
            n_c=n_c, n_g=n_g, batch=batch, mode=mode, attention=attention, dtype=dtype,
            recompute=recompute, layers=arguments.layers, seed=arguments.seed,
            keep_prefix=arguments.keep_prefix if mode != MODES[0] or len(arguments.mode or ()) < 2
            else 0,
            trainable=arguments.trainable, lora=arguments.lora, device=arguments.device,
            dropout=arguments.dropout, logits=logits)
        point.validate()
        if point not in points:
            points.append(point)
    return points


def _run(arguments: argparse.Namespace) -> int:
    prints_json = is_json(arguments)
    points = _points(arguments)
    name, values = asked_model(arguments)

    if arguments.output is not None:
        read = {"--model": configuration_file(arguments.model)} if arguments.model else {}
        files.claim(arguments.output, overwrite=arguments.overwrite, read=read)
    if (warning := versions.warning()) is not None:
        _say(warning)
    rows: list[files.Row] = []
    probers: dict[PointOptions, Prober] = {}
    said: set[str] = set()
    for point in points:
        started = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        result: ProbeResult | None = None
        error, status = None, "ok"
        kind = replace(point, n_c=1, n_g=1, batch=1, mode=MODES[0], keep_prefix=0)
        try:
            if kind not in probers:
                probers.clear()  # one model at a time
                probers[kind] = Prober(values, kind)
            result = probers[kind].probe(point)
        except UsageError:
            raise
        except ProbeError as problem:
            error = str(problem)
            status = "out-of-memory" if isinstance(problem, OutOfMemory) else "failed"
            _say(error)
        rows.append(files.Row(name, point, result, started, error, status))
        for note in result.notes if result else ():
            if note not in said:
                said.add(note)
                _say(note)
    if arguments.output is not None:
        files.write(arguments.output, rows, values)
    if prints_json:
        print_json([_object(row, with_tensors=arguments.tensors) for row in rows])
    elif any(row.result for row in rows):
        print(table.points(rows))
    for row in rows:
        if row.result is None:
            continue
        if arguments.tensors and not prints_json:
            print(f"\nn_c {row.options.n_c}, n_g {row.options.n_g}, {row.options.mode}, "
                  f"{row.options.recipe}\n{table.tensors(row.result)}")
        if row.result.held_by_checkpoint_bytes:
            _say(f"at n_c {row.options.n_c} checkpoints hold "
                 f"{row.result.held_by_checkpoint_bytes:,} bytes more that hooks do not see")
        if row.result.cuda_bytes is not None:
            _say(f"at n_c {row.options.n_c} CUDA had {row.result.cuda_bytes:,} bytes allocated at "
                 f"the boundary, {row.result.cuda_before_bytes:,} before the step and "
                 f"{row.result.cuda_peak_bytes:,} at most")
    return FAILED if any(row.result is None for row in rows) else DONE


def _object(row: files.Row, *, with_tensors: bool) -> dict[str, Any]:
    """A point under the names of its columns, and what it keeps if that was asked for."""
    tensors = [kept._asdict() for kept in table.kept(row.result)] if row.result else []
    return files.point_cells(row) | ({"tensors": tensors} if with_tensors else {})


def _say(sentence: str) -> None:
    print(f"ballast-probe: {printable(sentence)}", file=sys.stderr)


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuses an empty text, which comes of a variable that is not set and means nothing here."""
    for before, argument in zip(["", *arguments], arguments):
        if argument == "" or (argument.startswith("--") and argument.endswith("=")):
            option = argument.removesuffix("=") or before or "an argument"
            raise UsageError(f"{option} is given an empty text, as of a variable that is not set; "
                             "give it a value, or leave it out")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives its exit status."""
    try:
        _refuse_empty(sys.argv[1:] if arguments is None else arguments)
        words = sys.argv[1:] if arguments is None else arguments
        parsed = parser_of_command().parse_args(words)
        if parsed.command == "fit":
            return fit_command.run(parsed, words)
        if parsed.command == "completions":
            return completing.run(parsed)
        return record_command.run(parsed, words) if parsed.command == "record" else _run(parsed)
    except UsageError as error:
        _say(str(error))
        return WRONG_USAGE
    except ProbeError as error:
        _say(str(error))
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except Exception as error:  # what nobody has thought of is a sentence all the same
        _say(f"it failed in a way that the probe does not know: {type(error).__name__}: "
             f"{first_line(error)}")
        return FAILED


def entry() -> None:
    """The command of the package."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is downloaded
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    sys.exit(main())
