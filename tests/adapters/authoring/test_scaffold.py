"""`tieout policy new | doc | fmt` and `tieout init`: something to begin with, a manual, aligned tables."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from adapters.authoring.formatting import format_folder
from adapters.authoring.manual import manual_sections
from adapters.authoring.scaffold import _EXAMPLES, init_folder, new_policy
from adapters.authoring.sections import as_html
from adapters.policy_folder import SHIPPED, check_policies
from engine.errors import UsageError

DAY = dt.date(2026, 4, 1)
TAX = (
    "# Kept\npolicy: tax\nid: tax-codes\ntitle: <b>Codes</b>\nowner: tax\neffective_from: 1900-01-01\nreference: r\nhit: FIRST\n"
    "inputs: [tax_jurisdiction]\noutputs: {tax_code: text}\nrules: |\n"
    "  | rule | tax_jurisdiction | -> tax_code | note |\n  | X-1 | DE | V19 | At home |\n  | X-2 | - | V0 | Abroad |\n"
    "default: {tax_code: null}\n"
)


@pytest.mark.parametrize("kind", sorted(_EXAMPLES))
def test_a_new_policy_of_every_kind_loads(kind: str, tmp_path: Path) -> None:
    new_policy(kind, "my-own", tmp_path, DAY)
    policies, told = check_policies(tmp_path)
    assert [(each.policy.id, each.policy.policy, each.policy.effective_from) for each in policies.policies] == [("my-own", kind, DAY)]
    assert not [each for each in told if each.is_error]


def test_what_cannot_be_begun_is_said(tmp_path: Path) -> None:
    new_policy("tax", "my-own", tmp_path, DAY)
    for kind, name in (("tax", "my-own"), ("tax", "../x"), ("tax", "My"), ("fun", "x")):
        with pytest.raises(UsageError):
            new_policy(kind, name, tmp_path, DAY)


def test_a_folder_to_begin_with_has_sound_policies_and_is_never_written_over(tmp_path: Path) -> None:
    made = tmp_path / "firm"
    init_folder(made, DAY)
    shipped = {path.relative_to(SHIPPED) for path in SHIPPED.rglob("*.yaml")}
    assert {path.relative_to(made / "policies") for path in (made / "policies").rglob("*.yaml")} == shipped
    assert "as_of: 2026-04-01" in (made / "snapshot" / "snapshot.yaml").read_text()
    with pytest.raises(UsageError, match="not empty"):
        init_folder(made, DAY)


def test_a_folder_to_begin_with_tells_the_editor_where_the_schemas_are(tmp_path: Path) -> None:
    made = tmp_path / "firm"
    init_folder(made, DAY)
    (path, patterns), *_ = json.loads((made / ".vscode" / "settings.json").read_text())["yaml.schemas"].items()
    assert (made / path).is_file() and patterns == ["policies/**/*.yaml", "!policies/**/*_test.yaml"]


def test_tables_are_aligned_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "tax.yaml").write_text(TAX)
    assert format_folder(tmp_path, write=False) == ["tax.yaml"]
    assert (tmp_path / "tax.yaml").read_text() == TAX
    format_folder(tmp_path, write=True)
    text = (tmp_path / "tax.yaml").read_text()
    assert "  | X-1  | DE               | V19         | At home |\n" in text
    assert text.startswith("# Kept\npolicy: tax\n") and text.endswith("|\ndefault: {tax_code: null}\n")
    assert format_folder(tmp_path, write=True) == []


def test_the_manual_tells_every_rule_in_a_sentence_and_forms_no_markup(tmp_path: Path) -> None:
    (tmp_path / "tax.yaml").write_text(TAX)
    policies, _ = check_policies(tmp_path)
    sections = manual_sections(policies, DAY)
    assert sections[1].rows == [
        ["X-1", "At home", "if tax_jurisdiction is DE: tax_code V19", "r"], ["X-2", "Abroad", "else: tax_code V0", "r"],
    ]  # fmt: skip
    assert "&lt;b&gt;Codes" in as_html(sections, "Policies")
    assert len(manual_sections(policies, dt.date(1899, 12, 31))) == 1
