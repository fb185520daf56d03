"""What tests share: where the shared data lies, snapshots written in a line, and the oracle profiles."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from adapters.processes import collect_seldom, keep_to_one_processor

hypothesis.settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
hypothesis.settings.register_profile("nightly", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ROOT = Path(__file__).parent.parent

# Tests are shared out over the cores already, a process each; Polars reads this when it is first imported.
os.environ.setdefault("POLARS_MAX_THREADS", "1")

# Workers of the suite are named gw0, gw1, …
if "PYTEST_XDIST_WORKER" in os.environ:
    keep_to_one_processor(int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")))

# As a command runs.
collect_seldom()

# Making Data Docs takes seconds a run; the tests of them switch it on.
os.environ.setdefault("TIEOUT_DATA_DOCS", "off")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite generated pages and expected files")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real exports; tests that need them are skipped where they are not at hand."""
    folder = Path(os.environ.get("TIEOUT_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"the shared exports are not at {folder} (set TIEOUT_SHARED)")
    return folder


Snapshot = Callable[..., Path]


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """Write a snapshot of canonical CSV files: `snapshot(crm={"contract": "contract_id\\nC1\\n"})`."""

    def write(*, name: str = "snapshot", as_of: str = "2026-01-31", extra: str = "", **systems: dict[str, str]) -> Path:
        folder = tmp_path / name
        lines = ['schema_version: "1.0.0"', f"as_of: {as_of}", "sources:"]
        for system, files in systems.items():
            lines.append(f"  - {{system: {system}, adapter: canonical, path: {system}}}")
            (folder / system).mkdir(parents=True)
            for entity, text in files.items():
                file = entity if "." in entity else f"{entity}.csv"
                (folder / system / file).write_text(text, encoding="utf-8", newline="")
        folder.mkdir(exist_ok=True, parents=True)
        (folder / "snapshot.yaml").write_text("\n".join(lines) + "\n" + extra, encoding="utf-8")
        return folder

    return write
