"""Policy texts to a checked policy set: every diagnostic of every file at once, then the meaning."""

from __future__ import annotations

import hashlib
import itertools
import posixpath
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import pydantic

from engine.diagnostics import Diagnostic, Span, sort_diagnostics
from engine.policy import codes
from engine.policy.compete import competing
from engine.policy.kinds.base import PolicyFile
from engine.policy.kinds.registry import KINDS
from engine.policy.kinds.revenue import RevenuePolicy
from engine.policy.kinds.triage import TriagePolicy
from engine.policy.kinds.triage_proof import prove_triage
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.policy.names import near
from engine.policy.sheets import Sheet
from engine.policy.source import Document, SourceText, parse_document
from engine.policy.unknown import unknown_names
from engine.policy.wording import in_yaml, needed, told_once

MAX_TOLD: typing.Final = 200
"""How many wrong settings of one file are told; more of them is no policy with mistakes but another file."""


def fingerprint_texts(texts: Mapping[str, str]) -> str:
    """Return the SHA-256 over names and texts; line ends do not count."""
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(f"{name}\x1f{texts[name].replace(chr(13), '')}\x1e".encode())
    return digest.hexdigest()


def load_policies(
    sources: Iterable[SourceText],
    sheets: Iterable[Sheet] = (),
    overrides: Mapping[str, typing.Any] | None = None,
) -> tuple[PolicySet, list[Diagnostic]]:
    """Read every policy text; return the policies that are sound and all diagnostics, sorted.

    `sheets` are the files that `rules_file` names, by their path below the policy folder.
    `overrides` gives by policy id settings that are merged, deeply, into every version of it.
    """
    beside = tuple(sheets)
    loaded: list[LoadedPolicy] = []
    found: list[Diagnostic] = []
    texts: dict[str, str] = {}
    for source in sorted(sources, key=lambda each: each.file):
        texts[source.file] = source.text
        document, diagnostics = parse_document(source)
        if document.value is None and diagnostics:
            found += diagnostics
            continue
        changed = _overridden(document, overrides or {})
        policy, told = _as_written(source, beside) if changed is document else _loaded(changed, beside)
        found += [*diagnostics, *told]
        if policy is not None:
            texts |= _texts(policy.document.source, policy.sheet)
            loaded.append(policy)
    loaded.sort(key=lambda each: (each.policy.policy, each.policy.id, each.policy.effective_from))
    found += _repeated_ids(loaded)
    found += competing(loaded)
    found += unknown_names(loaded)
    found += _changes_of_nothing(loaded)
    found += prove_triage([(each, each.policy) for each in loaded if isinstance(each.policy, TriagePolicy)])
    if overrides:
        texts["overrides"] = repr(sorted(overrides.items()))
    return PolicySet(tuple(loaded), fingerprint_texts(texts)), sort_diagnostics(found)


# A policy that says what it said before means what it meant: a folder is loaded many times in one process.
@lru_cache(maxsize=1_000)
def _as_written(source: SourceText, sheets: tuple[Sheet, ...]) -> tuple[LoadedPolicy | None, tuple[Diagnostic, ...]]:
    return _loaded(parse_document(source)[0], sheets)


def _loaded(document: Document, sheets: tuple[Sheet, ...]) -> tuple[LoadedPolicy | None, tuple[Diagnostic, ...]]:
    """Return the policy of a document with what is wrong about it; None when it cannot be one."""
    policy, diagnostics = _validated(document)
    if policy is None:
        return None, tuple(diagnostics)
    sheet = _sheet(policy, document.source.file, {each.file: each for each in sheets})
    loaded = LoadedPolicy(policy, document, fingerprint_texts(_texts(document.source, sheet)), sheet)
    return loaded, (*diagnostics, *_meaning(loaded))


def _texts(source: SourceText, sheet: Sheet | None) -> dict[str, str]:
    return {source.file: source.text} | ({sheet.file: sheet.content} if sheet else {})


def _overridden(document: Document, overrides: Mapping[str, typing.Any]) -> Document:
    value = document.value
    if not isinstance(value, dict) or value.get("id") not in overrides:
        return document
    return replace(document, value=_merged(value, overrides[value["id"]]))


def _merged(value: typing.Any, over: typing.Any) -> typing.Any:
    if not isinstance(value, dict) or not isinstance(over, Mapping):
        return over
    return {**value, **{name: _merged(value.get(name), each) for name, each in over.items()}}


def _sheet(policy: PolicyFile, file: str, sheets: Mapping[str, Sheet]) -> Sheet | None:
    name = getattr(policy, "rules_file", None) or getattr(policy, "suite", None)
    return None if name is None else sheets.get(posixpath.normpath(posixpath.join(posixpath.dirname(file), name)))


def _validated(document: Document) -> tuple[PolicyFile | None, list[Diagnostic]]:
    value = document.value
    if not isinstance(value, dict):
        return None, [document.diagnostic(codes.NOT_A_MAPPING, (), "the file holds no settings (key: value)")]
    kind = value.get("policy")
    if kind is None:
        meant = next((name for name in value if str(name).lower() == "policy"), None)
        written = f"; '{meant}' is written with small letters" if meant is not None else ""
        message = f"`policy:` is missing, which says what kind of policy this is{written}; the kinds are {', '.join(KINDS)}"
        return None, [document.diagnostic(codes.UNKNOWN_POLICY_KIND, () if meant is None else (meant,), message, prefer_key=True)]
    if str(kind) not in KINDS:
        message = f"'{kind}' is no kind of policy{near(str(kind), KINDS)}; the kinds are {', '.join(KINDS)}"
        return None, [document.diagnostic(codes.UNKNOWN_POLICY_KIND, ("policy",), message)]
    model = KINDS[str(kind)].model
    try:
        return model.model_validate(value), []
    except pydantic.ValidationError as error:
        mistakes = told_once(error.errors())
        told = [_from_pydantic(document, model, each) for each in mistakes[:MAX_TOLD]]
        if len(mistakes) > MAX_TOLD:
            more = f"{len(mistakes) - MAX_TOLD:,} more mistakes follow; correct these first"
            told.append(document.diagnostic(codes.INVALID_VALUE, (), more))
        return None, told


