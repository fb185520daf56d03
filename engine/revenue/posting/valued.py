"""What performance is worth in the functional currency: drawn from a liability at its layers, else at the rate of its day or period.

Revenue that goes back to a liability goes at what was drawn last, beyond that at its own rate: neither is monetary, and what moves
between them makes no exchange difference (IAS 21.23(b), IFRIC 22.8, 830-10-45-18).
"""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.ground.rates import mean_rate, translated, with_rate

_DAY = ("→group", "→currency", "functional_currency", "posting_date")


def with_own_rates(
    done: pl.DataFrame, performed: pl.DataFrame, contracts: pl.DataFrame, periods: pl.DataFrame, rates: pl.DataFrame
) -> pl.DataFrame:
    """Add `own_rate`: what performance has where no liability is drawn; `gross`; and whose day it is.

    What is of an earlier period that was closed has the rate of its own period: the day it qualified for recognition (830-20-30-1,
    IAS 21.22).
    """
    about = contracts.rename({"group_id": "→group", "currency": "→currency"})
    of_day = performed.select("contract_id", pl.col("date").alias("posting_date"), "spot", "average")
    atoms = done.join(of_day, on=["contract_id", "posting_date"], how="left", maintain_order="left")
    atoms = atoms.join(about, on="contract_id", how="left", maintain_order="left")
    by_spot = (pl.col("revenue_rate") == "spot").fill_null(value=False)
    over_time = pl.col("timing").is_in(["over_time", "as_invoiced", "usage", "royalty"]) & ~by_spot
    atoms = _of_their_period(atoms, periods, rates)
    own_rate = pl.when(over_time).then(pl.coalesce("→own", "average")).otherwise(pl.coalesce("→own_spot", "spot"))
    return atoms.with_columns(own_rate.alias("own_rate"), pl.coalesce("gross_amount", "amount").alias("gross"))


def taken_back(performed: pl.DataFrame, atoms: pl.DataFrame) -> pl.DataFrame:
    """Return by contract and date `back`, what of its liability's rise is revenue taken back, and `back_rate`, its mean own rate.

    What is taken back gives up the contract asset first; combined contracts have theirs together (606-10-45-1).
    """
    day = ["group_id", "currency", "functional_currency", "date"]
    earned = pl.col("delta_earned_gross") + pl.col("delta_earned_as_invoiced")
    asset_before = pl.col("contract_asset") - pl.col("delta_contract_asset")
    rise = pl.max_horizontal("delta_contract_liability", ZERO)
    rows = performed.with_columns(pl.max_horizontal((earned + asset_before).sum().over(day) * -1, ZERO).alias("→back"), rise.alias("→rise"))
    rows = rows.filter((pl.col("→back") > 0) & (pl.col("→rise") > 0)).sort(*day, "contract_id")
    before = pl.col("→rise").cum_sum().over(day) - pl.col("→rise")
    back = pl.max_horizontal(pl.min_horizontal("→rise", pl.col("→back") - before), ZERO)
    rows = rows.select(*day, "contract_id", back.cast(MONEY).alias("back")).filter(pl.col("back") > 0)
    weighed = atoms.group_by(_DAY).agg(mean_rate("own_rate", pl.col("gross").abs()).alias("back_rate"))
    found = rows.join(weighed, left_on=day, right_on=_DAY, how="left", maintain_order="left")
    return found.select("contract_id", "date", "back", "back_rate")


