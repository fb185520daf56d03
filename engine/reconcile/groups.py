"""Several lines against one or several: whole keys that tie, else the lines of a key that do."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import polars as pl

from engine.reconcile import subsets
from engine.reconcile.frames import LEFT, RIGHT, Found, PassSpec
from engine.reconcile.tolerance import WIDE

# Pairs of lines considered for a window under one key; beyond it the key is too coarse for one.
_WINDOW_LIMIT: Final = 1_000_000

# Sums are searched in whole hundred-thousandths of the currency: finer than any minor unit.
_SCALE: Final = 5


def match_groups(left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found) -> None:
    """Match the lines of a key as a whole, or those that tie without the rest."""
    if spec.days is not None:
        left, right = _by_window(left, right, spec, found)
    keys = _sums(left, right)
    fits = pl.lit(value=True)
    if spec.match == "one_to_many":
        fits = pl.col("left_amount_lines") == 1
    elif spec.match == "many_to_one":
        fits = pl.col("right_amount_lines") == 1
    ties = fits & spec.tolerance.holds(pl.col("left_amount"), pl.col("right_amount"))
    keys = keys.with_columns(ties.alias("ties"))
    whole = keys.filter("ties").drop("ties")
    _add_keys(whole, left, right, spec, found)
    if spec.search and whole.height < keys.height:
        # One line against one that it does not tie with has nothing to be searched for.
        several = (pl.col("left_amount_lines") > 1) | (pl.col("right_amount_lines") > 1)
        rest = keys.filter(~pl.col("ties") & several).select("key")
        _search(left.join(rest, on="key", how="semi"), right.join(rest, on="key", how="semi"), spec, found)
    if spec.together:
        _suggest_together(left, right, spec, found)


def _sums(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Return the keys that stand on both sides, with the sum and the number of lines of each."""
    sums = [
        lines.group_by("key").agg(pl.col("amount").sum().alias(name), pl.len().alias(f"{name}_lines"))
        for lines, name in ((left, "left_amount"), (right, "right_amount"))
    ]
    return sums[0].join(sums[1], on="key", how="inner")


def _suggest_together(left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found) -> None:
    """Suggest what is left of each key as one match: it belongs together, but which line to which cannot be told."""
    rest = []
    for side, lines in ((LEFT, left), (RIGHT, right)):
        used = [each.filter(pl.col("side") == side).select("row") for each in found.members]
        rest.append(lines.join(pl.concat(used), on="row", how="anti") if used else lines)
    reason = f"{spec.id}: the lines of the key belong together and do not tie"
    _add_keys(_sums(rest[LEFT], rest[RIGHT]).sort("key"), rest[LEFT], rest[RIGHT], spec, found, "suggested", reason)


def _add_keys(
    whole: pl.DataFrame, left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found, status: str = "confirmed",
    reason: str | None = None,
) -> None:  # fmt: skip
    if whole.height == 0:
        return
    numbered = whole.with_row_index("match")
    matches = numbered.with_columns(
        (pl.col("left_amount") - pl.col("right_amount")).alias("residual"), pl.lit(status).alias("status"),
        pl.lit(reason or f"{spec.id}: the lines of the key tie").alias("reason"),
    )  # fmt: skip
    number = numbered.select("key", "match")
    members = [
        lines.select("row", "key").join(number, on="key", how="inner").select("match", pl.lit(side, dtype=pl.UInt8).alias("side"), "row")
        for side, lines in ((LEFT, left), (RIGHT, right))
    ]
    found.add(spec.place, matches, pl.concat(members))


