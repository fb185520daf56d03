"""Breaks: lines that do not tie, each told as one of four sorts, with what explains it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import polars as pl

from engine.policy.kinds.reconciliation import ReconciliationPolicy
from engine.reconcile.frames import SEPARATOR
from engine.reconcile.passes import Matched
from engine.reconcile.sides import PAIR, TwoSides, pair_column
from engine.reconcile.sources import with_evidence
from engine.reconcile.tolerance import WIDE, Tolerance
from engine.stage import Context

DIFFERS: Final = "differs"
MISSING_RIGHT: Final = "missing_right"
MISSING_LEFT: Final = "missing_left"

# Of many lines under one key a break names the first and says how many there are.
_PLACES: Final = 20

_PLAIN: Final = ("id", "entity", "amount", "currency", "date", "legal_entity_id", "contract_id", "customer_id", "account", "evidence")


def find_breaks(sides: TwoSides, matched: Matched, policy: ReconciliationPolicy, context: Context) -> pl.DataFrame:
    """Return one row a break, in the order of lines.

    What is left over on both sides under one pair key is one break that differs; what is left over
    on one side only is missing on the other: line by line, or where the policy names the pair key, the lines of one key
    together. Columns: `break`, the left and right line (`left_id`,
    `right_entity`, …), `left_amount`, `right_amount`, `difference`, `expectation` (of missing lines
    that are expected only later) and `members`, the rows of both sides. A match that a person confirmed though more is
    left over than any pass lets through is a break that differs as well; `said` is that person's word.
    """
    rest = [_left_over(sides, matched, side, pair_column(policy)) for side in (0, 1)]
    if sides.by_currency:
        rest = [_told_in_another_currency(rest[side], rest[1 - side]) for side in (0, 1)]
    grouped = [_by_pair(lines) for lines in rest]
    pairs = grouped[0].join(grouped[1], on=PAIR, how="inner", suffix="_r")
    alone = [each.join(pairs.select(PAIR), on=PAIR, how="anti") for each in rest]
    if policy.breaks.pair_on:
        # What the policy names as one balance is missing as one, however many lines it has.
        alone = [_joined(each) for each in alone]
    frames = [_differing(pairs), *_confirmed_apart(sides, matched, policy), _missing(alone[0], 0), _missing(alone[1], 1)]
    nobody = pl.DataFrame(schema={"said": pl.String()})
    breaks = pl.concat([*frames, nobody], how="diagonal").with_columns(pl.col("by_exchange").fill_null(value=False))
    return _with_expectation(breaks, policy, context)


def beyond_tolerance(matched: Matched, policy: ReconciliationPolicy) -> pl.DataFrame:
    """Return the matches (match, reason) that a person confirmed and whose residual no pass of the policy would let through.

    Whoever confirms that lines belong together has not explained what is left over.
    """
    held = pl.lit(value=False)
    for each in policy.passes:
        tolerance = Tolerance(each.tolerance.absolute, each.tolerance.percent, each.tolerance.needs)
        held = held | tolerance.holds(pl.col("left_amount"), pl.col("right_amount"))
    decided = matched.matches.filter((pl.col("pass") == len(policy.passes)) & (pl.col("residual") != 0))
    return decided.filter(~held).select("match", "reason") if decided.height else decided.select("match", "reason")


def _confirmed_apart(sides: TwoSides, matched: Matched, policy: ReconciliationPolicy) -> list[pl.DataFrame]:
    apart = beyond_tolerance(matched, policy)
    if apart.height == 0:
        return []
    members = matched.members.join(apart, on="match", how="inner")
    lines = []
    for side in (0, 1):
        own = members.filter(pl.col("side") == side).sort("row")
        of_match = pl.format("\x1edecided{}", "match").alias(PAIR)
        lines.append(with_evidence(sides.of(side)[own["row"]]).with_columns(own["reason"], own.select(of_match).to_series()))
    grouped = [_by_pair(each) for each in lines]
    pairs = grouped[0].join(grouped[1], on=PAIR, how="inner", suffix="_r")
    alone = [each.join(pairs.select(PAIR), on=PAIR, how="anti") for each in lines]
    said = [each.with_columns(pl.col("reason").alias("said")) for each in (_differing(pairs), _missing(alone[0], 0), _missing(alone[1], 1))]
    return [each for each in said if each.height]


def _left_over(sides: TwoSides, matched: Matched, side: int, pair: str | None) -> pl.DataFrame:
    rows = matched.left_over.filter(pl.col("side") == side).select("row", "reason").sort("row")
    lines = with_evidence(sides.of(side)[rows["row"]].with_columns(rows["reason"]))
    lines = lines.with_columns((pl.lit(None, dtype=pl.String) if pair is None else pl.col(pair)).alias(PAIR))
    if sides.by_currency:
        lines = lines.with_columns(pl.concat_str(PAIR, pl.col("currency").fill_null(""), separator=SEPARATOR).alias(PAIR))
    # A line without a key is alone; the join must not lose it.
    return lines.with_columns(pl.coalesce(PAIR, pl.concat_str(pl.lit(f"\x1e{side}"), pl.col("row").cast(pl.String))).alias(PAIR))


def _told_in_another_currency(lines: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Say of a line without a reason of its own that the other side has its key, in other currencies."""
    key = pl.col(PAIR).str.strip_suffix(pl.concat_str(pl.lit(SEPARATOR), pl.col("currency").fill_null(""))).alias("→key")
    there = others.select(key, pl.col("currency").alias("→there")).drop_nulls().unique()
    found = lines.select("row", "currency", key).join(there, on="→key").filter(pl.col("currency") != pl.col("→there"))
    told = found.sort("row", "→there").group_by("row", maintain_order=True).agg(pl.col("→there").str.join(", "))
    joined = lines.join(told, on="row", how="left", maintain_order="left")
    said = pl.concat_str(pl.lit("there it is in "), "→there")
    return joined.with_columns(pl.coalesce("reason", said).alias("reason")).drop("→there")


