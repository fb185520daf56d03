"""Telling people what is news after a run, and only that: by policy, once, to channels that may fail."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.store.audit import RUNNER, now, record
from adapters.store.database import Store
from adapters.store.tables import AlertSent, Case, CaseEvent, Run
from engine.errors import TieoutError, UsageError
from engine.findings import severity_rank
from engine.policy.kinds.alerts import AlertRule, AlertsPolicy, Channel
from engine.policy.kinds.cases import CasesPolicy, sla_state
from engine.policy.loaded import PolicySet

WAITING, SENDING, SENT, GIVEN_UP = "waiting", "sending", "sent", "given_up"

_WORDS: Final = {"new": "new", "worsened": "graver than before", "reopened": "back again", "sla_breached": "past the promised time"}
_EVENTS: Final = {"opened": "new", "worsened": "worsened", "reopened": "reopened"}
_AT_ONCE: Final = 3
_PAUSE: Final = 0.5

ABANDONED_AFTER: Final = dt.timedelta(hours=1)
"""When a claim is taken from a sender that never came back; no channel takes as long."""

Deliver = Callable[[Channel, str, str], None]
"""Bring a title and a body to a channel; raises UsageError or OSError when it cannot."""


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of news: what happened to which case."""

    news: str
    case: Case


def tell_news(store: Store, out: Path, run_id: str, policies: PolicySet, *, deliver: Deliver | None = None) -> list[str]:
    """Tell the channels of the alerts policy what a run brought, and what still waits for them; never stops a run.

    Returns what went wrong in sentences. A run is told once, whatever calls this again.
    """
    try:
        with store.write() as session:
            # Of two that publish the same run, the second waits here and finds it told.
            run = session.get(Run, run_id, with_for_update=True)
            policy = None if run is None else alerts_policy(policies, run.as_of)
            if run is None or policy is None:
                return []
            _queue(session, run, policy, policies)
        return send_waiting(store, out, policy, deliver=deliver)
    except TieoutError as error:
        return [f"The news was not told: {error.message}"]


def alerts_policy(policies: PolicySet, on: dt.date) -> AlertsPolicy | None:
    """Return the policy of alerts that holds on a run's day."""
    return policies.one_in_force(AlertsPolicy, on)


def news_of(session: Session, run: Run, policies: PolicySet) -> list[Item]:
    """Return what a run brought: cases opened, graver, back again, and promises broken since the run before.

    A case that another one explains is no news: its cause is.
    """
    if not run.moved_cases:
        return []
    query = sa.select(CaseEvent.action, Case).join(Case, Case.case_id == CaseEvent.case_id)
    query = query.where(CaseEvent.run_id == run.run_id, CaseEvent.action.in_(_EVENTS), Case.state == "open")
    found = [Item(_EVENTS[action], case) for action, case in session.execute(query).all()]
    return _in_order([*found, *_breached(session, run, policies)])


def _breached(session: Session, run: Run, policies: PolicySet) -> list[Item]:
    """Return the open cases whose promise is broken and was not when the run before left them.

    A case that came, or came back, with this run was not open before, however old it is; one that got graver is held to the promise
    it had. Another run of the same day tells nothing again.
    """
    policy, holidays = policies.one_in_force(CasesPolicy, run.as_of), policies.holidays()
    if policy is None:
        return []
    others = (Run.scope == run.scope, Run.moved_cases, Run.as_of <= run.as_of, Run.run_id != run.run_id)
    before = session.execute(sa.select(sa.func.max(Run.as_of)).where(*others)).scalar()
    query = sa.select(CaseEvent).where(CaseEvent.run_id == run.run_id, CaseEvent.action.in_(_EVENTS))
    happened = {each.case_id: each for each in session.execute(query).scalars()}
    open_ones = sa.select(Case).where(Case.scope == run.scope, Case.state == "open", Case.opened_on <= run.as_of)

    def is_breached(case: Case, day: dt.date, severity: str, amount: Decimal | None) -> bool:
        state, _ = sla_state(policy, severity, amount, case.opened_on, day, snoozed_until=case.snoozed_until, holidays=holidays)
        return state == "breached"

    def was_breached(case: Case) -> bool:
        event = happened.get(case.case_id)
        if before is None or (event is not None and event.action != "worsened"):
            return False
        said = {} if event is None else event.before or {}
        amount = case.amount if event is None else None if said.get("amount") is None else Decimal(str(said["amount"]))
        return is_breached(case, before, str(said.get("severity") or case.severity), amount)

    return [
        Item("sla_breached", case)
        for case in session.execute(open_ones).scalars()
        if is_breached(case, run.as_of, case.severity, case.amount) and not was_breached(case)
    ]


