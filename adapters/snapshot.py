"""The reading of a snapshot: every source into facts, and the account of every file's rows."""

from __future__ import annotations

import fnmatch
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from adapters.control_totals import stated_and_read
from adapters.mapping.apply import FILE, INDEX, EntityRecords, StreamRows, map_entity
from adapters.mapping.library import CANONICAL, LoadedMapping, load_mapping
from adapters.mapping.model import Mapping, StreamRule
from adapters.mapping.repeated import Part, each_once
from adapters.mapping.unknown import Unknown, unknown_columns, unknown_file
from adapters.reading import ROW, FileRead, Place, RawTable, ReadOptions, find_place, read_file
from adapters.snapshot_file import SNAPSHOT_FILE, SnapshotFile, Source, load_snapshot_file
from engine.canonical.schema import PROVENANCE, entity_spec
from engine.errors import SnapshotError
from engine.readings import HELD_SCHEMA
from engine.stage import Facts

_JSON = (".json", ".ndjson", ".jsonl")


@dataclass
class FileAccount:
    """Account for one file: what was read and what became of its rows.

    `entities` are those that a rule makes from it, whether it has rows of them or not; of a file of many streams those it has.
    """

    path: str
    source: str
    sha256: str
    rows_read: int
    rows_used: int = 0
    rows_held: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)
    failure: str | None = None
    columns: tuple[str, ...] = ()
    position: str | None = None
    message: str | None = None
    remedy: str | None = None
    unknown: tuple[Unknown, ...] = ()
    entities: tuple[str, ...] = ()


@dataclass
class SnapshotRead:
    """Hold a snapshot as read: facts, held rows, the account of every file, the mappings used."""

    root: Path
    file: SnapshotFile
    facts: Facts
    held: pl.DataFrame
    files: list[FileAccount]
    mappings: dict[str, LoadedMapping]
    expectations: list[dict[str, Any]]
    empty_sources: list[tuple[str, str]]


def read_snapshot(root: Path, mappings_folder: Path | None = None) -> SnapshotRead:
    """Read every source of a snapshot into facts; nothing is lost, everything is accounted."""
    snapshot = load_snapshot_file(root)
    folder = root if root.is_dir() else root.parent
    records: dict[str, list[Part]] = {}
    stated: dict[tuple[str, str], frozenset[str]] = {}
    held: list[list[pl.DataFrame]] = []
    files: list[dict[str, FileAccount]] = []
    mappings: dict[str, LoadedMapping] = {}
    expectations: list[dict[str, Any]] = []
    empty: list[tuple[str, str]] = []
    for source in snapshot.sources:
        if source.adapter not in mappings:
            mappings[source.adapter] = load_mapping(source.adapter, mappings_folder)

    def read(source: Source) -> tuple[list[EntityRecords], list[pl.DataFrame], list[FileAccount]]:
        return _read_source(folder, source, mappings[source.adapter].mapping)

    # Two sources at a time: what one does alone leaves a processor to the other.
    with ThreadPoolExecutor(2) as pool:
        reads = list(pool.map(read, snapshot.sources))
    for at, (source, (made, source_held, accounts)) in enumerate(zip(snapshot.sources, reads, strict=True)):
        held.append([pl.DataFrame(schema=HELD_SCHEMA), *source_held])
        files.append({each.path: each for each in accounts})
        if not any(each.entities or each.failure or each.unknown for each in accounts):
            empty.append((source.system, source.path))
        for each in made:
            if each.frame.height or each.stated:
                finished = _finished(each, source)
                records.setdefault(each.entity, []).append(Part(at, finished, each.distinct))
                for system in finished["source_system"].unique().to_list() or [source.system]:
                    key = (each.entity, system)
                    stated[key] = stated.get(key, frozenset()) | each.stated
        expectations += stated_and_read(source, made)
    joined = _once(records, held, files)
    facts = Facts({name: frame.lazy() for name, frame in sorted(joined.items())}, stated, snapshot.as_of)
    whole = pl.concat(frame for frames in held for frame in frames)
    accounted = [account for accounts in files for account in accounts.values()]
    return SnapshotRead(folder, snapshot, facts, whole, accounted, mappings, expectations, empty)