def _from_pydantic(document: Document, model: type[PolicyFile], error: typing.Any) -> Diagnostic:
    location = tuple(error["loc"])
    while location and location not in document.values and location not in document.keys and error["type"] != "missing":
        location = location[:-1]
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        homes = _settings(model)
        where = f" here; it {homes[name]}" if name in homes else near(name, homes)
        if error["input"] is None and " " in name:
            where = "; in { } a comma begins another setting: put the text that has the comma in quotes"
        message = f"unknown setting '{name}'{where}"
        return document.diagnostic(codes.UNKNOWN_SETTING, location, message, prefer_key=True)
    if error["type"] == "missing":
        return document.diagnostic(codes.MISSING_SETTING, location, f"the setting '{name}' is missing", prefer_key=True)
    text = str(error["msg"]).removeprefix("Value error, ")
    if not name:
        return document.diagnostic(codes.INVALID_VALUE, location, f"{text[:1].lower()}{text[1:]}")
    is_word = error["type"] == "literal_error" and isinstance(error["input"], str)
    meant = near(error["input"], re.findall("'([^']*)'", text)) if is_word else ""
    # What stands in a list has no name of its own.
    named = next((str(part) for part in reversed(error["loc"]) if isinstance(part, str)), name)
    subject = f"an entry of '{named}'" if isinstance(error["loc"][-1], int) else f"'{name}'"
    message = f"{subject} cannot be {in_yaml(error.get('input'))}: {needed(error)}{meant}"
    return document.diagnostic(codes.INVALID_VALUE, location, message)


def _settings(model: type[pydantic.BaseModel]) -> dict[str, str]:
    """Return the names of all settings of a kind, those of its parts included, each with the words for where it stands."""
    homes: dict[str, list[str]] = {}
    waiting: list[tuple[type[pydantic.BaseModel], str]] = [(model, "")]
    seen: set[type[pydantic.BaseModel]] = set()
    while waiting:
        each, path = waiting.pop(0)
        if each in seen:
            continue
        seen.add(each)
        for field, info in each.model_fields.items():
            name = info.alias or field
            homes.setdefault(name, []).append(path)
            waiting += [(part, f"{path}.{name}".strip(".")) for part in _parts(info.annotation)]
    return {name: _told(sorted(set(paths))) for name, paths in sorted(homes.items())}


def _told(paths: Sequence[str]) -> str:
    if paths[0] == "":
        return "stands at the top of the file"
    return f"belongs in {' or '.join(f'`{path}`' for path in paths)}"


def _parts(annotation: typing.Any) -> Sequence[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return [annotation]
    return [part for each in typing.get_args(annotation) for part in _parts(each)]


_BY_RECORDS: typing.Final = ("ownership", "billing", "tax", "revenue")
"""Kinds of which each record chooses the version by a date of its own."""


def _meaning(loaded: LoadedPolicy) -> list[Diagnostic]:
    policy, document = loaded.policy, loaded.document
    found: list[Diagnostic] = []
    if policy.effective_to is not None and policy.effective_to < policy.effective_from:
        message = f"the policy ends on {policy.effective_to}, before it begins on {policy.effective_from}"
        found.append(document.diagnostic(codes.DATES_REVERSED, ("effective_to",), message))
    if policy.reference is None:
        found.append(document.diagnostic(codes.MISSING_REFERENCE, ("id",), f"'{policy.id}' names no reference"))
    if policy.applies_by is not None and policy.policy not in _BY_RECORDS:
        message = f"'applies_by' changes nothing: of a {policy.policy} policy the version of the run's day counts"
        found.append(document.diagnostic(codes.WITHOUT_EFFECT, ("applies_by",), message))
    return found + KINDS[policy.policy].check(policy, document, loaded.sheet)


def _changes_of_nothing(loaded: list[LoadedPolicy]) -> list[Diagnostic]:
    """Tell revenue policies that change what was before although the folder holds no version before them."""
    found: list[Diagnostic] = []
    for before, each in itertools.pairwise([None, *(each for each in loaded if isinstance(each.policy, RevenuePolicy))]):
        assert each is not None and isinstance(each.policy, RevenuePolicy)
        is_first = before is None or before.policy.id != each.policy.id
        if is_first and each.policy.change is not None and each.policy.change.kind != "new_facts":
            message = f"no version of '{each.policy.id}' stands before it: what it changes is not known"
            found.append(each.document.diagnostic(codes.INVALID_VALUE, ("change",), message, prefer_key=True))
    return found


def _repeated_ids(loaded: list[LoadedPolicy]) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for before, after in itertools.pairwise(loaded):
        if before.policy.id != after.policy.id or before.policy.policy != after.policy.policy:
            continue
        ends = before.policy.effective_to
        if ends is None or ends >= after.policy.effective_from:
            other: Span = before.document.span_of(("id",))
            message = f"'{after.policy.id}' is in force twice from {after.policy.effective_from}"
            item = after.document.diagnostic(codes.DUPLICATE_ID, ("id",), message)
            found.append(Diagnostic(item.code, item.span, item.message, item.line_text, related=(other,)))
    return found
