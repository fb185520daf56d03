"""The close certificate: what the numbers of a period rest on, hashed line by line, so that any change names its line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.close.board import output
from adapters.publish import MANIFEST, read_manifest
from adapters.store.tables import Case
from engine.policy.kinds.close import ClosePolicy

_NOT_EVIDENCE: Final = "quality/docs/"

# The amounts that must still be what they were, by output.
_TOTALS: Final = {
    "billing_decisions": ("amount", "amount_billed", "amount_unbilled"), "revenue_schedule": ("recognized_amount", "planned_amount"),
    "journal": ("debit", "credit"), "findings": ("amount_at_risk",),
}  # fmt: skip

_MOVED: Final = ("contract_line_id", "period", "currency", "recognized_amount")


def make_certificate(session: Session, run_dir: Path, scope: str, period: str, policy: ClosePolicy) -> dict[str, Any]:
    """Return the certificate of a period: hashes, control totals, cases and materiality, without signatures."""
    manifest = read_manifest(run_dir)
    return {
        "period": period, "scope": scope, "run_id": manifest["run_id"], "snapshot": manifest["snapshot"], "as_of": manifest["as_of"],
        "known_on": manifest["known_on"], "engine_version": manifest["engine_version"], "schema_version": manifest["schema_version"],
        "policies_fingerprint": manifest["policies_fingerprint"], "mappings": manifest["mappings"],
        "snapshot_files": {each["path"]: each["sha256"] for each in manifest["files"]},
        "results": result_hashes(run_dir), "control_totals": control_totals(run_dir),
        "cases": case_totals(session, scope),
        "materiality": None if policy.materiality is None else policy.materiality.model_dump(mode="json"),
    }  # fmt: skip


def certificate_hash(certificate: Mapping[str, Any]) -> str:
    """Return the SHA-256 over a certificate's text."""
    return hashlib.sha256(json.dumps(certificate, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def result_hashes(run_dir: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a run by its path."""
    paths = sorted(path for path in run_dir.rglob("*") if path.is_file())
    named = {path.relative_to(run_dir).as_posix(): path for path in paths}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in named.items() if is_evidence(name)}


def is_evidence(name: str) -> bool:
    """Say whether a file of a run is evidence; pages for people, which hold clock times, are not."""
    return not name.startswith(_NOT_EVIDENCE)


def control_totals(run_dir: Path) -> dict[str, dict[str, str]]:
    """Return, by output and amount, its total in each currency as exact text."""
    found: dict[str, dict[str, str]] = {}
    for name, amounts in _TOTALS.items():
        frame = output(run_dir, name)
        if frame is None:
            continue
        for amount in amounts:
            if amount in frame.columns:
                sums = frame.group_by("currency").agg(pl.col(amount).sum()).sort("currency", nulls_last=True)
                found[f"{name}.{amount}"] = {currency or "": _text(total) for currency, total in sums.rows()}
    return found


def case_totals(session: Session, scope: str) -> dict[str, dict[str, Any]]:
    """Return how many cases are open and how many were settled by people, with their money by currency."""
    found: dict[str, dict[str, Any]] = {}
    query = sa.select(Case.state, Case.currency, Case.amount).where(Case.scope == scope, Case.state.in_(("open", "waived", "written_off")))
    for state, currency, amount in session.execute(query.order_by(Case.case_id)).all():
        entry = found.setdefault(state, {"count": 0, "money": {}, "without_amount": 0})
        entry["count"] += 1
        if amount is None:
            entry["without_amount"] += 1
        else:
            entry["money"][currency or ""] = _text(Decimal(entry["money"].get(currency or "", "0")) + abs(amount))
    return found


def _text(value: object) -> str:
    return f"{Decimal(str(value or 0)).normalize():f}"


def what_was_altered(certificate: Mapping[str, Any], run_dir: Path, snapshot: Path | None = None) -> list[str]:
    """Return the lines of a certificate whose evidence is no longer what was signed; none when all holds.

    The snapshot's files are checked where its folder is still there.
    """
    if not (run_dir / MANIFEST).is_file():
        return [f"run_id {certificate['run_id']}: the run's folder is gone"]
    wrong: list[str] = []
    now = result_hashes(run_dir)
    for name, digest in certificate["results"].items():
        if name not in now:
            wrong.append(f"results {name}: the file is gone")
        elif now[name] != digest:
            wrong.append(f"results {name}: the file was altered")
    wrong += [f"results {name}: the file was added" for name in now if name not in certificate["results"]]
    if snapshot is not None and snapshot.is_dir():
        for name, digest in certificate["snapshot_files"].items():
            path = snapshot / name
            if not path.is_file():
                wrong.append(f"snapshot_files {name}: the file is gone")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                wrong.append(f"snapshot_files {name}: the file was altered")
    return wrong


def told_otherwise(run_dir: Path, closed_dir: Path, period: str) -> list[dict[str, Any]]:
    """Return where a later run tells the revenue of a locked period otherwise than it was closed.

    By currency: closed, now, lines. Entries keep what was closed; what a policy altered since gives for the period is not posted there.
    """
    sides = [output(folder, "revenue_schedule", *_MOVED) for folder in (closed_dir, run_dir)]
    if any(each is None for each in sides):
        return []
    closed, now = (
        each.filter(pl.col("period") == period).group_by("contract_line_id", "currency").agg(pl.col("recognized_amount").sum().alias(name))
        for name, each in zip(("closed", "now"), sides, strict=True)
        if each is not None
    )
    both = closed.join(now, on=["contract_line_id", "currency"], how="full", coalesce=True, nulls_equal=True).with_columns(
        pl.col("closed", "now").fill_null(0)
    )
    moved = both.filter(pl.col("closed") != pl.col("now"))
    sums = moved.group_by("currency").agg(pl.col("closed", "now").sum(), pl.len().alias("lines"))
    return sums.sort("currency", nulls_last=True).to_dicts()


def late_amounts(run_dir: Path, period: str) -> list[dict[str, Any]]:
    """Return what a later run posts elsewhere for a locked period: out-of-period amounts by period, nature and currency."""
    schedule = output(run_dir, "revenue_schedule")
    if schedule is None:
        return []
    late = schedule.filter((pl.col("relates_to_period") == period) & (pl.col("period") > period))
    sums = late.group_by("period", "nature", "currency").agg(pl.col("recognized_amount").sum(), pl.len().alias("lines"))
    return sums.sort("period", "nature", "currency").to_dicts()
