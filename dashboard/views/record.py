"""Any record: what each system says of it, what is agreed, and everything that was decided, found and posted."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.explain import source_line
from adapters.sight import COST_RATES
from dashboard.views.formats import cell
from dashboard.views.workspace import RunEntry, damaged, output
from engine.canonical.schema import entity_spec

GOLDEN: Final = "golden"
_HIDDEN: Final = {"source_system", "source_id", "source_file", "source_row", "record_hash", "evidence"}

# Outputs that speak of a record, by the columns that name it.
_TOLD: Final = {
    "billing_decisions": ("item_id", "contract_id", "contract_line_id", "project_id"),
    "obligations": ("contract_id", "obligation_id"), "revenue_schedule": ("contract_id", "contract_line_id", "obligation_id"),
    "modifications": ("amendment_id", "contract_id", "contract_line_id"), "contract_balances": ("contract_id",),
    "journal": ("journal_id", "contract_id", "contract_line_id"), "matches": ("entity_id",),
    "findings": ("entity_id", "related_id", "contract_id"), "time_revenue": ("time_entry_id", "contract_line_id"),
    f"{GOLDEN}/journal_line": ("journal_id",),
}  # fmt: skip


@functools.lru_cache(maxsize=32)
def find_records(run: RunEntry, identity: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the agreed records whose key is an id, each with its entity.

    A composite key is written as its values joined by `|`.
    """
    found = []
    for entity, frame in _records(run):
        try:
            rows = frame.filter(_key(entity) == identity).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise damaged(run.folder, f"{GOLDEN}/{entity}") from error
        found += [(entity, row) for row in rows.to_dicts()]
    return found


def _records(run: RunEntry) -> Iterator[tuple[str, pl.LazyFrame]]:
    """Give the agreed records a person sees, by entity."""
    for path in sorted((run.folder / GOLDEN).glob("*.parquet")):
        frame = output(run, f"{GOLDEN}/{path.stem}")
        if frame is not None:
            yield path.stem, frame


def _key(entity: str) -> pl.Expr:
    return pl.concat_str(*(pl.col(each).cast(pl.String) for each in entity_spec(entity).keys), separator="|")


def search_records(run: RunEntry, text: str, limit: int = 20) -> list[tuple[str, str, str]]:
    """Return records whose id or name holds a text: entity, id and name."""
    found: list[tuple[str, str, str]] = []
    wanted = text.strip().lower()
    for entity, frame in _records(run):
        names = [each for each in ("name", "contract_number", "invoice_number", "description") if each in frame.collect_schema().names()]
        shown = pl.coalesce(*names, pl.lit("")) if names else pl.lit("")
        both = frame.select(_key(entity).alias("key"), shown.alias("name"))
        held = pl.any_horizontal(pl.col("key", "name").str.to_lowercase().str.contains(wanted, literal=True))
        found += [(entity, row[0], row[1]) for row in both.filter(held).head(limit - len(found)).collect().rows()]
        if len(found) >= limit:
            break
    return found


def agreed(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the fields of an agreed record that have a value, as text."""
    kinds = {list: "list"}
    return [(name, cell(value, kinds.get(type(value), "text"))) for name, value in row.items() if value is not None and name not in _HIDDEN]


def source_rows(run: RunEntry, evidence: list[str] | None) -> list[dict[str, Any]]:
    """Return the source rows a record was made of: system, place and, from a text file, the line itself."""
    rows = []
    for place in evidence or []:
        told = source_line(place, run.snapshot_folder)
        line = None if shows_cost_rates(run, place) else told["line"]
        rows.append({"system": place.split("/", 1)[0], "place": place, "line": line})
    return rows


def shows_cost_rates(run: RunEntry, place: str) -> bool:
    """Say whether a source row may tell what somebody costs, to a person who does not see that."""
    return not run.sight.cost_rates and place.rpartition(":")[0] in _cost_files(run.folder)


def hide_cost_rates(run: RunEntry, told: dict[str, Any]) -> None:
    """Take out of an explained decision the lines, inputs and changes that tell a cost, for a person who does not see it."""
    if run.sight.cost_rates:
        return
    for source in (*told.get("sources", ()), *told.get("invoiced", ())):
        for each in source.get("rows", source.get("evidence", ())):
            each["line"] = None if shows_cost_rates(run, each["place"]) else each["line"]
    inputs = told.get("inputs", {})
    shown = {name: value for name, value in inputs.items() if not _is_cost(name)}
    failed = [cell for rule in told.get("rules", ()) for cell in rule["failed"]]
    if len(shown) < len(inputs) or any(_is_cost(cell["input"]) for cell in failed):
        told["inputs"], told["flip"] = shown, None
        for cell in failed:
            cell["was"] = "not shown to you" if _is_cost(cell["input"]) else cell["was"]


def _is_cost(name: str) -> bool:
    return name.rpartition(".")[2] in COST_RATES


@functools.lru_cache(maxsize=16)
def _cost_files(folder: Path) -> frozenset[str]:
    """Return the source files from which records with a cost rate were read."""
    found: set[str] = set()
    for path in sorted((folder / GOLDEN).glob("*.parquet")):
        frame = pl.scan_parquet(path)
        if path.stem not in COST_RATES and not set(COST_RATES) & set(frame.collect_schema().names()):
            continue
        places = frame.select(pl.col("evidence").explode(empty_as_null=True, keep_nulls=True)).drop_nulls()
        files = places.select(pl.col("evidence").str.replace(r":[^:]*$", "")).unique().collect()
        found |= set(files["evidence"].to_list())
    return frozenset(found)


@functools.lru_cache(maxsize=32)
def told_of(run: RunEntry, identity: str) -> dict[str, pl.LazyFrame]:
    """Return by output the rows that speak of a record; outputs without any are left out."""
    found: dict[str, pl.LazyFrame] = {}
    for name, columns in _TOLD.items():
        frame = output(run, name)
        if frame is None:
            continue
        there = [each for each in columns if each in frame.collect_schema().names()]
        rows = frame.filter(pl.any_horizontal(pl.col(each) == identity for each in there))
        if rows.select(pl.len()).collect().item():
            found[name] = rows
    return found
