"""Cases back to an author's words: a record as a sentence, a set of cases as a cell."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from engine.condition.scope import Category
from engine.decision.cells import Literal
from engine.decision.proof.universe import Axis
from engine.decision.proof.values import ANOTHER, Stretch


def record_words(axes: Sequence[Axis], cases: Sequence[int], boxes: Sequence[int] | None = None) -> str:
    """Return `a record with status draft, billable missing and age_days 121`.

    Inputs that no rule asks for are left out, and with `boxes` (bits) those whose every case is meant.
    """
    told = [
        axis.cases[place].words(axis.input.name)
        for number, (axis, place) in enumerate(zip(axes, cases, strict=True))
        if len({case.rules for case in axis.cases}) > 1 and (boxes is None or boxes[number] != axis.everything)
    ]
    if not told:
        return "any record"
    return "a record with " + (told[0] if len(told) == 1 else ", ".join(told[:-1]) + " and " + told[-1])


def cell_words(axis: Axis, cases: int) -> str | None:
    """Return a cell that admits exactly these cases (bits); None when no cell can say it."""
    if cases == axis.everything:
        return "-"
    chosen = [case for place, case in enumerate(axis.cases) if cases >> place & 1]
    if any(case.beside for case in axis.cases):
        return None
    taken = [case.stretch for case in chosen if case.stretch.value is not None]
    null = ["null"] if len(taken) < len(chosen) else []
    known = [case.stretch for case in axis.cases if case.stretch.value is not None]
    if not taken:
        return "null"
    if len(taken) == len(known):
        return "not(null)"
    if axis.input.type.category is Category.BOOL:
        return ", ".join([*(each.words() for each in taken), *null])
    if axis.input.type.values or any(each.value == ANOTHER for each in known):
        left = [each for each in known if each not in taken]
        many = any(each.value == ANOTHER for each in taken) or len(left) < len(taken)
        listed = ", ".join(_written(each.value) for each in (left if many else taken))
        return ", ".join([f"not({listed})" if many else listed, *null])
    return ", ".join([*_runs(known, taken), *null])


def _runs(known: Sequence[Stretch], taken: Sequence[Stretch]) -> list[str]:
    """Return consecutive stretches as bounds and intervals."""
    found: list[str] = []
    run: list[Stretch] = []
    for each in [*known, None]:
        if each is not None and each in taken:
            run.append(each)
            continue
        if run:
            found.append(_interval(run[0], run[-1]))
        run = []
    return found


def _interval(first: Stretch, last: Stretch) -> str:
    if first is last and first.is_point:
        return _written(first.value)
    if first.low is None:
        return f"{'<=' if last.is_point else '<'} {_written(last.high)}"
    if last.high is None:
        return f"{'>=' if first.is_point else '>'} {_written(first.low)}"
    return f"{'[' if first.is_point else '('}{_written(first.low)}..{_written(last.high)}{']' if last.is_point else ')'}"


def _written(value: Literal | None) -> str:
    if isinstance(value, str):
        plain = value.replace("_", "").replace("-", "").replace(" ", "").isalnum() and value == value.strip() and value != "null"
        return value if plain and not value.startswith("-") else '"' + value.replace('"', '""') + '"'
    return str(value) if not isinstance(value, Decimal) else f"{value.normalize():f}"
