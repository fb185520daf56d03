"""`tieout case …` and `tieout audit verify`: what people do across runs."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli import app
from adapters.cli.run_commands import parse_date, policies_folder

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from adapters.store.audit import Actor
    from adapters.store.database import Store
    from adapters.store.tables import Case
    from engine.policy.kinds.cases import CasesPolicy

case_app = typer.Typer(no_args_is_help=True, help="Work the cases that live across runs.")
audit_app = typer.Typer(no_args_is_help=True, help="The log of everything people did.")
app.add_typer(case_app, name="case")
app.add_typer(audit_app, name="audit")

Out = Annotated[Path, typer.Option("--out", help="Folder of results; the store lies in it.")]
Address = Annotated[str | None, typer.Option("--store", help="Address of the case store, if it is not beside the runs.")]
Who = Annotated[str | None, typer.Option("--as", help="Who acts; default: the user of this computer. It is noted as asserted.")]
CaseId = Annotated[str, typer.Argument(help="Case id, or its first characters.")]
_RUNS = Path("runs")
_SHOWN = (
    "case_id", "finding_id", "state", "severity", "sla", "age", "rule", "entity", "entity_id", "contract_id", "owner", "assignee",
    "reason_code", "snoozed_until", "expires_on", "remedy",
)  # fmt: skip


@contextlib.contextmanager
def opened_store(out: Path, address: str | None) -> Iterator[Store]:
    """Open the store of a results folder; raises UsageError when there is none yet."""
    from adapters.store.database import STORE_FILE, open_store, store_url
    from engine.errors import UsageError

    url = store_url(out, address)
    if url == f"sqlite:///{out / STORE_FILE}" and not (out / STORE_FILE).is_file():
        raise UsageError(f"There is no store in {out}.", "Run `tieout run SNAPSHOT` first, or give --out or --store.")
    store = open_store(url)
    try:
        yield store
    finally:
        store.close()


def acting(name: str | None) -> Actor:
    """Return who acts on the command line: every role may be tried, and is asserted, whatever the name."""
    from adapters.store.audit import Actor
    from adapters.store.permissions import ROLES

    return Actor(name or getpass.getuser(), roles=frozenset(ROLES))


def require_one_of(word: str, known: Collection[str], what: str) -> None:
    """Raise UsageError for a word that is none of those there are: a filter by it would find nothing and say so of everything."""
    from engine.errors import UsageError
    from engine.policy.names import near

    if word not in known:
        raise UsageError(f"'{word}' is no {what}{near(word, known)}".rstrip("?") + ".", f"There are {', '.join(known)}.")


class _Worked:
    """The policies of a folder, as cases are worked by them: on the day of the latest run of a case's scope."""

    def __init__(self, folder: Path | None) -> None:
        from adapters.policy_folder import require_policies

        self._policies = require_policies(policies_folder(folder))
        self.holidays = self._policies.holidays()

    def on(self, day: dt.date) -> CasesPolicy:
        """Return the policy of cases that holds on a day; raises UsageError when there is none."""
        from adapters.policy_folder import require_in_force
        from engine.policy.kinds.cases import CasesPolicy

        return require_in_force(self._policies, CasesPolicy, day, "how cases are worked")


