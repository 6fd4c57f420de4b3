"""The commands that a wheel installs beside the program `ballast`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

NEEDED = {"torch": "PyTorch", "transformers": "transformers"}


def probe() -> None:
    """`ballast-probe`, which asks PyTorch about a step."""
    _need("ballast-probe", NEEDED, "torch")
    # Before transformers is imported: nothing is downloaded.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    entry: Callable[[], None] = importlib.import_module("ballast_probe.cli").entry
    entry()


def plot() -> None:
    """`ballast-plot`, which draws results."""
    words = sys.argv[1:]
    if "-h" in words or "--help" in words:
        print(resources.files(__name__).joinpath("plot.txt").read_text())
        sys.exit(0)
    _need("ballast-plot", {"matplotlib": "matplotlib"}, "plot")
    main: Callable[[Sequence[str]], int] = importlib.import_module("ballast_pictures.cli").main
    try:
        sys.exit(main(words))
    except KeyboardInterrupt:
        sys.exit(130)


def slurm() -> None:
    """`ballast-slurm`, which submits a sweep to a Slurm cluster."""
    script = Path(str(resources.files(__name__))) / "slurm/submit"
    if not script.is_file():
        print("ballast-slurm: it comes with the wheel; in a clone it is scripts/slurm/submit",
              file=sys.stderr)
        sys.exit(1)
    os.environ.setdefault("BALLAST", str(Path(sys.argv[0]).resolve().with_name("ballast")))
    os.execv("/bin/bash", ["bash", str(script), *sys.argv[1:]])


def _need(command: str, modules: dict[str, str], extra: str) -> None:
    """Ends with a sentence where a package is missing that only this command needs."""
    missing = [name for module, name in modules.items() if importlib.util.find_spec(module) is None]
    if missing:
        names = " and ".join(missing)
        print(f"{command}: {names} {'are' if len(missing) > 1 else 'is'} not installed; pip install "
              f"'ballast[{extra}]', or the {names} of your own, into this environment",
              file=sys.stderr)
        sys.exit(1)
