"""What a reconciliation writes: every line with its match, expectations, and proposed entries."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from engine.canonical.kinds import MONEY
from engine.policy.kinds.reconciliation import ReconciliationPolicy
from engine.reconcile.breaks import beyond_tolerance, expectation_status
from engine.reconcile.decided import PASS
from engine.reconcile.frames import LEFT, SEPARATOR
from engine.reconcile.passes import Matched, first_rows
from engine.reconcile.sides import TwoSides
from engine.reconcile.sources import with_evidence
from engine.reconcile.tieouts import rounded
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
    names = pl.Series([*(each.id for each in policy.passes), PASS], dtype=pl.String)
    head = matched.matches.select(
        names.gather(matched.matches["pass"]).alias("pass"), pl.col("pass").alias("_place"), "residual", "status",
        _reasons(matched, policy),
        _alternative_ids(matched, sides).alias("alternatives"), _match_ids(matched, sides).alias("match_id"),
    )  # fmt: skip
    parts = [_side_rows(sides.of(side), side, matched, head, policy) for side in (0, 1)]
    return pl.concat(parts)


def _reasons(matched: Matched, policy: ReconciliationPolicy) -> pl.Series:
    """Return why each match is one; of what a person confirmed, whether more is left over than is let through."""
    apart = beyond_tolerance(matched, policy)
    said = apart["reason"] + "; what is left over is beyond tolerance and stays a break"
    return matched.matches["reason"].scatter(apart["match"], said) if apart.height else matched.matches["reason"]


def _side_rows(lines: pl.DataFrame, side: int, matched: Matched, head: pl.DataFrame, policy: ReconciliationPolicy) -> pl.DataFrame:
    of_match = head.select(pl.all().gather(_match_of_lines(matched.members, side, lines.height)))
    key = pl.lit(None, dtype=pl.String)
    for place in matched.matches["pass"].unique().sort():
        # What a person decided has no key.
        if place == len(policy.passes):
            continue
        key = pl.when(pl.col("_place") == place).then(pl.col(f"key_{place}")).otherwise(key)
    keys = [f"key_{place}" for place in range(len(policy.passes))]
    rows = pl.concat([lines.select("entity", pl.col("id").alias("entity_id"), "amount", "currency", *keys), of_match], how="horizontal")
    why = matched.left_over.filter((pl.col("side") == side) & pl.col("reason").is_not_null())
    if why.height:
        reasons = pl.Series("_why", [None], dtype=pl.String).new_from_index(0, lines.height).scatter(why["row"], why["reason"])
        rows = rows.with_columns(pl.coalesce("reason", reasons).alias("reason"))
    if any(len(each.on) > 1 for each in policy.passes):
        key = key.str.replace_all(SEPARATOR, " · ", literal=True)
    told = rows.with_columns(
        pl.lit(policy.id).alias("reconciliation"), pl.lit("right" if side else "left").alias("side"),
        pl.col("status").fill_null("unmatched"), key.alias("key"),
    )  # fmt: skip
    return told.select(pl.col(name).cast(dtype) for name, dtype in MATCH_SCHEMA.items())


def _match_of_lines(members: pl.DataFrame, side: int, count: int) -> pl.Series:
    """Return the number of each line's match, which is its place among the matches; missing where a line has none."""
    own = members.filter(pl.col("side") == side)
    match = np.full(count, -1, dtype=np.int64)
    match[own["row"].to_numpy()] = own["match"].to_numpy()
    at = pl.Series("match", match)
    return pl.select(pl.when(at >= 0).then(at)).to_series()


def _match_ids(matched: Matched, sides: TwoSides) -> pl.Series:
    """Return the id of each match: that of its first line, since a line is in one match only."""
    ids = pl.Series("match_id", [None], dtype=pl.String).new_from_index(0, matched.matches.height)
    missing = np.ones(ids.len(), dtype=bool)
    for side in (0, 1):
        if not missing.any():
            break
        first = first_rows(matched, side)
        told = np.flatnonzero(missing & (first >= 0))
        missing[told] = False
        prefixed = pl.select(pl.concat_str(pl.lit("R:" if side else "L:"), sides.of(side)["id"].gather(first[told]))).to_series()
        ids = prefixed.alias("match_id") if told.size == ids.len() else ids.scatter(told, prefixed)
    return ids


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
    # Matches and lines are found by their place, which is their number.
    members = matched.members.filter((matched.matches["status"] == "confirmed").gather(matched.members["match"]))
    rights = members.filter(pl.col("side") == 1)
    arrived = rights.with_columns(sides.right["date"].gather(rights["row"]).alias("date")).group_by("match").agg(pl.col("date").max())
    count = matched.matches.height
    is_met = np.zeros(count, dtype=bool)
    is_met[arrived["match"].to_numpy()] = True
    dates = pl.Series("met_on", [None], dtype=pl.Date).new_from_index(0, count).scatter(arrived["match"], arrived["date"])
    at = _match_of_lines(members, LEFT, sides.left.height)
    status = pl.when(pl.Series(is_met).gather(at).fill_null(value=False)).then(pl.lit("met")).otherwise(expectation_status(context))
    return sides.left.select(
        pl.lit(policy.id).alias("reconciliation"), "entity", pl.col("id").alias("entity_id"), "contract_id",
        pl.col("due").alias("due_date"), dates.gather(at).alias("met_on"), status.alias("status"), pl.col("amount").cast(MONEY),
        "currency",
    )  # fmt: skip


def adjustment_rows(sides: TwoSides, matched: Matched, policy: ReconciliationPolicy, context: Context, period: str) -> pl.DataFrame | None:
    """Return balanced entries that book the residuals of confirmed matches, one entry a match."""
    adjustment = policy.adjustment
    if adjustment is None:
        return None
    ids = [*(each.id for each in policy.passes), PASS]
    places = [place for place, each in enumerate(ids) if not adjustment.passes or each in adjustment.passes]
    chosen = matched.matches.filter(
        (pl.col("status") == "confirmed") & (pl.col("residual") != 0) & pl.col("pass").is_in(places)
    ).select("match", "residual", pl.col("reason").alias("_match"))
    if PASS not in adjustment.passes:
        # More than tolerance is booked only where the policy says so of decided matches.
        chosen = chosen.join(beyond_tolerance(matched, policy), on="match", how="anti")
    first = matched.members.sort("match", "side", "row").unique("match", keep="first", maintain_order=True).filter(pl.col("side") == LEFT)
    heads = (
        chosen.join(first, on="match", how="inner")
        .join(sides.left.select("row", "id", "currency", "legal_entity_id", "contract_id", "evidence"), on="row", how="left")
        .pipe(with_evidence)
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
