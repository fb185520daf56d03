"""Amounts that a change itself promises: they are of the contract as it then is, not of the one before (606-10-32-45, 25-11).

A rebate or a bonus that begins with a prospective change, and what is promised to the customer after one, is part of what remains on the
day of that change: nothing of it belongs to what was served before. Its later estimates are shared as it was (32-43).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.exact import COEFFICIENT, GUARD, part_units, units_to_minor
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.price.sharing import shared_change

_VARIABLE: Final = "variable"
_PAYABLE: Final = "payable "

BASIS: Final[dict[str, pl.DataType]] = {
    "okey": pl.String(), "since": pl.Int32(), "own_base.since": pl.Int128(), "w_base.since": pl.Int128(), "is_open": pl.Boolean(),
}  # fmt: skip


def with_promise(steps: pl.DataFrame, lines: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Add the day from which an uncertainty is told that was none at inception: `promised`, and whether it is on record as such.

    `is_dated`: what is paid to a customer is agreed on its day; an estimate may be the first of an amount promised earlier. A line as
    signed that states its variable amount promised it then (null). `steps`: all levels by `keys`, `is_base` those of the inception.
    """
    line = pl.coalesce("contract_line_id", pl.col("component").str.strip_prefix(f"{_VARIABLE} ")).alias("→line")
    stated = lines.filter((pl.col("added_place") == 0) & pl.col("variable_amount").is_not_null())["contract_line_id"]
    is_dated = pl.col("component").str.starts_with(_PAYABLE)
    is_late = ~pl.col("is_base").any().over(*keys) & (is_dated | pl.col("component").str.starts_with(_VARIABLE))
    made = steps.with_columns(line).with_columns(is_late.alias("→late"), pl.col("→line").is_in(stated.implode()).alias("→stated"))
    first = pl.col("date").min().over(*keys)
    return made.with_columns(
        pl.when(pl.col("→late") & ~pl.col("→stated").fill_null(value=False)).then(first).alias("promised"), is_dated.alias("is_dated")
    ).drop("→line", "→late", "→stated")


def with_orders(changes: pl.DataFrame, later: pl.DataFrame, amendments: pl.DataFrame) -> pl.DataFrame:
    """Return line changes with orders whose price is open: a change that an estimate begins with says something, whatever it states.

    Once it is priced, and nothing else is, the price is a new estimate of what the order promised, no second modification (25-11).
    """
    began = later.filter(pl.col("promised").is_not_null() & pl.col("contract_line_id").is_not_null())
    if not began.height:
        return changes
    days = amendments.select("group_id", "place", pl.col("event_date").alias("→day"))
    told = changes.join(days, on=["group_id", "place"], how="left", maintain_order="left")
    first = began.select("contract_line_id", pl.col("promised").alias("→day"), pl.lit(value=True).alias("→begins")).unique()
    steps = began.group_by("contract_line_id", "date").agg(pl.col("delta").sum()).sort("contract_line_id", "date")
    over = steps.filter(pl.col("delta").cum_sum().over("contract_line_id") == 0)
    over = over.select("contract_line_id", pl.col("date").alias("→day"), pl.lit(value=True).alias("→priced"))
    for told_on in (first, over):
        told = told.join(told_on, on=["contract_line_id", "→day"], how="left", maintain_order="left")
    same = ~pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"before.{name}")) for name in ("quantity", "end_date"))
    is_priced = pl.col("→priced").is_not_null() & (pl.col("action") == "change") & (pl.col("kind") == "prospective") & same
    return told.with_columns(
        (pl.col("is_idle") & pl.col("→begins").is_null()).alias("is_idle"),
        pl.when(is_priced & pl.col("stated.amount").is_not_null()).then(pl.lit("catch_up")).otherwise("kind").alias("kind"),
    ).select(changes.columns)


