"""Checks: what must hold of every record or group, judged in one pass; unknown is never a pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.condition import CompiledCondition, attach_references
from engine.condition.scope import Unresolved
from engine.policy.kinds.checks import Check, CheckPolicy, check_scope, compiled_in, record_scope
from engine.policy.kinds.sides import PERIOD_COLUMNS
from engine.policy.loaded import LoadedPolicy
from engine.policy.outputs import OUTPUTS, READABLE
from engine.reconcile.sources import (
    EVIDENCE,
    base_records,
    gathered,
    referenced,
    stated_fields,
    why_absent,
    why_excluded,
    with_evidence,
    with_extras,
    with_summed_places,
)
from engine.stage import Context, Facts, StageResult

CHECK_SCHEMA: Final[dict[str, pl.DataType]] = {
    "policy": pl.String(), "check": pl.String(), "says": pl.String(), "records": pl.Int64(), "passed": pl.Int64(), "failed": pl.Int64(),
    "unknown": pl.Int64(), "status": pl.String(),
}  # fmt: skip
"""Columns of `checks.parquet`: how many records a check was asked of, and how many met it."""

# Evidence of a group names the first records, not thousands.
_PLACES: Final = 20

# So many numbers missing in a row are told one by one; more are one hole, not so many documents.
_TOLD_ALONE: Final = 12

_CONTRACT: Final = ("contract_id", "invoice.contract_id", "contract_line.contract_id", "project.contract_id")


def run_check_policy(loaded: LoadedPolicy, policy: CheckPolicy, facts: Facts, context: Context, result: StageResult) -> pl.DataFrame:
    """Judge a policy's checks; findings and what does not apply go to the result. Returns CHECK_SCHEMA rows."""
    reason = why_absent(policy.entity, policy.system, facts) or why_excluded(policy.needs, policy.unless_supplied, facts)
    if reason is not None:
        result.not_applicable.append((policy.id, reason))
        return pl.DataFrame(schema=CHECK_SCHEMA)
    runner = _Runner(loaded, policy, facts, context)
    asked: list[tuple[int, Check]] = []
    for index, check in enumerate(policy.checks):
        why = runner.why_not(check, index)
        if why is None:
            asked.append((index, check))
        else:
            result.not_applicable.append((check.id, why))
    records = runner.records(asked)
    rows = [runner.judged(records, index, check, result) for index, check in asked]
    return pl.DataFrame(rows, schema=CHECK_SCHEMA, orient="row")


