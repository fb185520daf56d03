"""Writing the sample firm in canonical form: one folder a night, one file an entity, and what is expected."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

import polars as pl
from ruamel.yaml import YAML

from adapters.sampling.firm import Firm
from adapters.sampling.nights import Night
from engine.canonical.schema import SCHEMA_VERSION

Format = Literal["parquet", "csv"]

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
    folders = [_write_night(night, out, file_format) for night in firm.nights]
    write_expected(firm, out)
    return folders


def write_expected(firm: Firm, out: Path) -> Path:
    """Write the register of expected findings as CSV and return its path."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / EXPECTED_FILE
    firm.expected_findings.write_csv(path)
    return path


def _write_night(night: Night, out: Path, file_format: Format) -> Path:
    folder = out / night.date.isoformat()
    if folder.exists():
        shutil.rmtree(folder)
    sources = [_write_system(night, system, folder, file_format) for system in night.systems]
    snapshot = {
        "snapshot": f"meridian-{night.date.isoformat()}",
        "schema_version": SCHEMA_VERSION,
        "as_of": night.date,
        "sources": sources,
    }
    yaml = YAML()
    yaml.default_flow_style = False
    with (folder / "snapshot.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(snapshot, file)
    return folder


def _write_system(night: Night, system: str, folder: Path, file_format: Format) -> dict[str, object]:
    (folder / system).mkdir(parents=True)
    rows: dict[str, int] = {}
    totals: dict[str, object] = {}
    for entity in night.systems[system]:
        frame = night.systems[system][entity]
        rows[entity] = frame.height
        totals |= control_totals(system, entity, frame)
        path = folder / system / f"{entity}.{file_format}"
        if file_format == "csv":
            frame.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        else:
            frame.write_parquet(path)
    return source_entry(system, "canonical", night.extracted_at, rows, totals)


def source_entry(
    system: str, adapter: str, extracted_at: dt.datetime, rows: Mapping[str, int], totals: Mapping[str, object]
) -> dict[str, object]:  # fmt: skip
    """Return a source's entry in snapshot.yaml; its files stand in a folder of the system's name."""
    entry: dict[str, object] = {
        "system": system,
        "adapter": adapter,
        "path": system,
        "extracted_at": extracted_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expected_rows": dict(rows),
    }
    return entry | ({"control_totals": dict(totals)} if totals else {})


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
