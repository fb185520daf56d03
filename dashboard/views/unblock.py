"""The human acts that release most money of a run, as far as a person sees what is held."""

from __future__ import annotations

import functools
from typing import Final

import polars as pl

from adapters.sight import seen_contracts
from adapters.unblock import unblock
from dashboard.views.names import names_beside, names_of
from dashboard.views.tables import Column, Names
from dashboard.views.workspace import RunEntry

MOST: Final = 50

COLUMNS: Final = (
    Column("amount", "Releases", "money"), Column("action", "What to do", width=220), Column("project", "Project", width=230),
    Column("contract", "Contract"),
    Column("who", "For"), Column("items", "Items", "count"), Column("held_by", "Held by", "list"), Column("such_as", "Such as", "list"),
)  # fmt: skip


@functools.lru_cache(maxsize=16)
def actions_of(run: RunEntry) -> pl.DataFrame:
    """Return the acts that release most money, the most first. Raises StoreError when the run cannot be read."""
    if not (run.folder / "billing_decisions.parquet").is_file():
        return pl.DataFrame()
    whole = run.sight.is_whole
    rows = unblock(run.folder, MOST if whole else 10**6)
    if not whole:
        contracts, projects = set(seen_contracts(run.folder, run.sight)), run.sight.projects
        rows = [each for each in rows if each["contract_id"] in contracts and (projects is None or each["project_id"] in projects)]
    if not rows:
        return pl.DataFrame()
    frame = pl.DataFrame(rows[:MOST], infer_schema_length=None, schema_overrides={"project_id": pl.String, "contract_id": pl.String})
    names = {**names_beside(run, frame.lazy()).of, "who": ("manager", names_of(run, "manager", "resource"))}
    return Names(names).beside(frame.lazy().with_columns(pl.col("manager").cast(pl.String))).collect()
