"""Both sides of a reconciliation as frames ready to be matched."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

import polars as pl

from engine.exchange import home_currency
from engine.policy.kinds.reconciliation import Pass, ReconciliationPolicy, Window
from engine.policy.kinds.sides import Side, side_places
from engine.policy.loaded import LoadedPolicy
from engine.policy.outputs import OUTPUTS
from engine.reconcile.keys import add_key, add_references, with_shared_keys
from engine.reconcile.lines import Part, Wanted, part_lines, rate_on, why_not
from engine.reconcile.order import text_order
from engine.reconcile.sources import EVIDENCE, as_list, why_absent, why_excluded, with_evidence
from engine.reconcile.tolerance import WIDE
from engine.stage import Context, Facts

Name = Literal["left", "right"]

MOVED: Final = "moved_by_rates"
"""The column with what remeasurement at the closing rate makes of a line's functional amount, more than it was."""

BOOKED: Final = "books_remeasurement"
"""The column that says whether a line books remeasurement."""

_REFERENCES: Final = "references_"

PAIR: Final = "pair"
"""The column of the key by which what is left over on both sides is one break; see `pair_column`."""


@dataclass(frozen=True, slots=True)
class TwoSides:
    """Hold both sides' lines, with `row` in canonical order, and the lines whose amount is not known.

    `by_currency` says that lines of different currencies never meet.
    """

    left: pl.DataFrame
    right: pl.DataFrame
    unknown: pl.DataFrame
    by_currency: bool = False

    def of(self, side: int) -> pl.DataFrame:
        """Return the lines of side 0 (left) or 1 (right)."""
        return self.right if side else self.left


def system_name(parts: list[Part]) -> str:
    """Name a side by the systems that supply it; `agreed` for agreed records, `tieout` for own results."""
    sides = [part.side for part in parts]
    names = {system for part in parts for system in part.facts.systems(part.side.entity) if system in part.side.system}
    names |= {"tieout" if side.entity in OUTPUTS else "agreed" for side in sides if not side.system}
    return "+".join(sorted(names))


def applicable_parts(
    loaded: LoadedPolicy, policy: ReconciliationPolicy, facts: Facts, context: Context
) -> tuple[list[Part], list[Part]] | str:
    """Return the parts of both sides that have records, or why the policy does not apply.

    Where both sides are lists of one length, parts at one place belong together.
    """
    reason = why_excluded(policy.needs, policy.unless_supplied, facts)
    if reason is not None:
        return reason
    lefts, rights = (
        [Part(_standing_in(side, facts), loaded, place, facts, context) for place, side in side_places(loaded.document, name, sides)]
        for name, sides in (("left", policy.left), ("right", policy.right))
    )
    reasons = [why_not(part, _texts(policy, "left")) for part in lefts], [why_not(part, _texts(policy, "right")) for part in rights]
    if len(lefts) == len(rights):
        kept = [place for place in range(len(lefts)) if reasons[0][place] is None and reasons[1][place] is None]
        if not kept:
            return next(reason for reason in (*reasons[0], *reasons[1]) if reason is not None)
        return [lefts[place] for place in kept], [rights[place] for place in kept]
    both = zip((lefts, rights), reasons, strict=True)
    there = [[part for part, reason in zip(parts, why, strict=True) if reason is None] for parts, why in both]
    if not there[0] or not there[1]:
        return next(reason for why, parts in zip(reasons, there, strict=True) if not parts for reason in why if reason is not None)
    return there[0], there[1]


def _standing_in(side: Side, facts: Facts) -> Side:
    """Return the side with the systems of `otherwise` where its own supply no such records."""
    if not side.otherwise or why_absent(side.entity, side.system, facts) is None:
        return side
    return side.model_copy(update={"system": side.otherwise})


def _texts(policy: ReconciliationPolicy, side: Name) -> list[list[str]]:
    """Return by pass the expressions without which it cannot match a side's lines."""
    asked = [each for each in policy.passes if each.match != "net"] or [each for each in policy.passes if each.side in ("both", side)]
    return [[getattr(key, side) for key in each.on] for each in asked]


