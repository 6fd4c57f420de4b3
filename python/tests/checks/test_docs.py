"""What counts as shown by a page, and what as printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.docs import Checker, Shell, anchors, blocks, missing

PAGE = """# A page

<!-- check-docs: machine -->
```sh
echo 12 GB
```

```
12 GB
```

<!-- check-docs: skip: it needs a cluster -->
```sh
sbatch
```
"""


def test_blocks_carry_the_comments_before_them() -> None:
    found = blocks(PAGE)
    assert [(b.line, b.language, b.directives) for b in found] == [
        (4, "sh", {"machine": ""}), (8, "", {}), (13, "sh", {"skip": "it needs a cluster"})]
    assert found[0].lines == ["echo 12 GB"]


@pytest.mark.parametrize(("page", "output", "directives", "expected"), [
    (["a", "c"], ["a", "b", "c"], {}, None),  # lines may be left out
    (["c", "a"], ["a", "b", "c"], {}, "a"),  # and not swapped
    (["a  b"], ["a b"], {}, None),
    (["took 1.5 s"], ["took 27 s"], {}, "took 1.5 s"),
    (["took 1.5 s"], ["took 27 s"], {"machine": ""}, None),
    (["1e-7 … 2e-7"], ["3e-7"], {"machine": ""}, None),
    (["one three"], ["one two three"], {}, "one three"),
    (["one three"], ["one two three"], {"columns": ""}, None),
    (["...", ""], [], {}, None),
])
def test_missing(page: list[str], output: list[str], directives: dict[str, str],
                 expected: str | None) -> None:
    assert missing(page, output, directives) == expected


def test_anchors() -> None:
    assert anchors("# A page, of two\n## `ballast plan`\n") == {"a-page-of-two", "ballast-plan"}


def test_a_page_is_held_against_what_its_commands_print(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import checks.docs
    monkeypatch.setattr(checks.docs, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    path = tmp_path / "docs/page.md"
    (tmp_path / "shell").mkdir()
    checker = Checker(Shell(tmp_path / "shell"))
    path.write_text(PAGE)
    checker.page(path)
    assert checker.troubles == 0
    assert checker.counts == {"commands": 1, "outputs": 1, "links": 0, "skipped": 1,
                              "left for another day": 0}
    path.write_text("[gone](gone.md)\n\n```sh\necho 1; exit 3\n```\n\n```\n2\n```\n")
    checker.page(path)
    errors = capsys.readouterr().err
    assert checker.troubles == 3
    assert "there is no gone.md" in errors and "ends with 3" in errors and "does not print, there: 2" in errors


def test_a_long_command_runs_on_its_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it prints is then held against the page, on other days neither."""
    import checks.docs
    monkeypatch.setattr(checks.docs, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs/page.md"
    page.write_text("<!-- check-docs: turn: 1/2 -->\n```sh\necho a\n```\n\n```\nb\n```\n")
    found = {}
    for day in ("0", "1", "2", "full"):
        monkeypatch.setenv("BALLAST_TESTS", day)
        (tmp_path / day).mkdir()
        checker = Checker(Shell(tmp_path / day))
        checker.page(page)
        found[day] = checker.troubles, checker.counts["left for another day"]
    assert found == {"0": (0, 1), "1": (1, 0), "2": (0, 1), "full": (1, 0)}