def _by_window(left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the lines that have a partner in the window, under finer keys where one side is single.

    In a pass with one single side, each line of the other goes to the single line whose window holds
    it; a line in several windows belongs to none and stays over.
    """
    assert spec.days is not None
    sizes = left.group_by("key").agg(pl.len().alias("lefts")).join(right.group_by("key").agg(pl.len().alias("rights")), on="key")
    product = pl.col("lefts").cast(pl.UInt64) * pl.col("rights").cast(pl.UInt64)
    fine = sizes.filter(product <= _WINDOW_LIMIT).select("key")
    if fine.height < sizes.height:
        coarse = sizes.join(fine, on="key", how="anti")
        for side, lines in ((LEFT, left), (RIGHT, right)):
            rows = lines.join(coarse, on="key", how="semi")["row"]
            found.note(side, rows, f"{spec.id}: too many lines share the key to look for those of one period")
    apart = pl.duration(days=spec.days)
    pairs = (
        left.join(fine, on="key", how="semi")
        .join(right, on="key", how="inner", suffix="_right")
        .filter((pl.col("from") <= pl.col("to_right") + apart) & (pl.col("to") >= pl.col("from_right") - apart))
        .select(pl.col("row").alias("left"), pl.col("row_right").alias("right"))
    )
    if spec.match == "many_to_many":
        return (
            left.join(pairs, left_on="row", right_on="left", how="semi"),
            right.join(pairs, left_on="row", right_on="right", how="semi"),
        )
    many, one = ("left", "right") if spec.match == "many_to_one" else ("right", "left")
    several = pairs.filter(pl.col(many).is_duplicated())
    found.note(LEFT if many == "left" else RIGHT, several[many].unique().sort(), f"{spec.id}: the windows of several lines hold it")
    single = pairs.join(several.select(many).unique(), on=many, how="anti")
    named = single.select(pl.col(many).alias("row"), pl.col(one).cast(pl.String).alias("finer"))
    single_lines = single.select(pl.col(one).alias("row"), pl.col(one).cast(pl.String).alias("finer")).unique()
    sides = {"left": left, "right": right}
    finer = {
        many: sides[many].join(named, on="row", how="inner").with_columns(pl.col("finer").alias("key")).drop("finer"),
        one: sides[one].join(single_lines, on="row", how="inner").with_columns(pl.col("finer").alias("key")).drop("finer"),
    }
    return finer["left"], finer["right"]


def _search(left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found) -> None:
    """Look in each key that does not tie for the lines that do."""
    shared = left.join(right, on="key", how="semi")["key"].unique().sort().to_list()
    blocks: dict[str | int, tuple[list[Line], list[Line]]] = {key: ([], []) for key in shared}
    whole = (pl.col("amount").cast(WIDE) * 10**_SCALE).round(0).cast(pl.Int128).alias("units")
    for side, lines in ((LEFT, left), (RIGHT, right)):
        for key, row, units in lines.sort("row").select("key", "row", whole).iter_rows():
            if key in blocks:
                blocks[key][side].append((row, int(units)))
    picked: list[tuple[list[int], list[int], bool, list[int]]] = []
    too_large: tuple[list[int], list[int]] = ([], [])
    for lefts, rights in blocks.values():
        answer = _block(lefts, rights, spec)
        if answer is None:
            too_large[LEFT].extend(row for row, _ in lefts)
            too_large[RIGHT].extend(row for row, _ in rights)
        else:
            picked += answer
    for side in (LEFT, RIGHT):
        rows = pl.Series(sorted(too_large[side]), dtype=pl.UInt32)
        found.note(side, rows, f"{spec.id}: more than {subsets.LIMIT} lines share the key, so their sums are not searched")
    _add_picked(picked, left, right, spec, found)


Line = tuple[int, int]
Picked = tuple[list[int], list[int], bool, list[int]]


def _block(lefts: Sequence[Line], rights: Sequence[Line], spec: PassSpec) -> list[Picked] | None:
    """Return what ties inside one key: rows of both sides, whether in doubt, and alternative rows."""
    if spec.match == "many_to_many":
        return _without_few(lefts, rights, spec)
    singles, many = (lefts, rights) if spec.match == "one_to_many" else (rights, lefts)
    if len(many) > subsets.LIMIT:
        return None
    amounts = [units for _, units in many]
    options: list[tuple[Line, list[subsets.Subset]]] = []
    for single in singles:
        allowance = spec.tolerance.allowance(single[1], _unit())
        options.append((single, subsets.closest_subsets(amounts, single[1], allowance, wanted=3)))
    claims = [place for _, choices in options for place in {place for choice in choices for place in choice}]
    contested = {place for place in claims if claims.count(place) > 1}
    picked: list[Picked] = []
    used: set[int] = set()
    for single, choices in options:
        choice = next((each for each in choices if not used & set(each)), None)
        if choice is None:
            continue
        used |= set(choice)
        doubtful = len(choices) > 1 or bool(contested & set(choice))
        others = sorted({many[place][0] for each in choices for place in each} - {many[place][0] for place in choice})
        rows = [many[place][0] for place in choice]
        picked.append(([single[0]], rows, doubtful, others) if spec.match == "one_to_many" else (rows, [single[0]], doubtful, others))
    return picked


def _without_few(lefts: Sequence[Line], rights: Sequence[Line], spec: PassSpec) -> list[Picked] | None:
    """Return the lines of a key that tie when as few as possible are left out."""
    signed = [units for _, units in lefts] + [-units for _, units in rights]
    gap = sum(signed)
    allowance = spec.tolerance.allowance(max(sum(units for _, units in lefts), sum(units for _, units in rights), key=abs), _unit())
    choices = subsets.few_left_out(signed, gap, allowance, wanted=3)
    rows = [(LEFT, row) for row, _ in lefts] + [(RIGHT, row) for row, _ in rights]
    for choice in choices[:1]:
        kept = [each for place, each in enumerate(rows) if place not in choice]
        sides = [[row for side, row in kept if side == which] for which in (LEFT, RIGHT)]
        if not sides[LEFT] or not sides[RIGHT]:
            return []
        others = sorted({rows[place][1] for each in choices[1:] for place in each if rows[place][0] == LEFT})
        return [(sides[LEFT], sides[RIGHT], len(choices) > 1, others)]
    return None if len(rows) > subsets.LIMIT else []


def _unit() -> Decimal:
    return Decimal(1).scaleb(-_SCALE)


def _add_picked(picked: Sequence[Picked], left: pl.DataFrame, right: pl.DataFrame, spec: PassSpec, found: Found) -> None:
    if not picked:
        return
    heads = pl.DataFrame(
        {"doubtful": [each[2] for each in picked], "alternatives": [each[3] for each in picked]},
        schema={"doubtful": pl.Boolean, "alternatives": pl.List(pl.UInt32)},
    ).with_row_index("match")
    sides: list[pl.DataFrame] = []
    for side, lines in ((LEFT, left), (RIGHT, right)):
        name = "left_amount" if side == LEFT else "right_amount"
        rows = pl.DataFrame(
            {"match": range(len(picked)), "row": [each[side] for each in picked]}, schema={"match": pl.UInt32, "row": pl.List(pl.UInt32)}
        ).explode("row")
        summed = rows.join(lines.select("row", "amount"), on="row", how="left").group_by("match").agg(pl.col("amount").sum().alias(name))
        heads = heads.join(summed, on="match", how="left", maintain_order="left")
        sides.append(rows.with_columns(pl.lit(side, dtype=pl.UInt8).alias("side")))
    doubt = pl.col("doubtful")
    matches = heads.with_columns(
        (pl.col("left_amount") - pl.col("right_amount")).alias("residual"),
        pl.when(doubt).then(pl.lit("suggested")).otherwise(pl.lit("confirmed")).alias("status"),
        pl.when(doubt).then(pl.lit(f"{spec.id}: other lines of the key tie as well"))
        .otherwise(pl.lit(f"{spec.id}: of the key these lines tie, and no others")).alias("reason"),
        pl.lit(RIGHT if spec.match == "one_to_many" else LEFT).alias("alternative_side"),
    )  # fmt: skip
    found.add(spec.place, matches, pl.concat([each.select("match", "side", "row") for each in sides]))
