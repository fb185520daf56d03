"""Keeping and purging by policy: age, closes and legal holds decide, and each purge is in the audit log."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.policy_folder import require_in_force
from adapters.publish import MANIFEST, SUMMARIES
from adapters.snapshot_file import SNAPSHOT_FILE, load_snapshot_file
from adapters.store.attachments import forget_attachments, remove_files
from adapters.store.audit import Actor, now, record
from adapters.store.database import Store
from adapters.store.permissions import require
from adapters.store.runs import business_day
from adapters.store.tables import Approval, Case, CaseEvent, CaseText, LegalHold, PeriodClose, Purging, Run
from engine.errors import SnapshotError, StoreError, UsageError
from engine.policy.kinds.retention import RetentionPolicy
from engine.policy.loaded import PolicySet

_CLOSED = ("resolved", "waived", "written_off")


@dataclass(frozen=True, slots=True)
class Due:
    """Something whose time is over: a run, a case, or the evidence of a run; `kept_by` says what keeps it all the same."""

    what: str
    identity: str
    since: dt.date
    kept_by: str | None = None


def retention_policy(session: Session, policies: PolicySet) -> RetentionPolicy:
    """Return the policy of retention that holds on the latest run's day. Raises UsageError when none does: nothing is purged then."""
    return require_in_force(policies, RetentionPolicy, _today(business_day(session)), "how long things are kept")


def _today(latest: dt.date | None) -> dt.date:
    """Return the day ages are told on: that of the latest run, but never one that has not come."""
    return min(latest or dt.date.max, now().date())


def due(session: Session, policy: RetentionPolicy) -> list[Due]:
    """Return everything whose time is over, with what keeps it all the same."""
    holds = [each for each in list_holds(session) if each.released_at is None]
    found: list[Due] = []
    for scope in session.execute(sa.select(Run.scope).distinct().order_by(Run.scope)).scalars():
        runs = list(session.execute(sa.select(Run).where(Run.scope == scope).order_by(Run.as_of.desc(), Run.run_id)).scalars())
        today, mine = _today(runs[0].as_of), [each for each in holds if each.scope == scope]
        found += _runs_due(session, runs, policy, today, mine)
        gone = {each.identity for each in found if each.what == "run" and each.kept_by is None}
        found += _evidence_due(runs, policy, today, mine, gone)
        found += _cases_due(session, scope, policy, today, mine)
    return found


def _runs_due(session: Session, runs: Sequence[Run], policy: RetentionPolicy, today: dt.date, holds: Sequence[LegalHold]) -> list[Due]:
    if policy.runs is None:
        return []
    closes = {each.run_id: each.period for each in session.execute(sa.select(PeriodClose)).scalars()}
    standing = [each for each in runs if each.purged_at is None]
    latest = {each.run_id for each in standing[: policy.latest_runs]}
    found = []
    for run in standing:
        if run.as_of >= today - dt.timedelta(days=policy.runs.days):
            continue
        kept = None
        if run.run_id in closes:
            kept = f"the close of {closes[run.run_id]} rests on it"
        elif holds:
            kept = _hold(holds[0])
        elif run.run_id in latest:
            kept = f"it is among the latest {policy.latest_runs}"
        found.append(Due("run", run.run_id, run.as_of, kept))
    return found


def _evidence_due(runs: Sequence[Run], policy: RetentionPolicy, today: dt.date, holds: Sequence[LegalHold], gone: set[str]) -> list[Due]:
    if policy.evidence is None:
        return []
    kept_runs = [each for each in runs if each.purged_at is None and each.run_id not in gone]
    needed = {each.came_from.get(name): each.run_id for each in kept_runs for name in ("snapshot", "previous") if each.came_from.get(name)}
    found = []
    for run in runs:
        folder = run.came_from.get("snapshot")
        if run.evidence_purged_at is not None or folder is None or run.as_of >= today - dt.timedelta(days=policy.evidence.days):
            continue
        kept = _hold(holds[0]) if holds else f"the run {needed[folder][:8]} was made from it" if folder in needed else None
        found.append(Due("evidence", run.run_id, run.as_of, kept))
    return found


def _cases_due(session: Session, scope: str, policy: RetentionPolicy, today: dt.date, holds: Sequence[LegalHold]) -> list[Due]:
    if policy.cases is None:
        return []
    old = Case.resolved_on < today - dt.timedelta(days=policy.cases.days)
    query = sa.select(Case.case_id, Case.resolved_on, Case.contract_id).where(Case.scope == scope, Case.state.in_(_CLOSED), old)
    found = []
    for case_id, resolved_on, contract_id in session.execute(query.order_by(Case.case_id)).all():
        hold = next((each for each in holds if each.contract_id is None or each.contract_id == contract_id), None)
        found.append(Due("case", str(case_id), resolved_on or today, None if hold is None else _hold(hold)))
    return found


def _hold(hold: LegalHold) -> str:
    return f"legal hold {hold.hold_id}: {hold.reason}"