class _Runner:
    """Hold a policy with what its conditions compile to."""

    def __init__(self, loaded: LoadedPolicy, policy: CheckPolicy, facts: Facts, context: Context) -> None:
        self.loaded = loaded
        self.policy = policy
        self.facts = facts
        self.context = context
        self.scope = check_scope(policy)

    def compiled(self, index: int, name: str, text: str) -> CompiledCondition:
        condition = name in ("must", "where")
        return compiled_in(self.scope, text, self.loaded.document, ("checks", index, name), is_condition=condition)

    def texts(self, index: int, check: Check) -> list[CompiledCondition]:
        named = [(name, getattr(check, name)) for name in ("must", "where", "amount", "related", "dated")]
        return [self.compiled(index, name, text) for name, text in named if text is not None]

    def why_not(self, check: Check, index: int) -> str | None:
        """Return why a check cannot be asked: no source states what it speaks of."""
        read = [path for each in self.texts(index, check) for path in each.paths]
        if any(path in PERIOD_COLUMNS for path in read) and self.facts.frame("fiscal_period") is None:
            return "no source of the snapshot supplies fiscal period records"
        if check.unstated == "fails":
            return None
        stated = stated_fields(self.policy.entity, self.policy.system, self.facts)
        paths = [check.sequence] if check.sequence is not None else self.compiled(index, "must", check.must or "").paths
        own = [path for path in paths if path in READABLE[self.policy.entity].fields]
        missing = [path for path in own if path not in stated]
        if own and missing:
            who = ", ".join(self.policy.system) or "no source"
            return f"{who} states no {' and '.join(missing)} for {self.policy.entity.replace('_', ' ')} records"
        return None

    def records(self, asked: Iterable[tuple[int, Check]]) -> pl.DataFrame:
        """Return what is judged: records, or groups, with every column the checks read."""
        policy, group = self.policy, self.policy.group
        paths = [path for index, check in asked for each in self.texts(index, check) for path in each.paths]
        paths += [path for _, check in asked for path in (*check.per, *((check.sequence,) if check.sequence else ()))]
        document = self.loaded.document
        where = None
        if policy.where is not None:
            where = compiled_in(record_scope(policy), policy.where, document, ("where",), is_condition=True)
        made: dict[str, tuple[CompiledCondition, str]] = {}
        if group is not None:
            for part in ("count", "sum"):
                for name, text in getattr(group, part).items():
                    made[name] = (compiled_in(record_scope(policy), text, document, ("group", part, name), is_condition=False), part)
        contract = next((path for path in _CONTRACT if not isinstance(record_scope(policy).resolve(path), Unresolved)), None)
        own = set(made) | {"records"}
        needed = [path for path in dict.fromkeys(paths) if path not in own]
        needed += [path for each, _ in made.values() for path in each.paths]
        needed += [] if where is None else where.paths
        # What is told names the records of its sums, which bear this.
        needed += [lookup.by or lookup.on for lookup in policy.with_sums.values() if lookup.sum is not None]
        needed += [] if contract is None else [contract]
        frame = self._base(needed)
        reached = attach_references(frame, policy.entity, needed, referenced(policy.system, self.facts), READABLE)
        if where is not None:
            reached = reached.filter(where.expression.fill_null(value=False))
        keys = READABLE[policy.entity].keys
        columns = [path for path in dict.fromkeys([*needed, *(group.by if group else ())]) if path not in keys]
        names = reached.collect_schema().names()
        selected = reached.select(
            pl.concat_str([pl.col(name).cast(pl.String) for name in keys], separator="|").alias("→id"), *keys,
            *(pl.col(name) for name in columns if name in names), pl.col(EVIDENCE),
            (pl.lit(None, dtype=pl.String) if contract is None else pl.col(contract)).alias("→contract"),
            (pl.col("currency") if "currency" in names else pl.lit(None, dtype=pl.String)).alias("→currency"),
            *(each.expression.alias(f"→{name}") for name, (each, _) in made.items()),
        ).collect().sort("→id")  # fmt: skip
        return selected if group is None else self._grouped(selected, made)

    def _base(self, paths: list[str]) -> pl.LazyFrame:
        policy = self.policy
        frame = base_records(policy.entity, policy.system, self.facts)
        frame = with_extras(frame, policy.entity, paths, policy.with_sums, self.facts, self.context, policy.system)
        schema = READABLE[policy.entity].polars_schema(with_provenance=policy.entity not in OUTPUTS)
        present = set(frame.collect_schema().names())
        return frame.with_columns(pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items() if name not in present)

    def _grouped(self, records: pl.DataFrame, made: dict[str, tuple[CompiledCondition, str]]) -> pl.DataFrame:
        group = self.policy.group
        assert group is not None
        apart = {*group.by, "→id", EVIDENCE, *(f"→{name}" for name in made)}
        plain = [name for name in records.columns if name not in apart]
        computed = [
            (pl.col(f"→{name}").n_unique().cast(pl.Int64) if part == "count" else pl.col(f"→{name}").sum()).alias(name)
            for name, (_, part) in made.items()
        ]
        present = records.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in group.by))
        grouped = present.group_by(group.by, maintain_order=True).agg(
            pl.col(plain).first(), pl.len().cast(pl.Int64).alias("records"), *computed, gathered(records.schema[EVIDENCE], _PLACES)
        )
        return grouped.with_columns(pl.concat_str([pl.col(name).cast(pl.String) for name in group.by], separator="|").alias("→id"))

    def judged(self, records: pl.DataFrame, index: int, check: Check, result: StageResult) -> tuple[object, ...]:
        """Add a check's findings to the result; return its row of CHECK_SCHEMA."""
        if check.where is not None:
            records = records.filter(self.compiled(index, "where", check.where).expression.fill_null(value=False))
        if check.sequence is not None:
            gaps = _gaps(records, check)
            if gaps.height:
                result.findings.append(self._told(gaps, check, None, index))
            holes = gaps["→after"].n_unique()
            counts = (records.height, records.height - holes, holes, 0)
        else:
            verdict = records.select(self.compiled(index, "must", check.must or "").expression.alias("v"))["v"]
            failed, unknown = records.filter(~verdict.fill_null(value=True)), records.filter(verdict.is_null())
            for rows, kind in ((failed, check.kind), (unknown, "unknown")):
                if rows.height:
                    result.findings.append(self._told(rows, check, kind, index))
            counts = (records.height, records.height - failed.height - unknown.height, failed.height, unknown.height)
        status = "no records" if counts[0] == 0 else "passed" if counts[2] == 0 and counts[3] == 0 else "failed"
        return (self.policy.id, check.id, check.says, *counts, status)

    def _told(self, rows: pl.DataFrame, check: Check, kind: str | None, index: int) -> pl.DataFrame:
        policy = self.policy
        entity = policy.group.called if policy.group is not None else policy.entity
        amount = pl.lit(None, dtype=MONEY)
        if check.amount is not None and kind != "unknown":
            amount = self.compiled(index, "amount", check.amount).expression.cast(MONEY, strict=False)
        spoken_of = [path for each in self.texts(index, check) for path in each.paths]
        rows = with_summed_places(rows, dict.fromkeys(spoken_of), policy.with_sums, self.facts, self.context)
        related = pl.lit(None, dtype=pl.String)
        if check.related is not None:
            related = self.compiled(index, "related", check.related).expression.cast(pl.String)
        # A number that is missing is of no contract: what stands beside it is another document's.
        contract = pl.lit(None, dtype=pl.String) if check.sequence is not None else pl.col("→contract")
        of_entity = pl.col("legal_entity_id") if "legal_entity_id" in check.per else pl.lit(None, dtype=pl.String)
        since = pl.lit(None, dtype=pl.Date)
        if check.dated is not None:
            since = self.compiled(index, "dated", check.dated).expression.cast(pl.Date)
        return rows.select(
            pl.lit("reconciliation").alias("stage"), pl.lit(kind or check.kind).alias("kind"), pl.lit(check.id).alias("rule"),
            pl.lit(check.severity).alias("severity"), pl.lit(entity).alias("entity"), pl.col("→id").alias("entity_id"),
            related.alias("related_id"), contract.alias("contract_id"), of_entity.alias("legal_entity_id"), since.alias("since"),
            pl.lit(list(policy.system) or None, dtype=pl.List(pl.String)).alias("systems"), amount.alias("amount_at_risk"),
            pl.col("→currency").alias("currency"), self._message(check, kind, entity, index, rows.schema).alias("message"),
            pl.lit(check.remedy).alias("remedy"), pl.lit(check.owner or policy.owner).alias("owner"), pl.col(EVIDENCE).alias("evidence"),
            pl.lit(self.loaded.fingerprint).alias("policy_fingerprint"),
        )  # fmt: skip

    def _message(self, check: Check, kind: str | None, entity: str, index: int, columns: pl.Schema) -> pl.Expr:
        name = pl.concat_str(pl.lit(entity.replace("_", " ").capitalize() + " "), pl.col("→id"))
        if check.sequence is not None:
            return pl.concat_str(name, pl.lit(f": {check.says.rstrip('.')}. The numbers before and after are there."))
        paths = self.compiled(index, "must", check.must or "").paths
        # A sum of no records is nothing worth telling, unless it is what is not known.
        silent = self.policy.with_sums if kind != "unknown" else {}
        values = [
            pl.concat_str(pl.lit(f"{path.replace('_', ' ').replace('.', ' ')} "), _written(path, columns[path], is_silent=path in silent))
            for path in dict.fromkeys(paths) if path in columns and path != "as_of"
        ]  # fmt: skip
        together = pl.concat_str(values, separator=", ", ignore_nulls=True) if values else pl.lit("")
        facts = pl.when(together.str.len_chars() > 0).then(pl.format(" ({}).", together)).otherwise(pl.lit("."))
        demand = "It is not known whether this holds: " if kind == "unknown" else "This must hold and does not: "
        return pl.concat_str(name, pl.lit(f". {demand}{check.says.rstrip('.')}"), facts)


