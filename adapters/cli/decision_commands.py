"""`tieout match …` and `tieout estimate …`: people's word on suggested matches and on estimates, which the next run goes by."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli import app
from adapters.cli.case_commands import Address, Out, Who, acting, opened_store
from adapters.cli.remedy_commands import Run

if TYPE_CHECKING:
    from adapters.store.match_decisions import Verdict

match_app = typer.Typer(no_args_is_help=True, help="Decide the matches a run only suggests.")
estimate_app = typer.Typer(no_args_is_help=True, help="Attest estimates at completion.")
app.add_typer(match_app, name="match")
app.add_typer(estimate_app, name="estimate")

_RUNS = Path("runs")
Match = Annotated[str, typer.Argument(help="Match, as `tieout match list` names it.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence.")]
TieOut = Annotated[str | None, typer.Option("--tie-out", help="Its tie-out, where several suggest a match of that id.")]


@match_app.command("list")
def list_command(run: Run = None, out: Out = _RUNS, store: Address = None) -> None:
    """List the matches a run suggests, and those that were decided."""
    import polars as pl

    from adapters.publish import find_run
    from adapters.store.match_decisions import decisions
    from adapters.store.tables import Run as Entry

    folder = find_run(out, run)
    path = folder / "matches.parquet"
    frame = pl.scan_parquet(path).filter(pl.col("status") == "suggested") if path.is_file() else None
    by = ("reconciliation", "match_id")
    rows = [] if frame is None else frame.sort(*by, "side", "entity_id").collect().partition_by(*by, maintain_order=True)
    for part in rows:
        first = part.row(0, named=True)
        typer.echo(
            f"{first['match_id']}  {first['reconciliation']}, {first['residual'] or 0:,.2f} {first['currency'] or ''} left over: "
            f"{first['reason']}"
        )
        for line in part.to_dicts():
            typer.echo(
                f"    {line['side']:<6} {line['entity'].replace('_', ' ')} {line['entity_id']}"
                f"  {line['amount']:,.2f} {line['currency'] or ''}"
            )
        others = dict.fromkeys(other for line in part.to_dicts() for other in line["alternatives"] or ())
        if others:
            typer.echo(f"    would fit as well: {', '.join(others)}")
    with opened_store(out, store) as opened, opened.read() as session:
        entry = session.get(Entry, folder.name)
        said = [] if entry is None else decisions(session, entry.scope)
        for each in said:
            who = f"{each.said_by} ({each.identity.replace('_', ' ')})"
            typer.echo(
                f"decision {each.decision_id}: {each.match_id} of {each.reconciliation} {each.verdict} by {who} "
                f"on {each.as_of}: {each.reason}"
            )
    typer.echo(f"{len(rows)} {'match is' if len(rows) == 1 else 'matches are'} suggested, {len(said)} decided.")


@match_app.command("confirm")
def confirm_command(
    match: Match, reason: Reason, tie_out: TieOut = None, run: Run = None, who: Who = None, out: Out = _RUNS, store: Address = None
) -> None:  # fmt: skip
    """Confirm a suggested match: the next run takes it before every pass, while its lines and what is left over stand."""
    _decide(match, "confirmed", reason, tie_out, run, who, out, store)


@match_app.command("refuse")
def refuse_command(
    match: Match, reason: Reason, tie_out: TieOut = None, run: Run = None, who: Who = None, out: Out = _RUNS, store: Address = None
) -> None:  # fmt: skip
    """Refuse a suggested match: the next run does not match these lines so again."""
    _decide(match, "refused", reason, tie_out, run, who, out, store)


def _decide(
    match: str, verdict: Verdict, reason: str, tie_out: str | None, run: str | None, who: str | None, out: Path,
    store: str | None,
) -> None:  # fmt: skip
    from adapters.decide_work import decide
    from adapters.publish import find_run

    folder = find_run(out, run)
    with opened_store(out, store) as opened, opened.write() as session:
        decision = decide(session, acting(who), folder, match, verdict, reason, tie_out)
    typer.echo(f"Match {decision.match_id} is {verdict}, decision {decision.decision_id}; the next run goes by it.")


@match_app.command("revoke")
def revoke_command(
    decision: Annotated[int, typer.Argument(help="Number of the decision.")], reason: Reason, who: Who = None, out: Out = _RUNS,
    store: Address = None,
) -> None:  # fmt: skip
    """Take a decision on a match back; the next run matches as if it had not been made."""
    from adapters.store.match_decisions import revoke_match

    with opened_store(out, store) as opened, opened.write() as session:
        revoke_match(session, acting(who), decision, reason)
    typer.echo(f"Decision {decision} is taken back.")


@estimate_app.command("list")
def estimates_command(run: Run = None, out: Out = _RUNS, store: Address = None) -> None:
    """List the contract lines whose revenue rests on an estimate of their cost or hours, with the word last given on each."""
    from adapters.decide_work import estimates_of
    from adapters.publish import find_run
    from adapters.store.attestations import attestations, told
    from adapters.store.tables import Run as Entry

    folder = find_run(out, run)
    rows = estimates_of(folder).to_dicts()
    with opened_store(out, store) as opened, opened.read() as session:
        entry = session.get(Entry, folder.name)
        words = reversed([] if entry is None else attestations(session, entry.scope))
        said = {(each.contract_line_id, each.measure): each for each in words}
    for each in rows:
        known = each["estimate"] is not None
        estimate = told(each["estimate"], each["currency"], each["measure"]) if known else f"no estimate of its {each['measure']}"
        word = said.get((each["contract_line_id"], each["measure"]))
        stands = "never attested" if word is None else f"{word.amount:,.2f} attested by {word.said_by} as of {word.as_of}"
        typer.echo(f"{each['contract_line_id']:<20} {estimate}, of {each['estimated_on'] or 'the signing'}; {stands}")
    typer.echo(f"{len(rows)} lines.")


@estimate_app.command("attest")
def attest_command(
    line: Annotated[str, typer.Argument(help="Contract line.")],
    amount: Annotated[str, typer.Argument(help="The whole cost, or the hours, you stand behind: what the systems say.")],
    comment: Annotated[str, typer.Option(help="On what you base it.")] = "",
    run: Run = None,
    who: Who = None,
    out: Out = _RUNS,
    store: Address = None,
) -> None:
    """Attest the estimate at completion of a contract line (its cost or its hours) as of the run's day; the next run reads it."""
    from adapters.decide_work import attest
    from adapters.publish import find_run
    from adapters.store.attestations import told
    from engine.errors import UsageError

    try:
        exact = Decimal(amount.replace(",", ""))
    except InvalidOperation as error:
        raise UsageError(f"'{amount}' is not an amount.", "Write it as 120000.00.") from error
    folder = find_run(out, run)
    with opened_store(out, store) as opened, opened.write() as session:
        entry = attest(session, acting(who), folder, line, exact, comment)
    estimate = told(entry.amount, entry.currency, entry.measure)
    typer.echo(f"The estimate of {line}, {estimate}, is attested as of {entry.as_of}; the next run reads it.")
