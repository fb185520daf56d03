"""The gate before posting: a draft invoice run read from a file and held to a run's decisions."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from adapters.publish import MANIFEST
from adapters.reading import format_of
from adapters.snapshot import SnapshotRead, read_snapshot
from adapters.snapshot_file import SNAPSHOT_FILE
from engine.billing import stopped_lines
from engine.canonical.schema import empty_frame
from engine.errors import StoreError, UsageError


@dataclass(frozen=True)
class GateOutcome:
    """Hold what the gate found: the lines stopped with reasons, rows not readable, and what may go out."""

    run_id: str
    lines: int
    stopped: pl.DataFrame
    held: pl.DataFrame
    may_go: pl.DataFrame
    """Amounts that may go out, by currency: currency, lines, amount."""

    @property
    def fails(self) -> bool:
        """Say whether anything must not go out."""
        return bool(self.stopped.height or self.held.height)


def check_draft(draft: Path, run_dir: Path) -> GateOutcome:
    """Hold a draft to the decisions of a run.

    `draft` is a file of invoice lines by canonical names (CSV, workbook, JSON, Parquet), or a folder
    with invoice_line and, where there are any, invoice and invoice_line_time files. Raises UsageError
    when it holds no lines, StoreError when the run cannot be read.
    """
    try:
        decisions = pl.read_parquet(run_dir / "billing_decisions.parquet")
        run_id = json.loads((run_dir / MANIFEST).read_text(encoding="utf-8"))["run_id"]
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"The decisions in {run_dir} cannot be read.", "Run the snapshot again.") from error
    read = _read(draft)
    lines = _lines(read)
    stopped = stopped_lines(lines, _frame(read, "invoice_line_time"), decisions)
    names = dict.fromkeys(read.held["file"].unique(), draft.name) if draft.is_file() else {}
    held = read.held.with_columns(pl.col("file").replace(names)) if names else read.held
    free = lines.join(stopped.select("invoice_line_id"), on="invoice_line_id", how="anti")
    may_go = free.group_by("currency").agg(pl.len().alias("lines"), pl.col("net_amount").sum().alias("amount")).sort("currency")
    return GateOutcome(run_id, lines.height, stopped, held, may_go)


def _read(draft: Path) -> SnapshotRead:
    if not draft.exists():
        raise UsageError(f"There is no file {draft}.", "Give the draft invoice run as CSV, XLSX, JSON or Parquet.")
    if draft.is_file() and format_of(draft) is None:
        raise UsageError(f"{draft.name} is no kind of file Tieout reads.", "Give CSV, XLSX, JSON or Parquet.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if draft.is_file():
            shutil.copyfile(draft, folder / f"invoice_line{draft.suffix.lower()}")
        else:
            for path in sorted(draft.iterdir()):
                if path.is_file() and path.name != SNAPSHOT_FILE:
                    shutil.copyfile(path, folder / path.name)
        snapshot = "as_of: 2000-01-01\nsources:\n  - {system: draft, adapter: canonical, path: .}\n"
        (folder / SNAPSHOT_FILE).write_text(snapshot, encoding="utf-8")
        read = read_snapshot(folder)
    failed = [each for each in read.files if each.failure]
    if failed:
        raise UsageError(f"{draft.name} cannot be read: {failed[0].message}", failed[0].remedy or "Export the draft again.")
    unnamed = set(read.held["field"].to_list()) <= {"invoice_line_id"}
    if not _frame(read, "invoice_line").height and unnamed:
        raise UsageError(f"{draft.name} holds no invoice lines.", "Name the columns as docs/canonical.md does: invoice_line_id, …")
    return read


def _frame(read: SnapshotRead, entity: str) -> pl.DataFrame:
    found = read.facts.records.get(entity)
    return found.collect() if found is not None else empty_frame(entity)


def _lines(read: SnapshotRead) -> pl.DataFrame:
    """Return the draft's lines with the date and currency of their invoice, where the draft has it."""
    invoices = _frame(read, "invoice").select("invoice_id", "invoice_date", pl.col("currency").alias("→currency"))
    joined = _frame(read, "invoice_line").join(invoices, on="invoice_id", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("currency", "→currency").alias("currency")).drop("→currency")


def as_json(outcome: GateOutcome) -> dict[str, Any]:
    """Return the outcome as plain values for JSON."""
    return {
        "run_id": outcome.run_id, "lines": outcome.lines, "stopped": outcome.stopped.to_dicts(),
        "held": outcome.held.select("row", "field", "value", "reason").to_dicts(), "may_go": outcome.may_go.to_dicts(),
    }  # fmt: skip


def render_gate(outcome: GateOutcome) -> str:
    """Return the outcome as text for people: what must not go out and why, then what may."""
    lines: list[str] = []
    for each in outcome.stopped.to_dicts():
        amount = "" if each["amount"] is None else f", {each['amount']:,.2f} {each['currency'] or ''}".rstrip()
        rule = f" [{each['rule']}]" if each["rule"] else ""
        lines.append(f"row {each['source_row']}  {each['invoice_line_id']}  {each['item'] or 'no item'}{amount}: {each['reason']}{rule}")
    for each in outcome.held.to_dicts():
        lines.append(f"row {each['row']}  cannot be read: {each['reason'].replace('_', ' ')} in {each['field']} ({each['value']})")
    count = outcome.stopped["invoice_line_id"].n_unique()
    lines.append(
        f"{count} of {outcome.lines} lines must not go out"
        + (f", {outcome.held.height} rows cannot be read." if outcome.held.height else ".")
    )
    for each in outcome.may_go.to_dicts():
        lines.append(f"May go out: {each['lines']} lines, {each['amount']:,.2f} {each['currency'] or 'without currency'}.")
    return "\n".join(lines)
