"""What a person sees of a run: their legal entities, their own projects, and cost rates by role."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from adapters.sight import EVERYTHING, Sight, access_policy, seen, sight_of, with_places
from engine.policy.kinds.access import AccessPolicy
from engine.policy.load import load_policies
from engine.policy.source import SourceText

GOLDEN: Final[dict[str, list[dict[str, Any]]]] = {
    "contract": [{"contract_id": f"C-{each}", "legal_entity_id": each, "customer_id": f"K-{each}"} for each in ("EU", "US")],
    "project": [
        {"project_id": "P-EU", "contract_id": "C-EU", "legal_entity_id": None, "manager": "R1"},
        {"project_id": "P-US", "contract_id": "C-US", "legal_entity_id": "US", "manager": "R2"},
        {"project_id": "P-EU2", "contract_id": "C-EU", "legal_entity_id": "EU", "manager": "R2"},
    ],
    "contract_line": [
        {"contract_line_id": "L1", "contract_id": "C-EU", "project_id": "P-EU"},
        {"contract_line_id": "L2", "contract_id": "C-US", "project_id": "P-US"},
        {"contract_line_id": "L3", "contract_id": "C-EU", "project_id": "P-EU2"},
    ],
    "time_entry": [
        {"time_entry_id": "T1", "project_id": "P-EU", "contract_line_id": "L1", "resource_id": "R1", "cost_rate": 50},
        {"time_entry_id": "T2", "project_id": "P-US", "contract_line_id": "L2", "resource_id": "R3", "cost_rate": 60},
    ],
    "resource": [{"resource_id": each, "legal_entity_id": entity, "cost_rate": 50}
                 for each, entity in (("R1", "EU"), ("R2", "US"), ("R3", "US"))],
    "invoice": [{"invoice_id": "I1", "contract_id": "C-EU", "legal_entity_id": "EU"}],
    "invoice_line": [{"invoice_line_id": "IL1", "invoice_id": "I1", "contract_line_id": None, "project_id": None}],
    "customer": [{"customer_id": "K-EU"}, {"customer_id": "K-US"}],
    "journal_line": [{"journal_line_id": "J1", "journal_id": "JE", "legal_entity_id": "EU", "contract_id": None, "project_id": None}],
    "intercompany_rate": [{"role": "consultant", "rate": 70}],
}  # fmt: skip
EU, US = (Sight(legal_entities=frozenset({each})) for each in ("EU", "US"))
OWN = Sight(projects=frozenset({"P-EU"}))
NO_COST = Sight(cost_rates=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seen")
    (folder / "golden").mkdir()
    for name, rows in GOLDEN.items():
        pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col(pl.Null).cast(pl.String)).write_parquet(folder / "golden" / f"{name}.parquet")  # noqa: E501
    return folder


def shown(run: Path, name: str, sight: Sight, rows: list[dict[str, Any]] | None = None) -> list[tuple[Any, ...]]:
    frame = pl.LazyFrame(rows, infer_schema_length=None) if rows is not None else pl.scan_parquet(run / f"{name}.parquet")
    return seen(run, name, frame, sight).collect().rows()


@pytest.mark.parametrize(
    ("entity", "sight", "expected"),
    [
        ("contract", EU, ["C-EU"]), ("project", EU, ["P-EU", "P-EU2"]), ("time_entry", US, ["T2"]), ("customer", EU, ["K-EU"]),
        ("invoice_line", EU, ["IL1"]), ("invoice_line", US, []), ("journal_line", EU, ["J1"]), ("journal_line", OWN, []),
        ("project", OWN, ["P-EU"]), ("time_entry", OWN, ["T1"]), ("contract", OWN, ["C-EU"]), ("contract_line", OWN, ["L1"]),
        ("resource", OWN, ["R1"]), ("resource", US, ["R2", "R3"]), ("customer", OWN, ["K-EU"]),
        ("contract", Sight(frozenset({"US"}), frozenset({"P-EU"})), []), ("intercompany_rate", NO_COST, []),
    ],
)  # fmt: skip
def test_records_of_others_are_not_shown(run: Path, entity: str, sight: Sight, expected: list[str]) -> None:
    assert sorted(row[0] for row in shown(run, f"golden/{entity}", sight)) == expected


def test_outputs_are_shown_by_the_places_they_name(run: Path) -> None:
    balances: list[dict[str, Any]] = [{"contract_id": "C-EU", "n": 1}, {"contract_id": "C-US", "n": 2}, {"contract_id": None, "n": 3}]
    assert shown(run, "contract_balances", EU, balances) == [("C-EU", 1)]
    decided = [{"item_id": item, "contract_id": "C-EU", "project_id": project} for item, project in (("T1", "P-EU"), ("T9", "P-EU2"))]
    assert [row[0] for row in shown(run, "billing_decisions", OWN, decided)] == ["T1"]


def test_what_belongs_to_nobody_known_is_shown_to_nobody(run: Path) -> None:
    matrix = [{"left_system": "crm", "right_system": "psa", "breaks": 3}]
    assert shown(run, "tieout_matrix", EU, matrix) == []
    assert len(shown(run, "tieout_matrix", EVERYTHING, matrix)) == 1


def test_findings_belong_where_their_record_does(run: Path) -> None:
    rows = [
        {"entity": "time_entry", "entity_id": "T2", "contract_id": None, "field": "hours"},
        {"entity": "invoice_line", "entity_id": "IL1", "contract_id": None, "field": None},
        {"entity": "contract", "entity_id": "C-US", "contract_id": "C-US", "field": None},
        {"entity": "journal", "entity_id": "JE", "contract_id": None, "field": None},
        {"entity": "file", "entity_id": "x.csv", "contract_id": None, "field": None},
    ]
    placed = with_places(run, pl.LazyFrame(rows)).select("legal_entity_id", "project_id", "contract_id").collect().rows()
    assert placed == [("US", "P-US", "C-US"), ("EU", None, "C-EU"), ("US", None, "C-US"), ("EU", None, None), (None,) * 3]
    assert [row[1] for row in shown(run, "findings", US, rows)] == ["T2", "C-US"]


def test_figures_of_the_firm_are_not_for_who_sees_a_part(run: Path) -> None:
    rows = [{"kpi": "margin", "dimension": each} for each in ("total", "legal_entity=EU", "legal_entity=US", "role=consultant")]
    assert [row[1] for row in shown(run, "kpis", EU, rows)] == ["legal_entity=EU"]
    assert shown(run, "kpis", OWN, rows) == []
    assert len(shown(run, "kpis", NO_COST, rows)) == 3


def test_cost_rates_are_left_out_with_the_findings_that_tell_them(run: Path) -> None:
    frame = seen(run, "golden/resource", pl.scan_parquet(run / "golden" / "resource.parquet"), NO_COST)
    assert frame.collect_schema().names() == ["resource_id", "legal_entity_id"]
    rows = [{"entity": "resource", "entity_id": "R1", "field": each} for each in ("cost_rate", "role", None)]
    assert [row[2] for row in shown(run, "findings", NO_COST, rows)] == ["role", None]


def test_the_access_policy_says_what_a_person_sees(run: Path) -> None:
    policy = AccessPolicy.model_validate(
        {
            "policy": "access", "id": "a", "title": "t", "owner": "o", "effective_from": "2026-01-01", "cost_rates": ["admin"],
            "people": [
                {"person": "eu@firm", "roles": ["preparer"], "legal_entities": ["EU"]},
                {"person": "lead@firm", "roles": ["project_manager"], "manages_as": "R2"},
                {"person": "head@firm", "roles": ["project_manager"], "projects": "all"},
                {"person": "cfo@firm", "roles": ["admin", "project_manager"]},
            ],
        }
    )  # fmt: skip

    def sight(person: str) -> Sight:
        return sight_of(policy, person, policy.roles_of(person), run)

    assert sight("EU@firm") == Sight(frozenset({"EU"}), None, cost_rates=False)
    assert sight("lead@firm") == Sight(None, frozenset({"P-US", "P-EU2"}), cost_rates=False)
    assert sight("head@firm").is_whole
    assert sight("cfo@firm") == EVERYTHING
    assert not sight("stranger@firm").cost_rates


def test_a_version_of_the_access_policy_gives_roles_on_its_days_alone() -> None:
    head = "policy: access\nid: access\ntitle: t\nowner: o\npeople:\n  - {person: ann@firm, roles: [%s]}\n"
    texts = [head % "approver" + "effective_from: 2026-01-01\neffective_to: 2026-06-30\n", head % "admin" + "effective_from: 2026-08-01\n"]
    policies, mistakes = load_policies([SourceText(f"{place}.yaml", text) for place, text in enumerate(texts)])
    assert not [each for each in mistakes if each.is_error]
    days = [(2025, 12, 31), (2026, 1, 1), (2026, 6, 30), (2026, 7, 1), (2026, 8, 1)]
    found = [access_policy(policies, dt.date(*day)) for day in days]
    assert [sorted(each.roles_of("ann@firm")) if each else None for each in found] == [[], ["approver"], ["approver"], [], ["admin"]]
    assert access_policy(load_policies([])[0], dt.date(2026, 1, 1)) is None
