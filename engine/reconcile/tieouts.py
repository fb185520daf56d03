"""Tie-outs: both totals, their difference, what explains it and what does not; the matrix of systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import polars as pl

from engine import minor_units
from engine.canonical.kinds import MONEY
from engine.policy.kinds.reconciliation import ReconciliationPolicy
from engine.reconcile.breaks import beyond_tolerance
from engine.reconcile.passes import Matched, first_rows
from engine.reconcile.sides import BOOKED, MOVED, TwoSides
from engine.reconcile.tolerance import WIDE

EXPLANATIONS: Final = ("timing", "fx", "rounding", "tolerance", "known_cause")

TIEOUT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "reconciliation": pl.String(), "scope": pl.String(), "period": pl.String(), "left_system": pl.String(), "right_system": pl.String(),
    "left_total": MONEY, "right_total": MONEY, "difference": MONEY, "explained": MONEY, "unexplained": MONEY, "currency": pl.String(),
    "matched": pl.Int64(), "breaks": pl.Int64(), "status": pl.String(), "suggested": pl.Int64(), "left_lines": pl.Int64(),
    "right_lines": pl.Int64(), **{f"explained_{name}": MONEY for name in EXPLANATIONS}, "break_amount": MONEY,
}  # fmt: skip
"""Columns of `reconciliations.parquet`: the normative ones first, then what explains the difference."""

_BY: Final = ("scope", "currency", "period")
PLACE: Final = "place"
"""The column with the number of a line's scope, currency and period."""

ALL: Final = "all"

NOT_COMPARABLE: Final = "not_comparable"
"""The status of a tie-out of which one side supplies nothing."""

# Fewer lines than these, without a counterpart of their scope, are told one by one.
NOT_FEW: Final = 5

UNCOVERED: Final = "uncovered"
"""The column of breaks that says why the other side cannot have a line; empty for those it can."""

INFERRED: Final = ("after", "before")
"""Why a line is uncovered where that is not certain but concluded from what the other side supplies."""

# So many places are numbered without gaps.
_FEW_PLACES: Final = 1 << 20


def rounded(amount: pl.Expr) -> pl.Expr:
    """Round an amount to the minor unit of the `currency` beside it, once, half away from zero."""
    return minor_units.rounded(amount, pl.col("currency"))


def line_period(policy: ReconciliationPolicy, period: str) -> pl.Expr:
    """Return the period a line's totals count in: its own month, or that of the as-of date."""
    if policy.by_period:
        return pl.coalesce(pl.col("date").dt.strftime("%Y-%m"), pl.lit(period)).alias("period")
    return pl.lit(period).alias("period")


def tie_out(
    sides: TwoSides, matched: Matched, breaks: pl.DataFrame, policy: ReconciliationPolicy, names: tuple[str, str], period: str,
    supplied: Sequence[Callable[[], pl.DataFrame | None]] = (),
) -> pl.DataFrame:  # fmt: skip
    """Return the tie-out of a policy by scope (legal entity), period and currency.

    `supplied` tells by side of which scopes and currencies its systems supply anything at all; None: of all.

    Every line's signed amount is put under what became of it, so that the parts always sum to the
    difference; what rounding of the totals leaves is rounding.
    """
    lines, places = _placed(_scoped(_signed_lines(sides, policy, period), matched))
    parts = _contributions(lines, matched, breaks, policy)
    totals = places.join(_totals(lines), on=PLACE, how="inner")
    rows = totals.join(parts, on=PLACE, how="left").with_columns(
        rounded(pl.col("left_total")).alias("left_total"), rounded(pl.col("right_total")).alias("right_total")
    )
    rows = rows.with_columns((pl.col("left_total") - pl.col("right_total")).alias("difference"))
    rows = _explained(rows) if policy.passes else _explained_total(rows, policy)
    rows = _marked_uncovered(rows, policy, supplied)
    none = pl.when("_uncovered").then(None)
    rows = rows.with_columns(
        none.otherwise("difference").alias("difference"), none.otherwise("unexplained").alias("unexplained"),
        pl.when("_uncovered").then(0).otherwise("breaks").alias("breaks"),
    )
    status = (
        pl.when("_uncovered").then(pl.lit(NOT_COMPARABLE))
        .when((pl.col("breaks") > 0) | (pl.col("unexplained") != 0)).then(pl.lit("open"))
        .when((pl.col("suggested") > 0) | (pl.col("inferred") > 0)).then(pl.lit("review"))
        .when((pl.col("difference") != 0) | pl.any_horizontal(pl.col(f"explained_{name}") != 0 for name in EXPLANATIONS))
        .then(pl.lit("explained")).otherwise(pl.lit("tied"))
    )  # fmt: skip
    complete = rows.with_columns(
        pl.lit(policy.id).alias("reconciliation"), pl.lit(names[0]).alias("left_system"), pl.lit(names[1]).alias("right_system"),
        pl.coalesce("scope", pl.lit(ALL)).alias("scope"), status.alias("status"),
    )  # fmt: skip
    shown = complete.select(pl.col(name).cast(dtype) for name, dtype in TIEOUT_SCHEMA.items())
    return shown.sort("scope", "period", "currency", nulls_last=True)


