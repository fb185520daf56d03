"""Exceptions: the cases of the store by page, and everything known of one."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from adapters.explain import explain_finding
from adapters.policy_folder import require_in_force
from adapters.safe_cells import safe_csv
from adapters.sight import EVERYTHING, Sight
from adapters.store.attachments import attachments_of, read_attachment
from adapters.store.audit import Actor, now
from adapters.store.case_search import OFFERED, values_of
from adapters.store.case_work import find_case, history
from adapters.store.database import Store
from adapters.store.permissions import require_seen
from adapters.store.runs import business_day
from adapters.store.tables import STATES, Approval, Case, CaseText, Money
from dashboard.views.formats import is_currency
from dashboard.views.policies import load_policies
from dashboard.views.record import shows_cost_rates
from dashboard.views.tables import BLANK, MAX_OPTIONS, Column, Page, Query
from dashboard.views.workspace import RunEntry, Workspace
from engine.errors import UsageError
from engine.findings import SEVERITIES
from engine.policy.kinds.cases import CasesPolicy, sla_state

GRAVEST: Final = tuple(reversed(SEVERITIES))

COLUMNS: Final = (
    Column("severity", "Severity", "code", filtered=True, ranks=GRAVEST),
    Column("amount", "At risk", "money"),
    Column("message", "What is wrong", searched=True, width=430),
    Column("sla", "SLA", "code"),
    Column("age", "Workdays", "count"),
    Column("symptoms", "Explains", "count"),
    Column("rule", "Rule", filtered=True, searched=True),
    Column("contract_id", "Contract", filtered=True, searched=True),
    Column("owner", "For", filtered=True),
    Column("assignee", "Assigned to", filtered=True, searched=True),
    Column("state", "State", "code", filtered=True),
    Column("stage", "Stage", "code", filtered=True, shown=False),
    Column("kind", "Kind", "code", filtered=True, shown=False),
    Column("entity", "Record", "code", filtered=True, shown=False),
    Column("entity_id", "Record id", searched=True, shown=False),
    Column("period", "Period", filtered=True, shown=False),
    Column("currency", "Currency", filtered=True, shown=False),
    Column("systems", "Systems", filtered=True, shown=False),
    Column("opened_on", "Opened", "date"),
    Column("snoozed_until", "Rests until", "date", shown=False),
    Column("case_id", "Case", searched=True, shown=False),
)
"""What the queue shows; SLA and age are told from the policy, not stored."""

USUAL: Final = Query(filters={"state": ("open",)}, sort="severity")

_EFFECT: Final = aliased(Case)
"""A case as another one's symptom."""

_AT_ONCE: Final = 500
_FEW: Final = 5_000
SYMPTOMS_SHOWN: Final = 50

_TOLD: Final = ("sla", "age", "symptoms")
_SCHEMA: Final[dict[str, pl.DataType]] = {each.name: pl.String() for each in COLUMNS} | {
    "amount": pl.Decimal(38, 6), "age": pl.Int64(), "symptoms": pl.Int64(), "opened_on": pl.Date(), "snoozed_until": pl.Date(),
}  # fmt: skip


def cases_policy(workspace: Workspace, store: Store, scope: str) -> CasesPolicy:
    """Return the policy that says how cases are worked on the day of the scope's latest run; raises UsageError when there is none."""
    with store.read() as session:
        day = business_day(session, scope) or now().date()
    return require_in_force(load_policies(workspace.policies), CasesPolicy, day, "how cases are worked")


