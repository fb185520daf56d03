"""One small firm, one server with sign-in, one browser: shared by all journeys."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.policy_folder import SHIPPED
from adapters.run import run_snapshot
from adapters.sampling import FirmOptions, simulate_firm, write_vendor
from dashboard.__main__ import command
from dashboard.views.workspace import Workspace
from tests.journeys.provider import Provider

ROOT = Path(__file__).parents[2]
SCREENSHOTS = Path(os.environ.get("TIEOUT_SCREENSHOTS", ROOT / "build" / "journeys"))
ANNA, BEN = "anna@firm.example", "ben@firm.example"
PATIENCE = 60_000

# What the journeys touch: a whole folder would take a minute more.
_POLICIES = (
    "run.yaml", "calendar.yaml", "cases.yaml", "ownership", "billing", "revenue", "triage", "remedies",
    "reconciliation/rec-ar-control.yaml",
)  # fmt: skip
_ACCESS = (
    "policy: access\nid: access\ntitle: Who\nowner: controller\neffective_from: 1900-01-01\npeople:\n"
    f"  - {{person: {ANNA}, roles: [preparer]}}\n  - {{person: {BEN}, roles: [approver]}}\n"
)
_CLOSE = (
    "policy: close\nid: close\ntitle: Close\nowner: controller\neffective_from: 1900-01-01\nblocked_by: []\nunexplained_above: 100000000\n"
    "snapshot_within_days: 40\n"
)


@pytest.fixture(scope="session")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace on a run of four contracts: a cause with its symptoms, time with its revenue."""
    base = tmp_path_factory.mktemp("journeys")
    write_vendor(simulate_firm(FirmOptions(contracts=4, months=3, nights=1)), base / "firm", "csv")
    policies = base / "policies"
    for name in _POLICIES:
        (policies / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (SHIPPED / name).is_dir() else shutil.copy)(SHIPPED / name, policies / name)
    (policies / "access.yaml").write_text(_ACCESS)
    (policies / "close.yaml").write_text(_CLOSE)
    snapshot = next(path.parent for path in (base / "firm").rglob("snapshot.yaml"))
    run_snapshot(snapshot, policies=policies, out=base / "runs")
    return Workspace(base / "runs", f"sqlite:///{base / 'runs' / 'tieout.db'}", policies)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium: Debian's, where it is installed."""
    known = (shutil.which(each) for each in ("chromium", "chromium-browser", "google-chrome"))
    path = os.environ.get("TIEOUT_CHROMIUM") or next((each for each in known if each), None)
    if path is None:
        message = "NO JOURNEY WAS TESTED: there is no Chromium here (apt-get install chromium, or set TIEOUT_CHROMIUM)"
        warnings.warn(message, stacklevel=1)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def server(firm: Workspace, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard with sign-in, as a team would serve it; returns its address."""
    for library in ("authlib", "httpx"):
        pytest.importorskip(library, reason=f"NO JOURNEY WAS TESTED: sign-in needs {library}; install the locked dependencies")
    provider = Provider((ANNA, BEN))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://localhost:{port}"
    secrets = tmp_path_factory.mktemp("secrets") / "secrets.toml"
    secrets.write_text(
        f'[auth]\nredirect_uri = "{address}/oauth2callback"\ncookie_secret = "{"c" * 32}"\nclient_id = "tieout"\nclient_secret = "s"\n'
        f'server_metadata_url = "{provider.address}/.well-known/openid-configuration"\n'
    )
    named = {"TIEOUT_OUT": str(firm.out), "TIEOUT_POLICIES": str(firm.policies), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    log = (secrets.parent / "server.log").open("w")
    started = [*command(port, "localhost"), f"--secrets.files={secrets}"]
    process = subprocess.Popen(started, env={**os.environ, **named}, stdout=log, stderr=log, cwd=secrets.parent)
    try:
        _wait(process, f"{address}/_stcore/health")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()
        provider.close()


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, "the dashboard ended by itself"
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the dashboard did not start within a minute")


@dataclass
class Visitor:
    """A person before the browser."""

    page: Any
    address: str

    def opens(self, place: str) -> None:
        self.page.goto(f"{self.address}/{place}")
        self.settled()

    def settled(self) -> None:
        """Wait until the page has been drawn."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        self.page.wait_for_timeout(300)
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")

    def sees(self, text: str | re.Pattern[str]) -> None:
        self.page.get_by_text(text).first.wait_for()

    def presses(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()
        self.settled()

    def may_not(self, name: str) -> None:
        """Wait until a button can no longer be pressed: a page draws it after what stands above it."""
        self.page.get_by_role("button", name=name, exact=True, disabled=True).first.wait_for()

    def turns_to(self, tab: str) -> None:
        self.page.get_by_role("tab", name=tab, exact=True).first.click()

    def keeps(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(SCREENSHOTS / f"{name}.png"), full_page=True)


Visit = Callable[[str], Visitor]


@pytest.fixture
def visit(server: str, browser: Any) -> Iterator[Visit]:
    """Sign a person in: `visit(ANNA)`; each in a window of their own."""
    windows = []

    def signed_in(person: str) -> Visitor:
        window = browser.new_context(viewport={"width": 1280, "height": 1400})
        windows.append(window)
        page = window.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name=person).click()
        visitor = Visitor(page, server)
        visitor.sees("signed in")
        return visitor

    yield signed_in
    for each in windows:
        each.close()
