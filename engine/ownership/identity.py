"""Identity: which source records of different systems are one and the same thing.

Systems are taken in turn, the owner first. A record joins the identity whose key it shares: the
canonical id, then the policy's match keys in their order; a key that two identities bear decides
nothing. What matches nothing becomes an identity of its own. Names only suggest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from engine.canonical.kinds import Kind
from engine.canonical.schema import EntitySpec

IDENTITY = "_identity"
RECORD = "_record"

# Legal forms and punctuation differ between systems without meaning anything.
_LEGAL_FORM = r"\b(inc|incorporated|llc|ltd|limited|gmbh|ag|sa|sas|bv|plc|corp|corporation|co|company|lp|llp)\b"


@dataclass(frozen=True, slots=True)
class Identified:
    """Hold an entity's records with their identity, and pairs that look alike but share no key."""

    records: pl.DataFrame
    suggested: pl.DataFrame


def normalized_name(name: pl.Expr) -> pl.Expr:
    """Return a name without case, punctuation, legal form and repeated space; blank is null."""
    plain = (
        name.str.to_lowercase()
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.replace_all(_LEGAL_FORM, " ")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )
    return pl.when(plain != "").then(plain)


def identify(
    records: pl.DataFrame, spec: EntitySpec, match: Sequence[str], suggest_by: Sequence[str], owners: Sequence[str]
) -> Identified:
    """Give every record its identity (the canonical id of the record that founded it).

    `records` holds all systems' records of the entity; `owners` are taken first, in their order.
    """
    marked = records.with_columns(spec.display_key().alias(RECORD))
    systems = sorted(marked["source_system"].unique().drop_nulls().to_list())
    ordered = [name for name in owners if name in systems] + [name for name in systems if name not in owners]
    keys = [RECORD, *(name for name in match if name not in spec.keys)]
    known: pl.DataFrame | None = None
    parts: list[pl.DataFrame] = []
    for system in ordered:
        claims = marked.filter(pl.col("source_system") == system)
        placed = claims.with_columns(pl.col(RECORD).alias(IDENTITY)) if known is None else _place(claims, known, keys)
        parts.append(placed)
        known = pl.concat([each.select(IDENTITY, *keys) for each in parts])
    if not parts:
        empty = marked.with_columns(pl.lit(None, dtype=pl.String).alias(IDENTITY))
        return Identified(empty, empty.clear())
    joined = pl.concat(parts)
    return Identified(joined, _suggestions(joined, suggest_by, spec))


def _place(claims: pl.DataFrame, known: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    placed = claims.with_columns(pl.lit(None, dtype=pl.String).alias(IDENTITY))
    for name in keys:
        unique = (
            known.select(IDENTITY, name).drop_nulls().unique()
            .filter(pl.len().over(name) == 1)
            .rename({IDENTITY: "_found"})
        )  # fmt: skip
        placed = (
            placed.join(unique, on=name, how="left", maintain_order="left")
            .with_columns(pl.coalesce(IDENTITY, "_found").alias(IDENTITY))
            .drop("_found")
        )
    return placed.with_columns(pl.coalesce(IDENTITY, RECORD).alias(IDENTITY))


def _suggestions(records: pl.DataFrame, suggest_by: Sequence[str], spec: EntitySpec) -> pl.DataFrame:
    """Return pairs of identities that no key joins although a text field reads alike."""
    columns = {"left": pl.String(), "right": pl.String(), "field": pl.String(), "value": pl.String()}
    pairs: list[pl.DataFrame] = []
    for name in suggest_by:
        if spec.fields[name].kind not in (Kind.TEXT, Kind.ID):
            continue
        # Two records of one system are that system's business; the question is across systems.
        systems = pl.col("source_system").unique().sort().alias("systems")
        named = (
            records.with_columns(normalized_name(pl.col(name)).alias("value")).drop_nulls("value")
            .group_by(IDENTITY, "value").agg(systems)
        )  # fmt: skip
        apart = pl.col("systems").list.set_intersection("systems_right").list.len() == 0
        twins = named.join(named, on="value", suffix="_right").filter(
            (pl.col(IDENTITY) < pl.col(f"{IDENTITY}_right")) & apart
        )
        pairs.append(twins.select(
            pl.col(IDENTITY).alias("left"), pl.col(f"{IDENTITY}_right").alias("right"),
            pl.lit(name).alias("field"), pl.col("value"),
        ))  # fmt: skip
    return pl.concat(pairs).sort("left", "right") if pairs else pl.DataFrame(schema=columns)
