"""Reports and a timeline in a browser that has no network; see scripts/check-report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from checkout import ROOT, Failure, program
from checkout.command import Words, enter, is_in
from checks import perfetto
from checks.report_pages import CHECKS, Reader
from checks.report_results import reports, say

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VENV = ROOT / ".venv-report"
LIST = ROOT / "python/requirements/report.txt"
DESKTOP, PHONE = (1280, 900), (390, 844)
ONCE = ("many", "made-up", "layouts")  # kinds that are looked at on a desktop alone, in light


def prepare() -> None:
    """Installs what is missing, and goes on in the environment that has playwright."""
    stamp = VENV / "requirements.stamp"
    if not stamp.exists() or stamp.read_bytes() != LIST.read_bytes():
        say(f"making {VENV.name}")
        shutil.rmtree(VENV, ignore_errors=True)
        install([sys.executable, "-m", "venv", str(VENV)])
        (VENV / ".gitignore").write_text("*\n")
        install([str(VENV / "bin/pip"), "install", "--quiet", "--requirement", str(LIST)])
        shutil.copy(LIST, stamp)
    if not shutil.which("chromium"):
        say("installing chromium")
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        install([*sudo, "apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"])
    if not is_in(VENV):
        enter(str(VENV / "bin/python"))


def install(command: list[str]) -> None:
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        raise Failure(f"{' '.join(command)} failed")


def looks(kinds: list[str]) -> Iterator[tuple[str, tuple[int, int], str]]:
    """Each kind of report, with the window's size and the theme in which it is looked at."""
    for kind in kinds:
        for size in (DESKTOP, PHONE):
            for theme in ("light", "dark"):
                if kind not in ONCE or (size, theme) == (DESKTOP, "light"):
                    yield kind, size, theme


def look(browser: Browser, kind: str, path: Path, size: tuple[int, int], theme: str,
         pictures: Path | None) -> list[str]:
    """What is wrong with a report in one window and theme; on a desktop, in light, it is used too."""
    reader = Reader(browser, path, size, theme)
    reader.look()
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        reader.page.screenshot(path=pictures / f"{kind}-{size[0]}-{theme}.png", full_page=True)
    if (size, theme) == (DESKTOP, "light"):
        CHECKS[kind](reader, path.parent)
    reader.page.context.close()
    return reader.troubles


def main(words: list[str]) -> int:
    parser = Words()
    parser.add_argument("--pictures", type=Path)
    pictures = parser.parse_args(words).pictures
    program()
    prepare()
    from playwright.sync_api import sync_playwright

    troubles = looked = 0
    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        pages = reports(Path(name))
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for kind, size, theme in looks(list(pages)):
            found = look(browser, kind, pages[kind], size, theme, pictures)
            for trouble in dict.fromkeys(found):
                say(f"{kind} at {size[0]} pixels, {theme}: {trouble}")
            troubles += len(found)
            looked += 1
        for trouble in perfetto.check(browser, VENV / "bin/vizviewer", Path(name)):
            say(trouble)
            troubles += 1
        browser.close()
    say(f"{looked} pages looked at, {troubles} troubles")
    return 1 if troubles else 0
