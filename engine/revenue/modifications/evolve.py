"""The life of contracts: every event in its order, each on the state before it, all contracts of one order at once.

An event re-estimates variable prices, changes lines, or both (on one day). The state of an obligation is its
current segment, its standalone price for what remains, and coefficients that say where a later change of
an old uncertainty goes (32-45): of one unit of it, `w_base` is earned already, `w_rem` still to be earned
here, after every pool it has passed through. `cut` is what rounding took off its exact share of the contract's price:
a later share is rounded with it, so that shares never drift from the exact ones (32-43). `unserved` is what of the
stated price the current segment serves. `held` is the part that was earned when it was taken over: a change that catches up reaches it
until the promise starts anew (25-13(b)). `on_whole` is the variable amount of the whole contract, of which `variable` holds the part
that the coefficients give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.revenue.arithmetic.exact import COEFFICIENT, GUARD, part_units, units_to_minor, with_parts
from engine.revenue.arithmetic.numbers import WIDE, wide
from engine.revenue.modifications.averaged import with_averaged_base, with_averaged_earned
from engine.revenue.modifications.ended import forfeited, with_cut
from engine.revenue.modifications.exercised import exercised, handed_on
from engine.revenue.modifications.going_on import going_on
from engine.revenue.modifications.noted import Evolved, note, segment, version
from engine.revenue.modifications.pooling import pooled, still_owed, still_served, taken_out, with_still_to_come
from engine.revenue.modifications.promised import basis_of, of_later_promises, promised_now
from engine.revenue.modifications.segments import at_cost_of_start, segment_part, with_revenue
from engine.revenue.price.sharing import share_minor, shared_change
from engine.revenue.progress.measured import BY_TIME, Measures, with_progress

IDENTITY: Final = ("okey", "group_id", "contract_id", "obligation_id")
CHOICES: Final = ("timing", "half_even", "owner", "minor_digits", "reallocation", "mixed", "is_pooled", "problem", "apart")
NUMBERS: Final = (
    "base", "rem", "m0", "u0", "w_base", "w_rem", "own_base", "own_rem", "ssp", "variable", "on_whole", "stated", "unserved", "cut",
    "held",
)  # fmt: skip


_ESTIMATED: Final = ("own", "own.variable", "own.hours", "own.averaged", "pool.variable")
"""What estimates add to a promise: in all, of it what is variable, of hours, of tiers and fees; and its variable part of the pool's."""


@dataclass(frozen=True, slots=True)
class Happenings:
    """Hold every event by its ordinal in the contract's group.

    `events`: group_id, ordinal, date, place (null: a re-estimate), amendment_id. `deltas`: group_id, ordinal,
    okey (null: of the whole contract), delta, variable_delta (units), moves_total, revalues, of_hours, averaged, since (`promised`).
    `changes`: touched obligations by group_id and place (`change_rows`). `added`: new obligations by group_id and place, ready as
    states, with kind, price_change, own, own_variable, rights (`exercised.RIGHTS`).
    """

    events: pl.DataFrame
    deltas: pl.DataFrame
    changes: pl.DataFrame
    added: pl.DataFrame


def evolve(states: pl.DataFrame, happenings: Happenings, measures: Measures) -> Evolved:
    """Take obligations as signed through every event; `states` has IDENTITY, CHOICES, NUMBERS and the TERM columns."""
    made = Evolved()
    start = states.with_columns(pl.lit(0, dtype=pl.Int32).alias("ordinal"), pl.col("signed_on").alias("date"))
    made.segments.append(segment(start))
    made.versions.append(version(start.with_columns(pl.lit(None, dtype=pl.String).alias("amendment_id"))))
    # Only contracts that something happens to go through the events.
    states = states.join(happenings.events, on="group_id", how="semi")
    last = happenings.events["ordinal"].max() if happenings.events.height else 0
    assert isinstance(last, int)
    for ordinal in range(1, last + 1):
        events = happenings.events.filter(pl.col("ordinal") == ordinal)
        active = states.join(events, on="group_id", how="inner")
        rest = states.join(events, on="group_id", how="anti")
        after = _one_event(active, events, happenings, measures, made)
        states = pl.concat([rest, after.select(rest.columns)])
    return made


