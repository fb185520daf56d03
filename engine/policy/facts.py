"""What KPI policies may speak of: the facts by name, their columns, and what each needs to be there.

The stage in `engine/kpi/` builds them; a policy names one as `facts:` and speaks of its columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.canonical.kinds import FieldSpec, Kind
from engine.condition import Scope
from engine.condition.scope import Type, enum
from engine.policy.where import AS_OF

Column = Kind | FieldSpec | Type


@dataclass(frozen=True, slots=True)
class FactColumns:
    """Describe one kind of fact: what a row is, its columns, and the entities and outputs it needs.

    `is_ahead` says that the facts lie after the as-of date.
    """

    meaning: str
    columns: Mapping[str, Column]
    needs: tuple[str, ...]
    is_ahead: bool = False

    def scope(self) -> Scope:
        """Return what a condition about these facts may speak of."""
        return Scope({**self.columns, AS_OF: Kind.DATE})


# Where a fact belongs; KPIs can be shown by each of them.
PLACES: Final[dict[str, Column]] = {
    "date": Kind.DATE, "service_line": Kind.TEXT, "legal_entity_id": Kind.ID, "customer_id": Kind.ID,
    "contract_id": Kind.ID, "project_id": Kind.ID, "currency": Kind.TEXT,
}  # fmt: skip

_DECISION: Final = enum("billable", "billed", "partially_billed", "on_hold", "billed_otherwise", "not_billable")
_ITEM_STATUS: Final = enum("draft", "submitted", "approved", "rejected")
_SEVERITY: Final = enum("low", "medium", "high", "critical")
_AGE: Final[dict[str, Column]] = {"age_days": Kind.INT, "age": Kind.TEXT}

FACTS: Final[Mapping[str, FactColumns]] = {
    "time": FactColumns(
        "One time entry, dated by its work date, with its cost in the cost currency.",
        {**PLACES, "hours": Kind.HOURS, "billable": Kind.BOOL, "status": _ITEM_STATUS, "cost": Kind.MONEY,
         "cost_currency": Kind.TEXT, "role": Kind.TEXT, "submitted_on": Kind.DATE, "approved_on": Kind.DATE},
        ("time_entry",),
    ),
    "expenses": FactColumns(
        "One expense, dated by the day it was incurred.",
        {**PLACES, "amount": Kind.MONEY, "category": Kind.TEXT, "billable": Kind.BOOL, "status": _ITEM_STATUS,
         "submitted_on": Kind.DATE, "approved_on": Kind.DATE},
        ("expense",),
    ),
    "subcontracts": FactColumns(
        "Work of one vendor's people of one month and project that no bill charged by the month's end (approved hours at cost), and what "
        "later bills charged for it.",
        {**PLACES, "vendor_id": Kind.ID, "accrued": Kind.MONEY, "billed": Kind.MONEY, "gap": Kind.MONEY},
        ("time_entry", "resource", "bill", "bill_line"),
    ),
    "capacity": FactColumns(
        "One person's working hours of one month: workdays in service times a fifth of the weekly capacity, up to the as-of date.",
        {**PLACES, "hours": Kind.HOURS, "role": Kind.TEXT},
        ("resource", "time_entry"),
    ),
    "planned": FactColumns(
        "One assignment's planned hours of one month still to come, and their value at the assignment's rate.",
        {**PLACES, "hours": Kind.HOURS, "amount": Kind.MONEY},
        ("assignment",),
        is_ahead=True,
    ),
    "activations": FactColumns(
        "One project with a signed contract, dated by its activation; days from signature to activation.",
        {**PLACES, "signed_date": Kind.DATE, "days": Kind.INT, "workdays": Kind.INT},
        ("project", "contract"),
    ),
    "decisions": FactColumns(
        "One billing decision, dated by its item: work, expense, acceptance or due date.",
        {**PLACES, **_AGE, "item_type": Kind.TEXT, "decision": _DECISION, "quantity": Kind.QTY,
         "quantity_billed": Kind.QTY, "amount": Kind.MONEY, "amount_billed": Kind.MONEY, "amount_unbilled": Kind.MONEY,
         "earliest_bill_date": Kind.DATE, "rule": Kind.TEXT, "reason": Kind.TEXT},
        ("billing_decisions",),
    ),
    "billed_time": FactColumns(
        "One time entry on one posted invoice, dated by the invoice; days from approval to invoice.",
        {**PLACES, "hours": Kind.HOURS, "days": Kind.INT, "workdays": Kind.INT},
        ("time_entry", "invoice", "invoice_line"),
    ),
    "invoices": FactColumns(
        "One posted invoice or credit note, with what is open at the as-of date.",
        {**PLACES, **_AGE, "kind": enum("invoice", "credit_note"), "net_amount": Kind.MONEY, "gross_amount": Kind.MONEY,
         "open_amount": Kind.MONEY, "days_overdue": Kind.INT, "due_date": Kind.DATE},
        ("invoice",),
    ),
    "records": FactColumns(
        "One agreed record whose system tells how it was entered, dated by when it was first known (the as-of date where it is not told).",
        {**PLACES, "entity": Kind.TEXT, "source_system": Kind.TEXT, "entry_mode": enum("system", "import", "manual")},
        (),
    ),
    "findings": FactColumns(
        "One finding of the run, dated by when it began (the as-of date where that is not known).",
        {**PLACES, **_AGE, "stage": Kind.TEXT, "kind": Kind.TEXT, "rule": Kind.TEXT, "severity": _SEVERITY, "amount": Kind.MONEY},
        ("findings",),
    ),
    "revenue": FactColumns(
        "One line of the revenue schedule, dated by the last day of its period.",
        {**PLACES, "recognized": Kind.MONEY, "planned": Kind.MONEY, "nature": Kind.TEXT},
        ("revenue_schedule",),
    ),
    "balances": FactColumns(
        "One contract at the end of one period, dated by its last day.",
        {**PLACES, "contract_asset": Kind.MONEY, "contract_liability": Kind.MONEY, "receivable": Kind.MONEY,
         "unbilled_receivable": Kind.MONEY, "remaining_obligation": Kind.MONEY, "recognized": Kind.MONEY},
        ("contract_balances",),
    ),
    "backlog": FactColumns(
        "One contract's backlog at the as-of date: signed value and approved amendments (by their change, else their total, else "
        "their lines) less recognized revenue.",
        {**PLACES, "signed": Kind.MONEY, "recognized": Kind.MONEY, "backlog": Kind.MONEY},
        ("contract", "revenue_schedule"),
    ),
    "margin": FactColumns(
        "One amount of recognized revenue, or of the cost of delivering it: hours at cost rate (of vendors' people until billed), "
        "expenses, vendors' bills.",
        {**PLACES, "revenue": Kind.MONEY, "cost": Kind.MONEY},
        ("revenue_schedule",),
    ),
    "reported": FactColumns(
        "One figure of a system's own report beside another system's figure of the same name.",
        {"date": Kind.DATE, "metric": Kind.TEXT, "reported_by": Kind.TEXT, "unit": Kind.TEXT, "value": Kind.MONEY,
         "other": Kind.MONEY, "gap": Kind.MONEY},
        ("reported_metric",),
    ),
}  # fmt: skip
"""Every kind of fact by name."""


def facts_document() -> str:
    """Return docs/kpis.md: how a KPI is written, and every kind of fact with its columns."""
    lines = [_GUIDE]
    for name, facts in FACTS.items():
        needs = ", ".join(f"`{each}`" for each in facts.needs) or "any records"
        columns = ", ".join(f"`{column}`" for column in facts.columns)
        lines += [f"### {name}", "", f"{facts.meaning} Needs {needs}.", "", columns, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


_GUIDE: Final = """# KPIs

