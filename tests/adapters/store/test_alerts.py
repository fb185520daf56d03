"""Only what is news is told, once, to every channel that is to know; a channel that fails stops nothing."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.alerts import ABANDONED_AFTER, bring_to, send_waiting, tell_news
from adapters.store.audit import now
from adapters.store.database import Store
from adapters.store.runs import register_run
from adapters.store.tables import AlertSent, AuditEntry
from engine.errors import UsageError
from engine.policy.kinds.alerts import AlertsPolicy, Channel
from engine.policy.load import load_policies
from engine.policy.loaded import PolicySet
from engine.policy.source import SourceText

HEAD = "title: t\nowner: o\neffective_from: 2026-01-01\n"
ALERTS = (
    "policy: alerts\nid: alerts\n" + HEAD + "channels:\n  - {name: log, kind: file, to: alerts.log}\n"
    "  - {name: team, kind: slack, address_in: SLACK}\ntries: 2\nlines: 1\nalerts:\n"
    "  - {id: A1, says: grave, news: [new, worsened, reopened, sla_breached], severity_at_least: high, channels: [log]}\n"
    "  - {id: A2, says: much, news: [new], amount_at_least: 150, channels: [team]}\n"
)
CASES = "policy: cases\nid: cases\n" + HEAD + "sla:\n  - {severity: high, within: 2 workdays}\n"


def policies(text: str = ALERTS) -> PolicySet:
    found, diagnostics = load_policies([SourceText("alerts.yaml", text), SourceText("cases.yaml", CASES)], [])
    assert not [each.message for each in diagnostics if each.is_error]
    return found


class Told:
    """Channels that note what they are told, or refuse it."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []
        self.down = False

    def __call__(self, channel: Channel, title: str, body: str) -> None:
        if self.down:
            raise OSError("no route to host")
        self.messages.append((channel.name, title, body))


@pytest.fixture
def told() -> Told:
    return Told()


def run_night(store: Store, folder: Path, told: Told) -> list[str]:
    with store.write() as session:
        register_run(session, folder)
    return tell_news(store, folder.parent, folder.name, policies(), deliver=told)


def test_a_night_tells_what_is_new_and_what_got_worse_and_nothing_twice(store: Store, night: Any, told: Told) -> None:
    first = night("r1", "2026-01-30", A={}, B={"severity": "low"}, C={"amount_at_risk": Decimal(200), "severity": "low"})
    assert run_night(store, first, told) == []
    assert [(name, title.partition(": ")[2]) for name, title, _ in told.messages] == [
        ("log", "1 new"), ("team", "1 new"),
    ]  # fmt: skip
    assert "A is not billed." in told.messages[0][2]
    assert "C is not billed." in told.messages[1][2]
    assert tell_news(store, first.parent, "r1", policies(), deliver=told) == []
    assert len(told.messages) == 2
    run_night(store, night("r2", "2026-01-31", A={}, B={"severity": "low"}, C={"amount_at_risk": Decimal(200), "severity": "low"}), told)
    assert len(told.messages) == 2
    run_night(store, night("r3", "2026-02-01", A={"amount_at_risk": Decimal(900)}, B={"severity": "high"}), told)
    assert told.messages[2][1].endswith("2 graver than before")
    assert "and 1 more: tieout case list" in told.messages[2][2]


def test_a_broken_promise_is_told_on_the_night_it_breaks(store: Store, night: Any, told: Told) -> None:
    for run_id, day in (("r1", "2026-01-26"), ("r2", "2026-01-28"), ("r3", "2026-01-29"), ("r4", "2026-01-30")):
        run_night(store, night(run_id, day, A={}), told)
    assert [title.partition(", ")[2] for _, title, _ in told.messages] == ["2026-01-26: 1 new", "2026-01-29: 1 past the promised time"]


def test_what_is_found_late_is_told_as_broken_and_no_run_of_the_same_day_tells_it_again(store: Store, night: Any, told: Told) -> None:
    late = "alerts:\n  - {id: A1, says: late, news: [sla_breached], channels: [log]}\n"
    policy = policies(ALERTS[: ALERTS.index("alerts:\n  -")] + late)

    def one(run_id: str, day: str, **findings: dict[str, Any]) -> None:
        folder = night(run_id, day, **findings)
        with store.write() as session:
            register_run(session, folder)
        tell_news(store, folder.parent, folder.name, policy, deliver=told)

    old = {"since": dt.date(2026, 1, 5)}
    one("r1", "2026-01-28", B={"since": dt.date(2026, 1, 27)}, C={"severity": "low", "since": dt.date(2026, 1, 5)})
    # A is three weeks old when it is first seen; C was promised nothing while it was low, and is late once it is high.
    one("r2", "2026-01-29", A=old, B={"since": dt.date(2026, 1, 27)}, C={"since": dt.date(2026, 1, 5)})
    one("r3", "2026-01-29", A=old, B={"since": dt.date(2026, 1, 27)}, C={"since": dt.date(2026, 1, 5)})
    assert [title.partition(", ")[2].partition(";")[0] for _, title, _ in told.messages] == ["2026-01-29: 2 past the promised time"]
    # B's two workdays are over on the 30th; it is the only news.
    one("r4", "2026-01-30", A=old, B={"since": dt.date(2026, 1, 27)}, C={"since": dt.date(2026, 1, 5)})
    assert [title.partition(", ")[2].partition(";")[0] for _, title, _ in told.messages[1:]] == ["2026-01-30: 1 past the promised time"]


