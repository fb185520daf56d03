"""What findings can share: for each dimension a frame of the finding's row and the value it bears."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.canonical.schema import ENTITIES
from engine.stage import Facts

ROW = "row"

_LOOKED_UP = {"project": "project_id", "contract": "contract_id", "customer": "customer_id", "legal_entity": "legal_entity_id"}
# A record that knows no customer of its own has its contract's; a time entry has its project's contract.
_THROUGH = (("project", ("contract", "customer", "legal_entity")), ("contract", ("customer", "legal_entity")))

Dimensions = Mapping[str, pl.DataFrame]


def shared_dimensions(findings: pl.DataFrame, facts: Facts) -> Dimensions:
    """Return by dimension the rows of the findings with their value; a finding may have several, or none."""
    rows = findings.with_row_index(ROW)
    plain = {"finding": "finding_id", "field": "field", "period": "period", "owner": "owner", "rule": "rule"}
    found = {name: rows.select(ROW, pl.col(column).alias(name)) for name, column in plain.items()}
    found["day"] = rows.select(ROW, pl.col("since").cast(pl.String).alias("day"))
    found["month"] = rows.select(ROW, pl.col("since").dt.strftime("%Y-%m").alias("month"))
    found["system"] = rows.select(ROW, pl.col("systems").alias("system")).explode("system")
    file = pl.col("evidence").list.eval(pl.element().str.replace(r":\d+$", "")).list.unique()
    found["file"] = rows.select(ROW, file.alias("file")).explode("file")
    sides = [rows.select(ROW, _record(entity, key).alias("record")) for entity, key in _SIDES]
    found["record"] = pl.concat(sides)
    found |= _looked_up(rows, facts)
    return {name: frame.drop_nulls().unique().sort(ROW, name) for name, frame in found.items()}


_SIDES = (("entity", "entity_id"), ("related_entity", "related_id"))


def _record(entity: str, key: str) -> pl.Expr:
    return pl.concat_str([pl.col(entity), pl.col(key)], separator=" ")


def _looked_up(rows: pl.DataFrame, facts: Facts) -> dict[str, pl.DataFrame]:
    """Return contract, project, customer and legal entity: the finding's own, its records', and what those lead to."""
    parts: dict[str, list[pl.DataFrame]] = {name: [] for name in _LOOKED_UP}
    for name, column in (("contract", "contract_id"), ("legal_entity", "legal_entity_id")):
        parts[name].append(rows.select(ROW, pl.col(column).alias(name)))
    for entity, key in _SIDES:
        for name in rows[entity].drop_nulls().unique().sort():
            mine = rows.filter(pl.col(entity) == name).select(ROW, pl.col(key).alias("key"))
            if name in _LOOKED_UP:
                parts[name].append(mine.select(ROW, pl.col("key").alias(name)))
            for dimension, values in _of_records(mine, name, facts).items():
                parts[dimension].append(values)
    found = {name: _joined(each, name) for name, each in parts.items()}
    for through, names in _THROUGH:
        for name, values in _of_records(found[through].select(ROW, pl.col(through).alias("key")), through, facts).items():
            if name in names:
                # Only where nothing nearer says it.
                missing = values.join(found[name].select(ROW).unique(), on=ROW, how="anti")
                found[name] = _joined([found[name], missing], name)
    return found


def _joined(frames: list[pl.DataFrame], name: str) -> pl.DataFrame:
    empty = pl.DataFrame(schema={ROW: pl.get_index_type(), name: pl.String()})
    return pl.concat([empty, *[each.select(ROW, name) for each in frames]]).drop_nulls().unique()


def _of_records(mine: pl.DataFrame, entity: str, facts: Facts) -> dict[str, pl.DataFrame]:
    """Return by dimension what the agreed records of these keys refer to."""
    frame, spec = facts.frame(entity), ENTITIES.get(entity)
    if frame is None or spec is None or not mine.height:
        return {}
    columns = {name: column for name, column in _LOOKED_UP.items() if column in spec.fields and spec.keys != (column,)}
    if not columns:
        return {}
    keys = mine.get_column("key").unique().drop_nulls()
    known = (
        frame.select(spec.display_key().alias("key"), *[pl.col(column).alias(name) for name, column in columns.items()])
        .filter(pl.col("key").is_in(keys.implode()))
        .collect()
    )
    both = mine.join(known, on="key", how="inner")
    return {name: both.select(ROW, name) for name in columns}
