"""Revenue of a contract through all its changes, replayed for every day that is asked: exact fractions, one promise at a time.

It knows nothing of the engine. Where `oracle.revenue` tells two shapes of contract, this one takes promises of every measure
through additions, changes that are distinct or not, removals and new estimates, in any order.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tests.oracle.revenue import DAY, Steps, value_on

NOTHING, ALL = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Promised:
    """Hold a promise: served by the day from `begins` to `ends`, or as far as `done` of `whole` is reported (`is_timed` false)."""

    name: str
    amount: Fraction
    standalone: Fraction
    is_timed: bool
    begins: dt.date
    ends: dt.date
    done: Steps = ()
    whole: Steps = ()


@dataclass(frozen=True)
class Change:
    """Hold what an amendment does to one promise: its price after it, what it adds to the standalone price; `added`: what it brings."""

    name: str
    amount: Fraction
    adds_standalone: Fraction = NOTHING
    ends: dt.date | None = None
    is_distinct: bool = True
    is_removal: bool = False
    added: Promised | None = None


@dataclass(frozen=True)
class Contract:
    """Hold promises that share a price, what is expected on top (of all of them, or of one), and amendments by their day."""

    signed: dt.date
    promises: Sequence[Promised]
    shared: Steps = ()
    own: Mapping[str, Steps] = field(default_factory=dict)
    amendments: Sequence[tuple[dt.date, Sequence[Change]]] = ()

    def earned(self, day: dt.date) -> dict[str, Fraction]:
        """Return what each promise has earned by a day."""
        return {name: state.closed + state.rest * state.part(day) for name, state in _replayed(self, day).items()}


@dataclass
class _State:
    """Hold a promise on a day: what is closed, what is left to earn from `since` on, and the part of its life that is closed."""

    promise: Promised
    rest: Fraction
    standalone: Fraction
    amount: Fraction
    ends: dt.date
    closed: Fraction = NOTHING
    lived: Fraction = NOTHING
    since: dt.date | None = None
    level: Fraction = NOTHING
    contract: dt.date | None = None
    is_gone: bool = False

    def part(self, day: dt.date) -> Fraction:
        """Return the part of what was left at the last new start that is served by the end of a day."""
        if self.is_gone:
            return ALL
        if self.promise.is_timed:
            start = max(self.since or self.promise.begins, self.promise.begins)
            days = (self.ends - start).days + 1
            return ALL if days <= 0 else Fraction(min(max((day - start).days + 1, 0), days), days)
        before = value_on(self.promise.done, self.since - DAY) if self.since else NOTHING
        done = value_on(self.promise.done, day)
        left = max(value_on(self.promise.whole, day), done) - before
        return min((done - before) / left, ALL) if left > 0 else ALL if done else NOTHING

    def start_anew(self, day: dt.date, rest: Fraction) -> None:
        """Close what is earned before the day; earn the rest by what remains."""
        part = self.part(day - DAY)
        self.closed += self.rest * part
        self.lived += (1 - self.lived) * part
        self.rest, self.since = rest, day


def _replayed(contract: Contract, day: dt.date) -> dict[str, _State]:
    """Return every promise on a day, with the estimates of that day: a new one is shared as at inception (606-10-32-43, 32-45)."""
    price = sum((each.amount for each in contract.promises), value_on(contract.shared, day))
    whole = sum(each.standalone for each in contract.promises)
    states = {
        each.name: _State(each, price * each.standalone / whole, each.standalone, each.amount, each.ends) for each in contract.promises
    }
    for since, changes in contract.amendments:
        if since > day:
            break
        _estimated(contract, states, since)
        _amended(states, since, changes)
    _estimated(contract, states, day)
    return states


def _estimated(contract: Contract, states: Mapping[str, _State], day: dt.date) -> None:
    """Give what is expected of one promise wholly to it; the part of its life that is closed earned it already (32-40, 32-44)."""
    for name, state in states.items():
        level = value_on(contract.own.get(name, ()), day)
        step, state.level = level - state.level, level
        state.closed += step * state.lived
        state.rest += step * (1 - state.lived)


def _amended(states: dict[str, _State], day: dt.date, changes: Sequence[Change]) -> None:
    """Apply an amendment: a contract of its own, or the pool of what remains and a catch-up beside it (25-12, 25-13)."""
    only = changes[0]
    if len(changes) == 1 and only.added and only.amount == only.added.standalone:
        states[only.name] = _begun(only, only.amount, day)
        return
    parts = {name: state.part(day - DAY) for name, state in states.items()}
    touched = {states[each.name].contract for each in changes if not each.added}
    open_as_signed = any(state.contract is None and parts[name] < 1 for name, state in states.items())
    reached = touched or ({None} if open_as_signed else {state.contract for state in states.values()})
    of = None if None in reached else min(each for each in reached if each is not None)
    behind = {each.name for each in changes if not (each.is_distinct or each.added)}
    ahead = {name: NOTHING for name, state in states.items() if state.contract in reached and parts[name] < 1 and name not in behind}
    prices = {name: state.standalone * (1 - parts[name]) for name, state in states.items()}
    for each in changes:
        if each.added:
            states[each.name] = _begun(each, NOTHING, of)
            prices[each.name], parts[each.name], ahead[each.name] = each.added.standalone, NOTHING, each.amount
            continue
        state = states[each.name]
        step, state.amount = each.amount - state.amount, each.amount
        state.is_gone = each.is_removal
        if each.name in behind:
            state.rest += step
            state.standalone += each.adds_standalone
            state.ends = each.ends or state.ends
            continue
        prices[each.name] = NOTHING if each.is_removal else prices[each.name] + each.adds_standalone
        ahead[each.name] = ahead.get(each.name, NOTHING) + step
        if each.is_removal:
            state.closed, state.rest, state.lived = state.closed + state.rest * parts[each.name], state.rest * (1 - parts[each.name]), ALL
            parts[each.name] = NOTHING
    if len(behind) < len(changes):
        _pooled(states, day, ahead, prices, parts)
    for each in changes:
        if each.ends and each.name not in behind and not each.added:
            states[each.name].ends = each.ends


def _begun(change: Change, rest: Fraction, contract: dt.date | None) -> _State:
    assert change.added is not None
    return _State(change.added, rest, change.added.standalone, change.amount, change.added.ends, contract=contract)


def _pooled(
    states: Mapping[str, _State], day: dt.date, ahead: Mapping[str, Fraction], prices: Mapping[str, Fraction], parts: Mapping[str, Fraction]
) -> None:
    """Share what is not yet earned, with what changes (`ahead`), by what the remainders cost standalone (25-13(a)).

    What is expected of one promise alone stays with it, as far as it goes on (32-40).
    """
    own = {
        name: NOTHING if states[name].is_gone else states[name].level * (1 - states[name].lived) * (1 - parts[name]) for name in ahead
    }
    loose = {name: states[name].rest * (1 - parts[name]) + step - own[name] for name, step in ahead.items()}
    whole = sum(prices[name] for name in ahead)
    pool = sum(loose.values())
    for name in ahead:
        state = states[name]
        share = own[name] + (pool * prices[name] / whole if whole else loose[name])
        if state.is_gone:
            # Nothing of it is left that could earn what no other promise takes.
            state.rest = share
            continue
        if parts[name] == 1 and not prices[name]:
            # Nothing of it is left to start anew: what changes is the price of what was done, and its measure goes on.
            state.rest += share
            continue
        state.start_anew(day, share)
        state.standalone = prices[name] if whole else state.standalone