def with_since(
    deltas: pl.DataFrame, events: pl.DataFrame, touched: pl.DataFrame, added: pl.DataFrame, amendments: pl.DataFrame
) -> pl.DataFrame:
    """Add `since`: the ordinal of the prospective change that a re-estimate's amount was promised by or after; 0 of one before it.

    What began with a change, on its day or on the day it was agreed on ahead, is of its event. An amount of a line is so where the change
    is one of its promise; one of the whole contract where nothing catches up in it. `touched`, `added`: of `evolve.Happenings`.
    """
    none = pl.lit(0, dtype=pl.Int32).alias("since")
    asked = deltas.filter(pl.col("promised").is_not_null())
    if not asked.height:
        return deltas.with_columns(none).drop("promised", "is_dated")
    key = ["group_id", "place"]
    says = touched.filter(~pl.col("is_idle").fill_null(value=False)) if "is_idle" in touched.columns else touched
    apart = pl.col("is_apart").fill_null(value=False) if "is_apart" in touched.columns else pl.lit(value=False)
    ahead = pl.concat([
        frame.filter(pl.col("kind").is_in(["prospective", "remove"])).select(*key, "okey", "kind") for frame in (says.filter(~apart), added)
    ]).unique()  # fmt: skip
    days = events.filter(pl.col("place").is_not_null()).select(*key, pl.col("ordinal").alias("→since"), pl.col("date").alias("→day"))
    agreed = amendments.select(*key, pl.col("agreed_on").alias("→agreed"))
    dated = days.join(agreed, on=key, how="left")
    behind = says.filter(pl.col("kind") == "catch_up").select(key)
    whole = ahead.select(key).unique().join(behind, on=key, how="anti").join(dated, on=key, how="inner")
    own = ahead.filter(pl.col("kind") == "prospective").join(dated, on=key, how="inner")
    row, told = asked.with_row_index("→row"), ["→since", "→day", "→agreed"]
    found = pl.concat([
        row.filter(pl.col("okey").is_null()).join(whole.select("group_id", *told), on="group_id", how="inner"),
        row.join(own.select("okey", *told), on="okey", how="inner"),
    ])  # fmt: skip
    with_it = (pl.col("→day") == pl.col("promised")) | (pl.col("→agreed") == pl.col("promised"))
    found = found.filter(with_it.fill_null(value=False) | (pl.col("is_dated") & (pl.col("→day") < pl.col("promised"))))
    last = found.group_by("→row").agg(pl.col("→since", "→day").sort_by("→since").last())
    # What is told after the end of a contract concerns what was served of it (25-10).
    over = touched.filter(pl.col("kind") == "terminate").join(days, on=key, how="inner")
    over = over.group_by("group_id").agg(pl.col("→since").min().alias("→over"))
    made = row.join(last, on="→row", how="left", maintain_order="left").join(over, on="group_id", how="left", maintain_order="left")
    begins = events.select("group_id", "ordinal", "date")
    made = made.join(begins, on=["group_id", "ordinal"], how="left", maintain_order="left")
    is_over = (pl.col("ordinal") >= pl.col("→over")).fill_null(value=False)
    made = made.with_columns(pl.when(~is_over).then("→since").fill_null(0).cast(pl.Int32).alias("since"))
    joins = (pl.col("since") > 0) & (pl.col("date") <= pl.col("→day"))
    made = made.with_columns(pl.when(joins).then("since").otherwise("ordinal").alias("ordinal"))
    rest = deltas.filter(pl.col("promised").is_null()).with_columns(none)
    names = [*deltas.columns, "since"]
    return pl.concat([rest.select(names), made.select(pl.col(name).cast(rest.schema[name]) for name in names)]).drop("promised", "is_dated")


def basis_of(rows: pl.DataFrame, deltas: pl.DataFrame) -> pl.DataFrame:
    """Return where promises stand after the change that amounts were promised by (`BASIS`); `is_open`: something remained of them."""
    asked = deltas.filter(pl.col("since") > 0).select("group_id", pl.col("since").alias("ordinal")).unique()
    if not asked.height:
        return pl.DataFrame(schema=BASIS)
    return rows.join(asked, on=["group_id", "ordinal"], how="semi").select(
        "okey", pl.col("ordinal").alias("since"), pl.col("own_base").alias("own_base.since"), pl.col("w_base").alias("w_base.since"),
        ((pl.col("d") > pl.col("n")) | pl.col("is_new")).alias("is_open"),
    ).select(pl.col(name).cast(dtype) for name, dtype in BASIS.items())  # fmt: skip


def of_later_promises(rows: pl.DataFrame, deltas: pl.DataFrame, basis: pl.DataFrame) -> pl.DataFrame:
    """Add re-estimates of amounts that a change promised: what was served since that change bears its share at once (32-43, 32-45)."""
    if not deltas.height:
        return rows
    own = deltas.filter(pl.col("okey").is_not_null())
    made = _of_lines(rows, own, basis) if own.height else rows
    whole = deltas.filter(pl.col("okey").is_null())
    for since in sorted(whole["since"].unique().to_list()):
        made = _of_contracts(made, whole.filter(pl.col("since") == since), basis.filter(pl.col("since") == since))
    return made