class CaseRows:
    """The cases of a scope as the store has them: filters, order and pages are the database's work."""

    def __init__(
        self, store: Store, scope: str, policy: CasesPolicy, holidays: Sequence[dt.date] = (), sight: Sight = EVERYTHING
    ) -> None:  # fmt: skip
        """Take the store, whose cases, the policy that tells their SLA, and what the person sees."""
        self._store, self._policy, self._holidays = store, policy, holidays
        self._sees_all = sight == EVERYTHING
        self._scope, self._mine = scope, (Case.scope == scope, *_seen(sight))

    @property
    def columns(self) -> Sequence[Column]:
        """Return what the queue shows."""
        return COLUMNS

    def page(self, query: Query) -> Page:
        """Return the page a query asks for."""
        with self._store.read() as session:
            found = self._found(session, query)
            total = int(session.execute(sa.select(sa.func.count()).select_from(found.subquery())).scalar_one())
            query = query.turned(min(query.page, max(1, math.ceil(total / query.size))))
            wanted = self._ordered(found, query).offset((query.page - 1) * query.size).limit(query.size)
            return Page(self._frame(session, list(session.execute(wanted).scalars())), total, query)

    def options(self, name: str) -> list[str]:
        """Return the values of a column that a filter offers."""
        # Who sees all is offered what stands ready; of people's words there are few, of the others' sight the cases are asked.
        with self._store.read() as session:
            if self._sees_all and name in OFFERED:
                return [each or BLANK for each in values_of(session, self._scope, name, MAX_OPTIONS)]
            if self._sees_all and name == "state":
                return [each for each in STATES if self._has(session, Case.state == each)]
            column = getattr(Case, name)
            # Blanks are the most: whether there are some is asked apart, so that the few values are read from an index.
            query = sa.select(column, sa.func.count().label("count")).where(*self._mine, column > "").group_by(column)
            rows = session.execute(query.order_by(sa.desc("count"), column).limit(MAX_OPTIONS)).all()
            blank = [BLANK] if any(self._has(session, each) for each in (column.is_(None), column == "")) else []
        return [str(each[0]) for each in rows] + blank

    def _has(self, session: Session, condition: sa.ColumnElement[bool]) -> bool:
        return session.execute(sa.select(Case.case_id).where(*self._mine, condition).limit(1)).first() is not None

    def export(self, query: Query) -> pl.DataFrame:
        """Return every case a query finds."""
        with self._store.read() as session:
            return self._frame(session, list(session.execute(self._ordered(self._found(session, query), query)).scalars()))

    def _found(self, session: Session, query: Query) -> sa.Select[Any]:
        found = sa.select(Case)
        for name, values in query.filters.items():
            column: Any = getattr(Case, name)
            held = column.in_([each for each in values if each != BLANK])
            if name == "severity":
                # As the index of the queue has it.
                held = Case.gravity.in_([GRAVEST.index(each) for each in values if each in GRAVEST])
            found = found.where(sa.or_(held, column.is_(None), column == "") if BLANK in values else held)
        text = query.search.strip().lower()
        if text:
            holding = sa.select(CaseText.case_id).where(CaseText.text.contains(text, autoescape=True))
            # The texts are read once where few hold it; both the count and the page ask for them.
            ids = list(session.execute(holding.limit(_FEW + 1)).scalars())
            if len(ids) <= _FEW:
                # Said so, no index of the scope is read: the few are looked up by their ids.
                return found.where(Case.case_id.in_(ids), Case.scope + "" == self._scope, *self._mine[1:])
            found = found.where(Case.case_id.in_(holding))
        return found.where(*self._mine)

    def _ordered(self, found: sa.Select[Any], query: Query) -> sa.Select[Any]:
        grave, money = Case.gravity, Case.weight
        by: Any = grave
        if query.sort in ("age", "sla"):
            by = Case.opened_on.desc()
        elif query.sort == "amount":
            by = money
        elif query.sort == "symptoms":
            by = self._symptoms().where(_EFFECT.cause_id == Case.finding_id).correlate(Case).scalar_subquery()
        elif query.sort and query.sort != "severity":
            by = getattr(Case, query.sort)
        if query.descending:
            by = Case.opened_on if query.sort in ("age", "sla") else sa.desc(by)
        # The order of the queue itself stands in an index.
        before = () if by is grave else (by,)
        return found.order_by(*before, grave, money.desc(), Case.opened_on, Case.case_id)

    def _today(self, session: Session) -> dt.date:
        return business_day(session, self._scope) or dt.date.min

    def _symptoms(self) -> sa.Select[Any]:
        """Return the count of the cases that another one explains."""
        return sa.select(sa.func.count()).where(_EFFECT.scope == self._scope, _EFFECT.state == "superseded")

    def _frame(self, session: Session, cases: Sequence[Case]) -> pl.DataFrame:
        today = self._today(session)
        explains: dict[str, int] = {}
        ids = [each.finding_id for each in cases]
        for place in range(0, len(ids), _AT_ONCE):
            part = self._symptoms().add_columns(_EFFECT.cause_id).where(_EFFECT.cause_id.in_(ids[place : place + _AT_ONCE]))
            explains |= {str(cause): int(count) for count, cause in session.execute(part.group_by(_EFFECT.cause_id)).all()}
        rows = []
        for each in cases:
            row = {name: getattr(each, name) for name in _SCHEMA if name not in _TOLD}
            told = (*self._stands(each, today), explains.get(each.finding_id, 0))
            rows.append(row | dict(zip(_TOLD, told, strict=True)))
        return pl.DataFrame(rows, schema=_SCHEMA, orient="row")

    def _stands(self, case: Case, today: dt.date) -> tuple[str, int]:
        if case.state != "open":
            return "closed", 0
        return sla_state(
            self._policy, case.severity, case.amount, case.opened_on, today, snoozed_until=case.snoozed_until, holidays=self._holidays
        )


