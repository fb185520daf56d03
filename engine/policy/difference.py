"""What differs between two policy folders in meaning: rows by id, settings by name; what only moved is no change."""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.decision import Grid
from engine.decision.rules import NOTE_COLUMNS, REFERENCE_COLUMN, RULE_COLUMN
from engine.policy.kinds.table import TablePolicy, policy_grid
from engine.policy.loaded import LoadedPolicy, PolicySet

Did = Literal["added", "removed", "changed", "moved", "reworded"]

WORDING: Final = frozenset({"title", "note", "says", "reference", "remedy"})
"""Settings that are read by people alone: no decision and no amount follows from them."""

_OUTPUT: Final = re.compile(r"(?:->|→|out:)\s*", re.IGNORECASE)
_PART: Final = re.compile(r'"(?:[^"]|"")*"|[\[(][^\])]*[\])]|not\([^)]*\)|[^,]+')


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Say what became of one rule or setting of a policy.

    `subject` is `rule BT-040`, `setting cap.amount` or `policy`; `cells` hold for a changed rule
    each column with what it said and says, and for a setting its one value. `place` is file:line in
    the new folder, in the old one where the new has it no more.
    """

    policy: str
    kind: str
    version: dt.date
    subject: str
    did: Did
    place: str
    cells: tuple[tuple[str, str, str], ...] = ()

    @property
    def matters(self) -> bool:
        """Say whether a decision or an amount can follow from it."""
        return self.did != "reworded"

    def sentence(self) -> str:
        """Return the change as one sentence."""
        name = f"{self.policy}: {self.subject}"
        if self.did == "moved":
            return f"{name} stands in another place of the order ({self.place})."
        if self.did in ("added", "removed") and not self.cells:
            return f"{name} is {self.did} ({self.place})."
        told = "; ".join(f"{column or 'value'} {_shown(before)} → {_shown(after)}" for column, before, after in self.cells)
        return f"{name} is {self.did} ({self.place}): {told}."


def _shown(text: str) -> str:
    return text if text else "nothing"


def policy_changes(old: PolicySet, new: PolicySet) -> list[RuleChange]:
    """Return every change between two folders, by policy and version; none when they mean the same."""
    before, after = _by_key(old), _by_key(new)
    pairs = _paired(before, after)
    return [change for one, other in pairs for change in _changes(one, other)]


Key = tuple[str, str, dt.date]


def _by_key(policies: PolicySet) -> dict[Key, LoadedPolicy]:
    return {(each.policy.policy, each.policy.id, each.policy.effective_from): each for each in policies.policies}


def _paired(before: Mapping[Key, LoadedPolicy], after: Mapping[Key, LoadedPolicy]) -> list[tuple[LoadedPolicy | None, LoadedPolicy | None]]:
    """Return versions beside each other by their first day; a single version whose day changed is still the same."""
    pairs: dict[Key, tuple[LoadedPolicy | None, LoadedPolicy | None]] = {
        key: (before.get(key), after.get(key)) for key in {**before, **after}
    }
    for kind, name in {key[:2] for key in pairs}:
        gone = [key for key, (_, other) in pairs.items() if key[:2] == (kind, name) and other is None]
        come = [key for key, (one, _) in pairs.items() if key[:2] == (kind, name) and one is None]
        if len(gone) == len(come) == 1:
            pairs[come[0]] = pairs.pop(gone[0])[0], pairs[come[0]][1]
    return [pairs[key] for key in sorted(pairs)]


def _changes(old: LoadedPolicy | None, new: LoadedPolicy | None) -> Iterator[RuleChange]:
    if old is None or new is None:
        there = new or old
        assert there is not None
        policy = there.policy
        did: Did = "removed" if new is None else "added"
        yield RuleChange(policy.id, policy.policy, policy.effective_from, "policy", did, there.place("id"))
        return
    if old.fingerprint == new.fingerprint and old.document.source.text == new.document.source.text:
        return
    yield from _table_changes(old, new)
    yield from _setting_changes(old, new)


def _change(new: LoadedPolicy, subject: str, did: Did, place: str, cells: Sequence[tuple[str, str, str]] = ()) -> RuleChange:
    policy = new.policy
    return RuleChange(policy.id, policy.policy, policy.effective_from, subject, did, place, tuple(cells))


@dataclass(frozen=True, slots=True)
class _Row:
    cells: Mapping[str, str]
    place: str


def _rows(loaded: LoadedPolicy) -> dict[str, _Row]:
    if not isinstance(loaded.policy, TablePolicy):
        return {}
    grid, _ = policy_grid(loaded.policy, loaded.document, loaded.sheet)
    return {} if grid is None else _grid_rows(grid)


def _grid_rows(grid: Grid) -> dict[str, _Row]:
    names = [_OUTPUT.sub("-> ", cell.text) for cell in grid.header]
    if RULE_COLUMN not in names:
        return {}
    found: dict[str, _Row] = {}
    for row in grid.rows:
        cells = {name: cell.text for name, cell in zip(names, row, strict=False)}
        span = row[names.index(RULE_COLUMN)].span()
        found[cells.pop(RULE_COLUMN)] = _Row(cells, f"{span.file}:{span.line}")
    return found


def _table_changes(old: LoadedPolicy, new: LoadedPolicy) -> Iterator[RuleChange]:
    before, after = _rows(old), _rows(new)
    moved = _moved([name for name in before if name in after], [name for name in after if name in before])
    for name, row in after.items():
        if name not in before:
            cells = [(column, "", text) for column, text in row.cells.items() if plain_cell(text) != "-"]
            yield _change(new, f"rule {name}", "added", row.place, cells)
            continue
        columns = list(dict.fromkeys([*row.cells, *before[name].cells]))
        cells = [(each, before[name].cells.get(each, ""), row.cells.get(each, "")) for each in columns]
        changed = [each for each in cells if plain_cell(each[1]) != plain_cell(each[2])]
        worded = [each for each in changed if each[0] in (*NOTE_COLUMNS, REFERENCE_COLUMN)]
        meant = [each for each in changed if each not in worded]
        if meant:
            yield _change(new, f"rule {name}", "changed", row.place, meant)
        elif worded:
            yield _change(new, f"rule {name}", "reworded", row.place, worded)
        if name in moved:
            yield _change(new, f"rule {name}", "moved", row.place)
    for name, row in before.items():
        if name not in after:
            yield _change(old, f"rule {name}", "removed", row.place)


def plain_cell(text: str) -> str:
    """Return a cell's text so that cells which admit the same values are written the same."""
    text = " ".join(text.split())
    if text in ("", "-"):
        return "-"
    if text.startswith(("?", "{")):
        return text
    inner = re.fullmatch(r"not\((.*)\)", text)
    if inner is not None and "(" not in inner[1]:
        return f"not({plain_cell(inner[1])})"
    parts = [each.strip() for each in _PART.findall(text)]
    return ", ".join(sorted(each for each in parts if each))


