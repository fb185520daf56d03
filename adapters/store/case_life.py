"""What a night does to cases: opened, seen again, reopened, resolved by data or by policy, superseded by a cause."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.sight import shows_cost
from adapters.store.audit import RUNNER, now
from adapters.store.case_search import count_values, write_texts
from adapters.store.tables import Case, CaseEvent, Run
from engine.findings import SEVERITIES
from engine.hashing import ID_LENGTH, hash_columns

OPEN: Final = "open"
CLOSED_BY_PEOPLE: Final = ("waived", "written_off")

# What a finding says anew each night; the rest of a case is people's.
_TOLD: Final = (
    "stage", "kind", "rule", "severity", "entity", "entity_id", "contract_id", "legal_entity_id", "project_id", "shows_cost", "period",
    "currency", "message", "remedy", "owner",
)  # fmt: skip

# Sides of a tie-out that no source supplies: own results and agreed records are in every run.
_OWN: Final = ("tieout", "agreed")

_STATE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "case_id": pl.String(), "state": pl.String(), "severity": pl.String(), "amount": pl.Decimal(38, 6), "rule": pl.String(),
    "kind": pl.String(), "systems": pl.String(), "expires_on": pl.Date(), "assignee": pl.String(),
}  # fmt: skip

# Rows that are held at a time: a large run's findings do not stand in memory a second time.
_AT_ONCE: Final = 20_000
_NOT_KEPT: Final = ("evidence", "owner_value", "consumer_value", "systems", "related_entity", "related_id", "field", "policy_fingerprint")

Rows = list[dict[str, Any]]


def move_cases(session: Session, run: Run, manifest: Mapping[str, Any], findings: pl.DataFrame) -> dict[str, int]:
    """Bring the cases of a run's scope to what the run found; return how many moved, by how.

    The findings name their legal entity and project (`with_places`).
    """
    known = _known(session, run.scope)
    told = findings.with_columns(
        shows_cost().alias("shows_cost"),
        pl.col("systems").list.sort().list.join(",").alias("systems_text"),
        hash_columns([pl.lit(run.scope), pl.col("finding_id")], length=ID_LENGTH).alias("case_id"),
    )
    # What a case does not hold is long: source rows, both values, alternatives.
    both = told.drop(_NOT_KEPT, strict=False).join(known, on="case_id", how="left", suffix="_before")
    counts = dict.fromkeys(("opened", "seen_again", "reopened", "worsened", "resolved"), 0)
    for part in both.iter_slices(_AT_ONCE):
        events: Rows = []
        counts["opened"] += _open(session, run, part.filter(pl.col("state").is_null()).to_dicts(), events)
        again = part.filter(pl.col("state").is_not_null())
        counts["seen_again"] += again.height
        _see_again(session, run, again.to_dicts(), counts, events)
        _note(session, events)
    for part in known.join(told.select("case_id"), on="case_id", how="anti").iter_slices(_AT_ONCE):
        events = []
        counts["resolved"] += _resolve(session, run, part.to_dicts(), manifest, events)
        _note(session, events)
    count_values(session, run.scope, told)
    return {name: count for name, count in counts.items() if count}


def _note(session: Session, events: Rows) -> None:
    if events:
        session.execute(sa.insert(CaseEvent), events)


def _known(session: Session, scope: str) -> pl.DataFrame:
    columns = [Case.case_id, Case.state, Case.severity, Case.amount, Case.rule, Case.kind, Case.systems, Case.expires_on, Case.assignee]
    rows = session.execute(sa.select(*columns).where(Case.scope == scope)).all()
    return pl.DataFrame([tuple(row) for row in rows], schema=_STATE_SCHEMA, orient="row")


def _told(run: Run, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a finding says, as a case holds it."""
    said = {name: row[name] for name in _TOLD}
    rank = len(SEVERITIES) - 1 - SEVERITIES.index(row["severity"])
    return said | {
        "gravity": rank, "weight": 0 if row["amount_at_risk"] is None else int(abs(row["amount_at_risk"]) * 1_000_000),
        "amount": row["amount_at_risk"], "systems": row["systems_text"] or "", "last_run": run.run_id, "last_seen_on": run.as_of,
        "cause_id": row.get("cause_id"), "message": row["message"] or "", "rule": row["rule"] or row["kind"],
    }  # fmt: skip


def _open(session: Session, run: Run, rows: Rows, events: Rows) -> int:
    made: Rows = []
    for row in rows:
        cause = _cause(row)
        state = "superseded" if cause else OPEN
        opened_on = min(row["since"] or run.as_of, run.as_of)
        made.append(
            _told(run, row)
            | {"case_id": row["case_id"], "finding_id": row["finding_id"], "scope": run.scope, "state": state}
            | {"opened_on": opened_on, "first_run": run.run_id}
            | {"reopened": 0, "resolution": "cause" if cause else None}
        )
        events.append(_event(run, row["case_id"], "opened", None, {"state": state, "severity": row["severity"]}))
    if made:
        session.execute(sa.insert(Case), made)
        write_texts(session, made, known=False)
    return len(made)