def _seen(sight: Sight) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on cases that a person's sight sets, the same that acts are held to."""
    found: list[sa.ColumnElement[bool]] = []
    if sight.legal_entities is not None:
        found.append(Case.legal_entity_id.in_(sorted(sight.legal_entities)))
    if sight.projects is not None:
        found.append(Case.project_id.in_(sorted(sight.projects)))
    if not sight.cost_rates:
        found.append(sa.not_(Case.shows_cost))
    return found


def case_rows(workspace: Workspace, store: Store, scope: str, sight: Sight = EVERYTHING) -> CaseRows:
    """Return the cases of a scope that a person sees, with the SLA of the workspace's policies."""
    return CaseRows(store, scope, cases_policy(workspace, store, scope), load_policies(workspace.policies).holidays(), sight)


def queue_summary(store: Store, scope: str, sight: Sight = EVERYTHING) -> list[dict[str, Any]]:
    """Return by severity, the gravest first, how many cases are open and their money by currency."""
    # Sums of amounts are whole millionths, as they are stored.
    total_at_risk = sa.type_coerce(sa.func.sum(Case.weight), Money())
    query = sa.select(Case.severity, Case.currency, sa.func.count(), total_at_risk)
    with store.read() as session:
        mine = (Case.scope == scope, Case.state == "open", *_seen(sight))
        rows = session.execute(query.where(*mine).group_by(Case.severity, Case.currency)).all()
    found: dict[str, dict[str, Any]] = {name: {"severity": name, "count": 0, "money": {}} for name in GRAVEST}
    for severity, currency, count, total in rows:
        found[severity]["count"] += int(count)
        if total and is_currency(currency):
            found[severity]["money"][currency] = total
    return [each | {"money": dict(sorted(each["money"].items()))} for each in found.values()]


def case_detail(store: Store, run: RunEntry, name: str) -> dict[str, Any]:
    """Return everything known of a case: what the store holds, its history and requests, and the run's explanation.

    The explanation is None where the shown run did not find it. Raises UsageError when there is no such case, or
    none that the person sees.
    """
    with store.read() as session:
        case = _case_of(session, run, name)
        fields = {column.name: getattr(case, column.name) for column in sa.inspect(Case).columns}
        events = [
            {"at": each.at, "who": each.actor, "identity": each.identity, "what": each.action, "changed": _changed(each.before, each.after),
             "comment": each.comment or ""}
            for each in history(session, case)
        ]  # fmt: skip
        requests = list(
            session.execute(sa.select(Approval).where(Approval.subject == case.case_id).order_by(Approval.approval_id)).scalars()
        )
        waiting = [
            {"approval_id": each.approval_id, "action": each.action, "needs_role": each.needs_role, "requested_by": each.requested_by,
             "comment": each.body.get("comment"), "reason": each.body.get("reason")}
            for each in requests
            if each.state == "waiting"
        ]  # fmt: skip
        around = _around(session, case, run.sight)
        files = [
            {"name": each.name, "size": each.size, "sha256": each.sha256, "who": each.said_by,
             "identity": each.identity, "at": each.said_at}
            for each in attachments_of(session, case)
        ]  # fmt: skip
    explanation = _explained(run, fields["finding_id"])
    return {
        "case": fields, "history": events, "waiting": waiting, "explanation": explanation, "files": files, **around,
        "flip": None if explanation is None else would_flip(explanation["finding"]),
    }  # fmt: skip