def _by_pair(lines: pl.DataFrame) -> pl.DataFrame:
    dates = [pl.col(name).first() for name in ("due", "breach", "waived") if name in lines.columns]
    if "original" in lines.columns:
        one = pl.col("original_currency").n_unique() == 1
        told = (one & pl.col("original").is_not_null().all()).alias("_told")
        dates += [pl.col("original").sum(), pl.col("original_currency").first(), told]
    return lines.group_by(PAIR, maintain_order=True).agg(
        pl.col("id", "entity", "currency", "date", "legal_entity_id", "contract_id", "customer_id", "account", "reason").first(),
        pl.col("amount").sum(), pl.len().alias("lines"), pl.col("evidence").explode().head(_PLACES), pl.col("row").alias("rows"), *dates,
    )  # fmt: skip


def _joined(lines: pl.DataFrame) -> pl.DataFrame:
    """Join the lines of one key that are due alike."""
    by = [PAIR, *(name for name in ("due", "breach", "waived") if name in lines.columns)]
    return lines.group_by(by, maintain_order=True).agg(
        pl.col("id", "entity", "currency", "date", "legal_entity_id", "contract_id", "customer_id", "account", "reason").first(),
        pl.col("amount").sum(), pl.len().alias("lines"), pl.col("evidence").explode().head(_PLACES), pl.col("row").alias("rows"),
    )  # fmt: skip