def _see_again(session: Session, run: Run, rows: Rows, counts: dict[str, int], events: Rows) -> None:
    changes: Rows = []
    texts: Rows = []
    for row in rows:
        change = _told(run, row) | {"case_id": row["case_id"]}
        before = row["state"]
        after = _state_again(before, row, run.as_of)
        change |= {"state": after, "resolution": "cause" if after == "superseded" else None}
        if before in CLOSED_BY_PEOPLE and after == before:
            change["resolution"] = before
        if after == OPEN and before != OPEN:
            counts["reopened"] += 1
            events.append(_event(run, row["case_id"], "reopened", {"state": before}, {"state": after}))
        elif after != before:
            events.append(_event(run, row["case_id"], after, {"state": before}, {"state": after, "cause": _cause(row)}))
        elif _worse(row):
            counts["worsened"] += 1
            shown = {"severity": row["severity_before"], "amount": _text(row["amount"])}
            now_shown = {"severity": row["severity"], "amount": _text(row["amount_at_risk"])}
            events.append(_event(run, row["case_id"], "worsened", shown, now_shown))
        texts.append(change | {"entity_id": row["entity_id"], "assignee": row["assignee"]})
        changes.append(change | {"is_reopened": int(after == OPEN and before in ("resolved", *CLOSED_BY_PEOPLE))})
    if not changes:
        return
    table = _table()
    names = [name for name in changes[0] if name not in ("case_id", "is_reopened")]
    values = {name: sa.bindparam(f"b_{name}", type_=table.c[name].type) for name in names}
    # A case that is seen is not resolved, and one more reopening is counted.
    update = sa.update(table).where(table.c.case_id == sa.bindparam("b_case_id")).values(
        **values, reopened=table.c.reopened + sa.bindparam("b_is_reopened"), resolved_on=None
    )  # fmt: skip
    write_texts(session, texts, known=True)
    session.execute(update, [{f"b_{name}": value for name, value in each.items()} for each in changes])


def _state_again(before: str, row: Mapping[str, Any], as_of: dt.date) -> str:
    if before in CLOSED_BY_PEOPLE:
        expired = row["expires_on"] is not None and row["expires_on"] < as_of
        # What people settled is what it was then: more, or graver, nobody agreed to.
        return OPEN if expired or _worse(row) else before
    return "superseded" if _cause(row) else OPEN


def _cause(row: Mapping[str, Any]) -> str | None:
    """Return the case that explains this one; a finding that is its own cause is worked itself."""
    cause = row.get("cause_id")
    return None if cause == row["finding_id"] else cause


def _worse(row: Mapping[str, Any]) -> bool:
    """Say whether a finding is graver than what its case shows: a higher severity or amount."""
    if SEVERITIES.index(row["severity"]) > SEVERITIES.index(row["severity_before"]):
        return True
    now_amount, amount = row["amount_at_risk"], row["amount"]
    return now_amount is not None and (amount is None or abs(now_amount) > abs(amount))


def _resolve(session: Session, run: Run, gone: Rows, manifest: Mapping[str, Any], events: Rows) -> int:
    """Resolve the open cases whose finding is gone, where the run could have found it again."""
    places = {key.rpartition("#")[2]: key.rpartition("#")[0] for key in manifest["rules"]}
    places |= {each["id"]: each["file"] for each in manifest["policies"]}
    idle = {places.get(each["policy"]) for each in manifest["not_applicable"]}
    read = {each["source"] for each in manifest["files"] if each["failure"] is None}
    changes: Rows = []
    for row in gone:
        if row["state"] not in (OPEN, "superseded"):
            continue
        systems = [name for name in row["systems"].replace("+", ",").split(",") if name and name not in _OWN]
        if places.get(row["rule"], "") in idle or not set(systems) <= read:
            continue
        # A built-in check's rule is its kind; any other rule that no policy has was taken away.
        by = "data" if row["rule"] in places or row["rule"] == row["kind"] else "policy"
        changes.append({"b_case_id": row["case_id"], "b_resolution": by})
        events.append(_event(run, row["case_id"], "resolved", {"state": row["state"]}, {"state": "resolved", "by": by}))
    if changes:
        table = _table()
        update = sa.update(table).where(table.c.case_id == sa.bindparam("b_case_id"))
        session.execute(
            update.values(state="resolved", resolved_on=run.as_of, last_run=run.run_id, resolution=sa.bindparam("b_resolution")), changes
        )
    return len(changes)


def _table() -> sa.Table:
    table = Case.__table__
    assert isinstance(table, sa.Table)
    return table


def _event(run: Run, case_id: str, action: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "case_id": case_id, "at": now(), "actor": RUNNER.name, "identity": RUNNER.identity, "action": action, "run_id": run.run_id,
        "before": before, "after": after, "comment": None,
    }  # fmt: skip


def _text(value: object) -> str | None:
    return None if value is None else str(value)