def _once(
    records: dict[str, list[Part]], held: list[list[pl.DataFrame]], files: list[dict[str, FileAccount]]
) -> dict[str, pl.DataFrame]:  # fmt: skip
    """Return the records of every entity, each of a system once; account for the rows of those that stand twice."""
    once = each_once(records, [pl.concat(frames) for frames in held])
    for at, frame in once.held:
        held[at].append(frame)
    for at, file, rows in once.now_held:
        files[at][file].rows_used -= rows
        files[at][file].rows_held += rows
    for at, file, rows in once.now_repeated:
        account = files[at][file]
        account.rows_used -= rows
        account.set_aside["repeated_row"] = account.set_aside.get("repeated_row", 0) + rows
    return once.records


def has_stream(read: SnapshotRead, source: Source, name: str) -> bool:
    """Say whether a source has a file of a stream, or of the one it is a list in."""
    streams = read.mappings[source.adapter].mapping.streams
    owner = next((each for each in streams if name == each or name.startswith(f"{each}.")), None)
    return owner is not None and bool(_source_place(read.root, source).find(streams[owner].files))


def read_stream(read: SnapshotRead, source: Source, name: str) -> pl.DataFrame | None:
    """Read one stream of a source again, as text; None where the source has no file of it."""
    mapping = _as_declared(source, read.mappings[source.adapter].mapping)
    if name not in mapping.streams:
        return None
    alone = mapping.model_copy(update={"streams": {name: mapping.streams[name]}})
    found = _streams(_read_files(read.root, _source_place(read.root, source), alone))[0].get(name)
    return None if found is None else found.frame


def _read_source(
    folder: Path, source: Source, mapping: Mapping
) -> tuple[list[EntityRecords], list[pl.DataFrame], list[FileAccount]]:
    place, mapping = _source_place(folder, source), _as_declared(source, mapping)
    reads = _read_files(folder, place, mapping)
    accounts = {each.file: _account(each, source) for each, _ in reads}
    accounts |= _unclaimed(folder, place, source, mapping, accounts)
    held = [_held_while_reading(each) for each, _ in reads]
    streams, parents = _streams(reads)
    made: list[EntityRecords] = []
    for rule in mapping.entities:
        result = map_entity(rule, mapping, streams, parents)
        if result is not None:
            made.append(result)
            held.append(result.held)
    _count_outcomes(streams, parents, accounts)
    for each, claimed in reads:
        whole = {name for name, stream in claimed.items() if stream.envelope == "none"} | _names_in(each, claimed)
        accounts[each.file].entities = tuple(rule.entity for rule in mapping.entities if _outer(rule.stream, whole))
    if source.adapter == CANONICAL:
        for each, claimed in reads:
            accounts[each.file].unknown = unknown_columns(accounts[each.file].columns, list(claimed))
        for account in accounts.values():
            account.unknown += (unknown_file(account.path),) if "no_stream" in account.set_aside else ()
    return made, held, list(accounts.values())


def _names_in(read: FileRead, claimed: dict[str, StreamRule]) -> set[str]:
    return {name for table in read.tables for name in _stream_names(table, claimed)}


def _outer(stream: str, names: set[str]) -> bool:
    return any(stream == each or stream.startswith(f"{each}.") for each in names)


def _as_declared(source: Source, mapping: Mapping) -> Mapping:
    """Return the mapping as this source's export is written, where the snapshot says another delimiter or encoding."""
    if source.delimiter is None and source.encoding is None:
        return mapping
    streams = {
        name: each.model_copy(update={"delimiter": each.delimiter or source.delimiter, "encoding": source.encoding or each.encoding})
        for name, each in mapping.streams.items()
    }
    return mapping.model_copy(update={"streams": streams, "encoding": source.encoding or mapping.encoding})


def _source_place(folder: Path, source: Source) -> Place:
    place = find_place(folder, source.path)
    if not place.root.is_relative_to(folder.resolve()):
        raise SnapshotError(
            f"The source '{source.system}' lies outside the snapshot: {source.path}.",
            "Put the export inside the snapshot folder.",
        )
    return place


