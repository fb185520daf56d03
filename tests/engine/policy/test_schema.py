"""The JSON Schemas say what authors write: every shipped policy fits its own, mistakes do not, and the kept files are current."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from adapters.authoring.editor import editor_files
from engine.policy.kinds.registry import KINDS
from engine.policy.schema import WHOLE, kind_schema, schema_files
from engine.policy.source import SourceText, parse_document

ROOT = Path(__file__).parents[3]
POLICIES = [path for path in sorted((ROOT / "policies").rglob("*.yaml")) if not path.stem.endswith("_test")]


def read(path: Path) -> dict[str, Any]:
    value = parse_document(SourceText(path.name, path.read_text(encoding="utf-8")))[0].value
    assert isinstance(value, dict)
    return value


def mistakes(value: dict[str, Any]) -> list[str]:
    return [each.message for each in jsonschema.Draft202012Validator(kind_schema(value["policy"])).iter_errors(value)]


def test_every_shipped_policy_fits_the_schema_of_its_kind() -> None:
    assert {path.name: found for path in POLICIES if (found := mistakes(read(path)))} == {}
    assert {read(path)["policy"] for path in POLICIES} == set(KINDS)


@pytest.mark.parametrize(
    ("file", "wrong"),
    [
        ("billing/bill-time.yaml", {"hitt": "FIRST"}), ("run.yaml", {"freshness": {"within": "three days"}}),
        ("reconciliation/rec-invoice-tax.yaml", {"passes": [{"id": "x", "match": "one_to_none", "on": "invoice_id"}]}),
        ("reconciliation/flow-integrations.yaml", {"effective_from": None}),
        ("access.yaml", {"people": [{"person": "x", "roles": ["king"]}]}),
    ],
)  # fmt: skip
def test_a_mistake_is_one_in_the_editor_too(file: str, wrong: dict[str, Any]) -> None:
    assert mistakes({**read(ROOT / "policies" / file), **wrong})


def test_short_forms_are_as_good_as_long_ones() -> None:
    rule = read(ROOT / "policies" / "reconciliation" / "rec-invoice-erp.yaml")
    for on in ("invoice_id", ["invoice_id"], {"left": "a", "right": "b"}, [{"key": "invoice_number", "normalized": True}]):
        assert mistakes({**rule, "passes": [{"id": "x", "match": "one_to_one", "on": on}]}) == []


def test_the_schema_of_any_file_leads_to_that_of_its_kind() -> None:
    whole = json.loads(schema_files()[WHOLE])
    led = {each["if"]["properties"]["policy"]["const"]: each["then"]["$ref"] for each in whole["allOf"]}
    assert led == {kind: f"{kind}.schema.json" for kind in KINDS}


def test_the_kept_schemas_and_editor_settings_are_current(update: bool) -> None:
    kept = {f"docs/schemas/{name}": text for name, text in schema_files().items()}
    kept |= {f".vscode/{name}": text for name, text in editor_files("docs/schemas", "policies").items()}
    for name, text in kept.items():
        if update:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(text, encoding="utf-8")
        assert (ROOT / name).read_text(encoding="utf-8") == text, "run pytest tests/engine/policy/test_schema.py --update"
