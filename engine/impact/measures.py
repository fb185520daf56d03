"""The difference between two folders' decisions in records and money, by period, customer, service line and account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.canonical.schema import empty_frame
from engine.findings import finish_findings
from engine.impact.both import Sided
from engine.stage import Facts

_OPEN: Final = ("billable", "partially_billed")
_CLOSED: Final = ("closed", "locked")
_ITEM: Final = ("item_type", "item_id")
_FINDING: Final = ("finding_id", "rule", "kind", "severity", "entity", "entity_id", "contract_id", "amount_at_risk", "currency", "message")

_DECISIONS: Final[dict[str, pl.DataType]] = {
    "item_type": pl.String(), "item_id": pl.String(), "contract_id": pl.String(), "contract_line_id": pl.String(),
    "decision": pl.String(), "reason": pl.String(), "rule": pl.String(), "amount": MONEY, "amount_unbilled": MONEY,
    "currency": pl.String(), "part": pl.Int64(),
}  # fmt: skip
_SCHEDULE: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "contract_line_id": pl.String(), "period": pl.String(), "relates_to_period": pl.String(),
    "recognized_amount": MONEY, "planned_amount": MONEY, "currency": pl.String(),
}  # fmt: skip
_BALANCES: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "period": pl.String(), "contract_asset": MONEY, "contract_liability": MONEY, "currency": pl.String(),
}  # fmt: skip
_JOURNAL: Final[dict[str, pl.DataType]] = {"account": pl.String(), "currency": pl.String(), "debit": MONEY, "credit": MONEY}


@dataclass(frozen=True, slots=True)
class Impact:
    """Hold what a change of policies does; every frame has `was`, `now` and `change`, and only rows that changed.

    `decisions` is one row an item; `billable` what is open to bill by currency; `groups` what each
    customer and service line has of it (`by`, `name`, `figure`: open to bill, recognized);
    `revenue` by period; `balances` contract asset and liability at the end of each contract's last
    period; `accounts` proposed entries (debit less credit); `closed_periods` the closed periods in
    which recognized revenue changes; `opened` and `closed` the findings.
    """

    decisions: pl.DataFrame
    billable: pl.DataFrame
    groups: pl.DataFrame
    revenue: pl.DataFrame
    balances: pl.DataFrame
    accounts: pl.DataFrame
    contracts: pl.DataFrame
    closed_periods: pl.DataFrame
    opened: pl.DataFrame
    closed: pl.DataFrame

    @property
    def is_nothing(self) -> bool:
        """Say whether nothing moved."""
        return not any(getattr(self, name).height for name in self.__slots__)


def measure_impact(old: Sided, new: Sided, facts: Facts) -> Impact:
    """Return the difference between what two folders decide over the same facts; frames are sorted, the most money first."""
    decisions = _decisions(_frame(old, "billing_decisions", _DECISIONS), _frame(new, "billing_decisions", _DECISIONS))
    schedule = _schedule(_frame(old, "revenue_schedule", _SCHEDULE), _frame(new, "revenue_schedule", _SCHEDULE))
    placed = [_placed(each, facts) for each in (decisions, schedule)]
    before, after = finish_findings(*old.findings), finish_findings(*new.findings)
    return Impact(
        decisions=_largest(placed[0], "item_type", "item_id"),
        billable=_total(decisions, "was_open", "now_open", ["currency"]),
        groups=_groups(*placed),
        revenue=_total(schedule, "was", "now", ["period", "currency"]),
        balances=_balances(_frame(old, "contract_balances", _BALANCES), _frame(new, "contract_balances", _BALANCES)),
        accounts=_accounts(_frame(old, "journal", _JOURNAL), _frame(new, "journal", _JOURNAL)),
        contracts=_largest(_total(schedule, "was", "now", ["contract_id", "currency"]), "contract_id"),
        closed_periods=_closed_periods(schedule, facts),
        opened=_findings(after, before), closed=_findings(before, after),
    )  # fmt: skip


def _frame(side: Sided, name: str, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    found = side.frames.get(name)
    if found is None:
        return pl.DataFrame(schema=schema)
    return found.select(pl.col(each).cast(dtype) for each, dtype in schema.items())


def _joined(old: pl.DataFrame, new: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return both sides beside each other: every column as `was_…` and `now_…`."""
    one, other = (
        each.rename({name: f"{prefix}{name}" for name in each.columns if name not in keys})
        for each, prefix in ((old, "was_"), (new, "now_"))
    )
    return one.join(other, on=list(keys), how="full", coalesce=True, nulls_equal=True)