def _of_their_period(atoms: pl.DataFrame, periods: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Add what posted late was worth when it qualified: `→own`, the average of its period, `→own_spot`, the rate of its day.

    Both null for all else. A day that is not known is the last of its period.
    """
    of, posted = (pl.col(name).cast(pl.String) for name in ("relates_to_period", "period"))
    late = atoms.filter((of != posted).fill_null(value=False))
    if not late.height:
        return atoms.with_columns(pl.lit(None, dtype=atoms.schema["average"]).alias(name) for name in ("→own", "→own_spot"))
    ends = periods.select("calendar", posted.alias("→of"), pl.col("end_date").alias("→end"))
    asked = late.select(
        "place", "calendar", "functional_currency", "performed_on", pl.col("→currency").alias("currency"), of.alias("→of")
    )
    asked = asked.join(ends, on=["calendar", "→of"], how="left", maintain_order="left")
    asked = asked.with_columns(pl.coalesce("performed_on", "→end").alias("→day"))
    told = with_rate(with_rate(asked, rates, day="→end", kind="average", name="→own"), rates, day="→day", kind="spot", name="→own_spot")
    return atoms.join(told.select("place", "→own", "→own_spot"), on="place", how="left", maintain_order="left")


def with_values(atoms: pl.DataFrame, performed: pl.DataFrame) -> pl.DataFrame:
    """Add `functional_amount` and `functional_gross`: what goes through a liability at its layers, the rest at the own rate.

    Contracts that are combined draw from each other's liability (606-10-25-9, 45-1).
    """
    day = list(_DAY)
    # A deposit that becomes an advance, and interest on one, come in and may go out in one step.
    drawn = pl.col("comes_in") - pl.col("delta_contract_liability")
    moved = performed.rename({"date": "posting_date", "group_id": "→group", "currency": "→currency"}).group_by(day).agg(
        (pl.col("delta_earned_gross") + pl.col("delta_earned_as_invoiced")).sum().alias("day_gross"),
        pl.max_horizontal(drawn, ZERO).sum().alias("day_drawn"), drawn.sum().alias("day_net"),
        pl.max_horizontal("layers_out", ZERO).sum().alias("layers_out"), pl.col("back", "layers_back").sum(),
    )  # fmt: skip
    atoms = atoms.join(moved, on=day, how="left", maintain_order="left")
    used = pl.max_horizontal(pl.min_horizontal("day_net", "day_gross"), ZERO).fill_null(ZERO)
    atoms = atoms.with_columns(used.cast(MONEY).alias("used"))
    # Of the layers taken out, the part that paid for the day's performance.
    out = round_share(pl.col("layers_out"), units(pl.col("used")), units(pl.col("day_drawn")), pl.col("functional_digits")).fill_null(ZERO)
    # A day takes out of a liability or gives back to it; of combined contracts one may rise while another falls.
    gives = (pl.col("used") == 0) & (pl.col("back") > 0)
    atoms = atoms.with_columns(
        pl.when(gives).then(pl.col("back") * -1).otherwise("used").cast(MONEY).alias("used"),
        pl.when(gives).then(pl.col("layers_back") * -1).otherwise(out).cast(MONEY).alias("used_value"),
    )
    columns = []
    for name, target in (("amount", "functional_amount"), ("gross", "functional_gross")):
        # Rounded on the sum of the day, so that its parts take out no more and no less than the layers held.
        through = pl.col(name).cum_sum().over(day)
        reached, before = (
            round_share(pl.col("used_value"), units(upto), units(pl.col("day_gross")), pl.col("functional_digits"))
            for upto in (through, through - pl.col(name))
        )
        drawn_value = reached - before
        drawn_part = round_share(pl.col("used"), units(pl.col(name)), units(pl.col("day_gross")), pl.lit(6))
        rest = translated(pl.col(name) - drawn_part, "own_rate", pl.col("functional_digits"))
        straight = translated(pl.col(name), "own_rate", pl.col("functional_digits"))
        columns.append(pl.when(pl.col("used") != 0).then(drawn_value + rest).otherwise(straight).cast(MONEY).alias(target))
    return _mirrored(atoms.with_columns(columns))


def _mirrored(atoms: pl.DataFrame) -> pl.DataFrame:
    """Let what is taken back of a closed period, and goes to no liability, leave at what revenue of that period drew from one.

    It is the mirror of that revenue: money owed back rises at the rate of its day, and the difference is one of exchange.
    """
    of, posted = (pl.col(name).cast(pl.String) for name in ("relates_to_period", "period"))
    back = ((of != posted) & (pl.col("gross") < 0) & (pl.col("used") == 0)).fill_null(value=False)
    atoms = atoms.with_columns(back.alias("→back"), of.alias("→of"))
    if not atoms["→back"].any():
        return atoms.drop("→back", "→of")
    key = ["contract_id", "contract_line_id", "→of"]
    first = atoms.filter(~pl.col("→back") & (of == posted)).with_columns(posted.alias("→of")).group_by(key).agg(
        pl.col("gross", "functional_gross").sum().name.prefix("→"), (pl.col("used") > 0).any().alias("→drew")
    )  # fmt: skip
    rows = atoms.join(first, on=key, how="left", maintain_order="left")
    mirrors = (pl.col("→back") & pl.col("→drew") & (pl.col("→gross") > 0)).fill_null(value=False)
    made = [
        pl.when(mirrors)
        .then(round_share(pl.col("→functional_gross"), units(pl.col(name)), units(pl.col("→gross")), pl.col("functional_digits")))
        .otherwise(target).cast(MONEY).alias(target)
        for name, target in (("amount", "functional_amount"), ("gross", "functional_gross"))
    ]  # fmt: skip
    return rows.with_columns(made).select(atoms.columns).drop("→back", "→of")
