"""What a person may see of a run: all of it, or what belongs to some legal entities or to their own projects.

Whatever cannot be told to belong to what a person sees is not shown to them.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from engine.kpi.measure import dimension_of
from engine.policy.kinds.access import AccessPolicy
from engine.policy.loaded import PolicySet

COST_RATES: Final = ("cost_rate", "cost_currency", "intercompany_rate", "intercompany_charges")
"""Fields, and entities whole, that tell what people cost the firm."""

_PLACES: Final = ("legal_entity_id", "project_id", "contract_id", "contract_line_id")

# By entity without a place of its own: the record it is part of, and the field that names that.
_PARENTS: Final = {
    "invoice_line": ("invoice", "invoice_id"), "bill_line": ("bill", "bill_id"), "amendment_line": ("amendment", "amendment_id"),
    "payment": ("invoice", "invoice_id"), "payment_application": ("invoice", "invoice_id"),
    "invoice_line_time": ("time_entry", "time_entry_id"),
}  # fmt: skip

# Records that belong to nobody: their names and codes are shown to all.
_COMMON: Final = ("account", "exchange_rate")
_GOLDEN: Final = "golden/"

_MARGIN: Final = "margin"
_OF_PEOPLE: Final = "^(?:resource|role)="


@dataclass(frozen=True, slots=True)
class Sight:
    """Say what a person sees: `None` is every legal entity, every project."""

    legal_entities: frozenset[str] | None = None
    projects: frozenset[str] | None = None
    cost_rates: bool = True

    @property
    def is_whole(self) -> bool:
        """Say whether it is the whole firm."""
        return self.legal_entities is None and self.projects is None

    @property
    def tells_money(self) -> bool:
        """Say whether what a text of a policy moves in money may be shown: it is of the whole firm, and can tell what people cost."""
        return self.is_whole and self.cost_rates

    def sees(self, legal_entity: str | None, project: str | None) -> bool:
        """Say whether what belongs to a legal entity and a project is within it; what is not known is not."""
        if self.legal_entities is not None and legal_entity not in self.legal_entities:
            return False
        return self.projects is None or project in self.projects


EVERYTHING: Final = Sight()


def access_policy(policies: PolicySet, on: dt.date) -> AccessPolicy | None:
    """Return the access policy that holds on a day; None where there is none at all.

    Where none holds on that day, nobody has a role: a version that has not begun, or has ended, gives nothing.
    """
    found = policies.one_in_force(AccessPolicy, on)
    if found is not None or not policies.of_kind(AccessPolicy):
        return found
    return policies.of_kind(AccessPolicy)[-1][1].model_copy(update={"people": (), "everyone": (), "trusted_keys": ()})


def sight_of(policy: AccessPolicy | None, person: str, roles: frozenset[str], run_dir: Path | None) -> Sight:
    """Return what a signed-in person sees of a run; own projects are those whose manager they are."""
    if policy is None:
        return EVERYTHING
    grant = policy.grant_of(person)
    entities = None if grant is None or grant.legal_entities is None else frozenset(grant.legal_entities)
    own = None
    if grant is not None and grant.sees_own_projects:
        own = _managed(run_dir, grant.manages_as or person)
    return Sight(entities, own, bool(roles & set(policy.cost_rates)))


def _managed(run_dir: Path | None, manager: str) -> frozenset[str]:
    path = None if run_dir is None else run_dir / "golden" / "project.parquet"
    if path is None or not path.is_file():
        return frozenset()
    wanted = pl.scan_parquet(path).filter(pl.col("manager").str.to_lowercase() == manager.strip().lower())
    return frozenset(wanted.select("project_id").collect()["project_id"].to_list())


def seen(run_dir: Path, name: str, frame: pl.LazyFrame, sight: Sight) -> pl.LazyFrame:
    """Return the rows and columns of an output that a sight shows."""
    entity = name.removeprefix(_GOLDEN) if name.startswith(_GOLDEN) else None
    if not sight.cost_rates:
        frame = _without_cost_rates(frame, entity)
    if sight.is_whole or entity in _COMMON:
        return frame
    if name in ("kpis", "kpi_anomalies"):
        return _own_kpis(frame, sight)
    names = frame.collect_schema().names()
    key = {"customer": "customer_id", "resource": "resource_id"}.get(entity or "")
    if key is not None:
        return frame.filter(pl.col(key).is_in(_parties(run_dir, sight, key).implode()))
    if "entity" in names and "entity_id" in names:
        frame = with_places(run_dir, frame)
    elif entity is not None:
        frame = _with_own_places(run_dir, entity, frame)
    kept = [*names]
    there = frame.collect_schema().names()
    held = _within(run_dir, sight, [each for each in _PLACES if each in there])
    return frame.filter(held).select(kept)


def _without_cost_rates(frame: pl.LazyFrame, entity: str | None) -> pl.LazyFrame:
    if entity in COST_RATES:
        return frame.filter(pl.lit(value=False))
    names = frame.collect_schema().names()
    if "field" in names and "entity" in names:
        frame = frame.filter(~shows_cost())
    if "dimension" in names and "kpi" in names:
        frame = frame.filter(~(pl.col("kpi").str.contains(_MARGIN) & pl.col("dimension").str.contains(_OF_PEOPLE)))
    return frame.drop([each for each in names if each in COST_RATES])


def tells_cost(kpi: str, dimension: str) -> bool:
    """Say whether a figure is a margin by person or role, from which what they cost can be told."""
    return re.search(_MARGIN, kpi) is not None and re.search(_OF_PEOPLE, dimension) is not None


def shows_cost() -> pl.Expr:
    """Return whether a finding is about what somebody costs."""
    return (pl.col("field").is_in(COST_RATES) | pl.col("entity").is_in(COST_RATES)).fill_null(value=False)


def _own_kpis(frame: pl.LazyFrame, sight: Sight) -> pl.LazyFrame:
    """Return the figures of the legal entities that are seen; those of the firm, or of its parts otherwise, are of others too."""
    if sight.projects is not None or sight.legal_entities is None:
        return frame.filter(pl.lit(value=False))
    return frame.filter(pl.col("dimension").is_in([dimension_of("legal_entity_id", each) for each in sorted(sight.legal_entities)]))


def _within(run_dir: Path, sight: Sight, places: Sequence[str]) -> pl.Expr:
    """Return whether a row's places are seen: at least one is known, and all that are known are seen."""
    # A legal entity alone does not make a row one of a person's own projects.
    telling = [each for each in places if sight.projects is None or each != "legal_entity_id"]
    if not telling:
        return pl.lit(value=False)
    shown = _shown(run_dir, sight)
    known = pl.any_horizontal(pl.col(each).is_not_null() for each in telling)
    return known & pl.all_horizontal(pl.col(each).is_null() | pl.col(each).is_in(shown[each].implode()) for each in places)


