"""A picture of each result named, and a sentence for each that makes none; see scripts/plot."""

from __future__ import annotations

import sys
from pathlib import Path

from ballast_commands.words import Words, name
from ballast_pictures import choice, costs, feeds, flow, lines, over, plans, recorded, training
from ballast_pictures.data import read
from ballast_pictures.files import Unplottable, printable


def complain(sentence: str) -> None:
    print(f"{name()}: {printable(sentence)}", file=sys.stderr)


def draw(argument: str, is_narrow: bool) -> None:
    """The picture of a plan, of gradients, of positions, or of a folder of results."""
    path = Path(argument)
    if argument.endswith(".csv") and plans.is_plan(path):
        plans.draw(path, is_narrow)
    elif argument.endswith(".csv") and recorded.is_plan(path):
        recorded.draw_plan(path, is_narrow)
    elif argument.endswith(".csv") and training.is_training(path):
        training.draw(path, is_narrow)
    elif argument.endswith(".csv") and feeds.is_flow(path):
        feeds.draw(path, is_narrow)
    elif recorded.is_sweep(path):
        recorded.draw_sweep(path, is_narrow)
    elif positions := flow.asked(argument):
        flow.draw(*positions, is_narrow)
    else:
        choice.draw(path, *read(path / "points.csv"), is_narrow)


def tabulate(argument: str) -> None:
    """The numbers behind the picture of a folder of results, as a Markdown table."""
    everything, _, shared = read(Path(argument) / "points.csv")
    picture, drawn = choice.chosen(everything, shared)
    maker = picture if picture in (lines, over) else costs
    for row in maker.rows(drawn):
        print(f"| {' | '.join(row)} |")


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("results", nargs="+", metavar="RESULTS_DIR")
    parser.add_argument("--narrow", action="store_true")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args(words)
    status = 0
    for argument in given.results:
        try:
            if given.table:
                tabulate(argument)
            else:
                draw(argument, given.narrow)
            continue
        except Unplottable as error:
            complain(str(error))
        except ModuleNotFoundError as error:
            complain(f"{error.name} is missing; run scripts/setup --plot, or pip install 'ballast[plot]'")
        except OSError as error:
            complain(f"{error.filename or argument} cannot be written: {error.strerror or error}")
        except (ValueError, OverflowError, MemoryError) as error:
            complain(f"{argument} holds figures that make no picture: {error or type(error).__name__}")
        status = 1
    return status
