"""Makes the wheel: the program `ballast` and the Python packages under one name."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT, Failure

VENV = ROOT / ".venv-wheel"
REQUIREMENTS = ROOT / "python/requirements/wheel.txt"
BUILD = ROOT / ".build/wheel"
PACKAGES = ("ballast", "ballast_commands", "ballast_pictures", "ballast_probe")

# Of what the oldest glibc and libstdc++ that else would do have no newer name.
OLDER = ("hypot", "hypotf", "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE")

# Whose code is in the wheel besides ours: where its terms stand, on a Debian with a Swift toolchain.
LICENSES = {
    "jemalloc": Path("/usr/share/doc/libjemalloc2/copyright"),
    "oneDNN": Path("/usr/share/doc/libdnnl2/copyright"),
    "libgomp": Path("/usr/share/doc/libgomp1/copyright"),
    "OpenCL-loader": Path("/usr/share/doc/ocl-icd-libopencl1/copyright"),
    "Swift": Path("{toolchain}/share/swift/LICENSE.txt"),
    "swift-argument-parser": BUILD / "checkouts/swift-argument-parser/LICENSE.txt",
    "swift-collections": BUILD / "checkouts/swift-collections/LICENSE.txt",
    "Yams": BUILD / "checkouts/Yams/LICENSE",
    "plotly": ROOT / "Sources/CReport/assets/plotly.LICENSE",
}


@dataclass(frozen=True)
class Made:
    """A wheel, and what of it is worth saying."""

    path: Path
    program_bytes: int

    @property
    def words(self) -> str:
        found = re.search(r"manylinux_(\d+)_(\d+)_(\w+)", self.path.name)
        asks = f"; it runs from glibc {found[1]}.{found[2]} on, on {found[3]}" if found else ""
        return (f"{self.path}: {self.path.stat().st_size / 1e6:.1f} MB, of which the program is "
                f"{self.program_bytes / 1e6:.1f} MB unpacked{asks}")


def run(*words: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """What a command prints.

    Raises:
        Failure: It did not end with 0; its last lines are the sentence.
    """
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, **environment})
    if done.returncode:
        last = "; ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise Failure(f"{Path(words[0]).name} failed: {last}")
    return done.stdout


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def tools() -> Path:
    """The folder of the programs that make wheels, installed first where they are missing."""
    stamp = VENV / "requirements.stamp"
    if not stamp.exists() or stamp.read_bytes() != REQUIREMENTS.read_bytes():
        say("making .venv-wheel")
        shutil.rmtree(VENV, ignore_errors=True)
        run(sys.executable, "-m", "venv", VENV)
        (VENV / ".gitignore").write_text("*\n")
        run(VENV / "bin/pip", "install", "--quiet", "--requirement", REQUIREMENTS)
        shutil.copy(REQUIREMENTS, stamp)
    return VENV / "bin"


def program() -> Path:
    """The program with Swift's runtime inside, without symbols."""
    say("building ballast with Swift's runtime inside (minutes, the first time)")
    run(ROOT / "scripts/setup")
    BUILD.mkdir(parents=True, exist_ok=True)
    older = BUILD / "older.o"
    run("cc", "-O2", "-c", ROOT / "python/distribution/older.c", "-o", older)
    linked = [f"--wrap={name}" for name in OLDER] + [str(older)]
    run("swift", "build", "-c", "release", "--product", "ballast", "--static-swift-stdlib",
        "--scratch-path", BUILD, *(word for one in linked for word in ("-Xlinker", one)))
    stripped = BUILD / "ballast"
    run("strip", "--strip-all", "-o", stripped, BUILD / "release/ballast")
    return stripped


def make(output: Path, given: Path | None = None) -> Made:
    """Makes the wheel in a folder; with a program that is built already, of that."""
    bin_folder = tools()
    binary = given or program()
    work = BUILD / "wheel"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)

    say("packing")
    source = sources(work / "source")
    run(bin_folder / "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir",
        work / "pure", source)
    [pure] = (work / "pure").glob("*.whl")
    run(bin_folder / "wheel", "unpack", "--dest", work / "unpacked", pure)
    [tree] = (work / "unpacked").iterdir()
    add_program(tree, binary)
    add_licenses(tree)
    (work / "packed").mkdir()
    run(bin_folder / "wheel", "pack", "--dest-dir", work / "packed", tree)
    [packed] = (work / "packed").glob("*.whl")

    path = f"{bin_folder}:{os.environ['PATH']}"
    output.mkdir(parents=True, exist_ok=True)
    before = set(output.glob("*.whl"))
    run(bin_folder / "auditwheel", "repair", "--only-plat", "--plat", "auto", "--strip", "--wheel-dir",
        work / "repaired", packed, PATH=path)
    [repaired] = (work / "repaired").glob("*.whl")
    for old in before:
        if old.name.startswith("ballast-"):
            old.unlink()
    return Made(Path(shutil.copy(repaired, output)), binary.stat().st_size)


def sources(folder: Path) -> Path:
    """The Python packages of the wheel, apart from the clone, with what they carry."""
    folder.mkdir(parents=True)
    for name in PACKAGES:
        shutil.copytree(ROOT / "python" / name, folder / name,
                        ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / "python" / name, folder)
    shutil.copy(ROOT / "LICENSE", folder)
    page = ast.get_docstring(ast.parse((ROOT / "scripts/plot").read_text()), clean=False) or ""
    page = page.replace("scripts/plot", "ballast-plot").replace(
        "Needs matplotlib, which\n`scripts/setup --plot` puts into .venv.",
        "Needs matplotlib:\n`pip install 'ballast[plot]'`.")
    (folder / "ballast_commands/plot.txt").write_text(page)
    slurm = folder / "ballast_commands/slurm"
    slurm.mkdir()
    for name in ("submit", "shard", "merge"):
        script = (ROOT / "scripts/slurm" / name).read_text()
        (slurm / name).write_text(script.replace("scripts/slurm/submit", "ballast-slurm"))
    return folder


def add_program(tree: Path, binary: Path) -> None:
    """Puts the program among a wheel's scripts, and says what machine it is for."""
    [record] = tree.glob("*.dist-info")
    scripts = tree / record.name.replace(".dist-info", ".data") / "scripts"
    scripts.mkdir(parents=True)
    shutil.copy(binary, scripts / "ballast")
    (scripts / "ballast").chmod(0o755)
    about = record / "WHEEL"
    machine = os.uname().machine
    about.write_text(about.read_text().replace("Root-Is-Purelib: true", "Root-Is-Purelib: false")
                     .replace("Tag: py3-none-any", f"Tag: py3-none-linux_{machine}"))


def add_licenses(tree: Path) -> None:
    """Puts the terms of what the program carries beside our own."""
    toolchain = Path(shutil.which("swift") or "/usr/bin/swift").resolve().parents[1]
    [record] = tree.glob("*.dist-info")
    folder = record / "licenses/carried"
    folder.mkdir(parents=True, exist_ok=True)
    for name, place in LICENSES.items():
        found = Path(str(place).format(toolchain=toolchain))
        if not found.is_file():
            raise Failure(f"the terms of {name}, which the wheel carries, are not in {found}")
        shutil.copy(found, folder / f"{name}.txt")