def _read_files(folder: Path, place: Place, mapping: Mapping) -> list[tuple[FileRead, dict[str, StreamRule]]]:
    """Read each file once, however many streams it holds."""
    wanted: dict[Path, dict[str, StreamRule]] = {}
    for name, stream in mapping.streams.items():
        for path in place.find(stream.files):
            wanted.setdefault(path, {})[name] = stream
    if not wanted and len(place.chosen or ()) == 1:
        # A file that the snapshot names is that of the only stream, whatever it is called, or holds every stream in an envelope.
        alone = len(mapping.streams) == 1
        enclosed = {name: each for name, each in mapping.streams.items() if alone or each.path or each.envelope != "none"}
        wanted = {path: enclosed for path in place.chosen or () if enclosed}
    reads: list[tuple[FileRead, dict[str, StreamRule]]] = []
    for path in sorted(wanted):
        streams = wanted[path]
        first = next(iter(streams.values()))
        options = ReadOptions(
            encoding=first.encoding or mapping.encoding,
            delimiter=first.delimiter,
            envelope=first.envelope,
            path=first.path,
            children=tuple(child for stream in streams.values() for child in stream.children),
            sheet=first.sheet,
            skip_rows=first.skip_rows,
        )
        shown_as = path.relative_to(folder.resolve()).as_posix()
        reads.append((read_file(path, shown_as, options, root=folder), streams))
    return reads


def _account(read: FileRead, source: Source) -> FileAccount:
    failure = read.failure
    header = tuple(name for table in read.tables if not table.parent for name in table.header)
    return FileAccount(
        read.file, source.system, read.sha256, read.rows_read, rows_held=sum(each.rows for each in read.held),
        failure=None if failure is None else failure.reason, columns=header,
        position=None if failure is None else failure.position,
        message=None if failure is None else failure.message, remedy=None if failure is None else failure.remedy,
    )  # fmt: skip


def _unclaimed(
    folder: Path, place: Place, source: Source, mapping: Mapping, known: dict[str, FileAccount]
) -> dict[str, FileAccount]:
    """Account for files of the source that no stream claims: read for their rows, set aside."""
    found: dict[str, FileAccount] = {}
    reasons = {path: reason for reason, patterns in mapping.ignore.items() for path in place.find(patterns)}
    for path in place.find(["*", "*/*", "*/*/*"]):
        shown_as = path.relative_to(folder.resolve()).as_posix()
        if shown_as in known or path.name in (SNAPSHOT_FILE,) or path.suffix.lower() in (".md", ".yaml", ".yml"):
            continue
        if _belongs_to_other(path, place.root):
            continue
        read = read_file(path, shown_as, ReadOptions(encoding=mapping.encoding), root=folder)
        account = _account(read, source)
        account.set_aside = {reasons.get(path, "no_stream"): account.rows_read} if account.rows_read else {}
        if read.failure is None or not _meant(path, read.failure.reason, mapping, known):
            account.failure = account.message = None
        account.rows_held = 0
        found[shown_as] = account
    return found


def _meant(path: Path, reason: str, mapping: Mapping, known: dict[str, FileAccount]) -> bool:
    """Say whether a file in a format nobody reads stands for one that a stream reads: `Contract.xls`, or `Contract.csv.gz`.

    A copy beside the file itself is not missed; nor is another format (a PDF, a checksum) where the stream has files.
    """
    name, claimed = _bare(path.name), {_bare(Path(each).name) for each in known}
    for stream in mapping.streams.values():
        patterns = {_bare(Path(each).name) for each in stream.files} - {"*"}
        if any(fnmatch.fnmatchcase(name, each) for each in patterns):
            there = any(fnmatch.fnmatchcase(own, each) for own in claimed for each in patterns)
            return name not in claimed and (not there or reason != "unknown_format")
    return False


def _bare(name: str) -> str:
    return name.lower().partition(".")[0]


def _belongs_to_other(path: Path, root: Path) -> bool:
    """Say whether a folder between the source's root and the file is a snapshot of its own."""
    return any((parent / SNAPSHOT_FILE).exists() for parent in path.parents if parent.is_relative_to(root) and parent != root)


def _held_while_reading(read: FileRead) -> pl.DataFrame:
    rows = [
        {"file": each.file, "row": each.row, "entity": None, "field": None, "value": each.value,
         "reason": each.reason, "remedy": each.remedy}
        for each in read.held
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=HELD_SCHEMA)


