"""Writing the sample firm: one folder a night, as vendors export it or in canonical form, and what is expected."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

import polars as pl
from ruamel.yaml import YAML

from adapters.mapping.library import CANONICAL
from adapters.sampling.firm import Firm
from adapters.sampling.nights import Night
from adapters.sampling.vendor import ADAPTERS, vendor_entities, write_export
from engine.canonical.schema import SCHEMA_VERSION

Format = Literal["parquet", "csv"]
_SourceWriter = Callable[[Night, str, Path], list[dict[str, object]]]

# By system: the amounts whose total the export states, and the column that splits it.
_CONTROLLED: Final[dict[tuple[str, str], tuple[str, str | None]]] = {
    ("psa", "time_entry"): ("hours", None),
    ("psa", "expense"): ("amount", "currency"),
    ("billing", "invoice"): ("gross_amount", "currency"),
    ("billing", "invoice_line"): ("net_amount", "currency"),
    ("billing", "payment"): ("amount", "currency"),
    ("erp", "invoice"): ("gross_amount", "currency"),
    ("erp", "journal_line"): ("functional_debit", None),
    ("revrec", "revenue_schedule_line"): ("amount", "currency"),
}

EXPECTED_FILE: Final = "expected_findings.csv"


def write_canonical(firm: Firm, out: Path, file_format: Format = "parquet") -> list[Path]:
    """Write every night under `out/<date>/` and the expected findings beside them; return the night folders.

    A night's folder that stands there already is replaced.
    """
    return _write(firm, out, lambda night, system, folder: [_canonical_source(night, system, folder, file_format)])


def write_vendor(firm: Firm, out: Path, file_format: Format = "parquet") -> list[Path]:
    """Write every night as the five vendors' own exports, else as `write_canonical` does.

    What no vendor has a place for stands in a source of its own, under canonical names.
    """
    return _write(firm, out, lambda night, system, folder: _vendor_sources(night, system, folder, file_format))


def _write(firm: Firm, out: Path, sources: _SourceWriter) -> list[Path]:
    folders = [_write_night(night, out, sources) for night in firm.nights]
    write_expected(firm, out)
    return folders


def write_expected(firm: Firm, out: Path) -> Path:
    """Write the register of expected findings as CSV and return its path."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / EXPECTED_FILE
    firm.expected_findings.write_csv(path)
    return path


def _write_night(night: Night, out: Path, sources: _SourceWriter) -> Path:
    folder = out / night.date.isoformat()
    if folder.exists():
        shutil.rmtree(folder)
    snapshot = {
        "snapshot": f"meridian-{night.date.isoformat()}",
        "schema_version": SCHEMA_VERSION,
        "as_of": night.date,
        "sources": [entry for system in night.systems for entry in sources(night, system, folder)],
    }
    yaml = YAML()
    yaml.default_flow_style = False
    with (folder / "snapshot.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(snapshot, file)
    return folder


def _vendor_sources(night: Night, system: str, folder: Path, file_format: Format) -> list[dict[str, object]]:
    records = night.systems[system]
    carried = vendor_entities(system, records)
    own = {entity: records[entity] for entity in records if entity in carried}
    rest = {entity: records[entity] for entity in records if entity not in carried}
    entries: list[dict[str, object]] = []
    if own:
        (folder / system).mkdir(parents=True)
        write_export(system, own, folder / system)
        entries.append(_stated_source(system, ADAPTERS[system], system, night.extracted_at, own))
    if rest:
        path = f"{system}_canonical" if own else system
        _write_files(rest, folder / path, file_format)
        entries.append(_stated_source(system, CANONICAL, path, night.extracted_at, rest))
    return entries


def _canonical_source(night: Night, system: str, folder: Path, file_format: Format) -> dict[str, object]:
    records = {entity: night.systems[system][entity] for entity in night.systems[system]}
    _write_files(records, folder / system, file_format)
    return _stated_source(system, CANONICAL, system, night.extracted_at, records)


def _write_files(records: Mapping[str, pl.DataFrame], folder: Path, file_format: Format) -> None:
    folder.mkdir(parents=True)
    for entity, frame in records.items():
        path = folder / f"{entity}.{file_format}"
        if file_format == "csv":
            frame.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        else:
            frame.write_parquet(path)


def _stated_source(
    system: str, adapter: str, path: str, extracted_at: dt.datetime, records: Mapping[str, pl.DataFrame]
) -> dict[str, object]:  # fmt: skip
    """Return a source's entry in snapshot.yaml, with the rows and totals of what was written."""
    entry: dict[str, object] = {
        "system": system,
        "adapter": adapter,
        "path": path,
        "extracted_at": extracted_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expected_rows": {entity: frame.height for entity, frame in records.items()},
    }
    totals: dict[str, object] = {}
    for entity, frame in records.items():
        totals |= control_totals(system, entity, frame)
    return entry | ({"control_totals": totals} if totals else {})


def control_totals(system: str, entity: str, frame: pl.DataFrame) -> dict[str, object]:
    """Return the control total of an entity by its name (`invoice.gross_amount`), by currency where it has one."""
    if (system, entity) not in _CONTROLLED:
        return {}
    column, split = _CONTROLLED[system, entity]
    if split is None:
        return {f"{entity}.{column}": _text(frame[column].sum())}
    sums = frame.group_by(split).agg(pl.col(column).sum()).sort(split)
    return {f"{entity}.{column}": {str(name): _text(total) for name, total in sums.iter_rows()}} if sums.height else {}


def _text(total: object) -> str:
    return f"{Decimal(str(total)):.2f}"
