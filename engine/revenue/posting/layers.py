"""Layers of a contract liability in a foreign currency: each increase at its rate, taken out FIFO or at the average."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.ground.rates import translated


def with_layers(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `layers_out` (functional value taken out of the liability by the step) and `change_contract_liability`.

    `rows` in order of contract, date and order; delta_contract_liability, layer_rate, layers (fifo | average).
    """
    delta = pl.col("delta_contract_liability")
    rows = rows.with_columns(
        pl.max_horizontal(delta, ZERO).cast(MONEY).alias("put_in"), pl.max_horizontal(delta * -1, ZERO).cast(MONEY).alias("taken"),
    )  # fmt: skip
    value = translated(pl.col("put_in"), "layer_rate", pl.col("functional_digits"))
    rows = rows.with_columns(value.alias("put_value")).with_row_index("layer.row")
    foreign = (pl.col("currency") != pl.col("functional_currency")).fill_null(value=False)
    average = foreign & (pl.col("layers") == "average").fill_null(value=False)
    parts = [
        rows.filter(~foreign).with_columns(pl.col("taken").alias("layers_out")),
        _first_in_first_out(rows.filter(foreign & ~average)),
        _at_average(rows.filter(average)),
    ]
    columns = [*rows.columns, "layers_out"]
    whole = pl.concat([part.select(columns) for part in parts]).sort("layer.row")
    change = (pl.col("put_value") - pl.col("layers_out")).cast(MONEY)
    return whole.with_columns(change.alias("change_contract_liability")).drop("layer.row", "put_in", "put_value", "taken")


def _first_in_first_out(rows: pl.DataFrame) -> pl.DataFrame:
    """Value what is taken by the layer it reaches into: the value of all earlier layers plus the part of this one."""
    summed = rows.with_columns(pl.col("put_in", "put_value", "taken").cum_sum().over("contract_id").cast(MONEY).name.prefix("sum_"))
    ends = summed.filter(pl.col("put_in") > 0).select(
        "contract_id", units(pl.col("sum_put_in")).cast(pl.Int64).alias("end"), pl.col("put_in").alias("layer"),
        pl.col("put_value").alias("value"), (pl.col("sum_put_in") - pl.col("put_in")).alias("begin"),
        (pl.col("sum_put_value") - pl.col("put_value")).alias("begin_value"),
    ).sort("end")  # fmt: skip
    asked = summed.with_columns(units(pl.col("sum_taken")).cast(pl.Int64).alias("reach")).sort("reach")
    found = asked.join_asof(ends, left_on="reach", right_on="end", by="contract_id", strategy="forward", check_sortedness=False)
    part = round_share(pl.col("value"), units(pl.col("sum_taken") - pl.col("begin")), units(pl.col("layer")), pl.col("functional_digits"))
    through = (pl.col("begin_value") + part).fill_null(ZERO)
    found = found.with_columns(through.cast(MONEY).alias("through")).sort("layer.row")
    before = pl.col("through").shift(1).over("contract_id").fill_null(ZERO)
    return found.with_columns((pl.col("through") - before).cast(MONEY).alias("layers_out"))


def _at_average(rows: pl.DataFrame) -> pl.DataFrame:
    """Value what is taken at the average of all that stands, step by step over the contracts that still have one."""
    numbered = rows.with_columns(pl.int_range(pl.len()).over("contract_id", order_by="layer.row").alias("place"))
    held = pl.DataFrame(schema={"contract_id": pl.String, "held": MONEY, "worth": MONEY})
    done = []
    for (_,), step in numbered.partition_by("place", as_dict=True).items():
        now = step.join(held, on="contract_id", how="left").with_columns(pl.col("held", "worth").fill_null(ZERO))
        now = now.with_columns((pl.col("held") + pl.col("put_in")).alias("held"), (pl.col("worth") + pl.col("put_value")).alias("worth"))
        out = round_share(pl.col("worth"), units(pl.col("taken")), units(pl.col("held")), pl.col("functional_digits")).fill_null(ZERO)
        now = now.with_columns(out.alias("layers_out"))
        left = (pl.col("held") - pl.col("taken")).cast(MONEY), (pl.col("worth") - pl.col("layers_out")).cast(MONEY)
        held = now.select("contract_id", left[0].alias("held"), left[1].alias("worth"))
        done.append(now)
    if not done:
        return rows.with_columns(ZERO.alias("layers_out"))
    return pl.concat(done)