@case_app.command("list")
def list_command(
    state: Annotated[list[str] | None, typer.Option(help="open, resolved, waived, written_off, superseded; default: open.")] = None,
    severity: Annotated[str | None, typer.Option(help="Only this severity.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only this rule.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this owner.")] = None,
    assignee: Annotated[str | None, typer.Option(help="Only this person's.")] = None,
    contract: Annotated[str | None, typer.Option(help="Only this contract's.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    policies: Annotated[Path | None, typer.Option(help="Policy folder, for the SLA.")] = None,
    out: Out = _RUNS,
    store: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List cases, the gravest and the most money first, with age and SLA."""
    from adapters.store.case_work import list_cases
    from adapters.store.tables import STATES
    from engine.findings import SEVERITIES

    for each in state or ():
        require_one_of(each, STATES, "state of a case")
    if severity is not None:
        require_one_of(severity, SEVERITIES, "severity")
    worked = _Worked(policies)
    with opened_store(out, store) as opened, opened.read() as session:
        found = list_cases(
            session, states=tuple(state or ["open"]), severity=severity, rule=rule, owner=owner, assignee=assignee, contract=contract,
            limit=limit,
        )  # fmt: skip
        rows = [_shown(each, worked, _today(session, each.scope)) for each in found]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, default=str))
        return
    for row in rows:
        amount = "" if row["amount"] is None else f"  {row['amount']:,.2f} {row['currency'] or ''}".rstrip()
        who = f"  {row['assignee']}" if row["assignee"] else ""
        typer.echo(f"{row['case_id'][:8]}  {row['severity']:<8}  {row['age']:>3} wd  {row['sla']:<9}{amount}  {row['rule']}{who}")
        typer.echo(f"          {row['message']}")
    typer.echo(f"{len(rows)} cases.")


def _today(session: Session, scope: str) -> dt.date:
    """Return the business date cases are judged on: the latest run's."""
    from adapters.store.runs import business_day

    day = business_day(session, scope)
    assert day is not None, "a case came with a run"
    return day


def _shown(case: Case, worked: _Worked, today: dt.date) -> dict[str, Any]:
    from engine.policy.kinds.cases import sla_state

    sla, age = sla_state(
        worked.on(today), case.severity, case.amount, case.opened_on, today, snoozed_until=case.snoozed_until, holidays=worked.holidays
    )  # fmt: skip
    names = (
        "case_id", "finding_id", "state", "severity", "rule", "kind", "entity", "entity_id", "contract_id", "amount", "currency", "message",
        "remedy", "owner", "assignee", "opened_on", "last_seen_on", "resolution", "reason_code", "snoozed_until", "expires_on", "reopened",
    )  # fmt: skip
    return {name: getattr(case, name) for name in names} | {"sla": sla if case.state == "open" else "closed", "age": age}


@case_app.command("show")
def show(
    case: CaseId,
    policies: Annotated[Path | None, typer.Option(help="Policy folder, for the SLA.")] = None,
    out: Out = _RUNS,
    store: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show a case with everything that happened to it."""
    from adapters.store.case_work import find_case, history

    with opened_store(out, store) as opened, opened.read() as session:
        found = find_case(session, case)
        row = _shown(found, _Worked(policies), _today(session, found.scope))
        events: list[dict[str, Any]] = [
            {"at": each.at, "actor": each.actor, "identity": each.identity, "action": each.action, "run": each.run_id,
             "before": each.before, "after": each.after, "comment": each.comment}
            for each in history(session, found)
        ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps({**row, "history": events}, indent=2, default=str))
        return
    typer.echo(f"{row['message']}\n")
    for name in _SHOWN:
        if row[name] is not None:
            typer.echo(f"{name.replace('_', ' '):<14}{row[name]}")
    for each in events:
        by = each["actor"] if each["identity"] == "run" else f"{each['actor']} ({each['identity'].replace('_', ' ')})"
        typer.echo(f"{each['at']:%Y-%m-%d %H:%M}  {each['action']:<16}{by}" + (f": {each['comment']}" if each["comment"] else ""))


@case_app.command("assign")
def assign_command(
    case: CaseId,
    person: Annotated[str, typer.Argument(help="Who is to work it; `-` for nobody.")],
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Give a case to a person."""
    from adapters.store.case_work import assign, find_case

    with opened_store(out, store) as opened, opened.write() as session:
        found = find_case(session, case)
        assign(session, acting(who), found, None if person == "-" else person)
    typer.echo(f"Case {found.case_id[:8]} is with {person}." if person != "-" else f"Case {found.case_id[:8]} is with nobody.")


@case_app.command("comment")
def comment_command(
    case: CaseId,
    text: Annotated[str, typer.Argument(help="The comment.")],
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Add a comment to a case."""
    from adapters.store.case_work import comment, find_case

    with opened_store(out, store) as opened, opened.write() as session:
        found = find_case(session, case)
        comment(session, acting(who), found, text)
    typer.echo(f"Noted on case {found.case_id[:8]}.")


@case_app.command("attach")
def attach_command(
    case: CaseId,
    file: Annotated[Path, typer.Argument(help="File to keep with it.")],
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Keep a file with a case: a PDF, an image, a workbook, a document, a CSV, a text or a mail of at most 10 MiB."""
    from adapters.store.attachments import LARGEST, attach
    from adapters.store.case_work import find_case
    from engine.errors import UsageError

    if not file.is_file():
        raise UsageError(f"There is no file {file}.", "Give the path of a file.")
    # A larger one is refused by what was read of it.
    with file.open("rb") as handle:
        content = handle.read(LARGEST + 1)
    with opened_store(out, store) as opened, opened.write() as session:
        found = find_case(session, case)
        entry = attach(session, acting(who), found, out, file.name, content)
    typer.echo(f"{entry.name} is kept with case {found.case_id[:8]} as {entry.sha256[:12]}.")


@case_app.command("files")
def files_command(
    case: CaseId,
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write the files into, as they were attached.")] = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """List the files of a case; --to writes them, each checked against its hash."""
    from adapters.store.attachments import attachments_of, read_attachment
    from adapters.store.case_work import find_case

    with opened_store(out, store) as opened, opened.read() as session:
        found = attachments_of(session, find_case(session, case))
    for each in found:
        typer.echo(f"{each.sha256[:12]}  {each.size:>10,} B  {each.name}  by {each.said_by} ({each.identity.replace('_', ' ')})")
        if to is not None:
            to.mkdir(parents=True, exist_ok=True)
            (to / f"{each.sha256[:12]}-{each.name}").write_bytes(read_attachment(out, each))
    typer.echo(f"{len(found)} files" + ("." if to is None or not found else f" are in {to}."))


@case_app.command("snooze")
def snooze_command(
    case: CaseId,
    until: Annotated[str, typer.Argument(help="Day it comes back, YYYY-MM-DD; `-` wakes it.")],
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Let a case rest until a day; its SLA pauses."""
    from adapters.store.case_work import find_case, snooze

    day = None if until == "-" else parse_date(until)
    with opened_store(out, store) as opened, opened.write() as session:
        found = find_case(session, case)
        snooze(session, acting(who), found, day)
    typer.echo(f"Case {found.case_id[:8]} rests until {day}." if day else f"Case {found.case_id[:8]} is awake.")


@case_app.command("waive")
def waive(
    case: CaseId,
    reason: Annotated[str, typer.Option(help="Reason code of the policy.")],
    comment: Annotated[str, typer.Option(help="Why, in a sentence.")],
    write_off: Annotated[bool, typer.Option("--write-off", help="Write the amount off instead of waiving the case for a time.")] = False,
    policies: Annotated[Path | None, typer.Option(help="Policy folder with the thresholds.")] = None,
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Waive or write off a case; above the policy's threshold a second person must agree."""
    from adapters.store.case_work import find_case, settle

    worked = _Worked(policies)
    with opened_store(out, store) as opened, opened.write() as session:
        found = find_case(session, case)
        policy = worked.on(_today(session, found.scope))
        request = settle(session, acting(who), found, policy, "write_off" if write_off else "waive", reason, comment)
    if request is None:
        typer.echo(f"Case {found.case_id[:8]} is {found.state.replace('_', ' ')}.")
    else:
        typer.echo(f"Case {found.case_id[:8]} waits for a signed-in {request.needs_role} who is not {request.requested_by}.")


@case_app.command("reopen")
def reopen_command(
    case: CaseId,
    comment: Annotated[str, typer.Option(help="Why, in a sentence.")],
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Take a settled or resolved case up again."""
    from adapters.store.case_work import find_case, reopen

    with opened_store(out, store) as opened, opened.write() as session:
        found = find_case(session, case)
        reopen(session, acting(who), found, comment)
    typer.echo(f"Case {found.case_id[:8]} is open.")


@audit_app.command("verify")
def verify_command(out: Out = _RUNS, store: Address = None) -> None:
    """Check that no entry of the audit log was changed or removed; exit 1 when one was."""
    from adapters.store.audit import verify

    with opened_store(out, store) as opened, opened.read() as session:
        count, problem = verify(session)
    typer.echo(f"The audit log of {count:,} entries is whole." if problem is None else f"The audit log is broken: {problem}.")
    raise typer.Exit(0 if problem is None else 1)
