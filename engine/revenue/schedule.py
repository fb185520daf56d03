"""What a run writes of the core: obligations, modifications, the revenue schedule, and revenue pushed down to time."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY, Kind, polars_dtype
from engine.revenue.arithmetic.numbers import FRACTION, ZERO
from engine.revenue.arithmetic.runs import begins, put_in
from engine.revenue.ground.frames import CODE, TEXT, TEXTS, Books
from engine.revenue.ground.sources import united
from engine.revenue.moved import with_moved

SCHEDULE: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT,
    "contract_line_id": TEXT,
    "obligation_id": TEXT,
    "period": CODE,
    "relates_to_period": CODE,
    "nature": CODE,
    "basis": CODE,
    "planned_amount": MONEY,
    "recognized_amount": MONEY,
    "catch_up_amount": MONEY,
    "currency": CODE,
    "functional_amount": MONEY,
    "progress": FRACTION,
    "rule": CODE,
    "evidence": TEXTS,
}
"""Columns of `revenue_schedule.parquet`; `functional_amount` is filled where currencies are translated."""

TIME_REVENUE: Final[dict[str, pl.DataType]] = {
    "time_entry_id": TEXT,
    "contract_line_id": TEXT,
    "period": TEXT,
    "hours": polars_dtype(Kind.HOURS),
    "recognized_amount": MONEY,
    "currency": TEXT,
    "rule": TEXT,
}

_KEY: Final = ("contract_id", "contract_line_id", "obligation_id", "period", "relates_to_period", "nature", "basis")


def revenue_schedule(performance: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """Return revenue by obligation, line, period, origin period, nature and basis: recognized through as_of, planned after.

    `performance` with `functional_amount`, as the posting room translated it. Each row names as evidence that of all its
    atoms, and what moved its obligation in the period it belongs to (`moved.MOVED`).
    """
    # By what it changed revenue is split in `modifications`; here a change is one row.
    is_change = pl.col("nature").is_in(["modification", "estimate_change"])
    basis = pl.when(is_change).then(pl.lit("catch_up", dtype=CODE)).otherwise(pl.col("basis"))
    atoms = performance.with_columns(basis.alias("basis"))
    atoms = atoms.with_columns(_code(atoms).alias("→key"))
    # The atoms stand by their days; where the names of periods stand in the order of time so does the schedule.
    atoms = atoms if atoms["→key"].is_sorted() else atoms.sort("→key", maintain_order=True)
    first = begins("→key")
    several = ~first | ~first.shift(-1, fill_value=True)
    # Mostly a row is one atom: only the others take what their atoms sum to.
    summed = _summed(_told(atoms.lazy().filter(several)).collect())
    if summed.is_empty():
        return with_moved(_told(atoms.lazy()).select(*SCHEDULE).collect().rechunk(), moved, "relates_to_period")
    # In one piece, as what is put in will be: columns in pieces of different size are all copied by whoever reads them next.
    marked = _told(atoms.lazy().with_columns(several.alias("→several")).filter(first), "→several").collect().rechunk()
    places = marked["→several"].arg_true()
    made = marked.with_columns(put_in(marked[name], places, summed[name]) for name in summed.columns if name != "→key").select(*SCHEDULE)
    return with_moved(made, moved, "relates_to_period")


def _told(atoms: pl.LazyFrame, *more: str) -> pl.LazyFrame:
    """Return atoms in the columns of the schedule, what is recognized apart from what is planned, and further columns."""
    is_planned, none = pl.col("is_planned"), ZERO
    return atoms.select(
        "→key",
        *_KEY,
        pl.when(is_planned).then(pl.col("amount")).otherwise(none).alias("planned_amount"),
        pl.when(is_planned).then(none).otherwise(pl.col("amount")).alias("recognized_amount"),
        pl.when(is_planned).then(none).otherwise(pl.col("catch_up_amount")).alias("catch_up_amount"),
        "functional_amount",
        pl.when(~is_planned).then(pl.col("progress")).alias("progress"),
        "is_planned",
        *("currency", "rule", "evidence"),
        *more,
    )


def _summed(atoms: pl.DataFrame) -> pl.DataFrame:
    """Return the sums of atoms that are one row of the schedule, by key, and all that they rest on."""
    summed = atoms.group_by("→key", maintain_order=True).agg(
        pl.col("planned_amount", "recognized_amount", "catch_up_amount").sum(),
        # The sum of nothing is not an amount: planned revenue is not translated.
        pl.when(pl.col("functional_amount").count() > 0).then(pl.col("functional_amount").sum()).alias("functional_amount"),
        pl.col("progress").filter(~pl.col("is_planned")).last(),
        pl.col("evidence").first(),
    )
    # Mostly they rest on the same rows, as what has passed of a month and the rest of it do.
    beside = atoms.select("→key", "evidence").sort("→key", maintain_order=True)
    differ = beside.filter(~begins("→key") & begins("evidence"))["→key"].unique()
    if differ.is_empty():
        return summed
    every = beside.filter(pl.col("→key").is_in(differ.implode())).group_by("→key").agg(united("evidence").alias("every"))
    return summed.join(every, on="→key", how="left", maintain_order="left").with_columns(
        pl.coalesce("every", "evidence").alias("evidence")
    ).drop("every")  # fmt: skip


def _code(rows: pl.DataFrame) -> pl.Expr:
    """Return one whole number for each combination of the key, in its order: quicker to group and sort by than seven texts.

    The atoms stand in the order of contract, line and obligation (`frames.PERFORMANCE`): where one of them changes the
    next begins.
    """
    code = begins(*_KEY[:3]).cum_sum().cast(pl.Int64)
    same = rows.select(pl.col("period").eq_missing(pl.col("relates_to_period")).all()).item()
    for name in [each for each in _KEY[3:] if not (same and each == "relates_to_period")]:
        values = rows[name].drop_nulls().unique().sort()
        numbers = values.to_physical()
        # The place of each value, at its own number.
        size = numbers.to_frame("n").select(pl.col("n").max().fill_null(0) + 1).item()
        places = pl.repeat(0, size, dtype=pl.Int64, eager=True).scatter(numbers, pl.int_range(1, len(values) + 1, eager=True))
        code = code * 2 ** (values.len() + 1).bit_length() + pl.lit(places).gather(pl.col(name).to_physical()).fill_null(0)
    return code


def obligations_output(books: Books) -> pl.DataFrame:
    """Return the obligations as a run writes them."""
    names = (
        "contract_id",
        "obligation_id",
        "version",
        "effective_date",
        "standalone_selling_price",
        "ssp_share",
        "allocated_amount",
        "allocated_variable",
        "carve_amount",
        "method",
        "timing",
        "measure",
        "convention",
        "progress",
        "currency",
        "role",
        "rule",
        "evidence",
    )
    return books.obligations.select(names)
