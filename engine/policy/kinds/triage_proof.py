"""Static problems of all triage rules together: what can never fire, goes in circles, or contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.diagnostics import Code, Diagnostic, Span
from engine.policy import codes
from engine.policy.kinds.triage import Explained, Symptom, TriagePolicy, TriageRule
from engine.policy.loaded import LoadedPolicy
from engine.policy.names import near

MAX_RULES: Final = 400
"""More conclusions than this the rule engine does not take safely (it stops at about 500 of one shape)."""

MAX_COMPARISONS: Final = 60
"""So many conclusions may compare a day or a count; the rule engine takes 64 for one fact."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """Hold a rule with where it stands."""

    loaded: LoadedPolicy
    policy: TriagePolicy
    index: int
    rule: TriageRule

    def diagnostic(self, code: Code, part: Sequence[str | int], message: str, *related: Span) -> Diagnostic:
        item = self.loaded.document.diagnostic(code, ("rules", self.index, *part), message)
        return Diagnostic(item.code, item.span, item.message, item.line_text, item.remedy, related)

    @property
    def span(self) -> Span:
        return self.loaded.document.span_of(("rules", self.index))


def prove_triage(policies: Sequence[tuple[LoadedPolicy, TriagePolicy]]) -> list[Diagnostic]:
    """Return what is wrong with the triage rules taken together, each with its smallest broken example."""
    placed = [_Placed(loaded, policy, index, rule) for loaded, policy in policies for index, rule in enumerate(policy.rules)]
    if not placed:
        return []
    return [*_too_many(placed), *_unknown_causes(placed), *_cycles(placed), *_never(placed), *_conflicts(placed)]


def _too_many(placed: list[_Placed]) -> Iterator[Diagnostic]:
    conclusions = sum(max(len(each.rule.explains), 1) for each in placed)
    compared = sum(part.after or part.at_least > 1 for each in placed for part in each.rule.explains)
    compared += sum(each.rule.gather is not None for each in placed)
    if conclusions > MAX_RULES:
        message = f"the triage rules make {conclusions} conclusions; at most {MAX_RULES} are safe"
        yield placed[-1].diagnostic(codes.TRIAGE_TOO_LARGE, ("id",), message)
    if compared > MAX_COMPARISONS:
        message = f"{compared} conclusions compare a day or a number; at most {MAX_COMPARISONS} are safe"
        yield placed[-1].diagnostic(codes.TRIAGE_TOO_LARGE, ("id",), message)


def _unknown_causes(placed: list[_Placed]) -> Iterator[Diagnostic]:
    """A rule waits for a cause that no rule begins."""
    begun = {each.rule.cause for each in placed if each.rule.root is None or each.rule.root.cause is None}
    for each in placed:
        waits: list[tuple[tuple[str | int, ...], str | None]] = []
        if each.rule.root is not None:
            waits.append((("root", "cause"), each.rule.root.cause))
        waits += [(("explains", number, "cause"), part.cause) for number, part in enumerate(each.rule.explains)]
        for place, name in waits:
            if name is not None and name not in begun:
                message = f"the rule can never fire: no rule begins the cause '{name}'{near(name, begun)}"
                yield each.diagnostic(codes.TRIAGE_UNREACHABLE, place, message)
    yield from _not_shared(placed)


def _not_shared(placed: list[_Placed]) -> Iterator[Diagnostic]:
    """A cause that findings are gathered to has only what they were gathered by."""
    gathered = {each.rule.cause: each.rule.gather.per for each in placed if each.rule.gather is not None}
    for each in placed:
        for number, part in enumerate(each.rule.explains):
            waited = part.cause if part.cause is not None else each.rule.root.cause if each.rule.root is not None else None
            if waited in gathered and not set(part.same) <= set(gathered[waited]):
                message = f"the rule can never fire: '{waited}' is gathered by {', '.join(gathered[waited])}, not by {', '.join(part.same)}"
                yield each.diagnostic(codes.TRIAGE_UNREACHABLE, ("explains", number, "same"), message)


def _cycles(placed: list[_Placed]) -> Iterator[Diagnostic]:
    """Causes that explain each other in a circle."""
    edges: dict[str, dict[str, _Placed]] = {}
    for each in placed:
        for part in each.rule.explains:
            if part.cause is not None:
                edges.setdefault(each.rule.cause, {}).setdefault(part.cause, each)
    told: set[frozenset[str]] = set()
    for start in sorted(edges):
        path = _way_back(edges, start)
        if path is not None and frozenset(path) not in told:
            told.add(frozenset(path))
            example = " explains ".join([*path, start])
            first, *others = [edges[one][other] for one, other in zip(path, [*path[1:], start], strict=True)]
            yield first.diagnostic(codes.TRIAGE_CYCLE, ("id",), f"the causes go in a circle: {example}", *[each.span for each in others])
    yield from _symptom_cycles(placed)


def _symptom_cycles(placed: list[_Placed]) -> Iterator[Diagnostic]:
    """Rules that begin with what another one explains, and explain what that one begins with: each could be the other's cause."""
    by_place = dict(enumerate(placed))
    roots = [_root(each)[0] for each in placed]
    edges: dict[str, dict[str, _Placed]] = {}
    for place, one in by_place.items():
        explained = [one.policy.symptoms.get(part.symptom) for part in one.rule.explains if part.symptom is not None]
        for other, root in enumerate(roots):
            if root is not None and any(each is not None and _can_be(each, root) for each in explained):
                edges.setdefault(str(place), {})[str(other)] = one
    told: set[frozenset[str]] = set()
    for start in sorted(edges, key=int):
        path = _way_back(edges, start)
        if path is not None and frozenset(path) not in told:
            told.add(frozenset(path))
            rules = [by_place[int(each)] for each in path]
            example = " explains what starts ".join(each.rule.id for each in [*rules, rules[0]])
            message = f"the rules go in a circle: {example}"
            yield rules[0].diagnostic(codes.TRIAGE_CYCLE, ("id",), message, *[each.span for each in rules[1:]])


