"""A person's word that the estimate at completion of a contract line stands; the next run reads it as made on that day."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.store.audit import Actor, now, record
from adapters.store.permissions import require
from adapters.store.tables import Attestation, Run
from engine.errors import UsageError

ATTESTED_SCHEMA: Final[dict[str, pl.DataType]] = {
    "contract_line_id": pl.String(), "as_of_date": pl.Date(), "estimated_total_cost": pl.Decimal(38, 6), "by": pl.String(),
    "estimated_total_hours": pl.Decimal(38, 6),
}  # fmt: skip
"""One row a word given: the line, the day, the estimate that stands (of cost or of hours), and who said so."""

COST: Final = "cost"
HOURS: Final = "hours"
_OBSERVED: Final = {COST: "estimated_total_cost", HOURS: "estimated_total_hours"}


def attest(
    session: Session, actor: Actor, run: Run, line: str, estimate: Decimal | None, currency: str | None, *, amount: Decimal,
    comment: str = "", measure: str = COST,
) -> Attestation:  # fmt: skip
    """Attest an estimate at completion as of the run's day: `amount` is what the person stands behind, `estimate` what the systems say.

    Both are of `measure`: COST in the currency, or HOURS.

    Who may see the line is the caller's to ask. Raises UsageError for who may not, without an estimate, when the amount
    is another one (that is a new estimate, and belongs into the system that owns it), or was attested as of that day.
    """
    require(actor, "attest an estimate")
    if estimate is None:
        raise UsageError(f"No system gives an estimate at completion for {line}.", "Enter it where the project is kept; then attest it.")
    if amount != estimate:
        raise UsageError(
            f"The systems say {told(estimate, currency, measure)} for {line}, not {amount:,.2f}.",
            "Another estimate is entered where the project is kept; what stands there is attested here.",
        )
    same = sa.select(Attestation).where(
        Attestation.scope == run.scope, Attestation.contract_line_id == line, Attestation.as_of == run.as_of, Attestation.amount == amount,
        Attestation.measure == measure,
    )  # fmt: skip
    if (known := session.execute(same).scalars().first()) is not None:
        raise UsageError(f"{known.said_by} attested this estimate as of {run.as_of} already.", "The next run reads it.")
    entry = Attestation(
        scope=run.scope, contract_line_id=line, measure=measure, amount=amount, currency=currency, as_of=run.as_of, run_id=run.run_id,
        comment=comment.strip() or None, said_by=actor.name, identity=actor.identity, said_at=now(),
    )  # fmt: skip
    session.add(entry)
    session.flush()
    body = {"amount": amount, "measure": measure, "currency": currency, "as_of": run.as_of, "run": run.run_id, "comment": entry.comment}
    record(session, actor, "estimate.attested", line, body)
    return entry


def told(amount: Decimal, currency: str | None, measure: str) -> str:
    """Return an estimate in words: an amount with its currency, or hours."""
    return f"{amount:,.2f} {HOURS if measure == HOURS else currency or ''}".rstrip()


def attestations(session: Session, scope: str) -> list[Attestation]:
    """Return every word given in a scope, the latest first."""
    query = sa.select(Attestation).where(Attestation.scope == scope).order_by(Attestation.attestation_id.desc())
    return list(session.execute(query).scalars())


def attested_estimates(session: Session, scope: str, as_of: dt.date) -> pl.DataFrame | None:
    """Return what was attested in a scope through a day, the latest word of each line and day; None when there is nothing."""
    rows = [
        {"contract_line_id": each.contract_line_id, "as_of_date": each.as_of, _OBSERVED[each.measure]: each.amount, "by": each.said_by}
        for each in attestations(session, scope)
        if each.as_of <= as_of
    ]
    if not rows:
        return None
    found = pl.DataFrame(rows, schema=ATTESTED_SCHEMA, orient="row")
    said = ["contract_line_id", "as_of_date", *_OBSERVED.values()]
    return found.unique(said, keep="first", maintain_order=True).sort(said, nulls_last=True)
