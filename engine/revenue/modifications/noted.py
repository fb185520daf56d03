"""What events leave behind: segments, jumps of revenue, versions and modifications of obligations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from engine.revenue.arithmetic.exact import GUARD
from engine.revenue.modifications.promised import BASIS
from engine.revenue.modifications.terminations import ENDING, TERMINATE, ended_by
from engine.revenue.progress.measured import TERM

_JUMPS: Final[dict[str, pl.DataType]] = {
    "okey": pl.String(), "date": pl.Date(), "ordinal": pl.Int32(), "step": pl.Int32(), "minor": pl.Int128(), "nature": pl.String(),
    "basis": pl.String(), "moves_total": pl.Boolean(), "m": pl.Int128(), "mt": pl.Int128(),
}  # fmt: skip

_UNSHARED: Final[dict[str, pl.DataType]] = {"okey": pl.String(), "date": pl.Date(), "amendment_id": pl.String()}


@dataclass(slots=True)
class Evolved:
    """Hold what the events made, as lists of frames to be joined.

    `segments`: okey, ordinal, from_date and the segment. `jumps`: okey, date, ordinal, step, minor (cumulative
    revenue right after the step), nature, basis, m and mt (what a price that changes finds done). `versions`: okey, ordinal, date,
    price, variable, ssp, amendment_id. `modifications`: one row per amendment and obligation it changed. `basis`: where promises stood
    after the changes that amounts were promised by (`promised.BASIS`). `unshared`: okey, date, amendment_id of promises without a
    standalone price, so that what remained after the amendment was not shared.
    """

    segments: list[pl.DataFrame] = field(default_factory=list)
    jumps: list[pl.DataFrame] = field(default_factory=list)
    versions: list[pl.DataFrame] = field(default_factory=list)
    modifications: list[pl.DataFrame] = field(default_factory=list)
    unshared: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=_UNSHARED)])
    basis: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BASIS))

    def every_jump(self) -> pl.DataFrame:
        """Return the jumps in one frame, one without rows where nothing happened."""
        return pl.concat([pl.DataFrame(schema=_JUMPS), *self.jumps])


def segment(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the segments that obligations serve from the day of an event on."""
    return rows.select(
        "okey", "ordinal", pl.col("date").alias("from_date"), "base", "rem", "m0", "u0", *TERM, "timing", "half_even", "minor_digits"
    )


def version(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what obligations are from the day of an event on: price, variable part, standalone price."""
    return rows.select(
        "okey", "ordinal", "date", (pl.col("base") + pl.col("rem")).alias("price"), "variable", "ssp", "stated", "amendment_id",
        # A contract of its own has no part in what concerns the contract beside it.
        (pl.col("is_pooled") & pl.col("apart").is_null()).alias("is_pooled"),
    )  # fmt: skip


def _priced_anew() -> pl.Expr:
    """Tell whether an event changed what a promise has of the price, or what is stated of it and others bear."""
    stated = pl.col("stated").fill_null(0) != pl.col("old.stated").fill_null(0)
    return stated | (pl.col("base") + pl.col("rem") != pl.col("price.before"))


def _says_nothing() -> pl.Expr:
    """Tell whether a change says again what stands, on a day on which no estimate moves the price or the measure (25-10)."""
    # Of nothing that was done no estimate catches up anything.
    same = (pl.col("minor.price") == pl.col("minor.before")) & ((pl.col("mt") == pl.col("mt.before")) | (pl.col("m.before") == 0))
    return (pl.col("is_idle") & same).fill_null(value=False)


def _jumps(told: pl.DataFrame, nature: pl.Expr) -> list[pl.DataFrame]:
    """Return cumulative revenue before an event, after what it does to the price, and after what it does to progress."""
    steps = [("minor.before", 0, "current", "before"), ("minor.price", 1, None, "price"), ("minor.after", 2, None, "progress")]
    return [
        told.select(
            *("okey", "date", "ordinal"),
            pl.lit(step, dtype=pl.Int32).alias("step"),
            pl.col(name).alias("minor"),
            (pl.lit(fixed) if fixed else nature).alias("nature"),
            pl.when((pl.col("past") != 0) & (step == 1)).then(pl.lit("past_performance")).otherwise(pl.lit(basis)).alias("basis"),
            pl.col("moves_total").fill_null(value=False).alias("moves_total"),
            *(pl.col(whole if step == 2 else f"{whole}.before").alias(whole) for whole in ("m", "mt")),
        )
        for name, step, fixed, basis in steps
    ]


def note(rows: pl.DataFrame, before: pl.DataFrame, made: Evolved) -> None:
    """Record the segments, jumps, versions and modifications that an event made."""
    old = before.select("okey", *(pl.col(name).alias(f"old.{name}") for name in ("base", "rem", "m0", "begins", "ends", "stated")))
    seen = rows.join(old, on="okey", how="left", maintain_order="left")
    moved = pl.any_horizontal(pl.col(name) != pl.col(f"old.{name}") for name in ("base", "rem", "m0", "begins", "ends")).fill_null(
        value=False
    )
    by_kind = (pl.col("kind") != ENDING).fill_null(value=False)
    quiet = pl.lit(value=False) if "is_idle" not in seen.columns else _says_nothing() & ~moved
    seen = seen.with_columns((moved | pl.col("is_new") | by_kind).alias("is_changed"), quiet.alias("→quiet")).filter("is_changed")
    # What goes on where a contract ends does so from the day after.
    goes_on = pl.col("is_end").fill_null(value=False) & (pl.col("kind") != TERMINATE).fill_null(value=True)
    starts = seen.filter(~pl.col("→quiet"))
    made.segments.append(segment(starts.with_columns(pl.when(goes_on).then(pl.col("date").dt.offset_by("1d")).otherwise("date").alias("date"))))
    made.versions.append(version(seen.filter(pl.col("is_new") | _priced_anew())))
    by_amendment = by_kind | pl.col("in_pool")
    nature = pl.when(by_amendment).then(pl.lit("modification")).otherwise(pl.lit("estimate_change"))
    made.jumps.extend(_jumps(starts.filter(~pl.col("is_new")), nature))
    made.unshared.append(rows.filter("lacks_ssp").select(*_UNSHARED))
    made.modifications.append(
        seen.filter(by_amendment | pl.col("is_new")).select(
            "okey", "ordinal", "date",
            pl.when(pl.col("kind") == TERMINATE).then(ended_by()).otherwise("amendment_id").alias("amendment_id"),
            "kind",
            "in_pool",
            (pl.col("price.before") - pl.col("earned.before")).alias("pool_before"),
            (pl.col("price.before") - pl.col("minor.before") * GUARD).alias("unposted_before"),
            (pl.col("base") + pl.col("rem")).alias("price"),
            pl.col("minor.after"),
            pl.col("base").alias("base"),
            pl.col("is_anew"),
            pl.col("is_new"),
            (pl.col("minor.price") - pl.col("minor.before")).alias("by_price"),
            pl.when("→quiet").then(0).otherwise(pl.col("minor.after") - pl.col("minor.price")).alias("by_progress"),
            (pl.col("base") + pl.col("rem") - pl.col("price.before")).alias("price_change"),
        )
    )
