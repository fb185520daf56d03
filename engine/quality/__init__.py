"""The quality gate: source records against expectations, before anything is decided on them."""

from __future__ import annotations

import polars as pl

from engine.canonical.schema import EntitySpec, entity_spec, file_and_row
from engine.findings import FINDING_SCHEMA
from engine.policy.kinds.quality import QualityPolicy, read_suite
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.quality.expectations import Verdict, failing_rows, judged
from engine.readings import HELD_SCHEMA, VALUE_SHOWN
from engine.stage import Context, Facts, StageResult

__all__ = ["CLEAN", "HELD", "VERDICT_SCHEMA", "check_quality"]

CLEAN = "clean/"
HELD = "held"

VERDICT_SCHEMA = {
    "policy": pl.String(), "rule": pl.String(), "entity": pl.String(), "severity": pl.String(), "expectation": pl.String(),
    "success": pl.Boolean(), "elements": pl.Int64(), "missing": pl.Int64(), "unexpected": pl.Int64(), "observed": pl.String(),
    "says": pl.String(),
}  # fmt: skip
"""Columns of `expectations_met`: one row for each expectation judged."""

_PLACES = 20


def check_quality(facts: Facts, policies: PolicySet, context: Context) -> StageResult:
    """Judge every suite on the source records; `facts` is what was read.

    Frames: `quality_checks` (the verdicts), `held` (rows to be held, with the expectation as reason), and
    `clean/<entity>`, the records that stay, where any left. A suite whose entity no source supplies is
    not applicable.
    """
    result = StageResult()
    verdicts: list[tuple[LoadedPolicy, QualityPolicy, Verdict]] = []
    held: list[pl.DataFrame] = [pl.DataFrame(schema=HELD_SCHEMA)]
    leaving: dict[str, list[pl.DataFrame]] = {}
    for loaded, policy in policies.in_force(QualityPolicy, context.as_of):
        frame = facts.frame(policy.entity)
        if frame is None or (policy.system and not set(policy.system) & set(facts.systems(policy.entity))):
            result.not_applicable.append((policy.id, f"no source of the snapshot supplies {policy.entity.replace('_', ' ')} records"))
            continue
        assert loaded.sheet is not None, "a checked policy has its suite"
        suite = read_suite(policy.id, loaded.sheet.text or "")
        records = frame.filter(pl.col("source_system").is_in(list(policy.system))) if policy.system else frame
        spec = entity_spec(policy.entity)
        found = judged(suite, records, spec)
        verdicts += [(loaded, policy, each) for each in found]
        failed = [each for each in found if not each.success]
        result.findings += _findings(loaded, policy, spec, failed, records, held, leaving)
    result.frames["quality_checks"] = _table(verdicts).lazy()
    result.frames[HELD] = pl.concat(held).lazy()
    for entity, rows in leaving.items():
        gone = pl.concat(rows).unique().lazy()
        same = ["source_system", "source_file", "source_row", *entity_spec(entity).keys]
        result.frames[f"{CLEAN}{entity}"] = facts.records[entity].join(gone, on=same, how="anti", maintain_order="left", nulls_equal=True)
    return result


def _findings(
    loaded: LoadedPolicy, policy: QualityPolicy, spec: EntitySpec, failed: list[Verdict], records: pl.LazyFrame,
    held: list[pl.DataFrame], leaving: dict[str, list[pl.DataFrame]],
) -> list[pl.DataFrame]:  # fmt: skip
    found: list[pl.DataFrame] = []
    for each in failed:
        rows = failing_rows(each.expectation, records, spec)
        if rows is None:
            found.append(_of_table(loaded, policy, each))
        elif policy.severity == "held":
            held.append(_held(each, policy, rows))
            leaving.setdefault(policy.entity, []).append(rows.select("source_system", "source_file", "source_row", *spec.keys))
            found.append(_of_held(loaded, policy, each, rows))
        else:
            found.append(_of_rows(loaded, policy, spec, each, rows))
    return found


def _value(each: Verdict) -> pl.Expr:
    parts = [pl.col(name).cast(pl.String).fill_null("") for name in each.expectation.columns]
    return pl.concat_str(parts, separator=", ").str.slice(0, VALUE_SHOWN) if parts else pl.lit(None, dtype=pl.String)


