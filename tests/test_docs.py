"""Generated pages are not stale, and every command and code is documented."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.policy_folder import SHIPPED, require_policies
from engine.canonical.schema import canonical_document
from engine.policy.catalogue import CATALOGUE, diagnostics_document
from engine.policy.facts import facts_document
from engine.policy.kinds.checks import CheckPolicy
from engine.policy.kinds.reconciliation import BreakCase, ReconciliationPolicy
from engine.policy.kinds.remedy import RemedyPolicy

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("page", "text"),
    [("canonical.md", canonical_document()), ("diagnostics.md", diagnostics_document()), ("kpis.md", facts_document())],
)
def test_a_generated_page_is_up_to_date(page: str, text: str, update: bool) -> None:
    path = ROOT / "docs" / page
    if update:
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "run pytest tests/test_docs.py --update"


def commands() -> list[str]:
    import typer

    from adapters import cli

    cli._load_commands()
    group = typer.main.get_command(cli.app)
    names: list[str] = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        names += [f"{name} {each}" for each in inner] if inner else [name]
    return names


def test_every_command_is_in_the_manual() -> None:
    manual = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    missing = [name for name in commands() if f"`tieout {name}" not in manual]
    assert not missing


def test_every_module_of_commands_is_loaded() -> None:
    from adapters import cli

    cli._load_commands()
    modules = {path.stem for path in (ROOT / "adapters" / "cli").glob("*_commands.py")}
    assert not {name for name in modules if f"adapters.cli.{name}" not in sys.modules}


def test_every_diagnostic_code_says_what_it_means_and_what_to_do() -> None:
    assert all(code.meaning.endswith(".") and code.remedy.endswith(".") for code in CATALOGUE.values())


def test_help_comes_without_importing_the_data_libraries() -> None:
    script = "import sys; import adapters.cli; print('polars' in sys.modules, 'pydantic' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]


def test_every_kind_of_finding_is_in_the_catalogue_of_findings() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "engine").rglob("*.py"))
    spelled = r'"kind": "(\w+)"|pl\.lit\("(\w+)"\)\.alias\("kind"\)|\((?:drifted|unauthorized), "(\w+)"|finding_columns\("(\w+)"'
    named = {name for match in re.findall(spelled, code) for name in match if name}
    named |= {"row_count_differs", "control_total_differs"}
    assert len(named) >= 10
    assert not [name for name in named if f"`{name}`" not in page]


def test_every_kind_of_finding_is_documented_and_has_a_remedy_in_the_shipped_policy() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    kinds = set(re.findall(r"^\| `([a-z_]+)` \| (?!triage)", page, re.MULTILINE))
    kinds |= {name for more in re.findall(r"\(likewise ([^)]*)\)", page) for name in re.findall(r"`([a-z_]+)`", more)}
    policies = require_policies(SHIPPED)
    of_breaks = [policy.breaks for _, policy in policies.of_kind(ReconciliationPolicy)]
    cases = [case for each in of_breaks for case in (each, each.differs, each.missing_right, each.missing_left)]
    named = {case.kind for case in cases if isinstance(case, BreakCase) and case.kind is not None}
    named |= {check.kind for _, policy in policies.of_kind(CheckPolicy) for check in policy.checks}
    assert named - kinds == set()
    remedied = {kind for _, policy in policies.of_kind(RemedyPolicy) for each in policy.remedies for kind in each.kinds}
    # What triage gathers is mended one by one.
    assert len(kinds) > 100
    assert kinds - remedied == set()


def test_every_reason_a_cell_is_held_for_is_documented() -> None:
    from adapters.mapping.casting import REASONS

    page = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
    assert not [reason for reason in REASONS if f"`{reason}`" not in page]


def test_every_page_of_the_dashboard_has_a_small_picture_in_its_manual() -> None:
    manual = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
    for page in (ROOT / "dashboard" / "screens").glob("*.py"):
        assert f"(images/{page.stem}.png)" in manual
        assert (ROOT / "docs" / "images" / f"{page.stem}.png").stat().st_size <= 120_000
