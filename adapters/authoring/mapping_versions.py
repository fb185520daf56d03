"""Adapter mappings under approval: the set of all of them, proposed by one, approved by another, asked for by a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from adapters.authoring.governance import approver_of, as_folder, rights_of
from adapters.mapping.library import SOURCES, LoadedMapping, adapter_names, load_mapping, read_mapping
from adapters.store.audit import Actor
from adapters.store.policy_versions import MAPPINGS, Proposal, approved_version, files_of, propose
from adapters.store.tables import Approval
from engine.errors import PolicyError, UsageError

_MOST: Final = 50


def effective_mappings(folder: Path | None) -> dict[str, LoadedMapping]:
    """Return every adapter's mapping in effect by name: a team's own before the shipped one; raises PolicyError for mistakes."""
    own = [path.stem for path in folder.glob("*.yaml")] if folder is not None and folder.is_dir() else []
    return {name: load_mapping(name, folder) for name in sorted({*adapter_names(), *own})}


def fingerprint_of(mappings: Mapping[str, str]) -> str:
    """Return the fingerprint of a set of mappings, given the fingerprint of each by name."""
    return hashlib.sha256("".join(f"{name}\x1f{each}\x1e" for name, each in sorted(mappings.items())).encode()).hexdigest()


def propose_mappings(
    session: Session, actor: Actor, folder: Path | None, policies: Path, comment: str, rollback_of: int | None = None
) -> Approval:  # fmt: skip
    """Propose the mappings in effect with a team's folder; what changes since the approved set is told field by field.

    What a change of reading moves in money nobody knows before it runs, so the highest role of the access policy approves it.
    """
    current = effective_mappings(folder)
    before = approved_version(session, action=MAPPINGS)
    changes = ["The first version."] if before is None else list(_changes(_parsed(before), current))
    prints = {name: each.fingerprint for name, each in current.items()}
    files = {f"{name}.yaml": each.text.encode() for name, each in current.items() if each.text}
    made = Proposal(
        fingerprint_of(prints), files, changes, None, None if before is None else before.subject, None, None, rollback_of, comment,
        {"fingerprints": prints},
    )  # fmt: skip
    return propose(session, actor, made, approver_of(rights_of(session, policies), None), MAPPINGS)


def own_files(version: Approval) -> dict[str, bytes]:
    """Return the files of a version that are not, to the byte, those shipped now: what a team's folder must hold to have it back."""
    shipped = {path.name: path.read_bytes() for path in SOURCES.glob("*.yaml")}
    return {name: content for name, content in files_of(version).items() if shipped.get(name) != content}


def _parsed(version: Approval) -> dict[str, LoadedMapping]:
    """Return the mappings of a version; one that this version of Tieout cannot read is told by its fingerprint alone."""
    found: dict[str, LoadedMapping] = {}
    with as_folder(files_of(version)) as folder:
        for name, known in version.body["fingerprints"].items():
            path = folder / f"{name}.yaml"
            try:
                mapping = read_mapping(path)[0] if path.is_file() else load_mapping(name).mapping
            except (UsageError, PolicyError):
                mapping = None
            if mapping is not None:
                found[name] = LoadedMapping(mapping, known)
    return found


def _changes(old: Mapping[str, LoadedMapping], new: Mapping[str, LoadedMapping]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"{name}: the mapping is removed."
        elif name not in old:
            yield f"{name}: the mapping is new."
        elif old[name].fingerprint != new[name].fingerprint:
            told = list(_differences(_plain(old[name]), _plain(new[name]), ""))
            yield from (f"{name}: {each}" for each in told[:_MOST] or ["only its wording is changed."])
            if len(told) > _MOST:
                yield f"{name}: {len(told) - _MOST:,} settings more are changed."


def _plain(loaded: LoadedMapping) -> Any:
    body = loaded.mapping.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    # An entity's rule is known by its entity and stream, not by its place in the file.
    body["entities"] = {f"{each['entity']} from {each['from']}": each for each in body.get("entities", [])}
    return body


def _differences(old: Any, new: Any, place: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(name), new.get(name), f"{place}.{name}" if place else str(name))
    elif old != new:
        yield f"{place}: {_word(old)} → {_word(new)}."


def _word(value: Any) -> str:
    if value is None:
        return "nothing"
    text = ", ".join(f"{name} {each}" for name, each in value.items()) if isinstance(value, dict) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
