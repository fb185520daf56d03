"""Estimates at completion of the contract lines a person sees, with the word last given on each."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from adapters.decide_work import estimates_of
from adapters.sight import Sight
from adapters.store.attestations import HOURS, attestations
from adapters.store.database import Store
from dashboard.views.tables import Column
from dashboard.views.workspace import RunEntry

COLUMNS: Final = (
    Column("contract_line_id", "Contract line"), Column("measure", "Measured by"), Column("estimate", "At completion", "money"),
    Column("estimated_on", "Estimated", "date"),
    Column("attested", "Attested", "money"), Column("attested_on", "As of", "date"), Column("who", "By"), Column("stands", "Stands"),
)  # fmt: skip


def estimates(store: Store, run: RunEntry, sight: Sight, project: str | None = None) -> pl.DataFrame:
    """Return the lines whose revenue rests on an estimate of their cost or hours, those of a project alone where one is named."""
    with store.read() as session:
        said = {(each.contract_line_id, each.measure): each for each in reversed(attestations(session, run.scope))}
    rows: list[dict[str, Any]] = []
    for each in estimates_of(run.folder).to_dicts():
        if not sight.sees(each["legal_entity_id"], each["project_id"]) or project not in (None, each["project_id"]):
            continue
        word = said.get((each["contract_line_id"], each["measure"]))
        stands = "never attested" if word is None else "yes" if word.amount == each["estimate"] else "no: the estimate changed"
        told = {
            "attested": word and word.amount,
            "attested_on": word and word.as_of,
            "who": word and f"{word.said_by} ({word.identity})".replace("_", " "),
        }
        # Hours bear their name where money bears its currency.
        unit = HOURS if each["measure"] == HOURS else each["currency"]
        rows.append(each | told | {"stands": stands, "currency": unit})
    return pl.DataFrame(rows, infer_schema_length=None)