@pytest.mark.parametrize(("amount", "is_told"), [("149.999999", False), ("150", True), ("-150", True)])
def test_an_amount_is_told_from_its_bound_on(store: Store, night: Any, told: Told, amount: str, is_told: bool) -> None:
    run_night(store, night("r1", "2026-01-30", A={"amount_at_risk": Decimal(amount), "severity": "low"}), told)
    assert [name for name, _, _ in told.messages] == (["team"] if is_told else [])


def test_nobody_is_told_by_a_policy_that_has_not_begun_or_has_ended(store: Store, night: Any, told: Told) -> None:
    for number, (days, count) in enumerate((("2026-02-01", 0), ("2026-01-01\neffective_to: 2026-01-29", 0), ("2026-01-30", 1))):
        folder = night(f"r{number}", "2026-01-30", **{f"T{number}": {}})
        with store.write() as session:
            register_run(session, folder)
        tell_news(store, folder.parent, folder.name, policies(ALERTS.replace("2026-01-01", days)), deliver=told)
        assert len(told.messages) == count


def test_a_channel_that_fails_is_tried_again_and_given_up_and_never_stops_a_run(store: Store, night: Any, told: Told) -> None:
    told.down = True
    wrong = run_night(store, night("r1", "2026-01-30", A={}), told)
    assert wrong == ["The channel 'log' was not told: OSError: no route to host; it is tried again with the next run, or by `tieout alert send`."]  # noqa: E501
    policy = policies().of_kind(AlertsPolicy)[0][1]
    pauses: list[float] = []
    assert "given up" in send_waiting(store, Path(), policy, deliver=told, pause=pauses.append)[0]
    told.down = False
    assert send_waiting(store, Path(), policy, deliver=told) == []
    with store.read() as session:
        assert [(each.state, each.tries) for each in session.execute(sa.select(AlertSent)).scalars()] == [("given_up", 2)]
        actions = [each.action for each in session.execute(sa.select(AuditEntry).order_by(AuditEntry.sequence)).scalars()]
        assert actions[1:] == ["alert.waiting", "alert.given_up"]


def test_a_channel_that_works_again_is_told_late(store: Store, night: Any, told: Told) -> None:
    told.down = True
    run_night(store, night("r1", "2026-01-30", A={}), told)
    told.down = False
    run_night(store, night("r2", "2026-01-31", A={}), told)
    assert [title.partition(", ")[2] for _, title, _ in told.messages] == ["2026-01-30: 1 new"]


def test_of_two_senders_at_once_one_sends(store: Store, night: Any, told: Told) -> None:
    told.down = True
    run_night(store, night("r1", "2026-01-30", T1={"amount_at_risk": Decimal(200)}), told)
    policy = policies().of_kind(AlertsPolicy)[-1][1]
    told.down = False

    def slow(channel: Channel, title: str, body: str) -> None:
        # While this one sends, another sender looks for what waits, and finds only what is free.
        send_waiting(store, Path(), policy, deliver=told)
        told(channel, title, body)

    assert not send_waiting(store, Path(), policy, deliver=slow)
    assert sorted(name for name, _, _ in told.messages) == ["log", "team"]


def test_an_alert_whose_sender_never_came_back_is_sent_by_the_next(store: Store, night: Any, told: Told) -> None:
    told.down = True
    run_night(store, night("r1", "2026-01-30", T1={}), told)
    told.down = False
    policy = policies().of_kind(AlertsPolicy)[-1][1]
    for age, sent in ((ABANDONED_AFTER / 2, 0), (ABANDONED_AFTER * 2, 1)):
        with store.write() as session:
            session.execute(sa.update(AlertSent).values(state="sending", at=now() - age))
        send_waiting(store, Path(), policy, deliver=told)
        assert len(told.messages) == sent


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook on this machine, and what it was sent."""
    sent: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if self.path == "/ok" else 500)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()


def test_a_webhook_is_told_through_the_library(endpoint: tuple[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    address, sent = endpoint
    channel = Channel(name="hook", kind="webhook", address_in="HOOK")
    bring_to(channel, tmp_path, {"HOOK": f"{address}/ok"}, "Two new", "<b>text</b>")
    assert (sent[0]["title"], sent[0]["message"]) == ("Two new", "<b>text</b>")
    with pytest.raises(OSError, match="did not take"):
        bring_to(channel, tmp_path, {"HOOK": f"{address}/broken"}, "t", "b")


def test_a_file_gets_it_added_and_a_missing_address_is_told(tmp_path: Path) -> None:
    for each in ("one", "two"):
        bring_to(Channel(name="log", kind="file", to="alerts.log"), tmp_path, {}, each, "body")
    assert (tmp_path / "alerts.log").read_text(encoding="utf-8") == "one\nbody\n\ntwo\nbody\n\n"
    for environment, message in (({}, "is not set"), ({"MAIL": "nowhere"}, "no address of the kind email")):
        with pytest.raises(UsageError, match=message):
            bring_to(Channel(name="m", kind="email", address_in="MAIL"), tmp_path, environment, "t", "b")


@pytest.mark.parametrize(
    "text",
    [
        ALERTS.replace("[team]", "[nobody]"), ALERTS.replace("to: alerts.log", "to: ../alerts.log"),
        ALERTS.replace("address_in: SLACK", "to: x"), ALERTS.replace("name: team", "name: log"), ALERTS.replace("id: A2", "id: A1"),
        ALERTS.replace("news: [new]", "news: []"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_a_mistake_in_the_policy(text: str) -> None:
    _, diagnostics = load_policies([SourceText("alerts.yaml", text)], [])
    assert [each for each in diagnostics if each.is_error]