def _marked_uncovered(
    rows: pl.DataFrame, policy: ReconciliationPolicy, supplied: Sequence[Callable[[], pl.DataFrame | None]]
) -> pl.DataFrame:  # fmt: skip
    """Say of which rows one side supplies nothing, so that the amount of the other is no difference.

    Where totals are compared: no line of the scope and currency. Where lines meet: no line of the
    scope at all, while the side has lines of other scopes and the other side has not just a few. Never where the
    side's systems supply anything else of that scope (and currency): then its nothing is a statement.
    """
    has_own_scope = any(side.scope is not None for side in (*policy.left, *policy.right))
    marked = rows.with_columns(_empty(side, policy, has_own_scope=has_own_scope).alias(f"_empty_{side}") for side in ("left", "right"))
    for side, tell in zip(("left", "right"), supplied, strict=False):
        if has_own_scope or not marked[f"_empty_{side}"].any():
            continue
        there = tell()
        if there is None:
            marked = marked.with_columns(pl.lit(value=False).alias(f"_empty_{side}"))
            continue
        # Converted amounts have the currency of the books, whatever that of the records.
        by = ["scope"] if policy.passes or policy.currency == "functional" or policy.count else ["scope", "currency"]
        known = there.select(by).unique().with_columns(pl.lit(value=True).alias("_there"))
        marked = marked.join(known, on=by, how="left", nulls_equal=True, maintain_order="left")
        marked = marked.with_columns(pl.col(f"_empty_{side}") & pl.col("_there").is_null()).drop("_there")
    return marked.with_columns((pl.col("_empty_left") | pl.col("_empty_right")).alias("_uncovered")).drop("_empty_left", "_empty_right")


def _empty(side: str, policy: ReconciliationPolicy, *, has_own_scope: bool) -> pl.Expr:
    other = "right" if side == "left" else "left"
    if not policy.passes:
        return (pl.col(f"{side}_lines") == 0) & (pl.col("difference") != 0)
    if has_own_scope:
        return pl.lit(value=False)
    of_scope, named = pl.col(f"{side}_lines").sum().over("scope"), pl.col(f"{side}_lines").filter(pl.col("scope").is_not_null()).sum()
    many = pl.col(f"{other}_lines").sum().over("scope") >= NOT_FEW
    return pl.col("scope").is_not_null() & (of_scope == 0) & (named > 0) & many & (pl.col("unexplained") != 0)


def _totals(lines: tuple[pl.DataFrame, pl.DataFrame]) -> pl.DataFrame:
    """Return the totals of both sides by place, with the number of lines and of converted lines."""
    grouped = [
        own.group_by(PLACE).agg(
            pl.col("signed").sum().alias(f"{name}_total"), pl.len().cast(pl.Int64).alias(f"{name}_lines"),
            pl.col("converted").sum().cast(pl.Int64).alias(f"_{name}_converted"),
            *_moved(own, name),
        )
        for name, own in zip(("left", "right"), lines, strict=True)
    ]  # fmt: skip
    both = grouped[0].join(grouped[1], on=PLACE, how="full", coalesce=True)
    counts = [pl.col(name).fill_null(0) for name in ("left_lines", "right_lines", "_left_converted", "_right_converted")]
    return both.with_columns(
        *counts, pl.col("left_total").fill_null(0), -pl.col("right_total").fill_null(0)
    ).with_columns((pl.col("_left_converted") + pl.col("_right_converted")).alias("converted"))  # fmt: skip


def _moved(lines: pl.DataFrame, name: str) -> list[pl.Expr]:
    if MOVED not in lines.columns:
        return []
    return [pl.col(MOVED).sum().alias(f"_{name}_moved"), pl.col(BOOKED).any().alias(f"_{name}_booked")]


