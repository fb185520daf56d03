"""Work booked on a project and on no line: the line of a project that has exactly one is what it was done for."""

from __future__ import annotations

import polars as pl


def only_line_of_project(lines: pl.LazyFrame) -> pl.DataFrame:
    """Return by project its contract line, where it has exactly one: project_id, →only. `lines`: contract_line records."""
    named = lines.filter(pl.col("project_id").is_not_null())
    counted = named.group_by("project_id").agg(pl.col("contract_line_id").n_unique().alias("count"), pl.col("contract_line_id").first())
    return counted.filter(pl.col("count") == 1).select("project_id", pl.col("contract_line_id").alias("→only")).collect()


def line_of_expenses(lines: pl.LazyFrame) -> pl.DataFrame:
    """Return by project the line that its expenses are of: its only one, else its only one that passes costs on (project_id, →only)."""
    passing = only_line_of_project(lines.filter(pl.col("offering") == "pass_through"))
    return pl.concat([only_line_of_project(lines), passing]).unique("project_id", keep="first", maintain_order=True)
