"""Where the lines of a side come from: source records of a system, agreed records, or an earlier output.

A tie-out compares systems, so a side that names a system reads that system's own records
(`Facts.sources`), whose references stand in agreed ids; what the records refer to is looked up
first in the same system, then among the agreed records.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from engine.canonical.schema import ENTITIES, file_and_row
from engine.condition import attach_references
from engine.policy.kinds.sides import AS_OF_PERIOD, DECISION_COLUMNS, ENDED_ON, ENDED_PERIOD, ITEM_ENTITIES, PERIOD_COLUMNS, Lookup
from engine.policy.outputs import OUTPUTS, READABLE
from engine.reconcile.tolerance import WIDE
from engine.stage import Context, Facts

EVIDENCE = "evidence"


def why_absent(entity: str, systems: Sequence[str], facts: Facts) -> str | None:
    """Return why there are no lines of an entity and systems at all, or None when there can be."""
    name = entity.replace("_", " ")
    if entity in OUTPUTS:
        return None if facts.frame(entity) is not None else f"the run made no {name}"
    if systems:
        supplied = {system for each, system in facts.stated if each == entity}
        if entity not in facts.sources or not supplied & set(systems):
            return f"{', '.join(systems)} supplies no {name} records in this snapshot"
        return None
    return None if facts.frame(entity) is not None else f"no source of the snapshot supplies {name} records"


def period_of(facts: Facts, context: Context) -> str:
    """Return the label of the fiscal period that holds the as-of date; else of its month."""
    periods = facts.frame("fiscal_period")
    if periods is not None:
        day = pl.lit(context.as_of)
        holding = periods.filter((pl.col("start_date") <= day) & (pl.col("end_date") >= day)).select(pl.col("period").min()).collect()
        label = holding.item() if holding.height else None
        if label is not None:
            return str(label)
    return context.as_of.strftime("%Y-%m")


def ended_period(facts: Facts, context: Context) -> tuple[str, dt.date]:
    """Return label and last day of the last fiscal period that has ended by the as-of date; else of the last month that has.

    Where a system that is compared was exported before that date, it is the last one that had ended then.
    """
    by = context.covered or context.as_of
    periods = facts.frame("fiscal_period")
    if periods is not None:
        past = periods.filter(pl.col("end_date") <= pl.lit(by)).select("period", "end_date").drop_nulls().collect()
        if past.height:
            label, day = past.sort("end_date", "period", descending=[True, False]).row(0)
            return str(label), day
    tomorrow = by + dt.timedelta(days=1)
    day = tomorrow.replace(day=1) - dt.timedelta(days=1)
    return day.strftime("%Y-%m"), day


def why_excluded(needs: Sequence[str], unless: Sequence[str], facts: Facts) -> str | None:
    """Return why a policy that asks for other entities or their fields, or for none of them, does not apply; or None."""
    for name in needs:
        entity, _, field = name.partition(".")
        records = f"{entity.replace('_', ' ')} records"
        if why_absent(entity, (), facts) is not None:
            return f"no source of the snapshot supplies {records}"
        if field and field not in stated_fields(entity, (), facts):
            return f"no source of the snapshot states {field} for {records}"
    for name in unless:
        entity, _, field = name.partition(".")
        if why_absent(entity, (), facts) is None and (not field or field in stated_fields(entity, (), facts)):
            return f"the snapshot supplies {name.replace('_', ' ')} records, which tell it better"
    return None


def stated_fields(entity: str, systems: Sequence[str], facts: Facts) -> frozenset[str]:
    """Return the fields that any of the systems exports for an entity; all, where that is not known."""
    known = [fields for (each, system), fields in facts.stated.items() if each == entity and (not systems or system in systems)]
    if entity in OUTPUTS or not known:
        return frozenset(READABLE[entity].fields)
    return frozenset().union(*known)


def base_records(entity: str, systems: Sequence[str], facts: Facts) -> pl.LazyFrame:
    """Return the records of an entity with `evidence`: file and row, or a list of file:row for agreed records."""
    if not systems:
        frame = facts.frame(entity)
        assert frame is not None, "a policy that applies has records"
        if EVIDENCE not in frame.collect_schema().names():
            return frame.with_columns(pl.lit([], dtype=pl.List(pl.String)).alias(EVIDENCE))
        return frame
    records = facts.sources[entity].filter(pl.col("source_system").is_in(list(systems)))
    return records.with_columns(pl.struct("source_file", "source_row").alias(EVIDENCE))


def with_evidence(lines: pl.DataFrame) -> pl.DataFrame:
    """Write the places of lines as a list of file:row; only the few lines that are told need it."""
    if lines.schema[EVIDENCE] == pl.List(pl.String):
        return lines
    return lines.with_columns(_written(lines.schema[EVIDENCE]))


def gathered(dtype: pl.DataType, most: int) -> pl.Expr:
    """Return the places of a group's records, at most so many, to be written by `with_evidence`."""
    return pl.col(EVIDENCE).head(most) if isinstance(dtype, pl.Struct) else pl.col(EVIDENCE).explode().head(most)


