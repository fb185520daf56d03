"""Deciding suggested matches and attesting estimates on what a run published; the command line and the pages do it alike."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final

import polars as pl
from sqlalchemy.orm import Session

from adapters.store import attestations, match_decisions
from adapters.store.audit import Actor
from adapters.store.permissions import require
from adapters.store.tables import Attestation, MatchDecision, Run
from engine.errors import UsageError

_GOLDEN: Final = "golden"

ESTIMATES: Final[dict[str, pl.DataType]] = {
    "contract_line_id": pl.String(), "contract_id": pl.String(), "project_id": pl.String(), "legal_entity_id": pl.String(),
    "measure": pl.String(), "estimate": pl.Decimal(38, 6), "estimated_on": pl.Date(), "currency": pl.String(),
}  # fmt: skip
"""Columns of `estimates_of`: a line whose progress rests on its cost or its hours (`measure`), the systems' estimate of them at
completion and its day (null: as signed)."""

_MEASURES: Final = {"cost_to_cost": attestations.COST, "hours": attestations.HOURS}
_ESTIMATED: Final = {attestations.COST: "estimated_total_cost", attestations.HOURS: "estimated_total_hours"}
_SEEN: Final[dict[str, pl.DataType]] = {
    "contract_line_id": pl.String(), "as_of_date": pl.Date(), **dict.fromkeys(_ESTIMATED.values(), pl.Decimal(38, 6)),
}  # fmt: skip


def entered(session: Session, run_dir: Path) -> Run:
    """Return a run's entry in the store; raises UsageError when it is not there."""
    run = session.get(Run, run_dir.name)
    if run is None:
        raise UsageError(f"The run {run_dir.name} is not in the store.", "Run its snapshot again: the results stand and are entered.")
    return run


def decide(
    session: Session, actor: Actor, run_dir: Path, name: str, verdict: match_decisions.Verdict, reason: str, tie_out: str | None = None
) -> MatchDecision:  # fmt: skip
    """Confirm or refuse a match that a run suggests; raises UsageError as `match_decisions.decide_match` does."""
    require(actor, "decide a match")
    path = run_dir / "matches.parquet"
    if not path.is_file():
        raise UsageError("The run made no matches.", "Add policies of the kind `reconciliation` and run again.")
    found = match_decisions.suggestion_of(pl.scan_parquet(path), name, tie_out)
    return match_decisions.decide_match(session, actor, entered(session, run_dir), found, verdict, reason)


def estimates_of(run_dir: Path) -> pl.DataFrame:
    """Return the contract lines of a run whose revenue rests on an estimate of their whole cost or hours, with that estimate."""
    lines, promises = _golden(run_dir, "contract_line"), run_dir / "obligations.parquet"
    if lines is None or not promises.is_file():
        return pl.DataFrame(schema=ESTIMATES)
    last = pl.scan_parquet(promises).sort("version").group_by("contract_id", "obligation_id").agg(pl.col("measure").last())
    measured = last.filter(pl.col("measure").is_in(list(_MEASURES))).with_columns(pl.col("measure").replace(_MEASURES))
    found = lines.with_columns(pl.coalesce("obligation_key", "contract_line_id").alias("obligation_id")).join(
        measured, on=["contract_id", "obligation_id"], how="inner"
    )
    for entity, key, wanted in (
        ("contract", "contract_id", {"currency": "of_contract", "legal_entity_id": "entity_of_contract"}),
        ("project", "project_id", {"legal_entity_id": "entity_of_project"}),
    ):
        records = _golden(run_dir, entity)
        named = pl.LazyFrame(schema=dict.fromkeys((key, *wanted), pl.String)) if records is None else records.select(key, *wanted)
        found = found.join(named.rename(wanted), on=key, how="left")
    seen = _golden(run_dir, "progress")
    if seen is None:
        seen = pl.LazyFrame(schema=_SEEN)
    for measure, name in _ESTIMATED.items():
        observed = seen.filter(pl.col(name).is_not_null()).sort("as_of_date", maintain_order=True).group_by("contract_line_id").agg(
            pl.col("as_of_date").last().alias(f"on_{measure}"), pl.col(name).last().alias(f"of_{measure}")
        )  # fmt: skip
        found = found.join(observed, on="contract_line_id", how="left")
    is_hours = pl.col("measure") == attestations.HOURS
    told = found.with_columns(
        pl.when(is_hours).then(pl.coalesce("of_hours", "estimated_hours")).otherwise(pl.coalesce("of_cost", "estimated_cost"))
        .alias("estimate"),
        pl.when(is_hours).then("on_hours").otherwise("on_cost").alias("estimated_on"),
        pl.coalesce("currency", "of_contract").alias("currency"),
        pl.coalesce("entity_of_project", "entity_of_contract").alias("legal_entity_id"),
    )  # fmt: skip
    return told.select(pl.col(name).cast(dtype) for name, dtype in ESTIMATES.items()).sort("contract_line_id").collect()


def attest(
    session: Session, actor: Actor, run_dir: Path, line: str, amount: Decimal, comment: str = ""
) -> Attestation:  # fmt: skip
    """Attest the estimate at completion of a contract line of a run, as of the run's day.

    Raises UsageError for a line that is not there or that the person does not see, and as `attestations.attest` does.
    """
    require(actor, "attest an estimate")
    rows = estimates_of(run_dir).filter(pl.col("contract_line_id") == line).to_dicts()
    if not rows or not actor.sight.sees(rows[0]["legal_entity_id"], rows[0]["project_id"]):
        remedy = "`tieout estimate list` shows them."
        raise UsageError(f"There is no contract line {line} whose progress rests on its cost or its hours.", remedy)
    run = entered(session, run_dir)
    estimate, currency, measure = (rows[0][name] for name in ("estimate", "currency", "measure"))
    return attestations.attest(session, actor, run, line, estimate, currency, amount=amount, comment=comment, measure=measure)


def _golden(run_dir: Path, entity: str) -> pl.LazyFrame | None:
    path = run_dir / _GOLDEN / f"{entity}.parquet"
    return pl.scan_parquet(path) if path.is_file() else None
