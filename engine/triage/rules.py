"""Step two: the rules, chained over the facts by durable_rules. The only module that imports it.

Facts are asserted one at a time, in order, in the caller's thread; the library's background timers
never start, so that the same facts give the same conclusions. Every limit that was measured in it is
kept: no batch, no comparison of texts, whole numbers only, a rule that catches every fact, names
never used twice, what fails inside a rule is looked for after each fact.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import durable_rules_engine as native
from durable.engine import Host, MessageObservedException

from engine.errors import TieoutError
from engine.triage.rollup import Conclusion, Gathered, cause_group

_NAMES: Final = itertools.count(1)
_LAST: Final = 1_000_000
# A fact whose id has the same hash as another's is refused; with another id it is taken.
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Concluded:
    """One conclusion reached: by which of them, from which fact (or cause) to which."""

    conclusion: Conclusion
    start: str | None
    explained: str


class _QuietHost(Host):  # type: ignore[misc]
    """A host whose endless timers never start."""

    def _run(self) -> None:
        return


def conclude(gathered: Gathered) -> list[Concluded]:
    """Return everything the rules conclude from the facts, in a stable order.

    A rule that concludes a cause makes a fact of it, on which other rules go on. `start` and
    `explained` are ids of facts, or `cause <finding or fact id>`.
    """
    if not gathered.facts or not gathered.conclusions:
        return []
    return _Session(gathered).run()


class _Session:
    """One set of rules and the facts asserted to it."""

    def __init__(self, gathered: Gathered) -> None:
        self.gathered = gathered
        self.found: dict[tuple[str, str | None, str], Concluded] = {}
        self.waiting: deque[dict[str, Any]] = deque(gathered.facts)
        self.asserted: set[tuple[str, str]] = set()
        self.named: dict[str, str] = {}
        self.wanted = {each for one in gathered.conclusions for each in (one.start, one.explained) if each and each.startswith("cause ")}
        self.name = f"triage{next(_NAMES)}"

    def run(self) -> list[Concluded]:
        host = _QuietHost({self.name: self._ruleset()})
        try:
            while self.waiting:
                self._assert(host, self.waiting.popleft())
        finally:
            native.delete_ruleset(host.get_ruleset(self.name)._handle)
        order = sorted(self.found, key=lambda each: (each[0], each[1] or "", each[2]))
        return [self.found[each] for each in order]

    def _assert(self, host: Host, fact: dict[str, Any]) -> None:
        given = fact["id"]
        for attempt in range(_TRIES):
            known = given if attempt == 0 else f"{given}~{attempt}"
            self.named[known] = given
            try:
                state = host.assert_fact(self.name, {**fact, "id": known})
            except MessageObservedException:
                continue
            if state is not None and state.get("exception"):
                raise TieoutError(f"A triage rule failed: {state['exception']}", "Report this with the snapshot's manifest.")
            return
        raise TieoutError("The triage rules refused a fact.", "Report this with the snapshot's manifest.")

    def _ruleset(self) -> dict[str, Any]:
        rules: dict[str, Any] = {}
        for place, each in enumerate(self.gathered.conclusions):
            rules[f"c{place}"] = {"all": _conditions(each), "pri": place + 1, "run": self._action(each)}
        rules["rest"] = {"all": [{"m": {"any": 1}}], "pri": _LAST, "run": lambda _: None}
        return rules

    def _action(self, conclusion: Conclusion) -> Callable[[Any], None]:
        def run(closure: Any) -> None:
            met = closure._m
            start = self.named[met["a"]["id"]] if "a" in met else None
            explained = self.named[met["b"]["id"]]
            self.found.setdefault((conclusion.name, start, explained), Concluded(conclusion, start, explained))
            self._go_on(conclusion, explained if start is None else start)

        return run

    def _go_on(self, conclusion: Conclusion, start: str) -> None:
        """Let the cause that was concluded be a fact, once for everything other rules may share with it."""
        cause = conclusion.rule.cause
        if start.startswith("cause ") or (cause, start) in self.asserted:
            return
        self.asserted.add((cause, start))
        for same, keys in self.gathered.of_cause.items():
            group = cause_group(cause, same)
            if group not in self.wanted:
                continue
            heads = self.gathered.members[start]
            for head in heads if conclusion.start is not None else heads[:1]:
                for number, key in enumerate(keys.get(head, [])):
                    name = head if conclusion.start is not None else start
                    self.waiting.append({"id": f"cause {name} {'+'.join(same)} {number}", "any": 1, "group": group, "key": key, "count": 1})


def _conditions(each: Conclusion) -> list[dict[str, Any]]:
    if each.start is None:
        assert each.rule.gather is not None, "a rule without a start gathers"
        return [{"b": {"$and": [{"group": each.explained}, {"$gte": {"count": each.rule.gather.at_least}}]}}]
    assert each.part is not None, "a rule with a start explains something"
    tests: list[dict[str, Any]] = [{"group": each.explained}, {"key": {"a": "key"}}]
    if each.part.at_least > 1:
        tests.append({"$gte": {"count": each.part.at_least}})
    if each.part.after:
        tests.append({"$gt": {"day": {"a": "day"}}})
    if each.part.amount == "equal":
        tests += [{"cents": {"a": "cents"}}, {"currency": {"a": "currency"}}]
    return [{"a": {"group": each.start}}, {"b": {"$and": tests}}]