def _streams(
    reads: list[tuple[FileRead, dict[str, StreamRule]]],
) -> tuple[dict[str, StreamRows], dict[str, str]]:
    """Join the tables of each declared stream over its files; child streams point at their parents."""
    parts: dict[str, list[pl.DataFrame]] = {}
    parents: dict[str, str] = {}
    for read, streams in reads:
        for table in read.tables:
            for name in _stream_names(table, streams):
                parts.setdefault(name, []).append(table.frame.with_columns(pl.lit(read.file).alias(FILE)))
                if table.parent:
                    parents[name] = name.rsplit(".", 1)[0]
    joined: dict[str, StreamRows] = {}
    for name, frames in parts.items():
        whole = frames[0] if len(frames) == 1 else pl.concat(_same_types(frames), how="diagonal")
        if name not in parents:
            whole = whole.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(INDEX))
        joined[name] = StreamRows(whole)
    for name, parent in parents.items():
        owner = joined.get(parent) or joined[next(iter(n for n in joined if parent.startswith(n)))]
        place = owner.frame.select(FILE, ROW, INDEX)
        joined[name] = StreamRows(joined[name].frame.join(place, on=[FILE, ROW], how="left", maintain_order="left"))
    return joined, parents


def _same_types(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Bring columns to text where the files of a stream type them differently."""
    types: dict[str, set[pl.DataType]] = {}
    for frame in frames:
        for name, dtype in frame.schema.items():
            types.setdefault(name, set()).add(dtype)
    mixed = [name for name, seen in types.items() if len(seen) > 1]
    return [frame.with_columns(pl.col(name).cast(pl.String) for name in mixed if name in frame.columns) for frame in frames]


def _stream_names(table: RawTable, streams: dict[str, StreamRule]) -> list[str]:
    names: list[str] = []
    for name, stream in streams.items():
        inside = stream.name if stream.name is not None else (name if stream.envelope in ("airbyte", "keyed") else "")
        if table.parent:
            child = table.stream.removeprefix(f"{inside}.") if inside else table.stream
            if table.parent in (inside, "-") and table.stream in stream.children:
                names.append(f"{name}.{child}")
        elif table.stream == inside or (not table.stream and not table.file.lower().endswith(_JSON)):
            # Only JSON has envelopes: a sheet or CSV that a stream's pattern names holds its rows plainly.
            names.append(name)
    return names


def _count_outcomes(streams: dict[str, StreamRows], parents: dict[str, str], accounts: dict[str, FileAccount]) -> None:
    claimed: dict[str, int] = {}
    for name, rows in streams.items():
        if name in parents:
            continue
        for file, outcome, count in rows.outcome().group_by(FILE, "outcome").len().sort(FILE, "outcome").iter_rows():
            account = accounts[file]
            claimed[file] = claimed.get(file, 0) + count
            if outcome == "used":
                account.rows_used += count
            elif outcome == "held":
                account.rows_held += count
            else:
                reason = outcome.removeprefix("set_aside:")
                account.set_aside[reason] = account.set_aside.get(reason, 0) + count
    for file, account in accounts.items():
        rest = account.rows_read - account.rows_used - account.rows_held - sum(account.set_aside.values())
        if rest > 0:
            account.set_aside["no_stream"] = account.set_aside.get("no_stream", 0) + rest
        assert rest >= 0, f"{file}: more rows accounted for than read"


def _finished(records: EntityRecords, source: Source) -> pl.DataFrame:
    """Give records every canonical column and their provenance."""
    spec = entity_spec(records.entity)
    frame = records.frame
    own = {
        "source_system": _filled(frame, "source_system", pl.lit(source.system)),
        "source_id": _filled(frame, "source_id", spec.display_key()),
        "source_file": pl.col(FILE),
        "source_row": pl.col(ROW),
        "extracted_at": _filled(frame, "extracted_at", pl.lit(source.extracted_at, dtype=pl.Datetime("us", "UTC"))),
    }
    columns = [
        (own[name] if name in own else pl.col(name) if name in frame.columns else pl.lit(None)).cast(each.dtype).alias(name)
        for name, each in {**spec.fields, **PROVENANCE}.items()
    ]
    return frame.select(columns)


def _filled(frame: pl.DataFrame, name: str, default: pl.Expr) -> pl.Expr:
    return pl.coalesce(pl.col(name), default) if name in frame.columns else default
