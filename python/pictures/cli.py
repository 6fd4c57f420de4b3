"""A picture of each result named, and a sentence for each that makes none; see scripts/plot."""

from __future__ import annotations

import sys
from pathlib import Path

from checkout import Failure
from checkout.command import Words, name
from pictures import choice, flow, plans, recorded, training
from pictures.data import read
from pictures.files import Unplottable, printable


def complain(sentence: str) -> None:
    print(f"{name()}: {printable(sentence)}", file=sys.stderr)


def draw(argument: str) -> None:
    """The picture of a plan, of positions, or of a folder of results."""
    path = Path(argument)
    if argument.endswith(".csv") and plans.is_plan(path):
        plans.draw(path)
    elif argument.endswith(".csv") and recorded.is_plan(path):
        recorded.draw_plan(path)
    elif argument.endswith(".csv") and training.is_training(path):
        training.draw(path)
    elif recorded.is_sweep(path):
        recorded.draw_sweep(path)
    elif positions := flow.asked(argument):
        flow.draw(*positions)
    else:
        choice.draw(path, *read(path / "points.csv"))


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("results", nargs="+", metavar="RESULTS_DIR")
    status = 0
    for argument in parser.parse_args(words).results:
        try:
            draw(argument)
            continue
        except Unplottable as error:
            complain(str(error))
        except ModuleNotFoundError as error:
            raise Failure(f"{error.name} is missing; run scripts/setup --plot") from None
        except OSError as error:
            complain(f"{error.filename or argument} cannot be written: {error.strerror or error}")
        except (ValueError, OverflowError, MemoryError) as error:
            complain(f"{argument} holds figures that make no picture: {error or type(error).__name__}")
        status = 1
    return status