def _differing(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select(
        pl.lit(DIFFERS).alias("break"), PAIR,
        *(pl.col(name).alias(f"left_{name}") for name in ("id", "entity", "amount", "lines", "rows")),
        *(pl.col(f"{name}_r").alias(f"right_{name}") for name in ("id", "entity", "amount", "lines", "rows")),
        *(pl.coalesce(name, f"{name}_r").alias(name)
          for name in ("currency", "date", "legal_entity_id", "contract_id", "customer_id", "account", "reason")),
        pl.concat_list("evidence", "evidence_r").list.head(_PLACES).alias("evidence"),
        (pl.col("amount") - pl.col("amount_r")).alias("difference"), _by_exchange(pairs.columns).alias("by_exchange"),
    )  # fmt: skip


def _by_exchange(columns: list[str]) -> pl.Expr:
    """Say whether both sides are equal in the records' own currency, which is not the one compared: only the rate differs."""
    if "original" not in columns:
        return pl.lit(value=False)
    same = (pl.col("original") == pl.col("original_r")) & (pl.col("original_currency") == pl.col("original_currency_r"))
    foreign = pl.col("original_currency") != pl.coalesce("currency", "currency_r")
    return (pl.col("_told") & pl.col("_told_r") & same & foreign).fill_null(value=False)


def _missing(lines: pl.DataFrame, side: int) -> pl.DataFrame:
    """Return lines that have no counterpart: on the right of a left line, or on the left of a right one."""
    own = "right" if side else "left"
    signed = -pl.col("amount") if side else pl.col("amount")
    dates = [name for name in ("due", "breach", "waived") if name in lines.columns]
    is_joined = "rows" in lines.columns
    count, rows = (pl.col("lines"), pl.col("rows")) if is_joined else (pl.lit(1, dtype=pl.UInt32), pl.concat_list("row"))
    return lines.select(
        pl.lit(MISSING_LEFT if side else MISSING_RIGHT).alias("break"), PAIR,
        pl.col("id").alias(f"{own}_id"), pl.col("entity").alias(f"{own}_entity"), pl.col("amount").alias(f"{own}_amount"),
        count.alias(f"{own}_lines"), rows.alias(f"{own}_rows"),
        "currency", "date", "legal_entity_id", "contract_id", "customer_id", "account", "reason", "evidence",
        signed.cast(WIDE).alias("difference"), *dates,
    )  # fmt: skip


def _with_expectation(breaks: pl.DataFrame, policy: ReconciliationPolicy, context: Context) -> pl.DataFrame:
    if policy.expect is None or "due" not in breaks.columns:
        return breaks.with_columns(pl.lit(None, dtype=pl.String).alias("expectation"))
    return breaks.with_columns(
        pl.when(pl.col("break") == MISSING_RIGHT).then(expectation_status(context)).alias("expectation")
    )


def expectation_status(context: Context) -> pl.Expr:
    """Return where an unmet expectation stands: waived, expected, late or breached. What has no day by which it is due is late."""
    as_of = pl.lit(context.as_of)
    return (
        pl.when(pl.col("waived").fill_null(value=False)).then(pl.lit("waived"))
        .when(pl.col("due") >= as_of).then(pl.lit("expected"))
        .when(pl.col("breach") < as_of).then(pl.lit("breached"))
        .otherwise(pl.lit("late"))
    )  # fmt: skip


def with_causes(breaks: pl.DataFrame, policy: ReconciliationPolicy, earlier: pl.DataFrame | None) -> pl.DataFrame:
    """Add `cause`: the earlier finding that explains a break of the same record, or of the same contract.

    Findings explain no more than they are about: a break beyond their amounts and what tax may add to them stands. What
    states no amount, or one in another currency, may explain any.
    """
    nothing = pl.lit(None, dtype=pl.String).alias("cause")
    if not policy.known_causes or earlier is None or earlier.height == 0 or breaks.height == 0:
        return breaks.with_columns(nothing)
    kinds = {by: [each.kind for each in policy.known_causes if each.by == by] for by in ("record", "contract")}
    told = [pl.col("finding_id").alias("cause"), pl.col("amount_at_risk").alias("_size"), pl.col("currency").alias("_in")]
    named = earlier.filter(pl.col("kind").is_in(kinds["record"]))
    both = [named.select(pl.col(name).alias("named"), *told) for name in ("entity_id", "related_id")]
    records = _totalled(pl.concat(both))
    contracts = _totalled(earlier.filter(pl.col("kind").is_in(kinds["contract"])).select(pl.col("contract_id").alias("named"), *told))
    # The pair key names a record when its first part is one; amounts of several currencies have theirs behind it.
    found = breaks.with_columns(pl.col(PAIR).str.split(SEPARATOR).list.first().alias("_key"))
    columns = [("left_id", records), ("right_id", records), ("_key", records), ("contract_id", contracts)]
    for number, (column, causes) in enumerate(columns):
        if column not in found.columns or causes.height == 0:
            found = found.with_columns(pl.lit(None, dtype=pl.String).alias(f"_cause{number}"))
            continue
        found = found.join(causes, left_on=column, right_on="named", how="left", maintain_order="left")
        reaches = pl.col("_limit").is_null() | (pl.col("_in") != pl.col("currency")) | (pl.col("difference").abs() <= pl.col("_limit"))
        found = found.with_columns(pl.when(reaches.fill_null(value=True)).then(pl.col("cause")).alias(f"_cause{number}"))
        found = found.drop("cause", "_limit", "_in")
    return found.with_columns(pl.coalesce([f"_cause{number}" for number in range(4)]).alias("cause")).drop(
        "_key", *[f"_cause{number}" for number in range(4)]
    )


# A finding may state an amount without the tax that stands in a break of its document.
_TAX: Final = Decimal("1.3")
_CENT: Final = Decimal("0.05")


def _totalled(causes: pl.DataFrame) -> pl.DataFrame:
    """Return by record or contract named the first finding, and the most that all of them explain together, where that is known."""
    known = pl.col("_size").is_not_null().all() & (pl.col("_in").n_unique() == 1)
    most = (pl.col("_size").abs().sum().cast(WIDE) * pl.lit(_TAX, dtype=WIDE)).cast(WIDE) + pl.lit(_CENT, dtype=WIDE)
    unique = causes.drop_nulls("named").unique(["named", "cause"])
    return unique.group_by("named").agg(pl.col("cause").min(), pl.when(known).then(most).alias("_limit"), pl.col("_in").first())
