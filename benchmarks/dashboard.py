"""The dashboard before a real browser, on a firm with 1,000,000 findings and 10,000,000 rows of schedule.

`python -m benchmarks.dashboard` publishes two large nights (kept in the folder that is given, for the next time), serves them, opens
every page in headless Chromium and measures until it stands whole, then until a search and a filter are answered: by the clock, and by
the processor seconds of the server alone, which a busy machine changes less. It prints the table; what is late by the clock is marked.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.large_run import FINDINGS, publish_night
from dashboard.__main__ import command
from dashboard.views.summaries import prepare
from dashboard.views.workspace import OUT_VARIABLE, Workspace, find_runs

ROOT: Final = Path(__file__).parent.parent
TIMES: Final = 3
PAGE_WITHIN: Final = 2.0
FILTER_WITHIN: Final = 1.0

_COUNT: Final = re.compile(r"of [0-9,]+ · page")
_CHANGED: Final = """([pattern, before]) => [...document.querySelectorAll('[data-testid=stCaptionContainer]')]
    .map(each => each.innerText).find(each => new RegExp(pattern).test(each)) !== before"""
_DRAWN: Final = "[data-testid=stApp][data-test-script-state=notRunning]"

PAGES: Final = {
    "Overview": ("", "Since the last run"), "Exceptions": ("exceptions", "· page"), "My projects": ("projects", "· page"),
    "Billing": ("billing", "· page"), "Revenue": ("revenue", "· page"), "Reconciliation": ("reconciliation", "· page"),
    "Close": ("close", "Certificate"), "Record": ("record?record=CON-0004-17", "Where it comes from"),
    "Integrations": ("integrations", "· page"), "Policies": ("policies", "· page"), "Runs": ("runs", "· page"),
}  # fmt: skip
"""By page: its address, and what it shows once it stands."""

SEARCHES: Final = {
    "Exceptions": ("exceptions", "con-0004-17"), "Billing": ("billing", "CON-0004-17"), "Revenue": ("revenue", "0004-17"),
    "My projects": ("projects", "mara"), "Reconciliation": ("reconciliation", "invoice"),
}  # fmt: skip
"""By page what is searched for."""

FILTERS: Final = {
    "Exceptions": ("exceptions", "Severity", "low"), "Exceptions, rule": ("exceptions", "Rule", "own-contract-value"),
    "Billing": ("billing", "Rule", None), "Revenue": ("revenue", "Period", "2026-03"), "My projects": ("projects", "Status", None),
}  # fmt: skip
"""By page the filter and the value chosen of it; None: the first that is offered."""


def publish(out: Path) -> None:
    """Publish the sample firm's nights, then the large ones grown from the last two of them; the later one moves the cases."""
    small = out.parent / "small"
    subprocess.run([sys.executable, "-m", "dashboard", "--sample", "--prepare", "--out", str(small)], check=True, stdout=subprocess.DEVNULL)
    nights = sorted((each.as_of, each.folder) for each in find_runs(_workspace(small)))
    publish_night(nights[-1][1], out, "c" * 16)
    publish_night(nights[-2][1], out, "b" * 16, FINDINGS - FINDINGS // 100)
    prepare(find_runs(_workspace(out))[0])


def _workspace(out: Path) -> Workspace:
    return Workspace(out, f"sqlite:///{out / 'tieout.db'}", ROOT / "policies")


def served(out: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Serve the runs of a folder; return the process and the address, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, OUT_VARIABLE: str(out), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command(port, "localhost"), env=environment, cwd=out, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address, end = f"http://localhost:{port}", time.monotonic() + 120
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return process, address
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError("the dashboard did not start")


Took = tuple[float, float]
"""Seconds by the clock, and of the server's processor."""


class Visitor:
    """One browser window that measures until what was asked stands."""

    def __init__(self, page: Any, address: str, server: int) -> None:
        self.page, self.address, self.server = page, address, server

    def used(self) -> float:
        """Return the processor seconds the server has used."""
        fields = Path(f"/proc/{self.server}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def opens(self, place: str, shows: str = "") -> Took:
        """Open a page anew and return the seconds until it stands whole."""
        started, used = time.perf_counter(), self.used()
        self.page.goto(f"{self.address}/{place}")
        return self._until(started, used, shows)

    def answered(self, act: Callable[[], None]) -> Took:
        """Do something and return the seconds until the table tells another count and the page stands."""
        count = self.page.get_by_text(_COUNT).first
        before = count.inner_text()
        started, used = time.perf_counter(), self.used()
        act()
        self.page.wait_for_function(_CHANGED, arg=[_COUNT.pattern, before])
        self.page.wait_for_selector(_DRAWN)
        return time.perf_counter() - started, self.used() - used

    def searches(self, text: str) -> Took:
        """Search in the page's table."""
        box = self.page.get_by_role("textbox", name="Search").locator("visible=true").first
        box.fill(text)
        return self.answered(lambda: box.press("Enter"))

    def chooses(self, label: str, value: str | None) -> Took:
        """Open the filters and choose a value of one."""
        self.page.get_by_role("button", name="Filters").first.click()
        box = self.page.get_by_role("combobox", name=label, exact=True).first
        box.click()
        if value is not None:
            # Of many values a list draws those alone that fit what is typed.
            box.fill(value)
        options = self.page.get_by_role("option")
        option = options.first if value is None else self.page.get_by_role("option", name=value, exact=True).first
        option.wait_for()
        return self.answered(option.click)

    def _until(self, started: float, used: float, shows: str) -> Took:
        self.page.wait_for_selector(_DRAWN)
        if shows:
            self.page.get_by_text(shows).first.wait_for()
        self.page.wait_for_selector(_DRAWN)
        took = time.perf_counter() - started
        wrong = self.page.get_by_text("This page cannot be shown").count()
        assert not wrong, f"{self.page.url} failed"
        return took, self.used() - used


def measure(visitor: Visitor) -> Iterator[tuple[str, Took, float]]:
    """Give for every page, search and filter what it took and may take; the least of a few."""
    for title, (place, shows) in PAGES.items():
        yield title, _least(functools.partial(visitor.opens, place, shows)), PAGE_WITHIN
    for title, (place, text) in SEARCHES.items():
        search = functools.partial(visitor.searches, text)
        yield f"{title}, a search", _least(functools.partial(_after, visitor, place, search)), FILTER_WITHIN
    for title, (place, label, value) in FILTERS.items():
        choose = functools.partial(visitor.chooses, label, value)
        yield f"{title}, a filter", _least(functools.partial(_after, visitor, place, choose)), FILTER_WITHIN


def _least(act: Callable[[], Took]) -> Took:
    clocks, processors = zip(*(act() for _ in range(TIMES)), strict=True)
    return min(clocks), min(processors)


def _after(visitor: Visitor, place: str, act: Callable[[], Took]) -> Took:
    visitor.opens(place, PAGES[_page_of(place)][1])
    return act()


def _page_of(place: str) -> str:
    return next(title for title, (address, _) in PAGES.items() if address == place)


def main() -> None:
    """Measure and print the table."""
    from playwright.sync_api import sync_playwright

    given = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as made:
        out = (given or Path(made)) / "large"
        if not out.is_dir():
            publish(out)
        process, address = served(out)
        browser_path = os.environ.get("TIEOUT_CHROMIUM") or shutil.which("chromium")
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
                page = browser.new_page(viewport={"width": 1280, "height": 1400})
                page.set_default_timeout(45_000)
                visitor = Visitor(page, address, process.pid)
                first = visitor.opens("", PAGES["Overview"][1])
                print(f"The first page of a server that was just started: {first[0]:.2f} s, {first[1]:.2f} s of processor.\n")
                print("| what | clock | server's processor | may take |\n|---|---|---|---|")
                for title, (clock, processor), within in measure(visitor):
                    late = "" if clock <= within else " (late)"
                    print(f"| {title} | {clock:.2f} s{late} | {processor:.2f} s | {within:.0f} s |", flush=True)
                browser.close()
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