def _in_order(items: Sequence[Item]) -> list[Item]:
    def place(item: Item) -> tuple[int, Decimal, str, str]:
        return -severity_rank(item.case.severity), -abs(item.case.amount or Decimal(0)), item.case.case_id, item.news

    return sorted(items, key=place)


def _queue(session: Session, run: Run, policy: AlertsPolicy, policies: PolicySet) -> None:
    """Write down what each channel is to be told of a run, unless that was done before."""
    told = sa.select(AlertSent.alert_id).where(AlertSent.run_id == run.run_id)
    if session.execute(told.limit(1)).first() is not None:
        return
    items = news_of(session, run, policies)
    for channel in policy.channels:
        rules = [each for each in policy.alerts if channel.name in each.channels]
        mine = [each for each in items if any(_is_told(rule, each) for rule in rules)]
        if mine:
            title, body = message(run, mine, policy.lines)
            session.add(
                AlertSent(
                    run_id=run.run_id, channel=channel.name, news=_counted(mine)[:80], title=title, body=body, state=WAITING, at=now()
                )
            )  # fmt: skip


def _is_told(rule: AlertRule, item: Item) -> bool:
    if item.news not in rule.news or severity_rank(item.case.severity) < severity_rank(rule.severity_at_least):
        return False
    if rule.owner is not None and item.case.owner not in rule.owner:
        return False
    # An amount nobody knows may be any amount.
    return rule.amount_at_least is None or item.case.amount is None or abs(item.case.amount) >= rule.amount_at_least


def _counted(items: Sequence[Item]) -> str:
    counts = {word: sum(each.news == name for each in items) for name, word in _WORDS.items()}
    return ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)


def message(run: Run, items: Sequence[Item], lines: int) -> tuple[str, str]:
    """Return the title and text of what a run brought, in business terms: what, how much, for whom, what to do."""
    at_risk: dict[str, Decimal] = {}
    for case in {each.case.case_id: each.case for each in items}.values():
        if case.amount is not None and case.currency:
            at_risk[case.currency] = at_risk.get(case.currency, Decimal(0)) + abs(case.amount)
    money = " and ".join(f"{total:,.2f} {currency}" for currency, total in sorted(at_risk.items()))
    title = f"{run.scope}, {run.as_of}: {_counted(items)}" + (f"; {money} at risk" if money else "")
    told = []
    for each in items[:lines]:
        amount = "" if each.case.amount is None else f", {each.case.amount:,.2f} {each.case.currency or ''}".rstrip()
        told.append(f"- {each.case.severity}{amount}, {_WORDS[each.news]}: {each.case.message} For {each.case.owner or 'nobody'}.")
        if each.case.remedy:
            told.append(f"  What to do: {each.case.remedy}")
    if len(items) > lines:
        told.append(f"and {len(items) - lines:,} more: tieout case list")
    return title, "\n".join(told)