def _golden(run_dir: Path, entity: str) -> pl.LazyFrame | None:
    path = run_dir / "golden" / f"{entity}.parquet"
    return pl.scan_parquet(path) if path.is_file() else None


def _column(run_dir: Path, entity: str, *names: str) -> pl.LazyFrame:
    frame = _golden(run_dir, entity)
    if frame is None:
        return pl.LazyFrame(schema=dict.fromkeys(names, pl.String))
    return frame.select(names)


@functools.lru_cache(maxsize=64)
def _shown(run_dir: Path, sight: Sight) -> dict[str, pl.Series]:
    """Return by kind of place the ids that are seen in a run."""
    contracts = _column(run_dir, "contract", "contract_id", "legal_entity_id").collect()
    projects = _column(run_dir, "project", "project_id", "contract_id", "legal_entity_id").collect()
    lines = _column(run_dir, "contract_line", "contract_line_id", "contract_id", "project_id").collect()
    projects = projects.join(contracts.rename({"legal_entity_id": "of_contract"}), on="contract_id", how="left")
    projects = projects.with_columns(pl.coalesce("legal_entity_id", "of_contract").alias("legal_entity_id"))
    if sight.legal_entities is not None:
        wanted = pl.col("legal_entity_id").is_in(sorted(sight.legal_entities))
        contracts, projects = contracts.filter(wanted), projects.filter(wanted)
    if sight.projects is not None:
        projects = projects.filter(pl.col("project_id").is_in(sorted(sight.projects)))
        # A line is promised by its contract and may name the project that performs it.
        of_lines = lines.filter(pl.col("project_id").is_in(projects["project_id"].implode()))["contract_id"]
        own = pl.concat([projects["contract_id"], of_lines]).drop_nulls().unique()
        contracts = contracts.filter(pl.col("contract_id").is_in(own.implode()))
    lines = lines.filter(pl.col("contract_id").is_in(contracts["contract_id"].implode()))
    if sight.projects is not None:
        lines = lines.filter(pl.col("project_id").is_null() | pl.col("project_id").is_in(projects["project_id"].implode()))
    entities = contracts["legal_entity_id"] if sight.legal_entities is None else pl.Series(sorted(sight.legal_entities))
    return {
        "legal_entity_id": entities.cast(pl.String).drop_nulls().unique(), "project_id": projects["project_id"],
        "contract_id": contracts["contract_id"], "contract_line_id": lines["contract_line_id"],
    }  # fmt: skip


def seen_contracts(run_dir: Path, sight: Sight) -> list[str]:
    """Return the contracts of a run that a sight shows."""
    return [str(each) for each in _shown(run_dir, sight)["contract_id"].to_list()]


