"""Who is told what is news: channels, and which news goes to which of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pydantic

from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, RulePlace, Severity, Strict, Words, refuse_where
from engine.policy.sheets import Sheet
from engine.policy.source import Document

News = Literal["new", "worsened", "reopened", "sla_breached"]


class Channel(Strict):
    """Name a place that is told.

    `file`: a line is added to `to`, a file beside the runs. The others are addressed by the environment
    variable that `address_in` names, since an address is a secret: a webhook's URL, a mail account
    (`mailto://…`), the URL of an incoming webhook of Slack or Teams.
    """

    name: str = pydantic.Field(pattern=r"^[a-z][a-z0-9_-]*$")
    kind: Literal["file", "webhook", "email", "slack", "teams"]
    to: str | None = None
    address_in: str | None = pydantic.Field(default=None, pattern=r"^[A-Z][A-Z0-9_]*$")


class AlertRule(Strict):
    """Say which news is told to which channels: of these severities and above, of at least so much money."""

    id: str = pydantic.Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")
    says: str
    news: tuple[News, ...] = pydantic.Field(min_length=1)
    severity_at_least: Severity = "low"
    amount_at_least: Decimal | None = pydantic.Field(default=None, ge=0)
    owner: Words | None = None
    channels: Words


class AlertsPolicy(PolicyFile):
    """Who is told what is news after a run; `tries` is how often a failing channel is tried before it is given up."""

    policy: Literal["alerts"]
    channels: tuple[Channel, ...] = pydantic.Field(min_length=1)
    alerts: tuple[AlertRule, ...] = ()
    tries: int = pydantic.Field(default=5, ge=1, le=50)
    lines: int = pydantic.Field(default=10, ge=1, le=100)
    """How many exceptions a message names; the rest is counted."""


def check_alerts(policy: AlertsPolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check that channels and rules stand once, that rules name channels there are, and that each channel has its address."""
    found = refuse_where(policy, document)
    names: set[str] = set()
    for index, each in enumerate(policy.channels):
        place = ("channels", index)
        if each.name in names:
            found.append(document.diagnostic(codes.DUPLICATE_ID, (*place, "name"), f"the channel '{each.name}' is given twice"))
        names.add(each.name)
        if each.kind == "file" and not _is_beside(each.to):
            message = "a channel of the kind file needs `to`, the name of a file beside the runs"
            found.append(document.diagnostic(codes.INVALID_VALUE, place, message))
        if each.kind != "file" and (each.address_in is None or each.to is not None):
            message = f"a channel of the kind {each.kind} needs `address_in`, the environment variable that holds its address, and no `to`"
            found.append(document.diagnostic(codes.INVALID_VALUE, place, message))
    ids: set[str] = set()
    for index, rule in enumerate(policy.alerts):
        if rule.id in ids:
            found.append(document.diagnostic(codes.DUPLICATE_ID, ("alerts", index, "id"), f"the alert id '{rule.id}' is given twice"))
        ids.add(rule.id)
        for empty in ("channels", "owner"):
            if getattr(rule, empty) == ():
                message = f"the alert '{rule.id}' names no {empty.removesuffix('s')}, so nobody is ever told"
                found.append(document.diagnostic(codes.INVALID_VALUE, ("alerts", index, empty), message))
        for unknown in sorted(set(rule.channels) - names):
            message = f"there is no channel '{unknown}'; the channels are {', '.join(sorted(names))}"
            found.append(document.diagnostic(codes.INVALID_VALUE, ("alerts", index, "channels"), message))
    return found


def _is_beside(name: str | None) -> bool:
    """Say whether a name is that of a file in a folder, and of nowhere else."""
    return bool(name) and name is not None and not set(name) & set("/\\:") and name not in (".", "..")


def alert_rules(policy: AlertsPolicy, document: Document, _: Sheet | None) -> list[RulePlace]:
    """Return every alert with its place and sentence."""
    return [
        RulePlace(each.id, document.span_of(("alerts", index)), each.says, policy.reference) for index, each in enumerate(policy.alerts)
    ]