def send_waiting(
    store: Store, out: Path, policy: AlertsPolicy, *, deliver: Deliver | None = None, pause: Callable[[float], None] = time.sleep
) -> list[str]:  # fmt: skip
    """Send what waits, trying each channel a few times; what fails waits for the next run, until it is given up.

    Each alert is claimed in the store first, so that of two senders at once only one sends it. Returns what went wrong in sentences.
    """
    channels = {each.name: each for each in policy.channels}
    bring = deliver or (lambda channel, title, body: bring_to(channel, out, os.environ, title, body))
    wrong: list[str] = []
    with store.read() as session:
        found = list(session.execute(sa.select(AlertSent.alert_id).where(_free()).order_by(AlertSent.alert_id)).scalars())
    for alert_id in found:
        with store.write() as session:
            alert = _claimed(session, alert_id)
        if alert is None:
            continue
        channel = channels.get(alert.channel)
        problem = "the policy has no such channel any more" if channel is None else _tried(bring, channel, alert, pause)
        with store.write() as session:
            kept = session.get(AlertSent, alert_id)
            if kept is None or kept.state != SENDING:
                continue
            kept.tries, kept.last_error, kept.at = kept.tries + 1, problem, now()
            kept.state = SENT if problem is None else GIVEN_UP if channel is None or kept.tries >= policy.tries else WAITING
            record(session, RUNNER, f"alert.{kept.state}", alert.channel, {"run": alert.run_id, "news": alert.news, "problem": problem})
            if problem is not None:
                after = "it is given up" if kept.state == GIVEN_UP else "it is tried again with the next run, or by `tieout alert send`"
                wrong.append(f"The channel '{alert.channel}' was not told: {problem}; {after}.")
    return wrong


def _free() -> sa.ColumnElement[bool]:
    """Return whether an alert may be claimed: it waits, or its sender claimed it long ago and never came back."""
    abandoned = sa.and_(AlertSent.state == SENDING, AlertSent.at < now() - ABANDONED_AFTER)
    return sa.or_(AlertSent.state == WAITING, abandoned)


def _claimed(session: Session, alert_id: int) -> AlertSent | None:
    """Claim an alert for this sender alone; None when another one has it."""
    claim = sa.update(AlertSent).where(AlertSent.alert_id == alert_id, _free()).values(state=SENDING, at=now())
    if session.execute(claim.returning(AlertSent.alert_id)).first() is None:
        return None
    return session.get(AlertSent, alert_id)


def _tried(bring: Deliver, channel: Channel, alert: AlertSent, pause: Callable[[float], None]) -> str | None:
    problem = None
    for attempt in range(_AT_ONCE if channel.kind != "file" else 1):
        if attempt:
            pause(_PAUSE * attempt)
        try:
            bring(channel, alert.title, alert.body)
        except UsageError as error:
            return f"{error.message} {error.remedy}".rstrip(" .")
        except Exception as error:  # noqa: BLE001 - whatever a channel does, the run goes on and the log says what it was
            problem = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
        else:
            return None
    return problem


def bring_to(channel: Channel, out: Path, environment: Mapping[str, str], title: str, body: str) -> None:
    """Bring a message to a channel: a file gets it appended, the others through Apprise.

    Raises UsageError when the channel's address is missing or none, OSError when it does not take the message.
    """
    if channel.kind == "file":
        with (out / str(channel.to)).open("a", encoding="utf-8") as handle:
            handle.write(f"{title}\n{body}\n\n")
        return
    address = environment.get(str(channel.address_in), "").strip()
    if not address:
        raise UsageError(f"The environment variable {channel.address_in} is not set.", "Set it to the channel's address.")
    import apprise

    sender = apprise.Apprise()
    if not sender.add(_address(channel.kind, address)):
        raise UsageError(f"{channel.address_in} holds no address of the kind {channel.kind}.", "Correct it.")
    if not sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT):
        raise OSError("it did not take the message")


def _address(kind: str, address: str) -> str:
    """Return an address as Apprise reads it: a plain URL of a webhook is one that takes JSON."""
    scheme, separator, rest = address.partition("://")
    if kind == "webhook" and scheme in ("http", "https"):
        return f"{'json' if scheme == 'http' else 'jsons'}{separator}{rest}"
    return address