def _written(name: str, dtype: pl.DataType, *, is_silent: bool) -> pl.Expr:
    """Write a value as people read it: amounts to the cent unless they have more, instants to the minute."""
    value = pl.col(name)
    if isinstance(dtype, pl.Decimal):
        text = value.cast(pl.String).str.replace(r"(\.\d\d\d*?)0+$", "${1}")
    elif isinstance(dtype, pl.Datetime):
        text = value.dt.strftime("%Y-%m-%d %H:%M")
    else:
        text = value.cast(pl.String)
    return text if is_silent else text.fill_null("missing")


def _gaps(records: pl.DataFrame, check: Check) -> pl.DataFrame:
    """Return a row for each missing number between those that are there; for a long run of them one row.

    A number is the digits at the end of the field; what stands before them is another series. What is dated bears the
    date of the number before, after which it is missing; `→after` tells the record that follows.
    """
    assert check.sequence is not None
    text = pl.col(check.sequence).cast(pl.String)
    per = [pl.col(name).cast(pl.String).fill_null("") for name in check.per]
    digits = text.str.extract(r"(\d{1,18})$", 1)
    numbered = (
        records.with_columns(
            digits.cast(pl.Int64, strict=False).alias("→n"), text.str.replace(r"\d{1,18}$", "").alias("→series"),
            digits.str.len_chars().alias("→width"), pl.concat_str(per or [pl.lit("")], separator="|").alias("→per"),
        )
        .filter(pl.col("→n").is_not_null())
        .sort("→per", "→series", "→n")
        .unique(["→per", "→series", "→n"], keep="first", maintain_order=True)
    )  # fmt: skip
    series = ("→per", "→series")
    before = [pl.col("→n").shift(1).over(series).alias("→before")]
    before += [pl.col(check.dated).shift(1).over(series)] if check.dated is not None else []
    beside = numbered.with_columns(*before, pl.col("→id").alias("→after")).filter(pl.col("→n") - pl.col("→before") > 1)
    first, last = pl.col("→before") + 1, pl.col("→n") - 1
    is_few = last - first < _TOLD_ALONE
    told = with_evidence(beside).with_columns(
        pl.when(is_few).then(pl.int_ranges(first, pl.col("→n"))).otherwise(pl.concat_list(first)).alias("→first"),
        pl.when(~is_few).then(last).alias("→last"),
        pl.concat_list(pl.col(EVIDENCE).list.first()).list.drop_nulls().alias(EVIDENCE),
    ).explode("→first")  # fmt: skip
    names = [
        pl.concat_str(pl.col("→series"), pl.col(number).cast(pl.String).str.pad_start(pl.col("→width"), "0"))
        for number in ("→first", "→last")
    ]
    one, run = names[0], pl.concat_str(*names, separator="..")
    return told.with_columns(pl.when(pl.col("→last").is_null()).then(one).otherwise(run).alias("→id"))