def file_of(store: Store, run: RunEntry, out: Path, name: str, digest: str) -> bytes:
    """Return a file of a case as people get it: as it was attached, but that no cell of a CSV runs as a formula.

    Raises UsageError when the person does not see the case, or it has no such file.
    """
    with store.read() as session:
        case = _case_of(session, run, name)
        entry = next((each for each in attachments_of(session, case) if each.sha256 == digest), None)
        if entry is None:
            raise UsageError("The case has no such file.", "Load the page again.")
        content = read_attachment(out, entry)
        return safe_csv(content) if entry.name.endswith(".csv") else content


def _case_of(session: Session, run: RunEntry, name: str) -> Case:
    """Return a case of a run's firm that a person sees; of another firm's, what is seen of this one's run says nothing."""
    case = find_case(session, name, Case.scope == run.scope, *_seen(run.sight))
    require_seen(Actor("", sight=run.sight), case)
    if case.scope != run.scope:
        raise UsageError(f"There is no case {case.case_id[:8]} in {run.scope}.", "Choose a run of its firm.")
    return case


def _around(session: Session, case: Case, sight: Sight) -> dict[str, Any]:
    """Return the cause that explains a case, and the symptoms it explains, as far as the person sees them."""
    shown = (Case.case_id, Case.message, Case.amount, Case.currency, Case.severity, Case.state)
    mine = (Case.scope == case.scope, Case.case_id != case.case_id, *_seen(sight))
    cause = None
    if case.cause_id is not None and case.cause_id != case.finding_id:
        cause = session.execute(sa.select(*shown).where(Case.finding_id == case.cause_id, *mine)).mappings().first()
    effects = (Case.cause_id == case.finding_id, Case.state == "superseded", *mine)
    count = int(session.execute(sa.select(sa.func.count()).select_from(Case).where(*effects)).scalar_one())
    most = sa.func.abs(sa.func.coalesce(Case.amount, 0)).desc()
    rows = session.execute(sa.select(*shown).where(*effects).order_by(most, Case.case_id).limit(SYMPTOMS_SHOWN)).mappings()
    return {"cause": None if cause is None else dict(cause), "symptoms": [dict(each) for each in rows], "symptom_count": count}


def sides_of(finding: dict[str, Any]) -> tuple[str, str]:
    """Return the names of a finding's two sides: the systems, where it names two."""
    systems = finding["systems"] or []
    return (systems[0], systems[-1]) if len(systems) > 1 else ("owner", "the other system")


def would_flip(finding: dict[str, Any]) -> str | None:
    """Return the smallest change of data after which a finding is gone, in words; None where it takes more than one value."""
    if finding["field"] is None or (finding["owner_value"] is None and finding["consumer_value"] is None):
        return None
    _, other = sides_of(finding)
    field, wanted = finding["field"].replace("_", " "), finding["owner_value"]
    says = finding["consumer_value"]
    return f"It is gone once {field} in {other} is {wanted or 'blank'} instead of {says or 'blank'}, or its owner says the same."


def _explained(run: RunEntry, finding_id: str) -> dict[str, Any] | None:
    try:
        told = explain_finding(run.folder, finding_id, run.snapshot_folder)
    except UsageError:
        return None
    for each in told["evidence"]:
        if shows_cost_rates(run, each["place"]):
            each["line"] = None
    return told


def _changed(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """Return what an event changed, in words."""
    names = [name for name in after or {} if (before or {}).get(name) != (after or {})[name]]
    told = [f"{name.replace('_', ' ')}: {(before or {}).get(name) or 'none'} → {(after or {})[name] or 'none'}" for name in names]
    return "; ".join(told)
