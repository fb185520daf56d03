"""People's word on suggested matches: confirmed or refused, each with a reason; the next run decides by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.store.audit import Actor, now, record
from adapters.store.permissions import require
from adapters.store.tables import MatchDecision, Run
from engine.errors import UsageError

Verdict = Literal["confirmed", "refused"]
"""What a person says of a suggested match."""

DECIDED_SCHEMA: Final[dict[str, pl.DataType]] = {
    "reconciliation": pl.String(), "decision": pl.Int64(), "verdict": pl.String(), "by": pl.String(), "on": pl.Date(),
    "residual": pl.Decimal(38, 6), "side": pl.String(), "entity": pl.String(), "entity_id": pl.String(),
}  # fmt: skip
"""One row a line of a decided match."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Hold a match a run only suggested, with all its lines."""

    reconciliation: str
    match_id: str
    residual: Any
    lines: Sequence[Mapping[str, str]]


def suggestion_of(matches: pl.LazyFrame, name: str, reconciliation: str | None = None) -> Suggestion:
    """Return the suggested match of an id; raises UsageError when there is none, or several tie-outs have one."""
    found = matches.filter((pl.col("match_id") == name) & (pl.col("status") == "suggested"))
    if reconciliation is not None:
        found = found.filter(pl.col("reconciliation") == reconciliation)
    rows = found.sort("reconciliation", "side", "entity", "entity_id").collect()
    if rows.is_empty():
        raise UsageError(f"The run suggests no match {name}.", "`tieout match list` shows what it suggests.")
    if rows["reconciliation"].n_unique() > 1:
        names = ", ".join(rows["reconciliation"].unique().sort().to_list())
        raise UsageError(f"Several tie-outs suggest a match {name}: {names}.", "Name one with --tie-out.")
    lines = rows.select("side", "entity", "entity_id").to_dicts()
    return Suggestion(rows["reconciliation"][0], name, rows["residual"][0], lines)


def decide_match(session: Session, actor: Actor, run: Run, found: Suggestion, verdict: Verdict, reason: str) -> MatchDecision:
    """Confirm or refuse a suggested match; it counts from the next run on, while its lines and what is left over stand.

    Raises UsageError for who may not, without a reason, or when it is decided already.
    """
    require(actor, "decide a match")
    if not reason.strip():
        raise UsageError("A match is not decided without a reason.", "Say what you saw.")
    if _standing(session, run.scope, found) is not None:
        raise UsageError("This match is decided already.", "Take that word back first: `tieout match revoke`.")
    decision = MatchDecision(
        scope=run.scope, reconciliation=found.reconciliation, match_id=found.match_id, verdict=verdict,
        lines=[dict(each) for each in found.lines],
        residual=found.residual, reason=reason.strip(), run_id=run.run_id, as_of=run.as_of, said_by=actor.name, identity=actor.identity,
        said_at=now(),
    )  # fmt: skip
    session.add(decision)
    session.flush()
    body = {
        "decision": decision.decision_id,
        "lines": decision.lines,
        "residual": found.residual,
        "reason": decision.reason,
        "run": run.run_id,
    }
    record(session, actor, f"match.{verdict}", f"{found.reconciliation}:{found.match_id}"[:300], body)
    return decision


def revoke_match(session: Session, actor: Actor, decision_id: int, reason: str) -> MatchDecision:
    """Take a word back; the next run matches as if it had not been said. Raises UsageError when there is none such."""
    require(actor, "decide a match")
    decision = session.get(MatchDecision, decision_id)
    if decision is None or decision.revoked_at is not None:
        raise UsageError(f"There is no decision {decision_id} in force.", "`tieout match list` shows them.")
    if not reason.strip():
        raise UsageError("A decision is not taken back without a reason.", "Say what changed.")
    decision.revoked_by, decision.revoked_at = actor.name, now()
    subject = f"{decision.reconciliation}:{decision.match_id}"[:300]
    record(session, actor, "match.revoked", subject, {"decision": decision_id, "reason": reason.strip()})
    return decision


def decisions(session: Session, scope: str) -> list[MatchDecision]:
    """Return the decisions in force of a scope, the latest first."""
    query = sa.select(MatchDecision).where(MatchDecision.scope == scope, MatchDecision.revoked_at.is_(None))
    return list(session.execute(query.order_by(MatchDecision.decision_id.desc())).scalars())


def _standing(session: Session, scope: str, found: Suggestion) -> MatchDecision | None:
    wanted = _lines(found.lines)
    return next(
        (each for each in decisions(session, scope) if each.reconciliation == found.reconciliation and _lines(each.lines) == wanted), None
    )


def _lines(lines: Sequence[Mapping[str, str]]) -> frozenset[tuple[str, str, str]]:
    return frozenset((each["side"], each["entity"], each["entity_id"]) for each in lines)


def decided_lines(session: Session, scope: str, as_of: dt.date) -> pl.DataFrame | None:
    """Return the lines of every decided match of a scope that was decided on a run through a day; None when there is none."""
    rows = [
        {"reconciliation": each.reconciliation, "decision": each.decision_id, "verdict": each.verdict, "by": each.said_by, "on": each.as_of,
         "residual": each.residual, **line}
        for each in decisions(session, scope)
        if each.as_of <= as_of
        for line in each.lines
    ]  # fmt: skip
    if not rows:
        return None
    return pl.DataFrame(rows, schema=DECIDED_SCHEMA, orient="row").sort("reconciliation", "decision", "side", "entity", "entity_id")
