"""Expected losses: provided in full when they are seen, released as the work is done (605-35-25-45 to 25-49; IAS 37.66-69)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_money
from engine.revenue.costs.remaining import Evidence, remaining_by_obligation
from engine.revenue.progress.expected_cost import total_cost_history

PROVISIONS: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "obligation_id": pl.String(), "period": pl.String(), "end_date": pl.Date(), "provision": MONEY,
    "change": MONEY, "remaining_price": MONEY, "remaining_cost": MONEY, "exit_penalty": MONEY, "currency": pl.String(),
    "rule": pl.String(),
}  # fmt: skip
"""Loss provisions at each period's end. `obligation_id` is null where the contract is the unit.

`change` = provision less the one of the period before: what goes to cost of revenue (a release is negative).
"""


def loss_provisions(
    contracts: pl.DataFrame, obligations: pl.DataFrame, performance: pl.DataFrame, lines: pl.DataFrame, periods: pl.DataFrame,
    evidence: Evidence, as_of: pl.Expr,
) -> pl.DataFrame:  # fmt: skip
    """Return the provision of every contract that has or had one, from the period it arose in.

    US GAAP: obligations in the scope of 605-35 (`loss_scope`) only; IFRS: every obligation (IAS 37.66).
    The loss is the remaining cost above the remaining price, so that the loss recognized to date and the
    provision together are the whole expected loss. Unit by policy: the contract, in which gains offset losses,
    or each obligation. Under IFRS no more than the penalty for leaving the contract. An obligation without
    any estimate of cost is not judged. `contracts` has `exit_penalty` beside its columns.
    """
    judged = _points(contracts, _worth_judging(obligations, lines, evidence), periods, as_of)
    if judged.is_empty():
        return pl.DataFrame(schema=PROVISIONS)
    left = remaining_by_obligation(judged, obligations, performance, lines, evidence).filter(
        pl.col("remaining_cost").is_not_null() & pl.col("remaining_price").is_not_null()
    )
    by_contract = pl.col("unit") != "obligation"
    unit = left.with_columns(pl.when(~by_contract).then(pl.col("obligation_id")).alias("obligation_id"))
    summed = unit.group_by("contract_id", "obligation_id", "period", "end_date").agg(
        pl.col("remaining_price", "remaining_cost", "price").sum(),
        pl.when(pl.col("estimated_total_cost").is_not_null().all()).then(pl.col("estimated_total_cost").sum()).alias("total_cost"),
        pl.col("exit_penalty", "standard", "currency", "minor_digits", "rounding").first(),
        pl.col("is_ended").all(),
    )
    short = pl.max_horizontal(pl.col("remaining_cost") - pl.col("remaining_price"), ZERO)
    # Revenue may run ahead of cost on a contract that gains on the whole: no loss is expected there (605-35-25-45).
    gains = (pl.col("standard") != "ifrs") & (pl.col("total_cost") <= pl.col("price"))
    short = pl.when(pl.col("is_ended") | gains.fill_null(value=False)).then(ZERO).otherwise(short)
    # The penalty leaves the whole contract: units of one contract share it in the order of their ids.
    before = short.cum_sum().over("contract_id", "end_date", order_by="obligation_id") - short
    room = pl.max_horizontal(pl.col("exit_penalty") - before, ZERO)
    is_ifrs = pl.col("standard") == "ifrs"
    capped = pl.when(is_ifrs & pl.col("exit_penalty").is_not_null()).then(pl.min_horizontal(short, room)).otherwise(short)
    rule = pl.when(is_ifrs & (capped < short)).then(pl.lit("IAS 37.68")).when(is_ifrs).then(pl.lit("IAS 37.66"))
    provided = summed.with_columns(
        round_money(capped, pl.col("minor_digits"), pl.col("rounding")).alias("provision"),
        rule.otherwise(pl.lit("605-35-25-45")).alias("rule"),
    )
    return _with_changes(provided)


def _worth_judging(obligations: pl.DataFrame, lines: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Return the obligations of contracts that can fall short on some day: some cost above some price, or revenue ahead of cost.

    Most contracts are never near a loss; leaving them out here keeps the days to judge few.
    """
    costs = total_cost_history(lines, evidence.progress, evidence.amendment, evidence.amendment_line)
    costs = costs.group_by("contract_line_id").agg(pl.col("estimated_total_cost").max())
    dated = evidence.cost_estimate.select("contract_line_id").unique().with_columns(pl.lit(value=True).alias("is_estimated"))
    by_cost = pl.col("measure").is_in(["cost_to_cost", "cost_recovery"])
    of_obligation = lines.join(costs, on="contract_line_id", how="left").join(dated, on="contract_line_id", how="left").group_by(
        "contract_id", "obligation_id"
    ).agg(
        pl.col("estimated_total_cost").sum().alias("most"), pl.col("is_estimated").any().fill_null(value=False),
        (pl.col("estimated_total_cost").is_not_null() & ~by_cost.fill_null(value=False)).any().alias("may_run_ahead"),
    )  # fmt: skip
    least = obligations.group_by("contract_id", "obligation_id").agg(pl.col("allocated_amount").min().alias("least"))
    near = of_obligation.join(least, on=["contract_id", "obligation_id"], how="inner").filter(
        (pl.col("most") > pl.col("least")) | pl.col("is_estimated") | pl.col("may_run_ahead")
    )
    return obligations.join(near, on="contract_id", how="semi")


@of_no("obligations")
def _points(contracts: pl.DataFrame, obligations: pl.DataFrame, periods: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return obligation × period of the contracts that may need a provision."""
    terms = contracts.filter(pl.col("gate") == "met").select(
        "contract_id", "calendar", "signed_date", "terminated_date", "exit_penalty", "currency", "minor_digits",
        pl.col("setting.standard").alias("standard"), pl.col("setting.loss.unit").alias("unit"),
        pl.col("setting.loss.cost_basis").alias("cost_basis"), pl.col("setting.rounding.mode").alias("rounding"),
    )  # fmt: skip
    own = obligations.group_by("contract_id", "obligation_id").agg(
        pl.col("loss_scope").fill_null(value=False).any(), pl.col("is_as_invoiced").fill_null(value=False).all(),
        pl.col("effective_date").min().alias("promised"),
    )  # fmt: skip
    in_scope = (pl.col("standard") == "ifrs") | pl.col("loss_scope")
    asked = own.join(terms, on="contract_id", how="inner").filter(in_scope & ~pl.col("is_as_invoiced"))
    spans = periods.filter(pl.col("start_date") <= as_of).select(
        "calendar", "period", pl.min_horizontal(pl.col("end_date"), as_of).alias("end_date")
    )
    rows = asked.join(spans, on="calendar", how="inner").filter(pl.col("end_date") >= pl.col("promised"))
    return rows.with_columns((pl.col("terminated_date") <= pl.col("end_date")).fill_null(value=False).alias("is_ended"))


def _with_changes(provided: pl.DataFrame) -> pl.DataFrame:
    key = ["contract_id", "obligation_id"]
    before = pl.col("provision").shift(1).over(key, order_by="end_date").fill_null(ZERO)
    changed = provided.with_columns((pl.col("provision") - before).cast(MONEY).alias("change"))
    rows = changed.filter((pl.col("provision") != 0) | (pl.col("change") != 0))
    return rows.select(pl.col(name).cast(dtype) for name, dtype in PROVISIONS.items()).sort(
        "contract_id", "obligation_id", "end_date", nulls_last=True
    )