def _held(each: Verdict, policy: QualityPolicy, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        pl.col("source_file").alias("file"), pl.col("source_row").cast(pl.Int64).alias("row"), pl.lit(policy.entity).alias("entity"),
        pl.lit(", ".join(each.expectation.columns)).alias("field"), _value(each).alias("value"),
        pl.lit(each.expectation.rule).alias("reason"), pl.lit(_remedy(each)).alias("remedy"),
    )  # fmt: skip


def _remedy(each: Verdict) -> str:
    return str(each.expectation.meta.get("remedy") or "Correct the record in its system and export again, or change the expectation.")


def _common(loaded: LoadedPolicy, policy: QualityPolicy, each: Verdict, kind: str) -> list[pl.Expr]:
    return [
        pl.lit("quality").alias("stage"), pl.lit(kind).alias("kind"), pl.lit(each.expectation.rule).alias("rule"),
        pl.lit(policy.level).alias("severity"), pl.lit(policy.entity).alias("entity"),
        pl.lit(", ".join(each.expectation.columns) or None, dtype=pl.String).alias("field"), pl.lit(_remedy(each)).alias("remedy"),
        pl.lit(policy.owner).alias("owner"), pl.lit(loaded.fingerprint).alias("policy_fingerprint"),
    ]  # fmt: skip


def _of_rows(loaded: LoadedPolicy, policy: QualityPolicy, spec: EntitySpec, each: Verdict, rows: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for each record that is warned of."""
    name = spec.name.replace("_", " ").capitalize()
    return rows.select(
        *_common(loaded, policy, each, "quality_warned"), spec.display_key().alias("entity_id"),
        pl.concat_list("source_system").alias("systems"), pl.concat_list(file_and_row()).alias("evidence"),
        (pl.col("contract_id") if "contract_id" in rows.columns else pl.lit(None, dtype=pl.String)).alias("contract_id"),
        pl.concat_str(
            pl.lit(f"{name} "), spec.display_key().fill_null("without id"), pl.lit(f" does not meet: {each.expectation.says} (it says '"),
            _value(each), pl.lit("')."),
        ).alias("message"),
    )  # fmt: skip


def _of_held(loaded: LoadedPolicy, policy: QualityPolicy, each: Verdict, rows: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for each file of which records are held; held.parquet lists them."""
    places = file_and_row().sort().head(_PLACES).alias("evidence")
    by_file = rows.group_by("source_system", "source_file").agg(pl.len().alias("count"), places)
    count = pl.when(pl.col("count") == 1).then(pl.lit("1 record is")).otherwise(pl.col("count").cast(pl.String) + " records are")
    return by_file.select(
        *_common(loaded, policy, each, "quality_held"), pl.col("source_file").alias("related_id"), pl.lit("file").alias("related_entity"),
        pl.concat_list("source_system").alias("systems"), "evidence",
        pl.concat_str(count, pl.lit(f" held for not meeting: {each.expectation.says}; held.parquet lists each.")).alias("message"),
    )  # fmt: skip


def _of_table(loaded: LoadedPolicy, policy: QualityPolicy, each: Verdict) -> pl.DataFrame:
    """Return the finding of an expectation about the table as a whole."""
    message = f"{policy.entity.replace('_', ' ').capitalize()} records do not meet: {each.expectation.says}; it is {each.observed}."
    frame = pl.select(*_common(loaded, policy, each, "quality_not_met"), pl.lit(message).alias("message"))
    return frame.select(pl.col(name) for name in FINDING_SCHEMA if name in frame.columns)


def _table(verdicts: list[tuple[LoadedPolicy, QualityPolicy, Verdict]]) -> pl.DataFrame:
    rows = [
        {"policy": policy.id, "rule": each.expectation.rule, "entity": policy.entity, "severity": policy.severity,
         "expectation": each.expectation.type, "success": each.success, "elements": each.elements, "missing": each.missing,
         "unexpected": each.unexpected, "observed": each.observed, "says": each.expectation.says}
        for _, policy, each in verdicts
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=VERDICT_SCHEMA).sort("policy", "rule")
