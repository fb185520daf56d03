"""What is wrong with triage rules is told before any data is read, with the smallest example."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.policy.load import load_policies
from engine.policy.source import SourceText, parse_document

ROOT = Path(__file__).parents[4]

HEAD = "policy: triage\nid: tri-test\ntitle: T\nowner: controller\neffective_from: 1900-01-01\nreference: AM 1\n"
SYMPTOMS = "symptoms:\n  a: {kinds: [missed_amendment]}\n  b: {kinds: [schedule_differs]}\n  c: {kinds: [schedule_differs, not_billed]}\n"


def told(*rules: str) -> list[tuple[str, str]]:
    text = HEAD + SYMPTOMS + "rules:\n" + "".join(f"  - {each}\n" for each in rules)
    _, diagnostics = load_policies([SourceText("tri.yaml", text)])
    return [(each.code.name, each.message) for each in diagnostics if each.is_error]


ONE = "{id: R1, cause: one, root: {symptom: a}, explains: [{symptom: b, same: contract}], priority: 10, says: s}"


def test_a_sound_rule_is_not_remarked_on() -> None:
    assert told(ONE) == []


@pytest.mark.parametrize(
    ("rules", "code", "example"),
    [
        ([ONE, "{id: R2, cause: two, root: {symptom: a}, explains: [{symptom: c, same: [contract, period]}], priority: 10, says: s}"],
         "triage-conflict", "of schedule_differs that shares contract, period with the same cause"),
        ([ONE, "{id: R2, cause: one, root: {symptom: a}, explains: [{symptom: b, same: [contract, period]}], priority: 20, says: s}"],
         "triage-unreachable", "R1 comes first and takes all of it; as schedule_differs that shares contract, period"),
        (["{id: R1, cause: one, root: {symptom: a}, explains: [{cause: tow, same: contract}], says: s}",
          ONE.replace("R1", "R2").replace("one", "two")],
         "triage-unreachable", "no rule begins the cause 'tow', did you mean 'two'?"),
        (["{id: R1, cause: one, root: {symptom: a}, explains: [{cause: two, same: contract}], says: s}",
          "{id: R2, cause: two, root: {symptom: b}, explains: [{cause: one, same: contract}], says: s}"],
         "triage-cycle", "one explains two explains one"),
        ([ONE, "{id: R2, cause: two, root: {symptom: b}, explains: [{symptom: a, same: record}], priority: 20, says: s}"],
         "triage-cycle", "R1 explains what starts R2 explains what starts R1"),
        (["{id: R1, cause: one, root: {symptom: b}, explains: [{symptom: c, same: contract}], says: s}"],
         "triage-cycle", "R1 explains what starts R1"),
        ([ONE.replace("symptom: a", "symptom: aa")], "unknown-symptom", "there is no symptom 'aa'"),
        ([ONE.replace("same: contract", "same: contrakt")], "invalid-value", "contrakt"),
        ([ONE.replace("root: {symptom: a}, ", "")], "invalid-value", "either `root` or `gather`"),
        (["{id: R1, cause: one, gather: {symptom: a, per: contract}, priority: 10, says: s, owner: o, remedy: r}",
          "{id: R2, cause: two, root: {cause: two}, explains: [{cause: one, same: system}], priority: 20, says: s}",
          ONE.replace("R1", "R3").replace("one", "two").replace("10", "30")],
         "triage-unreachable", "gathered by contract"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_an_example(rules: list[str], code: str, example: str) -> None:
    assert any(name == code and example in message for name, message in told(*rules)), told(*rules)


def test_more_rules_than_are_safe_are_refused() -> None:
    parts = ", ".join("{symptom: b, same: contract}" for _ in range(401))
    found = told("{id: R1, cause: one, root: {symptom: a}, explains: [" + parts + "], says: s}")
    assert ("triage-too-large", "the triage rules make 401 conclusions; at most 400 are safe") in found


def test_every_kind_the_shipped_rules_name_is_a_kind_of_finding() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    path = ROOT / "policies" / "triage" / "tri-causes.yaml"
    document, _ = parse_document(SourceText(path.name, path.read_text(encoding="utf-8")))
    kinds = [kind for symptom in document.value["symptoms"].values() for kind in symptom.get("kinds", ())]
    assert [kind for kind in kinds if f"`{kind}`" not in page] == []