def _signed_lines(sides: TwoSides, policy: ReconciliationPolicy, period: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return each side's lines in their order; the right side's amounts with the opposite sign."""
    left, right = (
        lines.select(
            "row", _signed("amount", side).alias("signed"), "scope", "currency", "converted",
            line_period(policy, period), *([] if MOVED not in lines.columns else [_signed(MOVED, side), pl.col(BOOKED)]),
        )
        for side, lines in ((0, sides.left), (1, sides.right))
    )  # fmt: skip
    return left, right


def _signed(name: str, side: int) -> pl.Expr:
    return -pl.col(name) if side else pl.col(name)


def _scoped(lines: tuple[pl.DataFrame, pl.DataFrame], matched: Matched) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give lines that name no scope that of the lines they match: a payment is of its invoice's legal entity."""
    missing = [own["scope"].null_count() for own in lines]
    if not any(missing) or all(count == own.height for count, own in zip(missing, lines, strict=True)):
        return lines
    members = [_members(matched, side) for side in (0, 1)]
    known = pl.concat(
        [each.with_columns(own["scope"].gather(each["row"]).alias("of_match")) for each, own in zip(members, lines, strict=True)]
    )
    of_match = known.drop_nulls("of_match").group_by("match").agg(pl.col("of_match").min())
    filled = [each.join(of_match, on="match", how="inner").select("row", "of_match") for each in members]
    scope = pl.coalesce("scope", "of_match").alias("scope")
    left, right = (
        own.join(each, on="row", how="left", maintain_order="left").with_columns(scope).drop("of_match")
        for own, each in zip(lines, filled, strict=True)
    )
    return left, right


def _placed(lines: tuple[pl.DataFrame, pl.DataFrame]) -> tuple[tuple[pl.DataFrame, pl.DataFrame], pl.DataFrame]:
    """Number the scopes, currencies and periods once: a number is grouped several times faster than three texts."""
    split = lines[0].height
    numbers = np.zeros(split + lines[1].height, dtype=np.uint32)
    for name in _BY:
        texts = pl.concat([own[name] for own in lines])
        known = texts.unique().sort()
        if known.len() > 1:
            named = texts.cast(pl.Enum(known.drop_nulls())).to_physical().cast(pl.UInt32)
            numbers = _together(numbers, named.fill_null(known.len()).to_numpy(), known.len() + 1)
    numbered = [
        own.drop(_BY).with_columns(pl.Series(PLACE, part, dtype=pl.UInt32))
        for own, part in zip(lines, (numbers[:split], numbers[split:]), strict=True)
    ]
    distinct, first = np.unique(numbers, return_index=True)
    of_side = (first[first < split], first[first >= split] - split)
    named_places = pl.concat([own.select(_BY)[at] for own, at in zip(lines, of_side, strict=True)])
    order = np.concatenate([np.flatnonzero(first < split), np.flatnonzero(first >= split)])
    return (numbered[0], numbered[1]), named_places.with_columns(pl.Series(PLACE, distinct[order], dtype=pl.UInt32))


def _together(numbers: np.ndarray, more: np.ndarray, size: int) -> np.ndarray:
    """Return one number, from 0, for each pair of numbers that stands together."""
    pairs = numbers.astype(np.uint64) * np.uint64(size) + more
    if int(pairs.max(initial=0)) >= _FEW_PLACES:
        pairs = np.unique(pairs, return_inverse=True)[1]
    together: np.ndarray = pairs.astype(np.uint32)
    return together


def _members(matched: Matched, side: int) -> pl.DataFrame:
    return matched.members.filter(pl.col("side") == side).select("match", "row")


def _lines_at(lines: tuple[pl.DataFrame, pl.DataFrame], members: pl.DataFrame) -> pl.DataFrame:
    """Return members (`side`, `row`, …) with what their lines hold; a row is a line's place."""
    parts = []
    for side, own in enumerate(lines):
        of_side = members.filter(pl.col("side") == side)
        parts.append(pl.concat([of_side, own[of_side["row"]].drop("row")], how="horizontal"))
    return pl.concat(parts)


def _counted(lines: tuple[pl.DataFrame, pl.DataFrame], matched: Matched) -> pl.DataFrame:
    """Return by place the matches confirmed and suggested, each counted where its first line stands."""
    at = np.zeros(matched.matches.height, dtype=np.uint32)
    missing = np.ones(at.size, dtype=bool)
    for side, own in enumerate(lines):
        if missing.any():
            first = first_rows(matched, side)
            told = np.flatnonzero(missing & (first >= 0))
            missing[told] = False
            at[told] = own[PLACE].to_numpy()[first[told]]
    judged = pl.DataFrame({PLACE: at, "status": matched.matches["status"]}, schema_overrides={PLACE: pl.UInt32})
    return judged.group_by(PLACE).agg(
        (pl.col("status") == "confirmed").sum().cast(pl.Int64).alias("matched"),
        (pl.col("status") == "suggested").sum().cast(pl.Int64).alias("suggested"),
    )


def _contributions(
    lines: tuple[pl.DataFrame, pl.DataFrame], matched: Matched, breaks: pl.DataFrame, policy: ReconciliationPolicy
) -> pl.DataFrame:
    """Return by place what each explanation contributes, the counts of matches and breaks."""
    counted = _counted(lines, matched)
    inexact = matched.matches.filter(pl.col("residual") != 0).select("match", "status", "residual")
    # What a person confirmed beyond any tolerance is told as a break, and explained as one.
    inexact = inexact.join(beyond_tolerance(matched, policy), on="match", how="anti")
    open_matches = _lines_at(lines, matched.members.join(inexact, on="match", how="inner"))
    converted = open_matches.group_by("match").agg(pl.col("converted").sum().alias("_converted"))
    allowed = pl.col("_converted").cast(WIDE) * pl.lit(policy.rounding, dtype=WIDE)
    sort = (
        pl.when(pl.col("status") == "suggested").then(pl.lit("open"))
        .when((pl.col("_converted") > 0) & (pl.col("residual").abs() <= allowed)).then(pl.lit("rounding"))
        .when(pl.col("_converted") > 0).then(pl.lit("fx")).otherwise(pl.lit("tolerance"))
    )  # fmt: skip
    residuals = open_matches.join(converted, on="match", how="left").select(PLACE, "signed", sort.alias("sort"))
    broken = _break_lines(lines, breaks)
    both = pl.concat([residuals, broken.select(PLACE, "signed", "sort")])
    of_sort = {name: pl.col("signed").filter(pl.col("sort") == name).sum() for name in EXPLANATIONS}
    sums = both.group_by(PLACE).agg(total.alias(f"explained_{name}") for name, total in of_sort.items())
    named = broken.filter(pl.col("sort") == "open").unique("at", keep="first", maintain_order=True)
    inferred = broken.filter(pl.col("inferred")).group_by(PLACE).agg(pl.len().cast(pl.Int64).alias("inferred"))
    failing = named.group_by(PLACE).agg(pl.len().cast(pl.Int64).alias("breaks"), pl.col("size").sum().alias("break_amount"))
    result = pl.concat([own.select(PLACE).unique() for own in lines]).unique()
    for each in (counted, sums, failing, inferred):
        result = result.join(each, on=PLACE, how="left")
    amounts = ["break_amount", *(f"explained_{name}" for name in EXPLANATIONS)]
    return result.with_columns(
        pl.col("matched", "suggested", "breaks", "inferred").fill_null(0), *(pl.col(name).fill_null(0).cast(WIDE) for name in amounts)
    )


def _break_lines(lines: tuple[pl.DataFrame, pl.DataFrame], breaks: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of breaks with the sort of explanation the break has."""
    sort = (
        pl.when(pl.col("expectation").is_in(["expected", "waived"]) | pl.col(UNCOVERED).is_not_null()).then(pl.lit("timing"))
        .when(pl.col("cause").is_not_null()).then(pl.lit("known_cause"))
        .when("by_exchange").then(pl.lit("fx")).otherwise(pl.lit("open"))
    )  # fmt: skip
    inferred = pl.col(UNCOVERED).is_in(INFERRED).fill_null(value=False).alias("inferred")
    numbered = breaks.with_row_index("at").with_columns(sort.alias("sort"), pl.col("difference").abs().alias("size"), inferred)
    frames = []
    for side, column in ((0, "left_rows"), (1, "right_rows")):
        if column in numbered.columns:
            rows = numbered.select("at", "sort", "size", "inferred", pl.col(column).alias("row")).explode("row").drop_nulls("row")
            frames.append(rows.with_columns(pl.lit(side, dtype=pl.UInt8).alias("side"), pl.col("row").cast(pl.UInt32)))
    schema = {"at": pl.UInt32(), "sort": pl.String(), "size": WIDE, "inferred": pl.Boolean(), "row": pl.UInt32(), "side": pl.UInt8()}
    members = pl.concat(frames) if frames else pl.DataFrame(schema=schema)
    return _lines_at(lines, members.select("at", "sort", "size", "inferred", "row", "side")).sort("at", "side", "row")


def _explained(rows: pl.DataFrame) -> pl.DataFrame:
    """Put the cents that rounding of the totals leaves under rounding; the rest of a difference is unexplained."""
    shown = rows.with_columns(*(rounded(pl.col(f"explained_{name}")).alias(f"explained_{name}") for name in EXPLANATIONS))
    leftover = pl.col("difference") - pl.sum_horizontal(pl.col(f"explained_{name}") for name in EXPLANATIONS)
    # Six amounts rounded to cents can together be off by three of them at most.
    only_rounding = (pl.col("break_amount") == 0) & (leftover.abs() <= pl.lit(Decimal("0.03"), dtype=WIDE)) & (pl.col("suggested") == 0)
    more = pl.when(only_rounding).then(leftover).otherwise(pl.lit(Decimal(0), dtype=WIDE))
    shown = shown.with_columns((pl.col("explained_rounding") + more).alias("explained_rounding"))
    explained = pl.sum_horizontal(pl.col(f"explained_{name}") for name in EXPLANATIONS)
    return shown.with_columns(explained.alias("explained"), (pl.col("difference") - explained).alias("unexplained"))


def _explained_total(rows: pl.DataFrame, policy: ReconciliationPolicy) -> pl.DataFrame:
    """Explain a difference of two totals: by remeasurement, by rounding of what was converted, or by what the policy lets pass."""
    rows = rows.with_columns(_remeasured(rows, policy).alias("explained_fx"))
    rest = pl.col("difference") - pl.col("explained_fx")
    size = rest.abs()
    rounding = size <= rounded(pl.col("converted").cast(WIDE) * pl.lit(policy.rounding, dtype=WIDE))
    passed = size <= pl.lit(policy.within, dtype=WIDE)
    zero = pl.lit(0, dtype=pl.Int64).cast(WIDE)
    shown = rows.with_columns(
        pl.when(rounding).then(rest).otherwise(zero).alias("explained_rounding"),
        pl.when(passed & ~rounding).then(rest).otherwise(zero).alias("explained_tolerance"),
        (~rounding & ~passed).cast(pl.Int64).alias("breaks"), (rounding | passed).cast(pl.Int64).alias("matched"),
    )  # fmt: skip
    explained = pl.col("explained_fx") + pl.col("explained_rounding") + pl.col("explained_tolerance")
    return shown.with_columns(
        explained.alias("explained"), (pl.col("difference") - explained).alias("unexplained"),
        pl.when(pl.col("breaks") > 0).then(size).otherwise(zero).alias("break_amount"),
    )  # fmt: skip


def _remeasured(rows: pl.DataFrame, policy: ReconciliationPolicy) -> pl.Expr:
    """Return how much of a difference of totals is remeasurement: what the rates make of the lines, if the ledger took it in.

    It did where it holds lines that book it, or where nothing but that is left of the difference.
    """
    nothing = pl.lit(0, dtype=pl.Int64).cast(WIDE)
    if "_left_moved" not in rows.columns:
        return nothing
    moved = -rounded(pl.col("_left_moved").fill_null(0) + pl.col("_right_moved").fill_null(0)).cast(WIDE)
    booked = pl.col("_left_booked").fill_null(value=False) | pl.col("_right_booked").fill_null(value=False)
    allowed = rounded(pl.col("converted").cast(WIDE) * pl.lit(policy.rounding, dtype=WIDE))
    alone = ((pl.col("difference") - moved).abs() <= allowed) & (pl.col("difference").abs() > allowed)
    return pl.when(booked | alone).then(moved).otherwise(nothing)


def matrix(tieouts: pl.DataFrame) -> pl.DataFrame:
    """Return the tie-out matrix: by pair of systems and currency how many tie, and what is unexplained."""
    names = ("tied", "explained", "review", NOT_COMPARABLE, "open")
    counted = [(pl.col("status") == name).sum().cast(pl.Int64).alias(name) for name in names]
    return (
        tieouts.rename({"explained": "_explained"}).group_by("left_system", "right_system", "currency")
        .agg(
            pl.col("reconciliation").n_unique().cast(pl.Int64).alias("reconciliations"), *counted,
            pl.col("difference").sum(), pl.col("_explained").sum().alias("explained_amount"),
            pl.col("unexplained").sum(), pl.col("breaks").sum(),
        )
        .sort("left_system", "right_system", "currency", nulls_last=True)
    )  # fmt: skip
