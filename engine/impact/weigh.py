"""Each rule of a folder's tables with the records it decides: rules that never fire, gaps and overlaps with their money."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from engine.billing import billing_fired
from engine.policy.kinds.billing import BillingPolicy
from engine.policy.kinds.revenue import RevenuePolicy
from engine.policy.kinds.table import TablePolicy, table_rules
from engine.policy.kinds.tax import TaxPolicy
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.revenue import revenue_fired
from engine.stage import Context, Facts

_WEIGHED_KINDS = (BillingPolicy, RevenuePolicy, TaxPolicy)


@dataclass(frozen=True, slots=True)
class RuleWeight:
    """Hold what a rule of a table decides: records and their worth by currency, and the days of the first and last.

    `sort` is decides, overlap (`rule` and `other` both hold) or unmatched (`other` says what such
    records have in common; `is_default`: the policy's default decides them). `place` is file:line.
    """

    policy: str
    version: dt.date
    sort: str
    rule: str | None
    other: str | None
    place: str
    says: str
    records: int
    amounts: Mapping[str, Decimal]
    first: dt.date | None
    last: dt.date | None
    example: str | None
    is_default: bool = False

    @property
    def money(self) -> str:
        """Return the worth as text."""
        return " and ".join(f"{amount:,.2f} {currency}".rstrip() for currency, amount in self.amounts.items()) or "no amount"


def weigh_rules(facts: Facts, policies: PolicySet, context: Context) -> list[RuleWeight]:
    """Return every rule of the billing, tax and revenue tables with what it decides, and every gap and overlap that records meet.

    A rule that decides nothing stands with 0 records. Policies whose records no source supplies are left out.
    """
    frames = [each for each in (billing_fired(facts, policies, context), revenue_fired(facts, policies, context)) if each.width]
    rows = pl.concat(frames).to_dicts() if frames else []
    found: list[RuleWeight] = []
    for loaded in policies.policies:
        policy = loaded.policy
        if not isinstance(policy, _WEIGHED_KINDS):
            continue
        own = [row for row in rows if (row["policy"], row["version"]) == (policy.id, policy.effective_from)]
        if any(row["policy"] == policy.id for row in rows):
            found += _of_policy(loaded, policy, own)
    return found


def _of_policy(loaded: LoadedPolicy, policy: TablePolicy, rows: list[dict[str, Any]]) -> list[RuleWeight]:
    places = {each.rule: each for each in table_rules(policy, loaded.document, loaded.sheet)}
    groups: dict[tuple[str, str | None, str | None], list[dict[str, Any]]] = {("decides", rule, None): [] for rule in places}
    for row in rows:
        groups.setdefault((row["sort"], row["rule"], row["words"]), []).append(row)
    found = []
    for (sort, rule, words), each in groups.items():
        known = places.get(rule or "")
        place = loaded.place("id") if known is None else f"{known.span.file}:{known.span.line}"
        amounts = {row["currency"] or "": row["amount"] for row in each if row["amount"]}
        days = [day for row in each for day in (row["first"], row["last"]) if day is not None]
        found.append(
            RuleWeight(
                policy.id, policy.effective_from, sort, rule, words, place, "" if known is None else known.says,
                sum(row["records"] for row in each), amounts, min(days, default=None), max(days, default=None),
                min((row["example"] for row in each if row["example"]), default=None),
                is_default=sort == "unmatched" and policy.default is not None,
            )
        )  # fmt: skip
    return found