def purge(store: Store, out: Path, actor: Actor, policy: RetentionPolicy) -> list[Due]:
    """Take away everything whose time is over and that nothing keeps; return it.

    What is taken is logged before it goes: a purge that is interrupted goes on with the next one.
    Raises UsageError for who may not purge, StoreError when a folder cannot be removed.
    """
    with store.write() as session:
        require(actor, "purge")
        going = [each for each in due(session, policy) if each.kept_by is None]
        runs = {each.run_id: each for each in session.execute(sa.select(Run)).scalars()}
        loose: list[str] = []
        for each in going:
            body: dict[str, object] = {"since": each.since, "reference": policy.reference, "policy": policy.id}
            if each.what == "case":
                loose += forget_attachments(session, actor, each.identity)
                body |= _forget_case(session, each.identity)
            elif each.what == "run":
                runs[each.identity].purged_at = now()
                body["manifest"] = runs[each.identity].manifest_sha256
            else:
                runs[each.identity].evidence_purged_at = now()
                body["snapshot"] = runs[each.identity].came_from.get("snapshot")
            record(session, actor, f"{each.what}.purged", each.identity, body)
        folders = _folders(list(runs.values()), out)
    with store.write() as session:
        remove_files(session, out, loose)
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise StoreError(f"{folder} cannot be removed: {error.strerror}.", "Free it and purge again; its purge is logged.") from error
    return going


def _forget_case(session: Session, case_id: str) -> dict[str, object]:
    """Take a case away with its history and requests; return what the log keeps of it."""
    case = session.get(Case, case_id)
    assert case is not None, "what is due is there"
    kept = {name: getattr(case, name) for name in ("finding_id", "rule", "kind", "contract_id", "state", "opened_on", "resolved_on")}
    # The database lets history go only while its case is named here.
    session.execute(sa.insert(Purging).values(case_id=case_id))
    session.execute(sa.delete(CaseEvent).where(CaseEvent.case_id == case_id))
    session.execute(sa.delete(Approval).where(Approval.subject == case_id))
    session.execute(sa.delete(CaseText).where(CaseText.case_id == case_id))
    session.execute(sa.delete(Case).where(Case.case_id == case_id))
    session.execute(sa.delete(Purging).where(Purging.case_id == case_id))
    return kept


def _folders(runs: Sequence[Run], out: Path) -> list[Path]:
    """Return the folders of what was purged that are still there; only those that are a run's or a snapshot's."""
    found = [out / each.run_id for each in runs if each.purged_at is not None and (out / each.run_id / MANIFEST).is_file()]
    snapshots = {str(each.came_from["snapshot"]) for each in runs if each.evidence_purged_at is not None and each.came_from.get("snapshot")}
    # Exports that came to the same place since stay: other runs were made from them, or they are of a later day.
    standing = [each for each in runs if each.purged_at is None and each.evidence_purged_at is None]
    snapshots -= {str(each.came_from.get(name)) for each in standing for name in ("snapshot", "previous")}
    purged = {str(each.came_from.get("snapshot")): each.as_of for each in sorted(runs, key=lambda each: each.as_of)}
    snapshots = {each for each in snapshots if not _is_of_later(Path(each), purged[each])}
    found += [each for run in runs if run.purged_at is not None and (each := out / SUMMARIES / run.run_id).is_dir()]
    return [*found, *(Path(each) for each in sorted(snapshots) if (Path(each) / SNAPSHOT_FILE).is_file())]


def _is_of_later(folder: Path, day: dt.date) -> bool:
    try:
        return load_snapshot_file(folder).as_of > day
    except SnapshotError:
        return False


def list_holds(session: Session) -> list[LegalHold]:
    """Return every legal hold there was, the oldest first."""
    return list(session.execute(sa.select(LegalHold).order_by(LegalHold.hold_id)).scalars())


def place_hold(session: Session, actor: Actor, scope: str, contract_id: str | None, reason: str) -> LegalHold:
    """Keep everything of a firm, or of a contract of it, whatever its age. Raises UsageError without a reason."""
    require(actor, "place a hold")
    if not reason.strip():
        raise UsageError("A legal hold needs a reason.", "Name the matter.")
    if session.execute(sa.select(Run.run_id).where(Run.scope == scope).limit(1)).first() is None:
        raise UsageError(f"There is no run of '{scope}'.", "`tieout runs` lists the snapshots; the scope is their name without the date.")
    hold = LegalHold(scope=scope, contract_id=contract_id, reason=reason, placed_by=actor.name, placed_at=now())
    session.add(hold)
    session.flush()
    record(session, actor, "hold.placed", str(hold.hold_id), {"scope": scope, "contract": contract_id, "reason": reason})
    return hold


def release_hold(session: Session, actor: Actor, hold_id: int, reason: str) -> LegalHold:
    """End a legal hold. Raises UsageError when there is none such, it has ended, or without a reason."""
    require(actor, "release a hold")
    hold = session.get(LegalHold, hold_id)
    if hold is None or hold.released_at is not None:
        raise UsageError(f"There is no legal hold {hold_id} in force.", "`tieout retention show` lists them.")
    if not reason.strip():
        raise UsageError("A legal hold is not released without a reason.", "Say what ended the matter.")
    hold.released_by, hold.released_at = actor.name, now()
    record(session, actor, "hold.released", str(hold_id), {"reason": reason})
    return hold