def _of_lines(rows: pl.DataFrame, deltas: pl.DataFrame, basis: pl.DataFrame) -> pl.DataFrame:
    now = rows.select("okey", pl.col("own_base").alias("→now"))
    told = deltas.join(basis, on=["okey", "since"], how="left").join(now, on="okey", how="inner")
    left = wide(COEFFICIENT) - pl.col("own_base.since")
    served = part_units(pl.col("delta"), pl.col("→now") - pl.col("own_base.since"), left)
    told = told.with_columns(pl.when(left > 0).then(served).otherwise("delta").alias("→gone"))
    summed = told.group_by("okey").agg(
        pl.col("delta").sum().alias("→delta"), pl.col("variable_delta").sum().alias("→variable"), pl.col("→gone").sum()
    )
    made = rows.join(summed, on="okey", how="left", maintain_order="left").with_columns(
        pl.col(name).fill_null(0) for name in ("→delta", "→variable", "→gone")
    )
    return made.with_columns(
        (pl.col("base") + pl.col("→gone")).alias("base"), (pl.col("rem") + pl.col("→delta") - pl.col("→gone")).alias("rem"),
        (pl.col("variable") + pl.col("→variable")).alias("variable"),
    ).drop("→delta", "→variable", "→gone")  # fmt: skip


def _of_contracts(rows: pl.DataFrame, deltas: pl.DataFrame, basis: pl.DataFrame) -> pl.DataFrame:
    summed = deltas.group_by("group_id").agg(pl.col("delta").sum().alias("pool"), pl.col("variable_delta").sum().alias("→variable"))
    told = rows.filter(pl.col("group_id").is_in(summed["group_id"].implode()))
    told = told.join(summed, on="group_id", how="left", maintain_order="left")
    told = told.join(basis.drop("since"), on="okey", how="left", maintain_order="left")
    served = pl.col("w_base") - pl.col("w_base.since").fill_null(0)
    open_ = pl.col("is_open").fill_null(value=True)
    told = told.with_columns(
        pl.when(open_).then(served).otherwise(wide(0)).alias("→served"),
        pl.when(open_).then(served + pl.col("w_rem")).otherwise(wide(0)).alias("→w"),
    )
    made = shared_change(told)
    whole = pl.col("→w").sum().over("group_id")
    # Where nothing remained of anything it is earned at once.
    served = part_units(pl.col("part"), pl.col("→served"), pl.col("→w"))
    gone = pl.when(pl.col("→w") > 0).then(served).when(whole <= 0).then("part").otherwise(wide(0))
    variable = pl.when(whole > 0).then(part_units(pl.col("→variable"), pl.col("→w"), whole)).otherwise(wide(0))
    made = made.with_columns(
        (pl.col("base") + gone).alias("base"), (pl.col("rem") + pl.col("part") - gone).alias("rem"),
        (pl.col("variable") + variable).alias("variable"),
    )
    others = rows.filter(~pl.col("group_id").is_in(summed["group_id"].implode()))
    return pl.concat([others, made.select(rows.columns)])


def promised_now(rows: pl.DataFrame, deltas: pl.DataFrame) -> pl.DataFrame:
    """Add what a change itself promises: of a promise's own (`promised`, of it `promised.variable`) and of the contract's (`.whole`)."""
    names = ("promised", "promised.variable", "promised.whole", "promised.whole_variable")
    if not deltas.height:
        return rows.with_columns(wide(0).alias(name) for name in names)
    own, whole = (
        deltas.filter(chosen).group_by(key).agg(pl.col("delta").sum().alias(amount), pl.col("variable_delta").sum().alias(variable))
        for chosen, key, amount, variable in (
            (pl.col("okey").is_not_null(), "okey", *names[:2]), (pl.col("okey").is_null(), "group_id", *names[2:]),
        )
    )  # fmt: skip
    made = rows.join(own, on="okey", how="left", maintain_order="left").join(whole, on="group_id", how="left", maintain_order="left")
    return made.with_columns(pl.col(name).fill_null(0) for name in names)


def with_promised_shares(rows: pl.DataFrame) -> pl.DataFrame:
    """Share what a change promises for the whole contract over what remains of it (by `w`): `promised`, `promised.variable` with it."""
    if not rows.select((pl.col("promised.whole") != 0).any()).item():
        return rows
    weight = pl.when("is_alone").then(pl.max_horizontal("loose", wide(0))).otherwise("w")
    rows = rows.with_columns(weight.alias("→weight"))
    rows = rows.with_columns(pl.when(pl.col("→weight").sum().over("group_id") > 0).then("→weight").otherwise(wide(1)).alias("→weight"))
    through, whole = pl.col("→weight").cum_sum().over("group_id", order_by="okey"), pl.col("→weight").sum().over("group_id")
    rows = rows.with_columns(through.alias("→through"), whole.alias("→all"))

    def share(name: str) -> pl.Expr:
        through = part_units(pl.col(name), pl.col("→through"), pl.col("→all"))
        before = part_units(pl.col(name), pl.col("→through") - pl.col("→weight"), pl.col("→all"))
        return (units_to_minor(through) - units_to_minor(before)) * GUARD

    return rows.with_columns(
        (pl.col("promised") + share("promised.whole")).alias("promised"),
        (pl.col("promised.variable") + share("promised.whole_variable")).alias("promised.variable"),
    ).drop("→weight", "→through", "→all")  # fmt: skip