def read_sides(policy: ReconciliationPolicy, lefts: list[Part], rights: list[Part], facts: Facts) -> TwoSides:
    """Compute both sides in one go: converted, in canonical order, lines without amount set apart."""
    frames = pl.collect_all([_side_frame(policy, lefts, "left"), _side_frame(policy, rights, "right")])
    for place in range(len(policy.passes)):
        if any(f"{_REFERENCES}{place}" in each.columns for each in frames):
            frames = with_shared_keys(frames, f"{_REFERENCES}{place}", f"key_{place}")
    home = home_currency(facts) if policy.currency == "functional" else None
    sides: list[pl.DataFrame] = []
    unknown: list[pl.DataFrame] = []
    for side, frame in enumerate(frames):
        # Lines are picked by their place from here on, which is slow where a column stands in pieces.
        converted = _in_policy_currency(frame.rechunk(), policy, facts, home, lefts[0].context)
        if policy.count:
            one = pl.lit(Decimal(1), dtype=WIDE).alias("amount")
            converted = converted.with_columns(one, pl.lit(None, dtype=pl.String).alias("currency"))
        missing = converted.filter(pl.col("amount").is_null())
        told = with_evidence(missing)
        unknown.append(told.select("id", "entity", "date", "legal_entity_id", "contract_id", EVIDENCE, pl.lit(side).alias("side")))
        if missing.height:
            converted = converted.filter(pl.col("amount").is_not_null())
        sides.append(_in_order(converted))
    return TwoSides(sides[0], sides[1], pl.concat(unknown), _by_currency(sides, policy))


def _in_order(lines: pl.DataFrame) -> pl.DataFrame:
    """Number the lines in the order of their ids, in which exports mostly stand already.

    Where an id stands on several lines, what else they say decides, never their place in the file.
    """
    ids = lines["id"]
    of_one_entity = lines["entity"].n_unique() <= 1
    if of_one_entity and ids.is_sorted() and not (ids == ids.shift()).any():
        return lines.with_row_index("row")
    order = text_order(ids) if of_one_entity else None
    if order is not None:
        return lines[order].with_row_index("row")
    return lines.sort("id", "entity", "amount", "date", "currency", maintain_order=True).with_row_index("row")


def _states_originals(policy: ReconciliationPolicy) -> bool:
    """Say whether amounts are compared in functional currency and those of the records' own are known on both sides."""
    return policy.currency == "functional" and any(side.original is not None for side in (*policy.left, *policy.right))


def pair_column(policy: ReconciliationPolicy) -> str | None:
    """Return the column by which what is left over on both sides is one break: that of the first pass, unless the policy says."""
    if policy.breaks.pair_on:
        return PAIR
    return next((f"key_{place}" for place, each in enumerate(policy.passes) if each.match != "net"), None)


def _side_frame(policy: ReconciliationPolicy, parts: list[Part], name: Name) -> pl.LazyFrame:
    frames: list[pl.LazyFrame] = []
    for part in parts:
        wanted = Wanted()
        for place, each in enumerate(policy.passes):
            if each.match != "net" or each.side in ("both", name):
                add_key(part, each.on, name, f"key_{place}", wanted)
                add_references(part, each, name, f"{_REFERENCES}{place}", wanted)
                _add_window(part, each, place, name, wanted)
            else:
                wanted.expressions[f"key_{place}"] = pl.lit(None, dtype=pl.String).alias(f"key_{place}")
        if pair_column(policy) == PAIR:
            add_key(part, policy.breaks.pair_on, name, PAIR, wanted)
        for by in part.side.sum:
            wanted.add(f"sum:{by}", part.compiled(by))
        if _states_originals(policy):
            original = pl.lit(None, dtype=WIDE)
            wanted.expressions["original"] = original.alias("original")
            if part.side.original is not None and not part.side.sum:
                compiled = part.compiled(part.side.original)
                wanted.add("original", compiled, compiled.expression.cast(WIDE))
        if policy.remeasured_at is not None:
            _add_remeasures(part, wanted)
        if name == "left":
            _add_expectation(part, policy, wanted)
        lines = part_lines(part, wanted).with_columns(
            pl.lit(part.side.amount_in == "functional").alias("is_functional"), pl.lit(value=False).alias("converted")
        )
        frames.append(lines.drop([f"sum:{by}" for by in part.side.sum]))
    if len(frames) == 1:
        return frames[0]
    kinds = {each.collect_schema()[EVIDENCE] for each in frames}
    return pl.concat(frames if len(kinds) == 1 else [as_list(each) for each in frames], how="diagonal")


