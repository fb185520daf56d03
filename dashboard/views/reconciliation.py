"""Reconciliation: from the matrix of systems to a tie-out, to its matches and breaks side by side."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from adapters.store.database import Store
from adapters.store.match_decisions import decisions
from dashboard.views.names import with_scope_names, with_sentences
from dashboard.views.tables import Column, FrameRows
from dashboard.views.workspace import RunEntry, lies, output

STATUSES: Final = ("open", "not_comparable", "review", "explained", "tied")

TIE_OUTS: Final = (
    Column("status", "Status", "code", filtered=True, ranks=STATUSES),
    Column("says", "What must tie", searched=True, width=300), Column("within", "Within", filtered=True, searched=True),
    Column("difference", "Difference", "money"), Column("unexplained", "Unexplained", "money"), Column("breaks", "Breaks", "count"),
    Column("period", "Period", filtered=True), Column("left_system", "Left", filtered=True), Column("right_system", "Right", filtered=True),
    Column("left_total", "Left total", "money"), Column("right_total", "Right total", "money"), Column("explained", "Explained", "money"),
    Column("matched", "Matched", "count"),
    Column("reconciliation", "Tie-out", filtered=True, searched=True), Column("currency", "Currency", filtered=True, shown=False),
)  # fmt: skip

LINES: Final = (
    Column("side", "Side", "code", filtered=True), Column("entity", "Record", "code", filtered=True),
    Column("entity_id", "Id", searched=True),
    Column("amount", "Amount", "money"), Column("residual", "Left over", "money"), Column("pass", "Pass", "code", filtered=True),
    Column("reason", "Why", searched=True),
    Column("status", "Status", "code", filtered=True, ranks=("unmatched", "suggested", "confirmed")),
    Column("key", "Key", searched=True), Column("match_id", "Match", searched=True, shown=False),
    Column("currency", "Currency", filtered=True, shown=False),
)  # fmt: skip


def matrix(run: RunEntry) -> pl.DataFrame | None:
    """Return by pair of systems how many of their tie-outs stand how; None when none was made."""
    frame = output(run, "tieout_matrix")
    if frame is None:
        return None
    counts = [pl.col(each).sum() for each in (*STATUSES, "breaks")]
    found = frame.group_by("left_system", "right_system").agg(counts).sort("left_system", "right_system")
    worst = pl.coalesce(pl.when(pl.col(each) > 0).then(pl.lit(each)) for each in STATUSES)
    return found.with_columns(worst.fill_null("tied").alias("status"), pl.sum_horizontal(STATUSES).alias("tie_outs")).collect()


def tie_outs(run: RunEntry) -> pl.LazyFrame | None:
    """Return the tie-outs of a run, with the sentence of each and the name of what it is told for."""
    frame = output(run, "reconciliations")
    return None if frame is None else with_scope_names(run, with_sentences(run, frame, "reconciliation", "says"))


def explained_by(run: RunEntry, reconciliation: str) -> pl.DataFrame:
    """Return by currency what explains the differences of a tie-out over all its scopes."""
    frame = output(run, "reconciliations")
    if frame is None:
        return pl.DataFrame()
    parts = [each for each in frame.collect_schema().names() if each.startswith("explained_")]
    sums = [pl.col(each).sum() for each in (*parts, "unexplained")]
    totals = frame.filter(pl.col("reconciliation") == reconciliation).group_by("currency").agg(sums).sort("currency").collect()
    long = totals.unpivot(on=[*parts, "unexplained"], index="currency", variable_name="cause", value_name="amount")
    return long.filter(pl.col("amount") != 0).with_columns(pl.col("cause").str.strip_prefix("explained_"))


def suggestions(run: RunEntry, reconciliation: str, most: int) -> list[dict[str, Any]]:
    """Return the matches a tie-out suggests, the least left over first: id, what is left over, why, and the lines of both sides."""
    frame = output(run, "matches")
    if frame is None:
        return []
    mine = frame.filter((pl.col("reconciliation") == reconciliation) & (pl.col("status") == "suggested"))
    heads = mine.group_by("match_id").agg(pl.col("residual").first(), pl.col("reason").first(), pl.col("currency").first())
    shown = heads.sort(pl.col("residual").abs(), "match_id").head(most).collect()
    rows = mine.filter(pl.col("match_id").is_in(shown["match_id"].implode())).sort("side", "entity", "entity_id").collect()
    return [each | {"lines": rows.filter(pl.col("match_id") == each["match_id"])} for each in shown.to_dicts()]


def decided(store: Store, run: RunEntry, reconciliation: str) -> list[dict[str, Any]]:
    """Return the matches of a tie-out that people decided, the latest first."""
    with store.read() as session:
        return [
            {"decision_id": each.decision_id, "match_id": each.match_id, "verdict": each.verdict, "who": each.said_by,
             "identity": each.identity, "as_of": each.as_of, "reason": each.reason,
             "lines": ", ".join(f"{line['side']} {line['entity_id']}" for line in each.lines)}
            for each in decisions(session, run.scope)
            if each.reconciliation == reconciliation
        ]  # fmt: skip


def lines(run: RunEntry, reconciliation: str, *, broken: bool) -> FrameRows | None:
    """Return the lines of a tie-out: those without a confirmed match, or those with one."""
    frame = output(run, "matches")
    if frame is None:
        return None
    mine = (pl.col("reconciliation") == reconciliation) & ((pl.col("status") != "confirmed") == broken)
    return FrameRows(frame, LINES, ["match_id", "side", "entity_id"], where=mine, lies=lies(run, "matches"))