def _can_be(one: Symptom, other: Symptom) -> bool:
    """Say whether a finding can be both symptoms; of those that name different things (kinds here, stages there) nothing is known."""
    names = ("kinds", "stages", "entities", "fields")
    return _meet(one, other) and any(getattr(one, name) and getattr(other, name) for name in names)


def _way_back(edges: dict[str, dict[str, _Placed]], start: str) -> list[str] | None:
    """Return the shortest way from a cause back to itself."""
    waiting, seen = [[start]], {start}
    while waiting:
        path = waiting.pop(0)
        for after in sorted(edges.get(path[-1], {})):
            if after == start:
                return path
            if after not in seen:
                seen.add(after)
                waiting.append([*path, after])
    return None


def _never(placed: list[_Placed]) -> Iterator[Diagnostic]:
    """A conclusion that an earlier one always makes first: same start, no narrower a demand, and tried before."""
    ordered = sorted(placed, key=lambda each: (each.rule.priority, each.rule.id))
    for later_place, later in enumerate(ordered):
        for number, part in enumerate(later.rule.explains):
            for earlier in ordered[:later_place]:
                if any(_covers(earlier, wide, later, part) for wide in earlier.rule.explains) and _root(earlier) == _root(later):
                    example = _example(later, part)
                    message = f"the rule never decides this: {earlier.rule.id} comes first and takes all of it; {example}"
                    yield later.diagnostic(codes.TRIAGE_UNREACHABLE, ("explains", number), message, earlier.span)
                    break


def _root(each: _Placed) -> tuple[Symptom | None, str | None]:
    root = each.rule.root
    if root is None:
        return None, None
    return (each.policy.symptoms.get(root.symptom) if root.symptom is not None else None), root.cause


def _covers(earlier: _Placed, wide: Explained, later: _Placed, part: Explained) -> bool:
    """Say whether everything a later part takes is taken by an earlier one."""
    if wide.cause != part.cause or not set(wide.same) <= set(part.same) or wide.at_least > part.at_least:
        return False
    if (wide.after and not part.after) or (wide.amount == "equal" and part.amount != "equal"):
        return False
    if part.symptom is None or wide.symptom is None:
        return part.symptom == wide.symptom
    one, other = earlier.policy.symptoms.get(wide.symptom), later.policy.symptoms.get(part.symptom)
    return one is not None and other is not None and _contains(one, other)


def _contains(one: Symptom, other: Symptom) -> bool:
    names = ("kinds", "stages", "entities", "fields")
    return all(not getattr(one, name) or (getattr(other, name) and set(getattr(other, name)) <= set(getattr(one, name))) for name in names)


def _conflicts(placed: list[_Placed]) -> Iterator[Diagnostic]:
    """Two rules of one priority that give a finding different causes from the same start."""
    for place, one in enumerate(placed):
        for other in placed[place + 1 :]:
            if one.rule.priority != other.rule.priority or one.rule.cause == other.rule.cause:
                continue
            pair = _same_finding(one, other)
            if pair is not None:
                message = f"{one.rule.id} says '{one.rule.cause}' and {other.rule.id} says '{other.rule.cause}' of {pair}"
                yield other.diagnostic(codes.TRIAGE_CONFLICT, ("id",), message, one.span)


def _same_finding(one: _Placed, other: _Placed) -> str | None:
    """Return the smallest example of a finding that both rules take from the same start, or None."""
    if one.rule.gather is not None and other.rule.gather is not None:
        first = one.policy.symptoms.get(one.rule.gather.symptom)
        second = other.policy.symptoms.get(other.rule.gather.symptom)
        if first is not None and second is not None and _meet(first, second):
            return f"{max(one.rule.gather.at_least, other.rule.gather.at_least)} times {_kind_of(first, second)} that share all of both"
        return None
    if _root(one) != _root(other) or _root(one) == (None, None):
        return None
    for left in one.rule.explains:
        for right in other.rule.explains:
            if left.symptom is None or right.symptom is None:
                continue
            first, second = one.policy.symptoms.get(left.symptom), other.policy.symptoms.get(right.symptom)
            if first is not None and second is not None and _meet(first, second):
                return f"{_kind_of(first, second)} that shares {', '.join(dict.fromkeys((*left.same, *right.same)))} with the same cause"
    return None


def _meet(one: Symptom, other: Symptom) -> bool:
    names = ("kinds", "stages", "entities", "fields")
    pairs = [(set(getattr(one, name)), set(getattr(other, name))) for name in names]
    return all(not left or not right or left & right for left, right in pairs)


def _kind_of(one: Symptom, other: Symptom) -> str:
    both = sorted(set(one.kinds) & set(other.kinds)) or sorted({*one.kinds, *other.kinds})
    return both[0] if both else "a finding"


def _example(each: _Placed, part: Explained) -> str:
    what = part.cause
    if part.symptom is not None:
        symptom = each.policy.symptoms.get(part.symptom)
        what = symptom.kinds[0] if symptom is not None and symptom.kinds else part.symptom
    return f"as {what} that shares {', '.join(part.same)}"