def _moved(before: Sequence[str], after: Sequence[str]) -> set[str]:
    """Return the fewest rows that have to be put elsewhere to make one order of the other."""
    place = {name: number for number, name in enumerate(before)}
    # The longest run that keeps its order stays; the rest was moved.
    ends: list[int] = []
    chains: list[tuple[str, ...]] = []
    for name in after:
        spot = bisect_left(ends, place[name])
        chain = (*(chains[spot - 1] if spot else ()), name)
        ends[spot : spot + 1] = [place[name]]
        chains[spot : spot + 1] = [chain]
    return set(after) - set(chains[-1] if chains else ())


def _setting_changes(old: LoadedPolicy, new: LoadedPolicy) -> Iterator[RuleChange]:
    before, after = dict(_flat(old.document.value, (), ())), dict(_flat(new.document.value, (), ()))
    for name in dict.fromkeys([*after, *before]):
        was, now = before.get(name), after.get(name)
        if was is not None and now is not None and was[0] == now[0]:
            continue
        there, value = (new, now) if now is not None else (old, was)
        assert value is not None
        worded = name.rpartition(".")[2] in WORDING
        did: Did = "reworded" if worded else "added" if was is None else "removed" if now is None else "changed"
        cells = [("", "" if was is None else was[0], "" if now is None else now[0])]
        yield _change(there, f"setting {name}", did, there.place(*value[1]), cells)


def _flat(value: Any, path: tuple[str, ...], location: tuple[str | int, ...]) -> Iterator[tuple[str, tuple[str, tuple[str | int, ...]]]]:
    """Yield each setting by its dotted name; parts of a list are named by their id, not by their place."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            # The rows of a table are compared as rows, wherever they are kept.
            if path or not (name == "rules_file" or (name == "rules" and isinstance(each, str))):
                yield from _flat(each, (*path, str(name)), (*location, name))
        return
    if isinstance(value, list) and value and all(isinstance(each, Mapping) and _name_of(each) for each in value):
        for index, each in enumerate(value):
            yield from _flat(each, (*path, str(_name_of(each))), (*location, index))
        return
    yield ".".join(path), (_text(value), location)


def _name_of(value: Mapping[str, Any]) -> Any:
    return value.get("id") or value.get("name") or value.get("person")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(str(value).split()) if value is not None else "null"
