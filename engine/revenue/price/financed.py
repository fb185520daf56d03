"""Which contracts finance, from their records: what is transferred when, and what is promised to be paid when."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Final

import polars as pl

from engine.acceptance import accepted_by
from engine.canonical.billing import POSTED
from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.compounding import FINE
from engine.revenue.arithmetic.conventions import TermColumns, with_earned
from engine.revenue.arithmetic.exact import money_units, part_units, units_money
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.price.financing import Financing, significant_financing

_PAYMENTS: Final = ["contract_id", "date", "amount", "is_retention", "is_conditional"]
_TRANSFERS: Final = ["contract_id", "contract_line_id", "okey", "date", "amount"]


def contract_financing(
    contracts: pl.DataFrame,
    lines: pl.DataFrame,
    milestones: pl.DataFrame,
    payments: pl.DataFrame,
    as_of: dt.date,
    levels: pl.DataFrame | None = None,
    reported: pl.Series | None = None,
    delivered: pl.DataFrame | None = None,
) -> Financing:
    """Return the financing of contracts that state a rate, a cash price or a reason why there is none.

    `contracts`: those (`asking_financing`), with contract_id, calendar, minor_digits, signed_date, total_value, financing_rate,
    financing_exclusion and the settings of financing. `lines`: promises as signed, with okey, timing, role, commission_pct, amount,
    standalone_selling_price, cash_selling_price, begins and ends. `payments`: from `promised_payments`, by `once_paid`. `levels`: what
    estimates put into the price (`variable.price_levels`). `reported`: the lines whose transfer progress or use tells, not milestones.
    `delivered`: reports of progress.
    """
    own = lines.join(contracts, on="contract_id", how="semi")
    cash = own.group_by("contract_id").agg(
        pl.when(pl.col("cash_selling_price").is_not_null().any())
        .then(pl.coalesce("cash_selling_price", "amount").sum()).cast(MONEY).alias("cash_price")
    )  # fmt: skip
    stated = contracts.join(cash, on="contract_id", how="left").select(
        "contract_id", "calendar", "minor_digits", "financing_rate", "financing_exclusion", "cash_price",
        pl.col("setting.financing.expedient_months").cast(pl.Int64).alias("expedient_months"),
        pl.col("setting.financing.compounding").alias("compounding"),
    )  # fmt: skip
    valued = _valued(own, contracts)
    kept = _kept(valued)
    held = None if levels is None else _held_back(kept, levels)
    found = _of_firm(significant_financing(stated, _transfers(valued, milestones, as_of, reported, delivered), payments, held), valued)
    if levels is None or held is None or found.parts.is_empty():
        return found
    return replace(found, parts=pl.concat([found.parts, _not_owed(found.parts, kept, levels, held)]))


def asking_financing(contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the contracts whose records state a rate, a cash price or why there is no financing: of others nothing is asked."""
    priced = lines.filter(pl.col("cash_selling_price").is_not_null())["contract_id"]
    states = pl.any_horizontal(pl.col("financing_rate", "financing_exclusion").is_not_null())
    return contracts.filter(states | pl.col("contract_id").is_in(priced.unique().implode()))


