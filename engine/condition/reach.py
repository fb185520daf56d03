"""Columns of referenced records, joined to a frame by their keys: `project.status` beside a time entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from engine.canonical.kinds import FieldSpec, polars_dtype
from engine.canonical.schema import ENTITIES, PROVENANCE, EntitySpec
from engine.condition.scope import Unresolved, reach


def attach_references(
    frame: pl.LazyFrame,
    entity: str,
    paths: Iterable[str],
    golden: Mapping[str, pl.LazyFrame],
    registry: Mapping[str, EntitySpec] = ENTITIES,
) -> pl.LazyFrame:
    """Add the columns that dotted paths name, from the records the frame's rows refer to.

    Rows stay as they are, in their order: a missing key finds nothing, and of several records with
    one key the first counts. A path that is a column already, or no reference, is left alone.
    KeyError when `entity` is not in the registry.
    """
    present = set(frame.collect_schema().names())
    wanted = [path for path in dict.fromkeys(paths) if "." in path and path not in present]
    plan = _Plan(entity, registry)
    for path in wanted:
        plan.want(path)
    kept = [*frame.collect_schema().names(), *(path for path in wanted if path in plan.found)]
    for prefix in sorted(plan.needed, key=lambda each: (plan.rank[each], each)):
        # What one referenced record alone leads to is joined to that record already.
        if plan.holder(prefix) is None:
            frame = _joined(frame, prefix, plan, golden)
    return frame.select(kept) if plan.needed else frame


class _Plan:
    """Collect, by prefix, which fields of which entity are needed and by which columns it is reached."""

    def __init__(self, entity: str, registry: Mapping[str, EntitySpec]) -> None:
        self.entity = entity
        self.registry = registry
        self.needed: dict[str, set[str]] = {}
        self.target: dict[str, str] = {}
        self.columns: dict[str, tuple[str, ...]] = {}
        self.rank: dict[str, int] = {}
        self.found: set[str] = set()

    def want(self, path: str) -> bool:
        """Note a dotted path and everything it needs; False when it is no reference."""
        *parts, name = path.split(".")
        if not self._prefix(parts):
            return False
        prefix = ".".join(parts)
        if self.spec(prefix, name) is None:
            return False
        self.needed.setdefault(prefix, set()).add(name)
        self.found.add(path)
        return True

    def spec(self, prefix: str, name: str) -> FieldSpec | None:
        return self.registry[self.target[prefix]].fields.get(name) or PROVENANCE.get(name)

    def holder(self, prefix: str) -> str | None:
        """Return the prefix of the referenced record that alone holds the key of another, None where the frame's own rows do."""
        holders = {column.rpartition(".")[0] for column in self.columns[prefix]}
        only = next(iter(holders)) if len(holders) == 1 else ""
        return only if only in self.needed else None

    def held(self, prefix: str) -> list[str]:
        """Return the prefixes whose key the records of this one alone hold, sorted."""
        return sorted(each for each in self.needed if self.holder(each) == prefix)

    def _prefix(self, parts: list[str]) -> bool:
        prefix = ".".join(parts)
        if prefix in self.target:
            return True
        before = parts[:-1]
        if before and not self._prefix(before):
            return False
        holder = self.target[".".join(before)] if before else self.entity
        step = reach(holder, parts[-1], self.registry)
        if isinstance(step, Unresolved):
            return False
        lead = ".".join(before) + "." if before else ""
        self.target[prefix] = step.entity
        self.columns[prefix] = tuple(lead + column for column in step.columns)
        for column in self.columns[prefix]:
            if "." in column:
                self.want(column)
        holders = [column.rpartition(".")[0] for column in self.columns[prefix]]
        self.rank[prefix] = 1 + max((self.rank[each] for each in holders if each), default=0)
        return True


def _joined(frame: pl.LazyFrame, prefix: str, plan: _Plan, golden: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    present = set(frame.collect_schema().names())
    columns = [column for column in plan.columns[prefix] if column in present]
    right = _referenced(prefix, plan, golden) if columns else None
    if right is None:
        return frame.with_columns(_absences(prefix, plan))
    referring = pl.coalesce([pl.col(column) for column in columns]).alias(f"{prefix}.→from")
    return frame.with_columns(referring).join(
        right, left_on=f"{prefix}.→from", right_on=f"{prefix}.→key", how="left", maintain_order="left", nulls_equal=False
    )


def _referenced(prefix: str, plan: _Plan, golden: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame | None:
    """Return the records of a prefix by `→key`, with what they lead to; None where no system supplies them."""
    entity = plan.target[prefix]
    source = golden.get(entity)
    held = set(source.collect_schema().names()) if source is not None else set()
    key = plan.registry[entity].keys[0]
    if source is None or key not in held:
        return None
    right = (
        source.filter(pl.col(key).is_not_null())
        .unique(subset=[key], keep="first", maintain_order=True)
        .select(
            pl.col(key).alias(f"{prefix}.→key"),
            *(
                (pl.col(field) if field in held else _absent(plan, prefix, field)).alias(f"{prefix}.{field}")
                for field in sorted(plan.needed[prefix])
            ),
        )
    )
    for each in plan.held(prefix):
        right = _joined(right, each, plan, golden)
    return right


def _absences(prefix: str, plan: _Plan) -> list[pl.Expr]:
    """Return nulls for what a prefix and those it leads to would add."""
    own = [_absent(plan, prefix, field).alias(f"{prefix}.{field}") for field in sorted(plan.needed[prefix])]
    return own + [missing for each in plan.held(prefix) for missing in _absences(each, plan)]


def _absent(plan: _Plan, prefix: str, field: str) -> pl.Expr:
    spec = plan.spec(prefix, field)
    assert spec is not None
    return pl.lit(None, dtype=polars_dtype(spec.kind))