Generated from `engine/policy/facts.py`; do not edit. A KPI is a policy file (`policies/kpi/`): finance owns its
formula, clock, dimensions and target. Every row of `kpis.parquet` bears value, numerator, denominator, the formula
in words, the target and the status (`met`, `near`, `missed`, `no_target`, `not_available`).

```yaml
policy: kpi
id: kpi-utilization
kpi: utilization                  # the name in kpis.parquet
unit: pct                         # pct, days, hours, count, or currency (one row for each currency)
formula: billable hours ÷ available hours, in percent
period: month                     # or as_of: everything up to the as-of date
by: [total, service_line]         # dimensions; `service_line=audit` in kpis.parquet
numerator: {facts: time, where: "billable = TRUE", sum: hours}
denominator: {facts: capacity, sum: hours}
scale: 100
target: {at_least: 70, warn: 5}   # 65 to 70 is `near`, below `missed`
```

A target may have limits of their own by dimension, `by: {service_line=audit: {at_least: 60}}`, and a `severity`: a figure
that misses its target is then a finding (`kpi_missed`), by dimension, of the last month that has ended or of the as-of date.

`change` says how far a figure may move, and `anomaly` when a month stands out from the months before it:

```yaml
change: {at_most: 25, amount_at_least: 10000, severity: medium, by: {legal_entity=LE-US: {at_most: 40}}}
anomaly: {months: 12, months_at_least: 6, distance: 3.5, amount_at_least: 10000, severity: medium}
```

- `change`: more than `at_most` percent of what was, up or down, and at least `amount_at_least` in the figure's unit (0 unless said);
  exactly the limit is within it. With a `severity` the last month that has ended, beside the month before, is a finding
  (`kpi_moved`), each month anew; a sum or a count without rows is nothing, and from nothing every move is beyond any percent.
  `tieout compare` holds two runs to the same limits, figures as of a day too, with or without a severity.
- `anomaly`, of months: the distance is how far the last month that has ended is from the median of the months before it (at least
  `months_at_least` of the last `months`), counted in spreads: the median distance of those months from their median times 1.4826, and
  at least 1 % of the median; 100 at most. What the difference is worth is the difference itself, or of a ratio of converted amounts
  its part of the denominator. `kpi_anomalies.parquet` ranks all judged figures by distance times worth in the reporting currency;
  what reaches both `distance` and `amount_at_least` stands out, and with a `severity` is a finding (`kpi_anomaly`). A figure that
  grows steadily, or has seasons, stands out by that too.

A measure is a `sum` of an expression, a `median`, or a count of rows; `where` limits it in the condition language;
`months: 12` makes it trailing. With `convert: true` amounts are told in the reporting currency at the spot rates of
the as-of date; without a rate the figure is `not_available`, never a guess, and so is a ratio to 0 or less, or a sum of
amounts of which none is known. Where only some are known, the value is of those, `missing` counts the others and `missing_of`
says which (*8 of 127 facts of decisions where … have no amount_unbilled*); run, dashboard and `--json` tell it beside the figure. A KPI
whose records are not in the snapshot is reported as not applicable.

## Facts
"""
