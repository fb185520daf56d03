"""Deciding the billing of a few records written inline, under the shipped policies or changed ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from adapters.policy_folder import SHIPPED, check_policies
from engine.billing import decide_billing
from engine.canonical.kinds import Kind, is_decimal
from engine.canonical.schema import entity_spec
from engine.findings import finish_findings
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts

AS_OF = dt.date(2026, 3, 31)


@dataclass(frozen=True)
class Decided:
    """Hold decisions and findings, with short ways to look at them."""

    decisions: pl.DataFrame
    findings: pl.DataFrame
    not_applicable: dict[str, str]

    def rows(self, *columns: str, **keys: Any) -> list[tuple[Any, ...]]:
        """Return the named columns of the decisions that bear the keys."""
        found = self.decisions
        for name, value in keys.items():
            found = found.filter(pl.col(name) == value)
        return found.select(columns).rows()

    def kinds(self) -> list[tuple[str, str]]:
        """Return kind and record of every finding, sorted."""
        return sorted(self.findings.select("kind", "entity_id").rows())

    def message(self, kind: str) -> str:
        """Return the message of the one finding of a kind."""
        return str(self.findings.filter(pl.col("kind") == kind)["message"].item())


def build_facts(entities: dict[str, list[dict[str, Any]]], as_of: dt.date = AS_OF) -> Facts:
    frames = {}
    for name, rows in entities.items():
        spec = entity_spec(name)
        schema = {**spec.polars_schema(), "evidence": pl.List(pl.String())}
        kinds = {each.name: each.kind for each in spec.fields.values()}
        made = [
            {"evidence": [f"{name}.csv:{number}"], **{key: _value(kinds.get(key), value) for key, value in row.items()}}
            for number, row in enumerate(rows, start=2)
        ]
        unknown = {key for row in made for key in row} - set(schema)
        assert not unknown, f"{name} has no {unknown}"
        columns = {each: pl.Series(each, [row.get(each) for row in made], dtype=kind) for each, kind in schema.items()}
        frames[name] = pl.DataFrame(columns).lazy()
    return Facts(frames, {}, as_of)


def _value(kind: Kind | None, value: Any) -> Any:
    if value is not None and kind is not None and is_decimal(kind):
        return Decimal(str(value))
    if isinstance(value, str) and kind is Kind.DATE:
        return dt.date.fromisoformat(value)
    if isinstance(value, str) and kind is Kind.TIME:
        return dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)
    return value


@pytest.fixture(scope="session")
def shipped() -> Callable[..., PolicySet]:
    """Load the shipped policies, with settings changed by policy id."""
    known: dict[str, PolicySet] = {}

    def load(overrides: dict[str, Any] | None = None) -> PolicySet:
        key = repr(overrides)
        if key not in known:
            known[key], diagnostics = check_policies(SHIPPED, overrides)
            assert not [each for each in diagnostics if each.is_error], [each.message for each in diagnostics if each.is_error]
        return known[key]

    return load


Decide = Callable[..., Decided]


@pytest.fixture
def decide(shipped: Callable[..., PolicySet]) -> Decide:
    """Decide records: `decide(time_entry=[…], contract=[…], policies={"bill-time": {…}})`."""

    def run(*, as_of: dt.date = AS_OF, policies: dict[str, Any] | None = None, **entities: list[dict[str, Any]]) -> Decided:
        result = decide_billing(build_facts(entities, as_of), shipped(policies), Context(as_of))
        decisions = result.frames["billing_decisions"].collect()
        return Decided(decisions, finish_findings(*result.findings), dict(result.not_applicable))

    return run


CONTRACT = {"contract_id": "C1", "currency": "EUR", "status": "active", "start_date": "2026-01-01", "billing_frequency": "monthly"}
LINE = {"contract_line_id": "L1", "contract_id": "C1", "offering": "time_and_materials"}


@pytest.fixture
def base() -> dict[str, list[dict[str, Any]]]:
    """Return a contract with one line of hourly work, its project and a person."""
    return {
        "contract": [CONTRACT], "contract_line": [LINE],
        "project": [{"project_id": "P1", "contract_id": "C1", "status": "active"}],
        "resource": [{"resource_id": "R1", "role": "Consultant"}],
    }  # fmt: skip


def entry(number: int, hours: str = "8", rate: str | None = "100", **more: Any) -> dict[str, Any]:
    """Return an approved entry of client work on the line L1."""
    return {
        "time_entry_id": f"T{number}", "resource_id": "R1", "project_id": "P1", "contract_line_id": "L1",
        "work_date": f"2026-03-{number:02}", "hours": hours, "billable": True, "status": "approved", "bill_rate": rate, "currency": "EUR",
        **more,
    }  # fmt: skip


def invoice(number: int, **more: Any) -> dict[str, Any]:
    """Return a posted invoice of the contract C1."""
    return {
        "invoice_id": f"I{number}", "kind": "invoice", "contract_id": "C1", "customer_id": "K1", "invoice_date": f"2026-03-{number + 10}",
        "currency": "EUR", "status": "posted", **more,
    }  # fmt: skip


@pytest.fixture
def make() -> Any:
    """Give the makers of records: `make.entry(1)`, `make.invoice(1)`."""

    class Makers:
        entry = staticmethod(entry)
        invoice = staticmethod(invoice)
        contract, line = CONTRACT, LINE

    return Makers


@pytest.fixture(scope="session")
def facts_of() -> Any:
    """Give the builder of facts from records by entity."""
    return build_facts
