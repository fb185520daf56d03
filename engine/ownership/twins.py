"""Documents that two systems hold under ids of their own, and that no policy says are the same: they would count twice."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.schema import EntitySpec, file_and_row

# A number alone may repeat between companies; with its day and amount it is the same paper.
_SAME: Final = ("invoice_number", "invoice_date", "gross_amount", "currency")
_SHOWN: Final = 20
_REMEDY: Final = (
    "Write an ownership policy for the entity with `match: [invoice_number]`, or let both systems export the same id; "
    "until then each counts, and receivables and what is billed are told twice."
)


def twin_findings(records: pl.LazyFrame, spec: EntitySpec) -> list[pl.DataFrame]:
    """Return one finding for each pair of systems that hold the same documents under different ids."""
    known = set(records.collect_schema().names())
    if not {*_SAME, "source_system"} <= known:
        return []
    (key,) = spec.keys
    place = file_and_row().alias("place")
    each = records.select(key, "source_system", *_SAME, place).drop_nulls(list(_SAME)).collect()
    pairs = each.join(each, on=list(_SAME), suffix="_other").filter(pl.col("source_system") < pl.col("source_system_other"))
    shared = each.group_by(key).agg(pl.col("source_system").n_unique().alias("systems")).filter(pl.col("systems") > 1).select(key)
    # Where both hold an id, the id says what is the same.
    pairs = pairs.filter(pl.col(key) != pl.col(f"{key}_other")).join(shared, on=key, how="anti")
    pairs = pairs.join(shared, left_on=f"{key}_other", right_on=key, how="anti")
    if pairs.is_empty():
        return []
    told = pairs.sort(key, f"{key}_other").group_by("source_system", "source_system_other", maintain_order=True).agg(
        pl.len().alias("count"), pl.col(key).first(), pl.col(f"{key}_other").first(), pl.col("invoice_number").first(),
        pl.concat_list("place", "place_other").head(_SHOWN).explode().alias("evidence"),
    )  # fmt: skip
    name = spec.name
    message = pl.format(
        f"{{}} {name}s stand in {{}} and in {{}} under ids of their own, first number {{}} ({{}} and {{}}),"
        " and no policy says that they are the same.",
        "count", "source_system", "source_system_other", "invoice_number", key, f"{key}_other",
    )  # fmt: skip
    return [
        told.select(
            pl.lit("ownership").alias("stage"), pl.lit("same_under_other_ids").alias("kind"), pl.lit("same_under_other_ids").alias("rule"),
            pl.lit("high").alias("severity"), pl.lit(name).alias("entity"),
            pl.concat_list("source_system", "source_system_other").alias("systems"), message.alias("message"),
            pl.lit("controller").alias("owner"), pl.lit(_REMEDY).alias("remedy"), "evidence",
        )
    ]  # fmt: skip