def _decisions(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Return the items whose decision, rule or amounts differ."""
    said = ("decision", "reason", "rule", "amount", "open")
    apart = [one.join(other, on=one.columns, how="anti", nulls_equal=True).select(_ITEM) for one, other in ((old, new), (new, old))]
    items = pl.concat(apart).unique()
    was, now = (_items(each.join(items, on=_ITEM, how="semi", nulls_equal=True)) for each in (old, new))
    both = _joined(was, now, _ITEM)
    differs = pl.any_horizontal(~pl.col(f"was_{name}").eq_missing(pl.col(f"now_{name}")) for name in said)
    other = [pl.coalesce(f"now_{name}", f"was_{name}").alias(name) for name in ("contract_id", "contract_line_id", "currency")]
    return both.filter(differs).select(
        *_ITEM, *other, "was_decision", "now_decision", "was_rule", "now_rule", "was_reason", "now_reason",
        pl.col("was_open").fill_null(0), pl.col("now_open").fill_null(0),
        (pl.col("now_open").fill_null(0) - pl.col("was_open").fill_null(0)).cast(MONEY).alias("change"),
    )  # fmt: skip


def _items(rows: pl.DataFrame) -> pl.DataFrame:
    is_open = pl.col("decision").is_in(_OPEN)
    words = [pl.col(name).unique(maintain_order=True).str.join(" and ").alias(name) for name in ("decision", "reason", "rule")]
    return rows.sort(*_ITEM, "part").group_by(_ITEM, maintain_order=True).agg(
        *words, pl.col("contract_id", "contract_line_id", "currency").first(), pl.col("amount").sum(),
        pl.col("amount_unbilled").filter(is_open).sum().cast(MONEY).alias("open"),
    )  # fmt: skip


def _schedule(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Return each line's recognized revenue of a period where it differs: was, now, change."""
    keys = ["contract_id", "contract_line_id", "period", "relates_to_period", "currency"]
    sums = [each.group_by(keys).agg(pl.col("recognized_amount").sum().alias("amount")) for each in (old, new)]
    filled = [pl.col(f"{side}_amount").fill_null(0).alias(side) for side in ("was", "now")]
    both = _joined(sums[0], sums[1], keys).with_columns(filled)
    return _with_change(both).filter(pl.col("change") != 0).select(*keys, "was", "now", "change")


def _with_change(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns((pl.col("now") - pl.col("was")).cast(MONEY).alias("change"))


def _total(rows: pl.DataFrame, was: str, now: str, by: Sequence[str]) -> pl.DataFrame:
    """Return sums by keys where they differ; `was` and `now` count only rows that changed, so what stayed is in neither."""
    summed = rows.group_by(by).agg(pl.col(was).sum().cast(MONEY).alias("was"), pl.col(now).sum().cast(MONEY).alias("now"))
    return _with_change(summed).filter(pl.col("change") != 0).sort(by, nulls_last=True)


def _largest(rows: pl.DataFrame, *then: str) -> pl.DataFrame:
    return rows.sort(pl.col("change").abs(), *then, descending=[True, *(False for _ in then)], nulls_last=True)


def _balances(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Return by currency the change of contract assets and liabilities at the end of each contract's last period."""
    parts: list[pl.DataFrame] = []
    for figure in ("contract_asset", "contract_liability"):
        ends = [
            each.sort("period").group_by("contract_id", "currency", maintain_order=True).agg(pl.col(figure).last().alias("amount"))
            for each in (old, new)
        ]
        both = _joined(ends[0], ends[1], ["contract_id", "currency"]).with_columns(pl.col("was_amount", "now_amount").fill_null(0))
        changed = both.filter(pl.col("was_amount") != pl.col("now_amount"))
        total = _total(changed, "was_amount", "now_amount", ["currency"])
        parts.append(total.select(pl.lit(figure.replace("_", " ")).alias("figure"), pl.all()))
    return pl.concat(parts)


def _accounts(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    net = (pl.col("debit").fill_null(0) - pl.col("credit").fill_null(0)).sum().cast(MONEY).alias("amount")
    sums = [each.group_by("account", "currency").agg(net) for each in (old, new)]
    both = _joined(sums[0], sums[1], ["account", "currency"]).with_columns(pl.col("was_amount", "now_amount").fill_null(0))
    return _total(both, "was_amount", "now_amount", ["account", "currency"])


def _known(facts: Facts, entity: str, *names: str) -> pl.DataFrame:
    frame = facts.frame(entity)
    found = empty_frame(entity).lazy() if frame is None else frame
    return found.select(names).unique(names[0], keep="first").collect()


def _placed(rows: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Add the customer (its name where known) and the service line of each row."""
    contracts = _known(facts, "contract", "contract_id", "customer_id")
    customers = _known(facts, "customer", "customer_id", "name")
    lines = _known(facts, "contract_line", "contract_line_id", "service_line")
    made = rows.join(contracts, on="contract_id", how="left").join(customers, on="customer_id", how="left")
    made = made.join(lines, on="contract_line_id", how="left")
    return made.with_columns(pl.coalesce("name", "customer_id").alias("customer")).drop("name", "customer_id")


def _groups(decisions: pl.DataFrame, schedule: pl.DataFrame) -> pl.DataFrame:
    """Return by customer and by service line what changed: by, name, figure, currency, was, now, change."""
    parts: list[pl.DataFrame] = []
    for by in ("customer", "service_line"):
        for figure, rows, was, now in (("open to bill", decisions, "was_open", "now_open"), ("recognized", schedule, "was", "now")):
            total = _total(rows, was, now, [by, "currency"])
            words = [pl.lit(by.replace("_", " ")).alias("by"), pl.col(by).alias("name"), pl.lit(figure).alias("figure")]
            parts.append(_largest(total.select(*words, "currency", "was", "now", "change"), "name", "currency"))
    return pl.concat(parts)


def _closed_periods(schedule: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Return the closed periods in which recognized revenue changes, by currency."""
    closed = facts.frame("fiscal_period")
    if closed is None or not schedule.height:
        return _total(schedule, "was", "now", ["period", "currency"]).clear()
    entities = _known(facts, "contract", "contract_id", "legal_entity_id")
    shut = closed.filter(pl.col("status").is_in(_CLOSED)).select("legal_entity_id", "period").unique().collect()
    touched = schedule.join(entities, on="contract_id", how="left").join(shut, on=["legal_entity_id", "period"], how="semi")
    return _total(touched, "was", "now", ["period", "currency"])


def _findings(these: pl.DataFrame, those: pl.DataFrame) -> pl.DataFrame:
    """Return the findings of one side that the other does not have, the most money first."""
    only = these.join(those, on="finding_id", how="anti").select(_FINDING)
    return only.sort(pl.col("amount_at_risk"), "rule", "entity_id", descending=[True, False, False], nulls_last=True)


def impact_rows(impact: Impact, most: int) -> dict[str, list[dict[str, Any]]]:
    """Return every frame as rows, at most so many each."""
    return {name: getattr(impact, name).head(most).to_dicts() for name in Impact.__slots__}