def _add_remeasures(part: Part, wanted: Wanted) -> None:
    wanted.expressions[BOOKED] = pl.lit(value=False).alias(BOOKED)
    if part.side.remeasures is not None:
        compiled = part.compiled(part.side.remeasures, (*part.place, "remeasures"), is_condition=True)
        wanted.add(BOOKED, compiled, compiled.expression.fill_null(value=False))


def _add_window(part: Part, each: Pass, place: int, name: Name, wanted: Wanted) -> None:
    if each.window is None:
        return
    first, last = Window.edges(getattr(each.window, name))
    for column, text in ((f"from_{place}", first), (f"to_{place}", last)):
        if part.has_no(text):
            wanted.expressions[column] = pl.lit(None, dtype=pl.Date).alias(column)
            continue
        compiled = part.compiled(text)
        wanted.add(column, compiled, compiled.expression.cast(pl.Date))


def _add_expectation(part: Part, policy: ReconciliationPolicy, wanted: Wanted) -> None:
    if policy.expect is None:
        return
    texts = {"due": policy.expect.within, "breach": policy.expect.breached}
    for column, text in texts.items():
        if text is None:
            wanted.expressions[column] = pl.lit(None, dtype=pl.Date).alias(column)
        else:
            wanted.add(column, part.compiled(text))
    if policy.expect.waived is None:
        wanted.expressions["waived"] = pl.lit(value=False).alias("waived")
    else:
        waived = part.compiled(policy.expect.waived, is_condition=True)
        wanted.add("waived", waived, waived.expression.fill_null(value=False))


def _in_policy_currency(
    frame: pl.DataFrame, policy: ReconciliationPolicy, facts: Facts, home: str | None, context: Context
) -> pl.DataFrame:
    """Convert, unrounded, where the policy compares in functional currency; `converted` says which lines were."""
    if policy.currency == "contract":
        return frame
    if "original" in frame.columns:
        own = pl.when("is_functional").then("original").otherwise("amount")
        frame = frame.with_columns(own.cast(WIDE).alias("original"), pl.col("currency").alias("original_currency"))
    functional = pl.lit(home, dtype=pl.String)
    entities = facts.frame("legal_entity")
    if entities is not None:
        named = entities.select("legal_entity_id", pl.col("functional_currency").alias("functional")).unique("legal_entity_id").collect()
        frame = frame.join(named, on="legal_entity_id", how="left", maintain_order="left")
        functional = pl.coalesce("functional", functional)
    frame = frame.with_columns(functional.alias("functional"))
    if policy.remeasured_at is not None:
        dated = rate_on(frame.with_columns(pl.lit(context.as_of).alias("date")), facts, policy.remeasured_at, policy.rate_days)
        frame = frame.with_columns(dated["rate"].alias("_remeasured_at"))
    if policy.rate_type != "own":
        frame = rate_on(frame, facts, policy.rate_type, policy.rate_days)
    same = pl.col("is_functional") | (pl.col("currency") == pl.col("functional")).fill_null(value=False)
    rate = pl.when(same).then(pl.lit(1, dtype=pl.Int64).cast(pl.Decimal(38, 12))).otherwise(pl.col("rate"))
    if policy.remeasured_at is not None:
        # What the line is worth at the later rate more than at its own; without a rate it is not remeasured.
        moved = pl.when(~same).then((pl.col("amount") * pl.col("_remeasured_at") - pl.col("amount") * rate).cast(WIDE))
        frame = frame.with_columns(moved.fill_null(0).alias(MOVED)).drop("_remeasured_at")
    return frame.with_columns(
        (pl.col("amount") * rate).cast(WIDE).alias("amount"), (~same & (rate != 1)).fill_null(value=False).alias("converted"),
        pl.col("functional").alias("currency"),
    ).drop("functional")  # fmt: skip


def _by_currency(sides: list[pl.DataFrame], policy: ReconciliationPolicy) -> bool:
    """Say whether the currency is part of every key: sides meet in their own currency and hold more than one."""
    if policy.currency == "functional":
        return False
    return pl.concat([side["currency"].unique() for side in sides]).drop_nulls().n_unique() > 1