def _parties(run_dir: Path, sight: Sight, key: str) -> pl.Series:
    """Return the customers of what is seen, or the people who work on it."""
    shown = _shown(run_dir, sight)
    if key == "customer_id":
        contracts = _column(run_dir, "contract", "contract_id", "customer_id")
        contracts = contracts.filter(pl.col("contract_id").is_in(shown["contract_id"].implode()))
        return contracts.select(key).collect()[key].drop_nulls().unique()
    project = _column(run_dir, "project", "project_id", "manager").filter(pl.col("project_id").is_in(shown["project_id"].implode()))
    parts = [project.select(pl.col("manager").alias(key))]
    for entity in ("assignment", "time_entry"):
        work = _column(run_dir, entity, "project_id", key).filter(pl.col("project_id").is_in(shown["project_id"].implode()))
        parts.append(work.select(key))
    if sight.legal_entities is not None and sight.projects is None:
        staff = _column(run_dir, "resource", key, "legal_entity_id")
        parts.append(staff.filter(pl.col("legal_entity_id").is_in(sorted(sight.legal_entities))).select(key))
    return pl.concat(parts).unique().collect()[key].drop_nulls()


def _with_own_places(run_dir: Path, entity: str, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add to agreed records the places of the record they are part of, where they have none of their own."""
    parent = _PARENTS.get(entity)
    if parent is None:
        return frame
    records = _golden(run_dir, parent[0])
    names = frame.collect_schema().names()
    if records is None or parent[1] not in names:
        return frame
    there = [each for each in _PLACES if each in records.collect_schema().names() and each not in names]
    return frame.join(records.select(parent[1], *there), on=parent[1], how="left", maintain_order="left")


def with_places(run_dir: Path, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add to rows that name a record (`entity`, `entity_id`) the legal entity, project and contract it belongs to.

    What a row says itself stands; null where a record belongs to none, or is not known.
    """
    names = rows.collect_schema().names()
    wanted = ("legal_entity_id", "project_id", "contract_id")
    rows = rows.with_columns(pl.lit(None, pl.String).alias(each) for each in wanted if each not in names)
    named = set(rows.select("entity").unique().collect()["entity"].drop_nulls().to_list())
    found = [place for each in sorted(named) if (place := _record_places(run_dir, each)) is not None]
    if found:
        records = pl.concat(found).unique(["entity", "entity_id"], keep="first", maintain_order=True)
        rows = rows.join(records, on=["entity", "entity_id"], how="left", suffix="_of_record", maintain_order="left")
        rows = rows.with_columns(pl.coalesce(each, f"{each}_of_record").alias(each) for each in wanted)
        rows = rows.drop(f"{each}_of_record" for each in wanted)
    projects = _column(run_dir, "project", "project_id", "contract_id", "legal_entity_id")
    contracts = _column(run_dir, "contract", "contract_id", "legal_entity_id")
    for places, key in ((projects, "project_id"), (contracts, "contract_id")):
        once = places.unique(key, keep="first", maintain_order=True)
        rows = rows.join(once, on=key, how="left", suffix="_of_place", maintain_order="left")
        added = [each for each in rows.collect_schema().names() if each.endswith("_of_place")]
        rows = rows.with_columns(pl.coalesce(each.removesuffix("_of_place"), each).alias(each.removesuffix("_of_place")) for each in added)
        rows = rows.drop(added)
    return rows


def _record_places(run_dir: Path, entity: str) -> pl.LazyFrame | None:
    from engine.canonical.schema import ENTITIES

    # A journal is its lines.
    entity_of, keys = ("journal_line", ("journal_id",)) if entity == "journal" else (entity, ())
    frame = _golden(run_dir, entity_of)
    if frame is None or entity_of not in ENTITIES:
        return None
    frame = _with_own_places(run_dir, entity, frame)
    names = frame.collect_schema().names()
    if "contract_line_id" in names:
        lines = _column(run_dir, "contract_line", "contract_line_id", "contract_id", "project_id")
        frame = frame.join(lines, on="contract_line_id", how="left", suffix="_of_line", maintain_order="left")
        for each in ("contract_id", "project_id"):
            if f"{each}_of_line" in frame.collect_schema().names():
                frame = frame.with_columns(pl.coalesce(each, f"{each}_of_line").alias(each))
    there = frame.collect_schema().names()
    wanted = ("legal_entity_id", "project_id", "contract_id")
    places = [(pl.col(each) if each in there else pl.lit(None)).cast(pl.String).alias(each) for each in wanted]
    key = pl.concat_str(*(pl.col(each).cast(pl.String) for each in keys or ENTITIES[entity_of].keys), separator="|")
    return frame.select(pl.lit(entity).alias("entity"), key.alias("entity_id"), *places)
