"""What items are judged by: the records they refer to, completed where a system leaves them out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import polars as pl

from engine.canonical.schema import empty_frame
from engine.caps import cap_after
from engine.stage import Facts


def golden_frames(facts: Facts, as_of: dt.date) -> dict[str, pl.LazyFrame]:
    """Return the agreed records by entity; lines that an approved amendment added are contract lines, caps are those it left."""
    frames = dict(facts.records)
    lines = _with_added_lines(frames)
    if lines is not None:
        frames["contract_line"] = _with_amended_caps(lines, frames, as_of)
    return frames


def frame_of(frames: Mapping[str, pl.LazyFrame], entity: str) -> pl.LazyFrame:
    """Return an entity's records with every canonical column; none when no source supplies it."""
    known = frames.get(entity)
    blank = empty_frame(entity)
    if known is None:
        return blank.lazy().with_columns(pl.lit(None, dtype=pl.List(pl.String)).alias("evidence"))
    present = known.collect_schema()
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in blank.schema.items() if name not in present]
    if "evidence" not in present:
        missing.append(pl.lit(None, dtype=pl.List(pl.String)).alias("evidence"))
    return known.with_columns(missing) if missing else known


def _with_added_lines(frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame | None:
    if "amendment_line" not in frames:
        return None
    added = frame_of(frames, "amendment_line").filter(pl.col("action") == "add", pl.col("contract_line_id").is_not_null())
    approved = frame_of(frames, "amendment").filter(pl.col("status") == "approved").select("amendment_id", "contract_id")
    lines = frame_of(frames, "contract_line")
    schema = lines.collect_schema()
    joined = added.join(approved, on="amendment_id", how="inner", maintain_order="left")
    known = joined.collect_schema()
    made = joined.select((pl.col(name) if name in known else pl.lit(None)).cast(dtype).alias(name) for name, dtype in schema.items())
    new = made.join(lines.select("contract_line_id"), on="contract_line_id", how="anti").unique(
        "contract_line_id", keep="first", maintain_order=True
    )
    return pl.concat([lines, new])


def _with_amended_caps(lines: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame], as_of: dt.date) -> pl.LazyFrame:
    """Return contract lines with the cap that approved amendments in effect left them."""
    day = pl.max_horizontal("effective_date", "approved_date")
    approved = frame_of(frames, "amendment").filter((pl.col("status") == "approved") & (day <= as_of).fill_null(value=True))
    changed = frame_of(frames, "amendment_line").filter(pl.any_horizontal(pl.col("cap_amount", "amount").is_not_null()))
    signed = lines.filter(pl.col("cap_amount").is_not_null()).select(
        "contract_line_id", (pl.col("amount") == pl.col("cap_amount")).fill_null(value=False).alias("is_ceiling")
    )
    dated = approved.select("amendment_id", day.alias("day"))
    steps = changed.filter(pl.col("action") == "change").join(dated, on="amendment_id", how="inner")
    steps = steps.join(signed, on="contract_line_id", how="inner").with_columns(
        cap_after(pl.col("is_ceiling")).alias("→cap")
    )
    caps = steps.filter(pl.col("→cap").is_not_null()).sort("day", "amendment_id", nulls_last=False)
    found = caps.unique("contract_line_id", keep="last", maintain_order=True).select("contract_line_id", "→cap").collect()
    if not found.height:
        return lines
    made = lines.join(found.lazy(), on="contract_line_id", how="left", maintain_order="left")
    return made.with_columns(pl.coalesce("→cap", "cap_amount").alias("cap_amount")).drop("→cap")
