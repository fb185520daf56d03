"""`snapshot.yaml`: the day a snapshot is of, and each of its sources with its system, its adapter and where its files lie."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

import pydantic

from engine.canonical.schema import SCHEMA_VERSION, check_schema_version
from engine.errors import SnapshotError
from engine.policy.names import near
from engine.policy.source import SourceText, parse_document
from engine.policy.wording import needed

SNAPSHOT_FILE = "snapshot.yaml"


class Source(pydantic.BaseModel):
    """One source of a snapshot: a system, its adapter and where its files lie."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    system: str
    adapter: str
    path: str = "."
    delimiter: str | None = pydantic.Field(default=None, pattern=r"^[,;|\t]$")
    encoding: str | None = None
    extracted_at: dt.datetime | None = None
    expected_rows: dict[str, int] = {}
    control_totals: dict[str, Any] = {}


class SnapshotFile(pydantic.BaseModel):
    """What `snapshot.yaml` says."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    snapshot: str | None = None
    schema_version: str = SCHEMA_VERSION
    as_of: dt.date
    sources: tuple[Source, ...]


_NEEDED: Final = {
    "tuple_type": "a list of sources is needed, each with its system, adapter and path",
    "missing": "this is missing",
    "model_type": "system, adapter and path of a source are needed here",
    "int_parsing": "a whole number is needed",
    "date_from_datetime_inexact": "a day without a time is needed, as YYYY-MM-DD",
}


def _mistake(error: Any) -> str:
    """Return what is wrong with a setting, in the words of who writes a snapshot.yaml."""
    place = ".".join(map(str, error["loc"]))
    kind = str(error["type"])
    if kind == "extra_forbidden":
        model = Source if "sources" in error["loc"] else SnapshotFile
        return f"'{place}': this is no setting{near(str(error['loc'][-1]), model.model_fields)}"
    if kind.startswith("date_") and kind not in _NEEDED:
        return f"'{place}': a day that exists is needed, as YYYY-MM-DD, not {error['input']}"
    return f"'{place}': {_NEEDED[kind] if kind in _NEEDED else needed(error)}"


def load_snapshot_file(root: Path) -> SnapshotFile:
    """Read `snapshot.yaml`; raises SnapshotError with the line and what to do."""
    path = root / SNAPSHOT_FILE if root.is_dir() else root
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SnapshotError(f"{path} is not written in UTF-8.", "Save the file as UTF-8.") from error
    except OSError as error:
        raise SnapshotError(
            f"There is no readable {SNAPSHOT_FILE} in {root}.", "Give the folder that holds snapshot.yaml."
        ) from error
    document, diagnostics = parse_document(SourceText(path.name, text))
    if diagnostics or not isinstance(document.value, dict):
        first = diagnostics[0].message if diagnostics else "it holds no settings"
        raise SnapshotError(f"{path} cannot be read: {first}.", "Correct the file; `tieout init DIR` writes one to begin with.")
    try:
        snapshot = SnapshotFile.model_validate(document.value)
    except pydantic.ValidationError as error:
        mistakes = sorted((document.span_of(list(each["loc"])).line, _mistake(each)) for each in error.errors())
        told = "; ".join(f"{path}:{line}: {message}" for line, message in mistakes)
        remedy = "Correct this setting." if len(mistakes) == 1 else "Correct these settings."
        raise SnapshotError(told if told.endswith("?") else f"{told}.", remedy) from error
    if not snapshot.sources:
        raise SnapshotError(f"{path} names no source.", "Give each export under `sources`, with its system, adapter and path.")
    problem = check_schema_version(snapshot.schema_version)
    if problem is not None:
        raise SnapshotError(f"{path}: {problem}.", "Use a version of Tieout that knows it, or export again.")
    return snapshot
