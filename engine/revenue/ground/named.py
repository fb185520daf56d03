"""The contract of records that name only what is of it: a cost its line, a credit note the invoice it corrects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

NAMED: Final = ("contract_cost", "invoice")
"""Entities whose rows may name their contract through another record alone."""

_CHAIN: Final = 4
# A re-issue of a re-issue; longer chains are not seen.


def with_contract(rows: pl.DataFrame, entity: str, frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Return rows of an entity of `NAMED` with the contract of what they name, where they name none; `frame` gives other records."""
    if not rows["contract_id"].null_count():
        return rows
    return _corrected(rows) if entity == "invoice" else _of_line(rows, frame)


def _of_line(rows: pl.DataFrame, frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    key = ["contract_line_id", "contract_id"]
    added = frame("amendment_line").join(frame("amendment").select("amendment_id", "contract_id"), on="amendment_id", how="inner")
    lines = pl.concat([frame("contract_line").select(key), added.select(key)]).drop_nulls()
    lines = lines.unique("contract_line_id", keep="first", maintain_order=True).rename({"contract_id": "→of"})
    found = rows.join(lines, on="contract_line_id", how="left", maintain_order="left")
    return found.with_columns(pl.coalesce("contract_id", "→of").alias("contract_id")).drop("→of")


def _corrected(invoices: pl.DataFrame) -> pl.DataFrame:
    about = pl.coalesce("corrects_invoice_id", "replaces_invoice_id").alias("→root")
    for _ in range(_CHAIN):
        known = invoices.drop_nulls("contract_id").select(pl.col("invoice_id").alias("→root"), pl.col("contract_id").alias("→of"))
        known = known.unique("→root", keep="first", maintain_order=True)
        found = invoices.with_columns(about).join(known, on="→root", how="left", maintain_order="left")
        invoices = found.with_columns(pl.coalesce("contract_id", "→of").alias("contract_id")).drop("→root", "→of")
    return invoices
