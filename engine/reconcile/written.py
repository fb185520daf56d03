"""What a reconciliation writes: every line with its match, expectations, and proposed entries."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.policy.kinds.reconciliation import ReconciliationPolicy
from engine.reconcile.breaks import expectation_status
from engine.reconcile.frames import LEFT
from engine.reconcile.passes import Matched
from engine.reconcile.sides import TwoSides
from engine.reconcile.sources import with_evidence
from engine.reconcile.tieouts import MONEY, rounded
from engine.stage import Context

MATCH_SCHEMA: Final[dict[str, pl.DataType]] = {
    "reconciliation": pl.String(), "match_id": pl.String(), "pass": pl.String(), "side": pl.String(), "entity": pl.String(),
    "entity_id": pl.String(), "amount": MONEY, "currency": pl.String(), "residual": MONEY, "status": pl.String(), "reason": pl.String(),
    "key": pl.String(), "alternatives": pl.List(pl.String()),
}  # fmt: skip
"""Columns of `matches.parquet`: one row a line, matched or not."""

EXPECTATION_SCHEMA: Final[dict[str, pl.DataType]] = {
    "reconciliation": pl.String(), "entity": pl.String(), "entity_id": pl.String(), "contract_id": pl.String(), "due_date": pl.Date(),
    "met_on": pl.Date(), "status": pl.String(), "amount": MONEY, "currency": pl.String(),
}  # fmt: skip
"""Columns of `expectations.parquet`: what an upstream record lets one expect downstream, and by when."""


def match_rows(sides: TwoSides, matched: Matched, policy: ReconciliationPolicy) -> pl.DataFrame:
    """Return every line of both sides with its match; those without one are `unmatched`."""
    head = matched.matches.select(
        "match", "pass", "residual", "status", "reason", "alternatives", pl.col("alternative_side").alias("_side")
    ).with_columns(_alternative_ids(matched, sides))
    first = matched.members.sort("match", "side", "row").unique("match", keep="first", maintain_order=True)
    ids = pl.concat([_match_ids(first.filter(pl.col("side") == side), sides, side) for side in (0, 1)])
    head = head.drop("alternatives", "_side").join(ids, on="match", how="left")
    passes = {place: each.id for place, each in enumerate(policy.passes)}
    head = head.with_columns(pl.col("pass").replace_strict(passes, return_dtype=pl.String, default=None))
    parts: list[pl.DataFrame] = []
    for side in (0, 1):
        lines = sides.of(side).select(
            "row", "entity", pl.col("id").alias("entity_id"), "amount", "currency",
            *(pl.col(f"key_{place}") for place in range(len(policy.passes))),
        )
        rows = matched.members.filter(pl.col("side") == side).select("row", "match")
        joined = lines.join(rows, on="row", how="left", maintain_order="left").join(head, on="match", how="left", maintain_order="left")
        reasons = matched.left_over.filter(pl.col("side") == side).select("row", pl.col("reason").alias("_why"))
        joined = joined.join(reasons, on="row", how="left", maintain_order="left")
        key = pl.lit(None, dtype=pl.String)
        for place, each in enumerate(policy.passes):
            key = pl.when(pl.col("pass") == each.id).then(pl.col(f"key_{place}")).otherwise(key)
        parts.append(
            joined.select(
                pl.lit(policy.id).alias("reconciliation"), "match_id", "pass", pl.lit("right" if side else "left").alias("side"),
                "entity", "entity_id", "amount", "currency", "residual", pl.col("status").fill_null("unmatched"),
                pl.coalesce("reason", "_why").alias("reason"), key.str.replace_all("\x1f", " · ").alias("key"),
                pl.col("alternative_ids").alias("alternatives"),
            )
        )  # fmt: skip
    return pl.concat([part.select(pl.col(name).cast(dtype) for name, dtype in MATCH_SCHEMA.items()) for part in parts])


def _match_ids(first: pl.DataFrame, sides: TwoSides, side: int) -> pl.DataFrame:
    """Return the id of each match: that of its first line, since a line is in one match only."""
    ids = pl.select(pl.concat_str(pl.lit("R:" if side else "L:"), sides.of(side)["id"].gather(first["row"]))).to_series()
    return first.select("match", ids.alias("match_id"))


def _alternative_ids(matched: Matched, sides: TwoSides) -> pl.Series:
    """Return the ids of the lines that would fit as well; few matches have any."""
    has_any = matched.matches["alternatives"].list.len().fill_null(0) > 0
    if not has_any.any():
        return pl.Series("alternative_ids", [None], dtype=pl.List(pl.String)).new_from_index(0, matched.matches.height)
    ids = [sides.left["id"], sides.right["id"]]
    named = [
        None if not rows else [ids[side or 0][row] for row in rows]
        for rows, side in matched.matches.select("alternatives", "alternative_side").iter_rows()
    ]
    return pl.Series("alternative_ids", named, dtype=pl.List(pl.String))


def expectation_rows(sides: TwoSides, matched: Matched, policy: ReconciliationPolicy, context: Context) -> pl.DataFrame | None:
    """Return what every left line lets one expect on the right: met, expected, late, breached or waived."""
    if policy.expect is None:
        return None
    confirmed = matched.matches.filter(pl.col("status") == "confirmed").select("match")
    members = matched.members.join(confirmed, on="match", how="semi")
    arrived = (
        members.filter(pl.col("side") == 1).join(sides.right.select("row", "date"), on="row", how="left")
        .group_by("match").agg(pl.col("date").max().alias("met_on"))
    )  # fmt: skip
    met = members.filter(pl.col("side") == LEFT).select("row", "match").join(arrived, on="match", how="inner")
    lines = sides.left.join(met, on="row", how="left", maintain_order="left")
    status = pl.when(pl.col("match").is_not_null()).then(pl.lit("met")).otherwise(expectation_status(context))
    return lines.with_columns(status.alias("status")).select(
        pl.lit(policy.id).alias("reconciliation"), "entity", pl.col("id").alias("entity_id"), "contract_id",
        pl.col("due").alias("due_date"), "met_on", "status", pl.col("amount").cast(MONEY), "currency",
    )  # fmt: skip


def adjustment_rows(sides: TwoSides, matched: Matched, policy: ReconciliationPolicy, context: Context, period: str) -> pl.DataFrame | None:
    """Return balanced entries that book the residuals of confirmed matches, one entry a match."""
    adjustment = policy.adjustment
    if adjustment is None:
        return None
    places = [place for place, each in enumerate(policy.passes) if not adjustment.passes or each.id in adjustment.passes]
    chosen = matched.matches.filter(
        (pl.col("status") == "confirmed") & (pl.col("residual") != 0) & pl.col("pass").is_in(places)
    ).select("match", "residual", pl.col("reason").alias("_match"))
    first = matched.members.sort("match", "side", "row").unique("match", keep="first", maintain_order=True).filter(pl.col("side") == LEFT)
    heads = (
        chosen.join(first, on="match", how="inner")
        .join(sides.left.select("row", "id", "currency", "legal_entity_id", "contract_id", "evidence"), on="row", how="left").pipe(with_evidence)
        .with_columns(rounded(pl.col("residual").abs()).alias("size"))
        .filter(pl.col("size") > 0).sort("row")
    )  # fmt: skip
    above = pl.col("residual") > 0
    lines: list[pl.DataFrame] = []
    for line, is_debit in ((1, True), (2, False)):
        account = pl.when(above).then(pl.lit(adjustment.account)).otherwise(pl.lit(adjustment.against))
        other = pl.when(above).then(pl.lit(adjustment.against)).otherwise(pl.lit(adjustment.account))
        amount = pl.col("size").cast(MONEY)
        none = pl.lit(None, dtype=MONEY)
        lines.append(
            heads.select(
                pl.format("ADJ-{}-{}", pl.lit(policy.id), "id").alias("journal_id"), pl.lit(policy.id).alias("batch_id"),
                pl.lit(line, dtype=pl.Int64).alias("line"), pl.lit(context.as_of).alias("posting_date"), pl.lit(period).alias("period"),
                "legal_entity_id", (account if is_debit else other).alias("account"), pl.lit("rounding").alias("account_role"),
                (amount if is_debit else none).alias("debit"), (none if is_debit else amount).alias("credit"), "currency", "contract_id",
                pl.lit(adjustment.reason).alias("reason"), pl.lit(policy.id).alias("rule"), "evidence",
            )
        )  # fmt: skip
    return pl.concat(lines).sort("journal_id", "line")