def _one_event(active: pl.DataFrame, events: pl.DataFrame, happenings: Happenings, measures: Measures, made: Evolved) -> pl.DataFrame:
    active = _with_through(active, events, happenings)
    before = _at_event(active, measures)
    numerator, denominator = segment_part()
    before = with_revenue(before, minor="minor.before", units="earned.before").with_columns(
        (pl.col("base") + pl.col("rem")).alias("price.before"), numerator.alias("n"), denominator.alias("d")
    )
    deltas = happenings.deltas.join(events.select("group_id", "ordinal"), on=["group_id", "ordinal"], how="semi")
    begins = pl.col("since") == pl.col("ordinal")
    priced = _repriced(before, deltas.filter(~begins), measures, made.basis)
    changes = happenings.changes.join(events.select("group_id", "place"), on=["group_id", "place"], how="semi").drop("group_id", "place")
    added = happenings.added.join(
        events.select("group_id", "place", "ordinal", "date", "amendment_id"), on=["group_id", "place"], how="inner"
    )
    changed = _changed(priced, changes, added, measures, deltas.filter(begins))
    whole = going_on(_restarted(changed, measures), before)
    note(whole, before, made)
    made.basis = pl.concat([made.basis, basis_of(whole, happenings.deltas)])
    return whole


def _with_through(active: pl.DataFrame, events: pl.DataFrame, happenings: Happenings) -> pl.DataFrame:
    """Add `through`: the day of the event itself is measured before it.

    What a contract ends on is still served, and so is the work of the day on which its line is taken away; and what a change of the
    same day has caught up was measured with its day. Any other change takes effect at the start of its day.
    """
    ends = pl.col("is_end").fill_null(value=False)
    key = ["group_id", "place"]
    left = happenings.changes.filter(pl.col("work_left") if "work_left" in happenings.changes.columns else pl.lit(value=False))
    found = [left.join(events.select(key), on=key, how="semi")["okey"]]
    later = events.filter((pl.col("place") > 1) & ~ends).select("group_id", "date", pl.col("place").alias("→now"))
    if later.height:
        earlier = happenings.events.join(later, on=["group_id", "date"], how="inner").filter(pl.col("place") < pl.col("→now"))
        caught = happenings.changes.filter(pl.col("kind") == "catch_up").join(earlier, on=key, how="semi")
        timed = active.filter(pl.col("measure") == BY_TIME)
        found.append(caught.join(timed, on="okey", how="anti")["okey"])
    told = pl.concat(found).unique()
    return active.with_columns((ends | pl.col("okey").is_in(told.implode()).fill_null(value=False)).alias("through"))


