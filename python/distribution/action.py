"""Runs a workflow's steps and action.yml's as GitHub's runner would; see scripts/check-action.

Of GitHub's language there is as much as these files use: inputs, env, runner.temp, and conditions that join
always() and comparisons of texts by &&.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from checkout import ROOT, Failure

EXAMPLE = ROOT / "examples/memory-in-ci"


@dataclass
class Runner:
    """A job in a folder.

    Attributes:
        environment: Of every step.
        printed: What the steps have printed, annotations with it.
        failed: Whether a step has ended with another status than 0.
        left: Actions that only GitHub has.
    """

    folder: Path
    temp: Path
    environment: dict[str, str]
    printed: str = ""
    status: int = 0
    left: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return self.status != 0

    def job(self, workflow: Path) -> None:
        """Runs the steps of a workflow's only job."""
        [job] = yaml.safe_load(workflow.read_text())["jobs"].values()
        given = {**{key: str(value) for key, value in job.get("env", {}).items()}, **self.environment}
        self.environment = given
        for step in job["steps"]:
            self.step(step, {})

    def step(self, step: Mapping[str, Any], inputs: Mapping[str, str]) -> None:
        if not self.holds(step.get("if", "success()"), inputs):
            return
        if uses := step.get("uses"):
            if "/ballast@" in uses:
                self.action({key: self.filled(str(value), inputs)
                             for key, value in step.get("with", {}).items()})
            else:
                self.left.append(uses)
            return
        environment = {key: self.filled(str(value), inputs) for key, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.filled(step["run"], inputs)],
            cwd=self.folder, env={**self.environment, **environment}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.printed += done.stdout
        self.status = self.status or done.returncode

    def action(self, given: Mapping[str, str]) -> None:
        """Runs action.yml with inputs."""
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        if unknown := set(given) - set(action["inputs"]):
            raise Failure(f"action.yml has no input {sorted(unknown)[0]}")
        inputs = {}
        for name, about in action["inputs"].items():
            if name not in given and about.get("required"):
                raise Failure(f"action.yml's input {name} is required and not given")
            inputs[name] = given.get(name, str(about.get("default", "")))
        for step in action["runs"]["steps"]:
            self.step(step, inputs)

    def filled(self, text: str, inputs: Mapping[str, str]) -> str:
        """A text with its ${{ expressions }} put in."""
        return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda found: self.value(found[1], inputs), text)

    def value(self, expression: str, inputs: Mapping[str, str]) -> str:
        kind, _, name = expression.partition(".")
        if kind == "inputs" and name in inputs:
            return inputs[name]
        if kind == "env" and name in self.environment:
            return self.environment[name]
        if expression == "runner.temp":
            return str(self.temp)
        raise Failure(f"what ${{{{ {expression} }}}} is, is not known here")

    def holds(self, condition: str, inputs: Mapping[str, str]) -> bool:
        """Whether a step's condition holds; without always() one that has failed ends a job."""
        words = re.sub(r"^\$\{\{|\}\}$", "", condition.strip()).split("&&")
        if "always()" not in condition and self.failed:
            return False
        for word in (one.strip() for one in words):
            if word in ("always()", "success()"):
                continue
            left, _, right = (one.strip() for one in word.partition("=="))
            if self.value(left, inputs) != right.strip("'"):
                return False
        return True


def repository(folder: Path) -> Path:
    """The example as a repository of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(EXAMPLE, folder)
    return folder


def job(folder: Path, wheel: Path, temp: Path, workflow: Path) -> Runner:
    """Runs a workflow in a folder, in an environment that has PyTorch already.

    Nothing is downloaded: pip finds torch and transformers, of .venv-pytorch.
    """
    shutil.rmtree(temp, ignore_errors=True)
    temp.mkdir(parents=True)
    venv = temp / "python"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    [site] = venv.glob("lib/python*/site-packages")
    [pytorch] = (ROOT / ".venv-pytorch").glob("lib/python*/site-packages")
    for own in site.glob("setuptools*"):  # older than PyTorch asks
        shutil.rmtree(own)
    (site / "pytorch.pth").write_text(f"{pytorch}\n")
    summary = temp / "summary.md"
    environment = {
        "PATH": f"{venv}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(temp), "RUNNER_TEMP": str(temp),
        "GITHUB_STEP_SUMMARY": str(summary), "WHEEL": str(wheel), "PIP_NO_INDEX": "1",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }
    runner = Runner(folder, temp, environment)
    runner.job(workflow)
    return runner