def as_list(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Write the places of lines that are joined with lines of another kind of evidence."""
    dtype = lines.collect_schema()[EVIDENCE]
    return lines if dtype == pl.List(pl.String) else lines.with_columns(_written(dtype))


def _written(dtype: pl.DataType) -> pl.Expr:
    place = pl.col(EVIDENCE) if isinstance(dtype, pl.Struct) else pl.element()
    text = file_and_row(place.struct.field)
    if isinstance(dtype, pl.Struct):
        return pl.concat_list(text).list.drop_nulls().alias(EVIDENCE)
    return pl.col(EVIDENCE).list.eval(text).list.drop_nulls().alias(EVIDENCE)


def referenced(systems: Sequence[str], facts: Facts) -> Mapping[str, pl.LazyFrame]:
    """Return by entity the records that references reach: the systems' own first, then the agreed ones.

    A field that a system does not state is the agreed record's.
    """
    if not systems:
        return facts.records
    frames: dict[str, pl.LazyFrame] = dict(facts.records)
    for entity in facts.sources:
        supplied = [system for system in systems if (entity, system) in facts.stated]
        if entity in ENTITIES and supplied and len(ENTITIES[entity].keys) == 1:
            frames[entity] = pl.concat([*(_own_records(entity, system, facts) for system in supplied), *_agreed(entity, facts)])
    return frames


def _agreed(entity: str, facts: Facts) -> list[pl.LazyFrame]:
    agreed = facts.records.get(entity)
    return [] if agreed is None else [agreed.select(list(ENTITIES[entity].fields))]


def _own_records(entity: str, system: str, facts: Facts) -> pl.LazyFrame:
    """Return a system's records with the agreed values of the fields it does not state."""
    spec = ENTITIES[entity]
    key = spec.keys[0]
    names = list(spec.fields)
    own = facts.sources[entity].filter(pl.col("source_system") == system).select(names)
    unstated = [name for name in names if name != key and name not in facts.stated[entity, system]]
    agreed = facts.records.get(entity)
    if agreed is None or not unstated:
        return own
    rest = agreed.select(key, *unstated).unique(key, keep="first", maintain_order=True)
    return own.drop(unstated).join(rest, on=key, how="left", maintain_order="left").select(names)


def with_extras(
    frame: pl.LazyFrame, entity: str, paths: Iterable[str], lookups: Mapping[str, Lookup], facts: Facts, context: Context,
    systems: Sequence[str] = (),
) -> pl.LazyFrame:  # fmt: skip
    """Add what an entity's expressions may speak of beside its fields and references, of records of these systems."""
    wanted = set(paths)
    fields = READABLE[entity].fields
    period = pl.lit(period_of(facts, context)).alias(AS_OF_PERIOD)
    frame = frame.with_columns(pl.lit(context.as_of).alias("as_of"), period)
    if wanted & {ENDED_PERIOD, ENDED_ON}:
        label, day = ended_period(facts, context)
        frame = frame.with_columns(pl.lit(label).alias(ENDED_PERIOD), pl.lit(day).alias(ENDED_ON))
    if entity in ITEM_ENTITIES and wanted & set(DECISION_COLUMNS) - set(fields):
        frame = _with_decisions(frame, entity, facts)
    if wanted & set(PERIOD_COLUMNS):
        frame = _with_fiscal_period(frame, facts)
    for name, lookup in lookups.items():
        if lookup.by is not None:
            frame = attach_references(frame, entity, [lookup.by], referenced(systems, facts), READABLE)
        frame = _with_sum(frame, name, lookup, facts, context)
    return frame


def uses_decisions(entity: str, paths: Iterable[str]) -> bool:
    """Say whether expressions about an item speak of its billing decision."""
    return entity in ITEM_ENTITIES and bool(set(paths) & set(DECISION_COLUMNS) - set(READABLE[entity].fields))


def has_split_items(entity: str, facts: Facts) -> bool:
    """Say whether some item of a kind has several decisions."""
    decisions = facts.frame("billing_decisions")
    assert decisions is not None, "a policy that speaks of decisions applies only where there are some"
    last = decisions.filter(pl.col("item_type") == entity).select(pl.col("part").max()).collect().item()
    return last is not None and last > 1


def _with_decisions(frame: pl.LazyFrame, entity: str, facts: Facts) -> pl.LazyFrame:
    decisions = facts.frame("billing_decisions")
    assert decisions is not None, "a policy that speaks of decisions applies only where there are some"
    fields = READABLE[entity].fields
    added = [name for name in DECISION_COLUMNS if name not in fields]
    present = frame.collect_schema().names()
    currency = [pl.col("currency").alias("_currency")]
    of_items = decisions.filter(pl.col("item_type") == entity).select(pl.col("item_id").alias(READABLE[entity].keys[0]), *added, *currency)
    joined = frame.drop([name for name in added if name in present]).join(
        of_items, on=READABLE[entity].keys[0], how="left", maintain_order="left"
    )
    # What may be billed is in the currency of the decision, which an item without a rate does not state.
    own = [pl.col("currency")] if "currency" in present else []
    return joined.with_columns(pl.coalesce(pl.col("_currency"), *own).alias("currency")).drop("_currency")


def _with_fiscal_period(frame: pl.LazyFrame, facts: Facts) -> pl.LazyFrame:
    names = [name.partition(".")[2] for name in PERIOD_COLUMNS]
    periods = facts.frame("fiscal_period")
    if periods is None:
        schema = READABLE["fiscal_period"].polars_schema()
        return frame.with_columns(pl.lit(None, dtype=schema[name]).alias(f"fiscal_period.{name}") for name in names)
    keyed = periods.select("legal_entity_id", "period", *(pl.col(name).alias(f"fiscal_period.{name}") for name in names))
    unique = keyed.unique(["legal_entity_id", "period"], keep="first", maintain_order=True)
    return frame.join(unique, on=["legal_entity_id", "period"], how="left")


def _with_sum(frame: pl.LazyFrame, name: str, lookup: Lookup, facts: Facts, context: Context) -> pl.LazyFrame:
    if why_absent(lookup.entity, lookup.system, facts) is not None:
        dtype = pl.Date() if lookup.last is not None else pl.Int64() if lookup.sum is None else pl.Decimal(38, 6)
        return frame.with_columns(pl.lit(None, dtype=dtype).alias(name))
    records = base_records(lookup.entity, lookup.system, facts)
    by = lookup.by or lookup.on
    if lookup.where is not None:
        records = limited(records, lookup, facts, context)
    if lookup.last is not None:
        reached = attach_references(records, lookup.entity, [lookup.last], referenced(lookup.system, facts), READABLE)
        days = reached.group_by(lookup.on).agg(pl.col(lookup.last).cast(pl.Date).max().alias(name))
        return frame.join(days, left_on=by, right_on=lookup.on, how="left")
    if lookup.sum is None:
        counts = records.group_by(lookup.on).agg(pl.len().cast(pl.Int64).alias(name))
        return frame.join(counts, left_on=by, right_on=lookup.on, how="left").with_columns(pl.col(name).fill_null(0))
    sums = records.group_by(lookup.on).agg(pl.col(lookup.sum).sum().cast(WIDE).cast(pl.Decimal(38, 6)).alias(name))
    return frame.join(sums, left_on=by, right_on=lookup.on, how="left")


def with_summed_places(
    lines: pl.DataFrame, names: Iterable[str], lookups: Mapping[str, Lookup], facts: Facts, context: Context
) -> pl.DataFrame:  # fmt: skip
    """Add to the places of lines that are told those of the records whose sums they speak of."""
    found = with_evidence(lines)
    for name in names:
        lookup = lookups.get(name)
        if lookup is None or lookup.sum is None or why_absent(lookup.entity, lookup.system, facts) is not None:
            continue
        by = lookup.by or lookup.on
        records = base_records(lookup.entity, lookup.system, facts).filter(pl.col(lookup.on).is_in(lines[by].unique().implode()))
        if lookup.where is not None:
            records = limited(records, lookup, facts, context)
        summed = records.sort(READABLE[lookup.entity].keys).select(lookup.on, EVIDENCE).collect()
        places = with_evidence(summed).group_by(lookup.on).agg(pl.col(EVIDENCE).explode())
        added = pl.col("→places").fill_null(pl.lit([], dtype=pl.List(pl.String)))
        named = places.select(pl.col(lookup.on).alias(by), pl.col(EVIDENCE).alias("→places"))
        joined = found.join(named, on=by, how="left", maintain_order="left")
        found = joined.with_columns(pl.concat_list(EVIDENCE, added).list.unique(maintain_order=True)).drop("→places")
    return found


def limited(records: pl.LazyFrame, lookup: Lookup, facts: Facts, context: Context) -> pl.LazyFrame:
    """Return the records of a lookup that meet its condition."""
    from engine.condition import compile_condition, entity_scope
    from engine.diagnostics import Anchor
    from engine.policy.kinds.sides import extra_names

    assert lookup.where is not None
    compiled = compile_condition(lookup.where, entity_scope(lookup.entity, READABLE, extra_names(lookup.entity)), Anchor("", 1, 1))
    records = with_extras(records, lookup.entity, compiled.paths, {}, facts, context, lookup.system)
    reached = attach_references(records, lookup.entity, compiled.paths, referenced(lookup.system, facts), READABLE)
    return reached.filter(compiled.expression.fill_null(value=False))