def discounted(levels: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Return the levels with what may not be owed of what is financed (a refund, a rebate) at its worth at transfer too (32-15).

    An amount of the whole contract is worth what the prices of its promises together are.
    """
    if not prices.height:
        return levels
    units_of = {name: units(pl.col(name).round(6, mode="half_away_from_zero").cast(MONEY)) for name in ("price", "promised")}
    worth = prices.select("contract_id", "contract_line_id", *(expression.alias(name) for name, expression in units_of.items()))
    whole = worth.group_by("contract_id").agg(pl.col(name).sum().alias(f"{name}.whole") for name in units_of)
    made = levels.join(worth.drop("contract_id"), on="contract_line_id", how="left", maintain_order="left")
    made = made.join(whole, on="contract_id", how="left", maintain_order="left").with_columns(
        pl.when(pl.col("contract_line_id").is_null()).then(f"{name}.whole").otherwise(name).alias(name) for name in units_of
    )
    lowers = pl.col("component").str.starts_with("variable") & (pl.col("level") < 0) & (pl.col("promised") > 0)
    scaled = pl.when(lowers).then(part_units(pl.col("level"), pl.col("price"), pl.col("promised"))).otherwise("level")
    return made.with_columns(scaled.alias("level")).select(levels.columns)


@of_nothing
def promised_payments(
    contracts: pl.DataFrame, plan: pl.DataFrame, invoices: pl.DataFrame, cash: pl.DataFrame
) -> pl.DataFrame:
    """Return what customers are to pay when: by the billing plan, else as invoiced (when due), else as paid.

    `cash`: from `cash_of_contracts`. Columns: contract_id, date, amount, is_retention, is_conditional (an amount planned without an
    unconditional right). Invoices count without tax; credit notes and refunds do not.
    """
    known = contracts.select("contract_id")
    planned = plan.filter(pl.col("due_date").is_not_null() & pl.col("amount").is_not_null()).select(
        "contract_id", pl.col("due_date").alias("date"), pl.col("amount").cast(MONEY), pl.col("is_retention").fill_null(value=False),
        pl.col("is_unconditional").fill_null(value=False).not_().alias("is_conditional"),
    )  # fmt: skip
    billed = invoices.filter(pl.col("status").is_in(POSTED)).select(
        "contract_id", pl.coalesce("due_date", "invoice_date").alias("date"), pl.col("net_amount").cast(MONEY).alias("amount"),
        pl.lit(value=False).alias("is_retention"), pl.lit(value=False).alias("is_conditional"),
    )  # fmt: skip
    paid = cash.with_columns(is_retention=False, is_conditional=False)
    found = planned.join(known, on="contract_id", how="semi").select(_PAYMENTS)
    for source in (billed, paid):
        rest = source.join(known, on="contract_id", how="semi").join(found, on="contract_id", how="anti")
        found = pl.concat([found, rest.filter(pl.col("date").is_not_null() & (pl.col("amount") > 0)).select(_PAYMENTS)])
    return found


@of_nothing
def _valued(lines: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Add `promised`: the line's amount, or its share of a package price by standalone selling price, or an even one."""
    package = contracts.select("contract_id", "total_value", "minor_digits")
    made = lines.drop("minor_digits", strict=False).join(package, on="contract_id", how="left", maintain_order="left")
    is_package = pl.col("amount").is_null().all().over("contract_id")
    weight = units(pl.col("standalone_selling_price").fill_null(0).cast(MONEY))
    weight = pl.when(weight.sum().over("contract_id") > 0).then(weight).otherwise(pl.lit(1, dtype=pl.Int128))
    so_far = weight.cum_sum().over("contract_id", order_by="contract_line_id")
    share = round_share(pl.col("total_value"), so_far, weight.sum().over("contract_id"), pl.lit(6))
    made = made.with_columns(share.alias("so_far"))
    part = pl.col("so_far") - pl.col("so_far").shift(1).over("contract_id", order_by="contract_line_id").fill_null(0)
    return made.with_columns(pl.when(is_package).then(part).otherwise(pl.col("amount")).cast(MONEY).alias("promised"))


def _commission() -> pl.Expr:
    return pl.coalesce("commission_pct", pl.lit(0)).cast(FINE) / pl.lit(100, dtype=FINE)


@of_nothing
def _kept(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines promising of an agent's price its commission alone: what is passed on is no consideration of the firm."""
    part = pl.when(pl.col("role") == "agent").then(_commission()).otherwise(pl.lit(1, dtype=FINE))
    return lines.with_columns((pl.col("promised").cast(FINE) * part).round(6, mode="half_away_from_zero").cast(MONEY).alias("promised"))


def _of_firm(found: Financing, lines: pl.DataFrame) -> Financing:
    """Leave of an agent's price and interest the part of its commission (606-10-55-38): the rest is owed to others as agreed."""
    agents = lines.filter(pl.col("role") == "agent").select("contract_line_id", _commission().alias("→part"))
    if not agents.height:
        return found

    def kept(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
        part = pl.col("→part").fill_null(pl.lit(1, dtype=FINE))
        made = frame.join(agents, on="contract_line_id", how="left", maintain_order="left")
        return made.with_columns((pl.col(name).cast(FINE) * part).cast(frame.schema[name]).alias(name) for name in names).drop("→part")

    prices, parts = kept(found.prices, "promised", "price"), kept(found.parts, "start_value", "end_value")
    return replace(found, prices=prices, parts=parts)


@of_nothing
def _held_back(lines: pl.DataFrame, levels: pl.DataFrame) -> pl.DataFrame:
    """Return the day from which a line costs anything, where an estimate held back all of it before."""
    own = levels.filter(pl.col("component") == "variable").select("contract_line_id", "date", "level")
    about = lines.select("contract_line_id", money_units(pl.col("promised"), pl.col("minor_digits")).alias("whole"))
    left = own.join(about, on="contract_line_id", how="inner").with_columns((pl.col("whole") + pl.col("level") > 0).alias("is_owed"))
    was_nothing = pl.col("is_owed").not_().cum_max().over("contract_line_id", order_by="date")
    return (
        left.filter(pl.col("is_owed") & was_nothing)
        .group_by("contract_line_id").agg(pl.col("date").min().alias("earned_from"))
    )  # fmt: skip


def _not_owed(parts: pl.DataFrame, lines: pl.DataFrame, levels: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Return the parts that take the interest off what an estimate says will not be owed, each from the estimate's day on.

    As the price is lowered by the estimate's worth at transfer (`discounted`), so is the interest by the rest of it; of an estimate
    for the whole contract each promise bears the part that its price is of all.
    """
    about = lines.filter(pl.col("promised") > 0).select(
        "contract_id", "contract_line_id", "promised", pl.col("promised").sum().over("contract_id").alias("→all"),
        pl.col("minor_digits").alias("→digits"),
    )  # fmt: skip
    variable = levels.filter(pl.col("component").str.starts_with("variable"))
    variable = variable.select("contract_id", "contract_line_id", "component", "date", "level")
    own = variable.drop("contract_id").join(about, on="contract_line_id", how="inner")
    whole = variable.filter(pl.col("contract_line_id").is_null()).drop("contract_line_id").join(about, on="contract_id", how="inner")
    of_line = part_units(pl.col("level"), units(pl.col("promised")), units(pl.col("→all")))
    whole = whole.with_columns(of_line.alias("level"), pl.format("{} of all", "component").alias("component")).select(own.columns)
    lowered = pl.concat([own, whole]).join(held, on="contract_line_id", how="left")
    # Where all was held back before, nothing bore interest then.
    counts = pl.col("earned_from").is_null() | (pl.col("date") >= pl.col("earned_from"))
    level = units_money(pl.col("level"), pl.col("→digits"))
    less = pl.max_horizontal(pl.min_horizontal(level, ZERO), pl.col("promised") * -1)
    lowered = lowered.filter(counts).sort("contract_line_id", "component", "date").with_columns(less.alias("less"))
    step = pl.col("less") - pl.col("less").shift(1).over("contract_line_id", "component", order_by="date").fill_null(0)
    steps = lowered.with_columns(step.alias("step_less")).filter(pl.col("step_less") != 0)
    steps = steps.select("contract_line_id", pl.col("date").alias("→from"), "step_less", "promised")
    values = (pl.col(name) * pl.col("step_less").cast(FINE) / pl.col("promised").cast(FINE) for name in ("start_value", "end_value"))
    made = parts.drop("known_from").join(steps, on="contract_line_id", how="inner")
    return made.with_columns(*values, pl.col("→from").alias("known_from")).select(
        pl.col(name).cast(dtype) for name, dtype in parts.schema.items()
    )


def _transfers(
    lines: pl.DataFrame, milestones: pl.DataFrame, as_of: dt.date, reported: pl.Series | None = None, delivered: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return the day each promise transfers; what is earned over time transfers month by month.

    The only promise of a contract, where it has not passed by as_of, passes no earlier than the day after, whatever was planned. Units
    whose delivery is reported pass on the day of the report, where no milestone tells.
    """
    if lines.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(_TRANSFERS, pl.String()) | {"date": pl.Date(), "amount": MONEY})
    reached = milestones.group_by("contract_line_id").agg(
        pl.col("accepted_date").filter(accepted_by(pl.lit(as_of))).min().alias("accepted"),
        pl.col("due_date").max().alias("planned"),
    )
    dated = lines.filter(pl.col("promised") > 0).join(reached, on="contract_line_id", how="left")
    # A right to use passes when its period begins, not before and, handed over or not, not when it ends (55-58C).
    is_licence = pl.col("offering").eq_missing(pl.lit("licence"))
    handed_over = pl.coalesce("accepted", "planned")
    passes = pl.when(is_licence).then(pl.max_horizontal(handed_over, "begins")).otherwise(pl.coalesce(handed_over, "ends", "begins"))
    told = pl.lit(value=True) if reported is None else pl.col("contract_line_id").is_in(reported.implode())
    # Beside other promises, what one of them waits for would move the prices of those already earned with every run.
    alone = pl.col("okey").n_unique().over("contract_id") == 1
    waits = pl.col("accepted").is_null() & ~is_licence & ~told & alone
    earliest = pl.lit(as_of).dt.offset_by("1d")
    at_a_point = dated.filter(pl.col("timing") == "point_in_time").select(
        "contract_id", "contract_line_id", "okey", pl.when(waits).then(pl.max_horizontal(passes, earliest)).otherwise(passes).alias("date"),
        pl.col("promised").alias("amount"),
    )
    units_told = dated.filter((pl.col("timing") == "point_in_time") & pl.col("accepted").is_null() & ~is_licence)
    at_a_point = _with_delivered(at_a_point, units_told, delivered, as_of)
    over_time = dated.filter(
        (pl.col("timing") == "over_time") & (pl.col("begins") <= pl.col("ends")).fill_null(value=False)
    ).with_columns(
        pl.date_ranges(pl.col("begins").dt.month_start(), pl.col("ends").dt.month_start(), "1mo").alias("month")
    ).explode("month", empty_as_null=True, keep_nulls=True)  # fmt: skip
    until = pl.min_horizontal(pl.col("month").dt.month_end(), "ends")
    convention = pl.col("convention") if "convention" in lines.columns else pl.lit(None, dtype=pl.String)
    dated_steps = over_time.with_columns(
        until.alias("date"), pl.lit(6, dtype=pl.Int64).alias("digits"), pl.coalesce(convention, pl.lit("actual_days")).alias("convention")
    )
    # As the service is earned by its convention, so it is paid for; six digits, since only posting rounds.
    term = TermColumns(start="begins", end="ends")
    steps = with_earned(dated_steps.lazy(), "so_far", amount="promised", at="date", digits="digits", terms=term).collect()
    amount = pl.col("so_far") - pl.col("so_far").shift(1).over("contract_line_id", order_by="month").fill_null(0)
    served = steps.with_columns(amount.cast(MONEY).alias("amount")).select(_TRANSFERS)
    return pl.concat([at_a_point.select(_TRANSFERS), served]).filter(pl.col("date").is_not_null())


def _with_delivered(planned: pl.DataFrame, lines: pl.DataFrame, progress: pl.DataFrame | None, as_of: dt.date) -> pl.DataFrame:
    """Return transfers (_TRANSFERS) with what of `lines` reports say is delivered on their days; what is left passes as planned.

    Of a line without a quantity any unit is all of it.
    """
    if progress is None or not lines.height:
        return planned
    told = progress.filter((pl.col("units_delivered") > 0) & (pl.col("as_of_date") <= as_of)).join(
        lines.select("contract_line_id", "contract_id", "okey", "quantity", "promised"), on="contract_line_id", how="inner"
    )
    if not told.height:
        return planned
    whole = pl.when(pl.col("quantity") > 0).then("quantity").otherwise("units_delivered")
    done = pl.min_horizontal("units_delivered", whole).cum_max().over("contract_line_id", order_by="as_of_date")
    told = told.with_columns(
        each.cast(pl.Decimal(38, 10)).to_physical().alias(name) for name, each in (("→done", done), ("→of", whole))
    )
    so_far = round_share(pl.col("promised"), pl.col("→done"), pl.col("→of"), pl.lit(6)).cast(MONEY)
    steps = told.with_columns(so_far.alias("→so_far")).sort("contract_line_id", "as_of_date").with_columns(
        (pl.col("→so_far") - pl.col("→so_far").shift(1).over("contract_line_id").fill_null(ZERO)).cast(MONEY).alias("amount")
    ).filter(pl.col("amount") > 0)  # fmt: skip
    passed = steps.group_by("contract_line_id").agg(pl.col("amount").sum().cast(MONEY).alias("→passed"))
    rest = planned.join(passed, on="contract_line_id", how="left", maintain_order="left").with_columns(
        (pl.col("amount") - pl.col("→passed").fill_null(ZERO)).cast(MONEY).alias("amount")
    )
    made = steps.with_columns(pl.col("as_of_date").alias("date")).select(_TRANSFERS)
    return pl.concat([rest.filter(pl.col("amount") > 0).select(_TRANSFERS), made])
