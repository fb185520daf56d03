"""Every diagnostic code has a smallest broken example, and says where and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.diagnostics import render_diagnostic
from engine.policy import codes
from engine.policy.load import load_policies
from engine.policy.sheets import Sheet
from engine.policy.source import SourceText

HEAD = "policy: ownership\nid: own-x\ntitle: t\nowner: o\neffective_from: 2026-01-01\nreference: r\nentity: contract\nowner_system: crm\n"

CASES: dict[str, tuple[str, int, int]] = {
    "invalid-yaml": ("policy: [ownership\nid: x\n", 2, 3),
    "file-too-large": ("#" * 2_000_001, 1, 1),
    "hidden-character": (HEAD + "note: safe \u202etxt\n", 9, 12),
    "duplicate-key": (HEAD + "title: again\n", 9, 1),
    "key-not-text": (HEAD + "? [a, b]\n: 1\n", 9, 3),
    "alias-not-allowed": (HEAD + "note: &x text\n", 9, 7),
    "not-a-mapping": ("- a\n- b\n", 1, 1),
    "missing-setting": ("policy: run\nid: r\ntitle: t\nowner: o\n", 1, 1),
    "unknown-setting": (HEAD + "ownr: crm\n", 9, 1),
    "invalid-value": (HEAD + "unauthorized_change: maybe\n", 9, 22),
    "unknown-policy-kind": ("policy: ownershp\n", 1, 9),
    "duplicate-id": (
        HEAD + "rules:\n  - {id: a, field: status, owner: crm, says: s}\n  - {id: a, field: currency, owner: crm, says: s}\n", 11, 10,
    ),
    "unknown-entity": (HEAD.replace("contract", "contracts"), 7, 9),
    "unknown-field-name": (HEAD + "match: [contract_numbr]\n", 9, 8),
    "dates-reversed": (HEAD + "effective_to: 2025-01-01\n", 9, 15),
    "condition-not-allowed": ("policy: calendar\nid: c\ntitle: t\nowner: o\neffective_from: 2026-01-01\nwhere: 1 = 1\n", 6, 8),
    "unknown-facts": (
        "policy: kpi\nid: kpi-x\nkpi: x\ntitle: t\nowner: o\neffective_from: 2026-01-01\nreference: r\nunit: pct\nformula: f\n"
        "numerator: {facts: tme}\n", 10, 20,
    ),
    "unknown-name": (HEAD.replace("crm", "crmm"), 8, 15),
    "without-effect": ("policy: calendar\nid: c\ntitle: t\nowner: o\neffective_from: 2026-01-01\napplies_by: signed_date\n", 6, 13),
    "missing-reference": (HEAD.replace("reference: r\n", ""), 2, 5),
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(CASES))
def test_the_smallest_broken_policy_is_reported_at_its_place(code: str) -> None:
    text, line, column = CASES[code]
    _, diagnostics = load_policies([SourceText("p.yaml", text)])
    found = {each.code.name: each for each in diagnostics}
    assert code in found, [render_diagnostic(each) for each in diagnostics]
    assert (found[code].span.line, found[code].span.column) == (line, column)
    shown = render_diagnostic(found[code])
    assert shown.startswith(f"p.yaml:{line}:{column}: ")
    assert "remedy:" in shown


def test_every_code_of_the_catalogue_has_its_example() -> None:
    own = {code.name for code in codes.CODES}
    # A table's file needs a policy with a table (kinds/test_table.py), a reason its tests (test_mutation); the others stand
    # with their kinds (test_triage, test_quality), policies that compete in test_compete, bytes that are no text in test_policy_folder.
    elsewhere = {name for name in own if name.startswith(("triage-", "quality-", "not-utf8"))}
    elsewhere |= {"table-file", "unknown-symptom", "symptom-not-used", "reason-unused", "policies-compete", "policies-overlap"}
    elsewhere |= {"condition-never-true", "condition-always-true", "same-sides"}  # test_settled
    assert own - elsewhere == set(CASES)


def test_all_mistakes_of_all_files_are_reported_together_and_in_order() -> None:
    texts = [SourceText("b.yaml", HEAD + "ownr: x\n"), SourceText("a.yaml", HEAD + "match: [nope]\ntitel: x\n")]
    _, diagnostics = load_policies(texts)
    places = [(each.span.file, each.span.line) for each in diagnostics]
    assert places == sorted(places)
    assert {file for file, _ in places} == {"a.yaml", "b.yaml"}


def test_the_shipped_policies_have_no_error() -> None:
    folder = Path(__file__).parents[3] / "policies"
    sources = [SourceText(path.name, path.read_text()) for path in folder.rglob("*.yaml") if not path.stem.endswith("_test")]
    suites = [Sheet(path.name, path.read_text()) for path in folder.rglob("*.json")]
    policies, diagnostics = load_policies(sources, suites)
    assert policies.policies
    assert not [each for each in diagnostics if each.is_error]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("title: 5.10", "'title' cannot be 5.10: it is text; write it in quotes"),
        ("title: true", "'title' cannot be true: it is text; write it in quotes"),
        ("effective_to: 2027-02-29", "'effective_to' cannot be '2027-02-29': write a day that exists as YYYY-MM-DD"),
        ("rules: {id: a}", "'rules' cannot be a group of settings: it is a list"),
    ],
)
def test_a_value_of_another_kind_is_told_as_it_is_written(setting: str, message: str) -> None:
    name = setting.partition(":")[0]
    text = "".join(f"{line}\n" for line in HEAD.splitlines() if not line.startswith(f"{name}:")) + setting + "\n"
    _, diagnostics = load_policies([SourceText("p.yaml", text)])
    assert [each.message[: len(message)] for each in diagnostics if each.code.name == "invalid-value"] == [message]


def test_a_setting_that_stands_elsewhere_is_told_where_and_a_word_gets_a_near_one() -> None:
    check = (
        HEAD.replace("ownership", "check").replace("own-x", "Chk_x").replace("owner_system: crm\n", "severity: high\n")
        + "checks:\n  - {id: c, must: end_date > 2026-01-31, kind: k, severity: hihg, says: s, remedy: r}\n"
    )
    messages = [each.message for each in load_policies([SourceText("p.yaml", check)])[1]]
    assert messages == [
        "'id' cannot be 'Chk_x': write small letters a to z, digits and hyphens, a letter first",
        "unknown setting 'severity' here; it belongs in `checks`",
        "'severity' cannot be 'hihg': write 'low', 'medium', 'high' or 'critical', did you mean 'high'?",
    ]
    right = check.replace("Chk_x", "chk-x").replace("severity: high\n", "").replace("hihg", "high")
    [found] = [each.message for each in load_policies([SourceText("p.yaml", right)])[1]]
    assert found == "cannot compare a date with a number; write a date in quotes, '2026-01-31' in `end_date > 2026-01-31`"
