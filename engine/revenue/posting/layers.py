"""Layers of a contract liability in a foreign currency: each increase at its rate, taken out FIFO or at the average.

Revenue that is taken back goes back to the layers it was drawn from, what was drawn last first; only beyond what was drawn does it
begin a layer, at the rate of the revenue itself (IFRIC 22.8: what relates to an advance has the rate of the advance).
A deposit becomes an advance on the day its contract begins and passes through the layers at the rate of that day, also where revenue
of that day uses it up at once. Interest on an advance comes in at the rate it is borne at, the average of its period.
"""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.ground.rates import translated


def with_layers(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `layers_out` (functional value the step takes out of the layers, below 0: gives back), `layers_back` and the change.

    `rows` of contracts in a foreign currency in order of contract, date and order; delta_contract_liability, layer_rate, layers (fifo |
    average), delta_earned_*, back, back_rate. `put_in` is what comes in at `layer_rate`, of it `accrued` as interest at the average,
    `comes_in` this and what was a deposit before; `layers_back` what revenue taken back is worth.
    """
    delta = pl.col("delta_contract_liability")
    performed = pl.col("order") == 0
    accrued = pl.when(performed).then(pl.max_horizontal("delta_expense", ZERO)).otherwise(ZERO)
    deposit = pl.when(performed).then(pl.max_horizontal(pl.col("delta_deposit_liability") * -1, ZERO)).otherwise(ZERO)
    rows = rows.with_columns(accrued.cast(MONEY).alias("accrued"), (deposit + accrued).cast(MONEY).alias("comes_in"))
    earned = pl.max_horizontal(pl.col("delta_earned_gross") + pl.col("delta_earned_as_invoiced"), ZERO)
    rows = rows.with_columns(
        pl.col("back").fill_null(ZERO), pl.max_horizontal(pl.col("comes_in") - pl.max_horizontal(delta, ZERO), ZERO).alias("passing"),
    ).with_columns(
        (pl.max_horizontal(delta * -1, ZERO) + pl.col("passing")).cast(MONEY).alias("taken"),
        (pl.max_horizontal(delta, ZERO) + pl.col("passing") - pl.col("back")).cast(MONEY).alias("put_in"),
    ).with_columns(
        # What revenue drew, less what went back: the row as far as it is above 0.
        (pl.min_horizontal("taken", earned) - pl.col("back")).cum_sum().over("contract_id").cast(MONEY).alias("→net"),
    )  # fmt: skip
    low = pl.min_horizontal(pl.col("→net").cum_min().over("contract_id"), ZERO)
    anew = low.shift(1).over("contract_id").fill_null(ZERO) - low
    rows = rows.with_columns(pl.min_horizontal(anew, "back").cast(MONEY).alias("anew")).with_row_index("layer.row")
    digits = pl.col("functional_digits")
    rows = rows.with_columns(
        (pl.col("taken") - (pl.col("back") - pl.col("anew"))).cast(MONEY).alias("drawn"),
        (pl.col("put_in") + pl.col("anew")).cast(MONEY).alias("layer_in"),
        translated(pl.col("anew"), "back_rate", digits).alias("anew_value"),
    )
    by_day = translated(pl.col("put_in") - pl.col("accrued"), "layer_rate", digits)
    value = by_day + translated(pl.col("accrued"), "average", digits) + pl.col("anew_value")
    rows = rows.with_columns(value.cast(MONEY).alias("put_value"))
    average = (pl.col("layers") == "average").fill_null(value=False)
    parts = [_first_in_first_out(rows.filter(~average)), _at_average(rows.filter(average))]
    whole = pl.concat([part.select(*rows.columns, "layers_out") for part in parts]).sort("layer.row")
    change = (pl.col("put_value") - pl.col("layers_out")).cast(MONEY)
    back = (pl.col("anew_value") + pl.max_horizontal(pl.col("layers_out") * -1, ZERO)).cast(MONEY)
    whole = whole.with_columns(change.alias("change_contract_liability"), back.alias("layers_back"))
    return whole.drop("layer.row", "put_value", "taken", "passing", "accrued", "→net", "anew", "anew_value", "drawn", "layer_in")


def with_carried(rows: pl.DataFrame, role: str) -> pl.DataFrame:
    """Add `change_<role>` of an asset that is not monetary: it comes in at the spot rate and leaves at the rates it came in at.

    What came in first leaves first (830-10-45-18, IAS 21.23(b)).
    """
    delta = pl.col(f"delta_{role}")
    has_any = rows.filter(delta != 0).select("contract_id").unique()
    if has_any.is_empty():
        return rows.with_columns(ZERO.alias(f"change_{role}"))
    more = pl.max_horizontal(delta, ZERO).cast(MONEY)
    asked = rows.with_row_index("layer.row").join(has_any, on="contract_id", how="semi", maintain_order="left").select(
        "layer.row", "contract_id", "functional_digits", more.alias("layer_in"),
        translated(more, "spot", pl.col("functional_digits")).alias("put_value"), (more - delta).cast(MONEY).alias("drawn"),
    )  # fmt: skip
    found = _first_in_first_out(asked).select(
        "layer.row", (pl.col("put_value") - pl.col("layers_out")).cast(MONEY).alias(f"change_{role}")
    )
    made = rows.with_row_index("layer.row").join(found, on="layer.row", how="left", maintain_order="left").drop("layer.row")
    return made.with_columns(pl.col(f"change_{role}").fill_null(ZERO))


def _first_in_first_out(rows: pl.DataFrame) -> pl.DataFrame:
    """Value what is drawn by the layer it reaches into: the value of all earlier layers plus the part of this one."""
    summed = rows.with_columns(pl.col("layer_in", "put_value", "drawn").cum_sum().over("contract_id").cast(MONEY).name.prefix("sum_"))
    ends = summed.filter(pl.col("layer_in") > 0).select(
        "contract_id", units(pl.col("sum_layer_in")).cast(pl.Int64).alias("end"), pl.col("layer_in").alias("layer"),
        pl.col("put_value").alias("value"), (pl.col("sum_layer_in") - pl.col("layer_in")).alias("begin"),
        (pl.col("sum_put_value") - pl.col("put_value")).alias("begin_value"),
    ).sort("end")  # fmt: skip
    asked = summed.with_columns(units(pl.col("sum_drawn")).cast(pl.Int64).alias("reach")).sort("reach")
    found = asked.join_asof(ends, left_on="reach", right_on="end", by="contract_id", strategy="forward", check_sortedness=False)
    part = round_share(pl.col("value"), units(pl.col("sum_drawn") - pl.col("begin")), units(pl.col("layer")), pl.col("functional_digits"))
    through = (pl.col("begin_value") + part).fill_null(ZERO)
    found = found.with_columns(through.cast(MONEY).alias("through")).sort("layer.row")
    before = pl.col("through").shift(1).over("contract_id").fill_null(ZERO)
    return found.with_columns((pl.col("through") - before).cast(MONEY).alias("layers_out"))


def _at_average(rows: pl.DataFrame) -> pl.DataFrame:
    """Value what is drawn at the average of all that stands, step by step over the contracts that still have one.

    What goes back has the average of all that was drawn (`given` of them, `given_worth`).
    """
    numbered = rows.with_columns(pl.int_range(pl.len()).over("contract_id", order_by="layer.row").alias("place"))
    names = ("held", "worth", "given", "given_worth")
    standing = pl.DataFrame(schema={"contract_id": pl.String, **dict.fromkeys(names, MONEY)})
    done = []
    for (_,), step in numbered.partition_by("place", as_dict=True).items():
        now = step.join(standing, on="contract_id", how="left").with_columns(pl.col(names).fill_null(ZERO))
        now = now.with_columns((pl.col("held") + pl.col("layer_in")).alias("held"), (pl.col("worth") + pl.col("put_value")).alias("worth"))
        draws = pl.col("drawn") > 0
        out, back = (
            round_share(pl.col(worth), units(pl.col("drawn")), units(pl.col(of)), pl.col("functional_digits")).fill_null(ZERO)
            for worth, of in (("worth", "held"), ("given_worth", "given"))
        )
        now = now.with_columns(pl.when(draws).then(out).otherwise(back).alias("layers_out"))
        drawn, worth = pl.col("drawn"), pl.col("layers_out")
        moved = ((pl.col(name) + by).cast(MONEY) for name, by in zip(names, (drawn * -1, worth * -1, drawn, worth), strict=True))
        standing = now.select("contract_id", *moved)
        done.append(now)
    if not done:
        return rows.with_columns(ZERO.alias("layers_out"))
    return pl.concat(done)
