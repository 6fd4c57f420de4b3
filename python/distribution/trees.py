"""Tries a wheel in bare trees of Debian: Python alone, an ordinary user, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT, Failure

from .make import run, say

MIRROR = "http://deb.debian.org/debian"
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
USER = "someone"


@dataclass(frozen=True)
class Trial:
    """A command that a user types in the tree, and what has to come of it.

    Attributes:
        status: It ends with this.
        says: Stands in what it prints, on either stream.
    """

    words: str
    says: str
    status: int = 0


# In the user's folder, where profiles/ is, with the environment's programs in PATH.
TRIALS = (
    Trial("ballast --version", "jemalloc 5"),
    Trial("ballast plan --model llama-3.1-8b --n-c 8192 --attention fused --head loss-rows --all", "replayed-prefix"),
    Trial("ballast measure --model seed --n-c 4 --n-g 4", "retained"),
    Trial("ballast sweep profiles/one-layer.yaml --output results/one-layer", "gradient error"),
    Trial("ballast report results/one-layer", "report.html"),
    Trial("ballast check profiles/guard.yaml", "retained"),
    Trial("ballast plan --recording recording", "longest prompt"),
    Trial("ballast measure --model nothing --n-c 4 --n-g 4", "nothing", 64),
    Trial("ballast-probe fit --model llama-3.1-8b --gpu h100", "pip install 'ballast[torch]'", 1),
    Trial("ballast-slurm --help", "Usage: ballast-slurm PROFILE.yaml"),
    Trial("ballast-slurm profiles/modes.yaml --shards 4 --output r", "sbatch is missing", 1),
    Trial("ballast completions bash", "complete"),
    Trial("ballast-plot results/one-layer", "pip install 'ballast[plot]'", 1),
)
WITH_MATPLOTLIB = (
    Trial("ballast-plot results/one-layer", ""),
    Trial("ballast-plot --help", "usage: ballast-plot"),
)


def bare(suite: str, folder: Path) -> Path:
    """A tree of a Debian with Python and nothing else, made first where it is missing."""
    tree = folder / suite
    if not (tree / "home" / USER).is_dir():
        if os.geteuid() != 0 or shutil.which("debootstrap") is None:
            raise Failure("bare trees are made by root with debootstrap; apt-get install debootstrap, "
                          "and run this as root")
        say(f"making {tree} (minutes, the first time)")
        shutil.rmtree(tree, ignore_errors=True)
        run("debootstrap", "--variant=minbase", "--include=python3,python3-venv", suite, tree, MIRROR)
        run("chroot", tree, "useradd", "--create-home", USER)
    return tree


class Tree:
    """A bare tree, and a user's folder in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home" / USER

    def fill(self, wheel: Path, python: str, *, plots: bool) -> None:
        """Empties the folder and puts the wheel and files to work on there; matplotlib's wheels too."""
        for old in self.home.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copy(wheel, self.home)
        shutil.copytree(ROOT / "profiles", self.home / "profiles")
        shutil.copytree(ROOT / "Tests/Fixtures/recordings/llama-3.1-8b", self.home / "recording")
        if plots:
            run(sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:",
                "--python-version", python, "--dest", self.home / "wheels",
                "--requirement", ROOT / "python/requirements/pictures.txt")
        run("chroot", self.root, "chown", "--recursive", f"{USER}:{USER}", f"/home/{USER}")

    def user(self, words: str) -> tuple[int, str, float]:
        """What a command of the user's ends with and prints, without network, and its seconds."""
        began = time.monotonic()
        done = subprocess.run(
            ["unshare", "--net", "--pid", "--fork", f"--mount-proc={self.root}/proc",
             "chroot", f"--userspec={USER}:{USER}", str(self.root), "/bin/sh", "-c",
             f"cd /home/{USER} && HOME=/home/{USER} PATH=/home/{USER}/v/bin:/usr/bin:/bin {words}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout, time.monotonic() - began

    def asked(self, trial: Trial) -> tuple[str | None, float]:
        """What is wrong with a trial, if anything, and its seconds."""
        status, output, seconds = self.user(trial.words)
        if status != trial.status:
            return f"ended with {status}: {output.strip()[-400:]}", seconds
        if trial.says not in output:
            return f"does not say '{trial.says}': {output.strip()[-400:]}", seconds
        if trial.status and (output.count("\n") != 1 or "Traceback" in output):
            return f"is no single sentence: {output.strip()[-400:]}", seconds
        return None, seconds


def check(wheel: Path, suites: list[str], folder: Path, *, plots: bool) -> int:
    """Tries the wheel in each tree, prints a line for each trial, and returns how many failed."""
    wrong = 0
    for suite in suites:
        tree = Tree(bare(suite, folder))
        tree.fill(wheel, PYTHONS[suite], plots=plots)
        _, version, _ = tree.user("python3 --version; ldd --version | head -1")
        print(f"{suite}: {'; '.join(version.split(chr(10))).strip('; ')}")
        trials = [Trial(f"python3 -m venv v && v/bin/pip install --quiet --no-index {wheel.name}", ""),
                  *TRIALS]
        if plots:
            trials += [Trial("pip install --quiet --no-index --find-links wheels matplotlib", ""),
                       *WITH_MATPLOTLIB]
        answers = 0.0
        for number, trial in enumerate(trials):
            fault, seconds = tree.asked(trial)
            wrong += fault is not None
            answers += seconds if number < 3 else 0  # the environment, the version, the first answer
            print(f"  {'✗' if fault else '✓'} {seconds:6.2f} s  {trial.words}"
                  + (f"\n      {fault}" if fault else ""))
        print(f"  {answers:.1f} s from the wheel to the first answer")
    return wrong
