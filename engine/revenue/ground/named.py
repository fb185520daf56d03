"""The contract of records that name only what is of it: a cost its line, a credit note the invoice it corrects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

NAMED: Final = ("contract_cost", "invoice")
"""Entities whose rows may name their contract through another record alone."""

# A chain is followed twice as far with every step: documents issued anew more than thirty times are no case.
_STEPS: Final = 5


def with_contract(rows: pl.DataFrame, entity: str, frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Return rows of an entity of `NAMED` with the contract of what they name, where they name none; `frame` gives other records."""
    if not rows["contract_id"].null_count():
        return rows
    if entity == "invoice":
        return _of_corrected(rows)
    found = rows.join(contract_of_lines(frame), on="contract_line_id", how="left", maintain_order="left")
    return found.with_columns(pl.coalesce("contract_id", "→contract").alias("contract_id")).drop("→contract")


def contract_of_lines(frame: Callable[[str], pl.DataFrame]) -> pl.DataFrame:
    """Return the contract of every line, also of those that amendments bring: contract_line_id, →contract."""
    names = ("contract_line_id", pl.col("contract_id").alias("→contract"))
    added = frame("amendment_line").join(frame("amendment").select("amendment_id", "contract_id"), on="amendment_id", how="inner")
    lines = pl.concat([frame("contract_line").select(names), added.select(names)]).drop_nulls()
    return lines.unique("contract_line_id", keep="first", maintain_order=True)


def with_root(invoices: pl.DataFrame) -> pl.DataFrame:
    """Add `root`: the invoice that each corrects or replaces, through chains; its own id where it does neither."""
    about = pl.coalesce("corrects_invoice_id", "replaces_invoice_id", "invoice_id").alias("root")
    links = invoices.select("invoice_id", about).unique("invoice_id", keep="first", maintain_order=True)
    for _ in range(_STEPS):
        further = links.select(pl.col("invoice_id").alias("root"), pl.col("root").alias("→next"))
        followed = links.join(further, on="root", how="left", maintain_order="left")
        links = followed.select("invoice_id", pl.coalesce("→next", "root").alias("root"))
    return invoices.join(links, on="invoice_id", how="left", maintain_order="left")


def _of_corrected(invoices: pl.DataFrame) -> pl.DataFrame:
    """Give what corrects or replaces an invoice the contract of the first of its chain, else of the first by id that names one."""
    told = with_root(invoices)
    first = told.drop_nulls("contract_id").sort(pl.col("invoice_id") != pl.col("root"), "invoice_id")
    first = first.select("root", pl.col("contract_id").alias("→of")).unique("root", keep="first", maintain_order=True)
    found = told.join(first, on="root", how="left", maintain_order="left")
    of_chain = pl.when(pl.col("invoice_id") != pl.col("root")).then("→of")
    return found.with_columns(pl.coalesce("contract_id", of_chain).alias("contract_id")).drop("root", "→of")
