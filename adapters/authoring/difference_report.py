"""A difference between policy folders as a report: the rules, then the money, then the records."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import polars as pl

from adapters.authoring.difference import PolicyDifference
from adapters.authoring.sections import Section
from engine.impact import Impact


def difference_sections(difference: PolicyDifference, old: str, new: str, top: int) -> list[Section]:
    """Return what differs as sections; of records the `top` with the most money."""
    sections = [_head(difference, old, new), _rules(difference)]
    impact = difference.impact
    if impact is None:
        return sections
    if impact.is_nothing:
        return [*sections, Section("Nothing moves: no decision, no amount and no finding changes.")]
    sections += [
        _table("Open to bill", impact.billable, "currency", "was", "now", "change"),
        _table("Recognized revenue by period", impact.revenue, "period", "currency", "was", "now", "change"),
        _table("Contract asset and liability", impact.balances, "figure", "currency", "was", "now", "change"),
        _closed_periods(impact),
        _table("Customers and service lines", impact.groups, "by", "name", "figure", "currency", "was", "now", "change", top=top),
        _table("Accounts, debit less credit", impact.accounts, "account", "currency", "was", "now", "change", top=top),
        _table("Contracts by revenue moved", impact.contracts, "contract_id", "currency", "was", "now", "change", top=top),
        _items(impact, top),
        _findings("Findings opened", impact.opened, top),
        _findings("Findings closed", impact.closed, top),
    ]
    return [each for each in sections if each.rows or each.lines]


def _head(difference: PolicyDifference, old: str, new: str) -> Section:
    lines = []
    if difference.as_of is not None:
        lines.append(f"As of {difference.as_of}; was and now count what changed, for accounts what was decided again.")
    if difference.run_id is not None:
        lines.append(f"What run {difference.run_id} published stands for the old policies where nothing changed.")
    lines += [_again(stage, count) for stage, count in (difference.contracts or {}).items()]
    return Section(f"Policies: {old} → {new}", lines)


def _again(stage: str, count: int | None) -> str:
    if stage == "reconciliation":
        return "Reconciliation: the policies that read what changed were decided again."
    name = stage.capitalize()
    if count is None:
        return f"{name}: every contract was decided again."
    return f"{name}: {count:,} contract{' was' if count == 1 else 's were'} decided again."


def _rules(difference: PolicyDifference) -> Section:
    meant = [each.sentence() for each in difference.changes if each.matters]
    worded = [each.sentence() for each in difference.changes if not each.matters]
    if not difference.changes:
        return Section("The policies say the same.")
    return Section(f"Rules: {len(meant):,} changed in meaning, {len(worded):,} in wording only", [*meant, *worded])


def _table(title: str, frame: pl.DataFrame, *columns: str, top: int | None = None) -> Section:
    kept = frame.select(columns) if top is None else frame.select(columns).head(top)
    more = frame.height - kept.height
    return Section(title, [f"The {top:,} largest of {frame.height:,}."] if more else [], [_word(name) for name in columns], kept.rows())


def _word(name: str) -> str:
    return name.removesuffix("_id").replace("_", " ")


def _closed_periods(impact: Impact) -> Section:
    frame = impact.closed_periods
    if not frame.height:
        return Section("Closed periods")
    line = "Recognized revenue of closed periods changes: agree how it is booked before this is approved."
    return Section("Closed periods touched", [line], ["period", "currency", "change"], frame.select("period", "currency", "change").rows())


def _items(impact: Impact, top: int) -> Section:
    frame = impact.decisions
    if not frame.height:
        return Section("Decisions")
    counted = frame.group_by("was_decision", "now_decision").len().sort("len", "was_decision", descending=[True, False], nulls_last=True)
    lines = [f"{count:,} {_decided(was)} → {_decided(now)}" for was, now, count in counted.rows()]
    rows: Sequence[Sequence[object]] = [
        (f"{row['item_type'].replace('_', ' ')} {row['item_id']}", row["contract_id"], row["customer"],
         f"{row['was_rule'] or 'none'} → {row['now_rule'] or 'none'}", row["currency"], Decimal(row["change"]))
        for row in frame.head(top).to_dicts()
    ]  # fmt: skip
    columns = ["item", "contract", "customer", "rule", "currency", "open to bill"]
    return Section(f"Decisions changed: {frame.height:,}", lines, columns, rows)


def _decided(word: str | None) -> str:
    return "not decided" if word is None else word.replace("_", " ")


def _findings(title: str, frame: pl.DataFrame, top: int) -> Section:
    if not frame.height:
        return Section(title)
    counted = frame.group_by("severity", "rule").len().sort("len", "rule", descending=[True, False])
    lines = [f"{count:,} of {rule} ({severity})" for severity, rule, count in counted.rows()]
    rows = frame.head(top).select("rule", "amount_at_risk", "currency", "message").rows()
    return Section(f"{title}: {frame.height:,}", lines, ["rule", "at risk", "currency", "message"], rows)
