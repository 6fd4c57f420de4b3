"""What a wheel's commands say where something is missing, and the runner of action.yml."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from checkout import ROOT, Failure
from distribution.action import EXAMPLE, Runner
from distribution.make import PACKAGES, sources

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())


def command(function: str, *words: str, hides: str = "") -> subprocess.CompletedProcess[str]:
    """A command of the wheel, in a Python that has no such module."""
    hidden = f"sys.modules['{hides}'] = None; " if hides else ""
    script = (f"import sys; {hidden}sys.argv = ['command', *sys.argv[1:]]; "
              f"import ballast_commands; ballast_commands.{function}()")
    return subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True,
                          cwd=ROOT / "python")


@pytest.mark.parametrize(("function", "module", "extra"), [
    ("probe", "torch", "ballast[torch]"), ("plot", "matplotlib", "ballast[plot]")])
def test_what_is_missing_is_a_sentence(function: str, module: str, extra: str) -> None:
    done = command(function, "fit", hides=module)
    assert done.returncode == 1 and extra in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_a_clone_names_its_own_script() -> None:
    done = command("slurm")
    assert done.returncode == 1 and "scripts/slurm/submit" in done.stderr


def test_the_wheel_has_all_that_its_commands_start(tmp_path: Path) -> None:
    folder = sources(tmp_path / "source")
    assert {path.name for path in folder.iterdir() if path.is_dir()} == set(PACKAGES)
    commands = folder / "ballast_commands"
    assert "usage: ballast-plot" in (commands / "plot.txt").read_text()
    for name in ("submit", "shard", "merge"):
        assert "scripts/slurm/submit" not in (commands / "slurm" / name).read_text()
    named = re.search(r"packages = \[(.*?)\]", (folder / "pyproject.toml").read_text(), re.S)
    assert named is not None
    for package in re.findall(r'"([\w.]+)"', named[1]):
        assert (folder / package.replace(".", "/") / "__init__.py").is_file(), package


def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path, tmp_path, {"PATH": "/usr/bin:/bin", "WHEEL": "w"})


def test_expressions_and_conditions(tmp_path: Path) -> None:
    run = runner(tmp_path)
    assert run.filled("${{ inputs.a }}-${{ env.WHEEL }}", {"a": "1"}) == "1-w"
    assert run.holds("${{ always() && inputs.report == 'true' }}", {"report": "true"})
    assert not run.holds("${{ always() && inputs.report == 'true' }}", {"report": "false"})
    run.step({"run": "echo out; exit 3"}, {})
    assert run.status == 3 and run.printed == "out\n"
    assert not run.holds("success()", {}) and run.holds("always()", {})
    run.step({"run": "echo later"}, {})
    assert "later" not in run.printed
    with pytest.raises(Failure, match="is not known here"):
        run.value("github.sha", {})
    with pytest.raises(Failure, match="no input bytes"):
        run.action({"budgets": "b", "bytes": "1"})
    with pytest.raises(Failure, match="budgets is required"):
        run.action({})


def test_the_page_shows_the_workflow_that_is_tried() -> None:
    workflow = (EXAMPLE / "memory-workflow.yml").read_text()
    assert f"```yaml\n{workflow}```" in (ROOT / "docs/budgets-in-ci.md").read_text()
    [job] = yaml.safe_load(workflow)["jobs"].values()
    [used] = [step for step in job["steps"] if "/ballast@" in step.get("uses", "")]
    assert set(used["with"]) <= set(ACTION["inputs"])