def _at_event(rows: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    through = pl.col("through").fill_null(value=False)
    return pl.concat(
        [with_progress(rows.filter(~through), measures, "date", before=True), with_progress(rows.filter(through), measures, "date")]
    )


def _repriced(rows: pl.DataFrame, deltas: pl.DataFrame, measures: Measures, basis: pl.DataFrame) -> pl.DataFrame:
    """Add re-estimates to the price on the basis of inception, and what is `earned` then; the satisfied share is at once (32-43, 32-45).

    A new value of what is received as it is earned concerns the rest alone: the obligation starts anew from here.
    """
    if not deltas.height:
        return rows.with_columns(pl.col("earned.before").alias("earned"), pl.lit(value=False).alias("moves_total"))
    rows = of_later_promises(rows, deltas.filter(pl.col("since") > 0), basis)
    made = _with_deltas(rows, deltas.filter(pl.col("since") == 0)).with_columns((pl.col("w_base") + pl.col("w_rem")).alias("→w"))
    made = with_averaged_base(_as_served(shared_change(made)), measures)
    part = pl.col("part")
    gone = pl.when(pl.col("→w") > 0).then(part_units(part, pl.col("w_base"), pl.col("→w"))).otherwise(wide(0))
    # More hours are more to do: nothing of them belongs to what was earned before a change.
    own_gone = part_units(pl.col("own") - pl.col("own.hours") - pl.col("own.averaged"), pl.col("own_base"), wide(COEFFICIENT))
    own_gone = own_gone + pl.col("→averaged")
    variable = part_units(pl.col("pool.variable"), pl.col("→w"), wide(COEFFICIENT))
    anew = pl.col("revalues").fill_null(value=False)
    to_come = still_served("own")
    made = made.with_columns(pl.when(anew).then(to_come).otherwise(pl.col("own")).alias("own"))
    made = made.with_columns(
        pl.when(anew).then(pl.col("base") + pl.col("rem") - pl.col("earned.before")).otherwise(pl.col("rem")).alias("rem"),
        pl.when(anew).then(pl.col("earned.before")).otherwise(pl.col("base")).alias("base"),
        pl.when(anew).then(pl.col("m")).otherwise(pl.col("m0")).alias("m0"),
        pl.when(anew).then(at_cost_of_start()).otherwise(pl.col("u0")).alias("u0"),
        pl.when(anew).then(still_served()).otherwise(pl.col("unserved")).alias("unserved"),
    )
    own_gone = pl.when(anew).then(wide(0)).otherwise(own_gone)
    made = made.with_columns(
        (pl.col("base") + gone + own_gone).alias("base"),
        (pl.col("rem") + part - gone + pl.col("own") - own_gone).alias("rem"),
        (pl.col("variable") + pl.col("own.variable") + variable).alias("variable"),
        (pl.col("on_whole") + pl.col("pool.variable")).alias("on_whole"),
    )
    # More hours are all still to be done: what a change finds earned has no part in them.
    apart = part_units(pl.col("own.hours"), pl.col("n"), pl.col("d"))
    made = with_revenue(made, units="earned").with_columns((pl.col("earned") - apart).alias("earned"))
    made = with_averaged_earned(made, measures)
    return made.drop(*_ESTIMATED, "averaged", "→averaged", "pool", "→w", "part", "revalues")


def _as_served(rows: pl.DataFrame) -> pl.DataFrame:
    """Let what is estimated anew of promises that ended count as far as they were served, and be earned at once (25-10, 32-43)."""
    kept = pl.col("own_base") + pl.col("own_rem")
    lapsed = ((pl.col("own_rem") == 0) & (kept < COEFFICIENT)).fill_null(value=False)
    if not rows.select(lapsed.any()).item():
        return rows
    names = ("part", *_ESTIMATED)
    ended = with_parts(rows.filter(lapsed), **{name: (pl.col(name), kept, wide(COEFFICIENT)) for name in names})
    # Of the whole contract's price the promises have whole minor units that come to it, of their own each has its own.
    through = pl.col("part").cum_sum().over("group_id", order_by="okey")
    shared = units_to_minor(through) - units_to_minor(through - pl.col("part"))
    ended = ended.with_columns((shared * GUARD).alias("part"), (units_to_minor(pl.col("own")) * GUARD).alias("own"))
    at_once = pl.col("base") + pl.col("part") + pl.col("own")
    ended = ended.with_columns(
        at_once.alias("base"), (pl.col("variable") + pl.col("own.variable")).alias("variable"),
        *(wide(0).alias(name) for name in ("part", "own", "own.variable", "own.hours", "own.averaged")),
    )  # fmt: skip
    return pl.concat([rows.filter(~lapsed), ended.select(rows.columns)])


def _with_deltas(rows: pl.DataFrame, deltas: pl.DataFrame) -> pl.DataFrame:
    """Add what is estimated anew of each promise (`own`, of it `own.hours` of hours and `own.averaged` of tiers and fees, which come to
    `averaged`) and of the whole contract's price (`pool`)."""
    own = (
        deltas.filter(pl.col("okey").is_not_null())
        .group_by("okey")
        .agg(
            pl.col("delta").sum().alias("own"),
            pl.col("variable_delta").sum().alias("own.variable"),
            pl.col("moves_total", "revalues").any(),
            pl.col("delta").filter("of_hours").sum().alias("own.hours"),
            pl.col("delta").filter(pl.col("averaged").is_not_null()).sum().alias("own.averaged"),
            pl.col("averaged").drop_nulls().last(),
        )
    )
    shared = (
        deltas.filter(pl.col("okey").is_null())
        .group_by("group_id")
        .agg(pl.col("delta").sum().alias("pool"), pl.col("variable_delta").sum().alias("pool.variable"))
    )
    made = rows.join(own, on="okey", how="left", maintain_order="left").join(shared, on="group_id", how="left", maintain_order="left")
    made = made.with_columns(pl.col(name).fill_null(0) for name in (*_ESTIMATED, "averaged", "pool"))
    return made.with_columns(pl.col("moves_total").fill_null(value=False))


def _changed(
    rows: pl.DataFrame, changes: pl.DataFrame, added: pl.DataFrame, measures: Measures, promised: pl.DataFrame
) -> pl.DataFrame:
    """Apply an amendment: each touched obligation by its kind, the pool of what remains, and new obligations."""
    if not changes.height and not added.height:
        return rows.with_columns(
            pl.lit(None, dtype=pl.String).alias("kind"), wide(0).alias("past"),
            *(pl.lit(value=False).alias(name) for name in ("is_new", "in_pool", "lacks_ssp")),
            *(pl.col(name).alias(f"{name}.next") for name in ("begins", "ends")),
        )  # fmt: skip
    made = rows.join(changes, on="okey", how="left", maintain_order="left").with_columns(pl.lit(value=False).alias("is_new"))
    made = _borne_ahead(made.with_columns(pl.col(name).fill_null(0) for name in ("price_change", "past", "borne", "lifted", "ssp_lifted")))
    made = _with_own_left(forfeited(_lifted(made)))
    # A removal that states no price takes what is still to be served out of it; one that states the price of before gives no credit.
    untold = ((pl.col("kind") == "remove") & ~pl.col("is_told").fill_null(value=False)).fill_null(value=False)
    implied = untold & (pl.col("price_change") == 0)
    gone = units_to_minor(still_owed()) * GUARD * -1
    change = pl.when(taken_out()).then("stated_change").when(implied).then(gone).otherwise("price_change") - pl.col("→own")
    # What is credited for what was served is none of what is still to be.
    change = change + pl.when(untold).then("past").otherwise(wide(0))
    whole = pl.when(taken_out()).then("→own").otherwise(pl.col("stated_change") + pl.col("→own"))
    variable = pl.col("variable") - pl.col("→own_variable")
    made = made.with_columns(change.alias("price_change"), whole.alias("stated_change"), variable.alias("variable")).with_columns(
        pl.coalesce("ends.after", "ends").alias("ends.next"),
        pl.coalesce("begins.after", "begins").alias("begins.next"),
        (pl.col("stated") + pl.col("price_change") + pl.col("stated_change")).alias("stated"),
    ).drop("stated_change", "→own", "→own_variable", "is_told")
    made, handed = exercised(with_cut(made, measures), added)
    if added.height:
        level = made.group_by("group_id").agg(pl.col("on_whole").first())
        fresh = _begun(added, handed).join(level, on="group_id", how="left", maintain_order="left")
        of_whole = part_units(pl.col("on_whole").fill_null(0), pl.col("w_rem"), wide(COEFFICIENT))
        fresh = fresh.with_columns((pl.col("variable") + of_whole).alias("variable"))
        made = handed_on(made)
        made = pl.concat([made, fresh], how="diagonal")
    return pooled(promised_now(made, promised))


def _lifted(rows: pl.DataFrame) -> pl.DataFrame:
    """Add to a change what it lifts of amounts for the whole life: of these, what is still to be served."""
    if not rows.select(pl.any_horizontal((pl.col("lifted", "ssp_lifted") != 0).any())).item():
        return rows
    made = with_still_to_come(rows, {"lifted": "→lifted", "ssp_lifted": "→ssp"})
    # Of a standalone price for what remains, the remaining part goes; of one for the whole, the whole.
    lifted = pl.when(pl.col("kind") == "catch_up").then("ssp_lifted").otherwise("→ssp")
    return made.with_columns(
        (pl.col("price_change") + units_to_minor(pl.col("→lifted")) * GUARD).alias("price_change"),
        pl.when(pl.col("ssp_lifted") != 0).then(pl.col("ssp_change").fill_null(0) + lifted).otherwise("ssp_change").alias("ssp_change"),
    ).drop("→lifted", "→ssp")


def _with_own_left(rows: pl.DataFrame) -> pl.DataFrame:
    """Add what goes with a promise that ends of amounts of its own that are not stated (hours, cost, estimates): what is to be earned."""
    names = {"own_level": "→own", "own_variable_level": "→own_variable"}
    rows = _with_own_estimates(rows, list(names))
    ends = taken_out()
    if "own_level" in rows.columns:
        ends = ends | ((pl.col("kind") == "remove") & pl.col("own_level").is_not_null()).fill_null(value=False)
    if not rows.select(ends.any()).item():
        return rows.with_columns(wide(0).alias(own) for own in names.values())
    left = pl.col(*names.values())
    return with_still_to_come(rows, names).with_columns(
        pl.when(ends).then(units_to_minor(left.fill_null(0)) * GUARD).otherwise(wide(0)).name.keep()
    )


def _with_own_estimates(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Let what is estimated of a promise alone go with it where it is taken away and no amount is stated (32-40): `names`."""
    of_whole = part_units(pl.col("on_whole"), pl.col("w_base") + pl.col("w_rem"), wide(COEFFICIENT))
    own = pl.col("variable") - of_whole
    gone = ((pl.col("kind") == "remove") & ~pl.col("is_told").fill_null(value=False) & (own != 0)).fill_null(value=False)
    if not rows.select(gone.any()).item():
        return rows
    known = [pl.col(name) if name in rows.columns else pl.lit(None, dtype=WIDE).alias(name) for name in names]
    return rows.with_columns(known).with_columns(pl.when(gone).then(pl.coalesce(name, own)).otherwise(name).alias(name) for name in names)


def _begun(added: pl.DataFrame, handed: pl.DataFrame) -> pl.DataFrame:
    """Return new obligations as they begin, with what the rights that they exercise hand on to them (`handed`: okey, got)."""
    fresh = added.with_columns(
        *(wide(0).alias(name) for name in ("base", "m0", "u0", "w_base", "w_rem", "own_base", "earned", "n", "m", "u", "past", "cut")),
        *(wide(0).alias(name) for name in ("unserved", "held")),
        *(wide(0).alias(name) for name in ("minor.before", "price.before", "earned.before")),
        wide(1).alias("d"),
        wide(1).alias("mt"),
        wide(COEFFICIENT).alias("own_rem"),
        pl.lit(value=True).alias("is_new"),
        pl.col("own_variable").alias("variable"),
        pl.col("ends").alias("ends.next"),
        pl.col("begins").alias("begins.next"),
        pl.when(pl.col("kind") == "prospective").then(pl.col("own")).otherwise(pl.col("own") + pl.col("price_change")).alias("rem"),
    )
    fresh = fresh.join(handed, on="okey", how="left")
    return fresh.with_columns((pl.col("rem") + pl.col("got").fill_null(0)).alias("rem"), pl.col("got.w").fill_null(0).alias("w_rem"))


def _borne_ahead(rows: pl.DataFrame) -> pl.DataFrame:
    """Let promises with something left bear what finished ones would bear of a discount that changes ahead (25-13(a))."""
    if not (rows["borne"] != 0).any():
        return rows
    bears = (pl.col("kind") == "prospective").fill_null(value=False) & (pl.col("borne") != 0)
    over = bears & (pl.col("d") - pl.col("n") <= 0)
    moves = over.any().over("group_id") & (bears & ~over).any().over("group_id")
    told = rows.with_columns((over & moves).alias("→over"), (bears & ~over & moves).alias("→takes"))
    if not told["→over"].any():
        return rows
    finished = told.filter("→over").group_by("group_id").agg(pl.col("borne").sum().alias("→freed"))
    taking = told.filter("→takes").join(finished, on="group_id", how="inner")
    taking = taking.with_columns((pl.col("borne").abs() // GUARD).alias("→weight"))
    shared = share_minor(taking, pool_key="group_id", pool="→freed", base="borne", weight="→weight")
    gains = shared.select("okey", (pl.col("shared") * GUARD - pl.col("borne")).alias("→gain"))
    made = told.join(gains, on="okey", how="left", maintain_order="left")
    moved = pl.when("→over").then(pl.col("borne") * -1).otherwise(pl.col("→gain").fill_null(0))
    return made.with_columns((pl.col("price_change") + moved).alias("price_change")).select(rows.columns)


def _restarted(rows: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Give every row its new term and, where it starts anew, the measure from which it does."""
    made = rows.rename({"m": "m.before", "mt": "mt.before", "u": "u.before"})
    # The price changes at the progress of before; the new term and estimate only after that.
    made = with_revenue(made, minor="minor.price", m="m.before", mt="mt.before", u="u.before")
    made = made.with_columns(pl.col("begins.next").alias("begins"), pl.col("ends.next").alias("ends"))
    made = _at_event(made, measures)
    catches, ends = ((pl.col("kind") == name).fill_null(value=False) for name in ("catch_up", "terminate"))
    anew = pl.col("in_pool") & ~catches & ~pl.col("is_new")
    whole = units_to_minor(pl.col("base"), pl.col("half_even"))
    made = made.with_columns(
        anew.alias("is_anew"),
        pl.when(anew).then(pl.col("m")).otherwise(pl.col("m0")).alias("m0"),
        pl.when(anew).then(at_cost_of_start()).otherwise(pl.col("u0")).alias("u0"),
        pl.when(anew | pl.col("is_new") | ends).then(whole).otherwise(pl.col("minor.price")).alias("minor.price"),
    )
    # A report of progress dated on the change tells the estimate after it.
    is_timed = pl.col("measure") == BY_TIME
    same = made.filter(is_timed)
    seen = with_progress(made.filter(~is_timed).drop("m", "mt", "u"), measures, "date")
    made = pl.concat([same, seen.select(same.columns)])
    # An estimate that moves price and measure at once catches up in one step.
    moves = pl.col("moves_total").fill_null(value=False) & ~catches & ~pl.col("is_anew") & ~is_timed & ~pl.col("is_new")
    if made.select(moves.any()).item():
        made = with_revenue(made, minor="→moved", m="m.before", u="u.before")
        made = made.with_columns(pl.when(moves).then(pl.col("→moved")).otherwise(pl.col("minor.price")).alias("minor.price")).drop("→moved")
    made = with_revenue(made, minor="→caught")
    # A price that changes when nothing is left to do is earned at once.
    is_over = pl.col("is_anew") & (pl.col("mt") - pl.col("m0") <= 0) & (pl.col("mt") > 0)
    after = pl.when(catches | is_over).then(pl.col("→caught")).otherwise(pl.col("minor.price"))
    return made.with_columns(after.alias("minor.after"), is_over.alias("is_over")).drop("→caught")
