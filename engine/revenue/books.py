"""The core's figures in the frames that the other rooms read (`frames.py`)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from engine.canonical.kinds import Kind, polars_dtype
from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.exact import GUARD, fraction, minor_money, part_units, times, units_money, units_to_minor, with_fraction
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.arithmetic.runs import before, begins, counted, running
from engine.revenue.atoms import facts_of
from engine.revenue.contracts.amendments import stated_estimates
from engine.revenue.core import Core
from engine.revenue.ground.blocks import together
from engine.revenue.ground.frames import (
    CONTRACTS,
    DONE_BY_CHANGE,
    FEES,
    LINES,
    MOVED_ENDS,
    OBLIGATIONS,
    OBSERVATIONS,
    PERFORMANCE,
    PERIODS,
    PRICE,
    Books,
    empty,
    setting,
    shaped,
)
from engine.revenue.ground.periods import first_open
from engine.revenue.ground.settings import Versions, accounts_frame
from engine.revenue.modifications.ahead import as_agreed
from engine.revenue.modifications.splits import adds_apart, key_apart
from engine.revenue.modified import modifications_told
from engine.revenue.moved import moved_evidence
from engine.revenue.price.concessions import so_far, step_by_step
from engine.revenue.price.sharing import variable_shares
from engine.revenue.progress.measured import told_part, with_progress
from engine.revenue.progress.worked import of_assignments
from engine.revenue.recognition.late import Vintages
from engine.revenue.recognition.shares import line_prices
from engine.revenue.recognition.standing import composed_steps, force_steps

_HOURS: Final = polars_dtype(Kind.HOURS)


@dataclass(frozen=True, slots=True)
class Earlier:
    """Hold what was known when periods closed: the core of the copies (`late.copied_records`), and which facts came late."""

    copies: Core
    vintages: Vintages


def tell_books(core: Core, posted: pl.DataFrame, versions: Versions, as_of: dt.date, earlier: Earlier | None = None) -> Books:
    """Return the frames of the core in their public columns; `posted` is performance as it was posted (`late.composed`).

    `earlier`: what was known when periods closed; the price stands in each as it was known then, and so do in `extra` what estimates
    lower it by and the versions of obligations (`standing`).
    """
    told = as_agreed(pl.concat(core.evolved.versions), core.ahead)
    modifications = modifications_told(core)
    obligations, price, moved, lines, observations = together(
        partial(_obligations, core, told, as_of),
        partial(_price, core, told),
        partial(moved_evidence, core, modifications),
        partial(_lines, core),
        partial(_observations, core),
    )
    stood = {"lowered": core.lowered, "standing": obligations, "conceded": core.conceded}
    if earlier is not None:
        price, stood = _as_it_stood(core, earlier, as_of, price, obligations)
    return Books(
        contracts=_contracts(core),
        lines=lines,
        obligations=obligations,
        performance=posted,
        price=price,
        periods=shaped(core.periods, PERIODS),
        observations=observations,
        modifications=modifications,
        accounts=accounts_frame(core.contracts, versions),
        extra={
            "financing_decisions": core.financing.decisions,
            "financing_parts": core.financing.parts,
            "to_come": core.to_come,
            "opened": _opened(core),
            "done_by_change": _done_by_change(core),
            "moved_ends": _moved_ends(core),
            "moved": moved,
            "fees": _fees(core),
            "assigned": of_assignments(core.worked),
            "promised_units": _promised_units(core),
            **stood,
        },
    )


def _as_it_stood(
    core: Core, earlier: Earlier, as_of: dt.date, price: pl.DataFrame, obligations: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """Return the price, and in `extra` what lowers it, versions of obligations and from when contracts count, as each period stood."""
    copies = earlier.copies
    told = as_agreed(pl.concat(copies.evolved.versions), copies.ahead)
    frames = (
        (price, _price(copies, told), ["contract_id"], "date"),
        (core.lowered, copies.lowered, ["contract_id", "obligation_id"], "date"),
        (obligations, _obligations(copies, told, as_of), ["contract_id", "obligation_id"], "effective_date"),
        (force_steps(core.contracts), force_steps(copies.contracts), ["contract_id"], "date"),
        (so_far(core.conceded), so_far(copies.conceded), ["contract_id"], "date"),
    )
    made = [composed_steps(now, then, earlier.vintages, core.contracts, core.periods, keys, day) for now, then, keys, day in frames]
    stood = dict(zip(("lowered", "standing", "force"), made[1:-1], strict=True))
    return made[0], stood | {"conceded": step_by_step(made[-1])}


def _promised_units(core: Core) -> pl.DataFrame:
    """Return how many units changes promise of lines with a right of return: contract_line_id, date, promised."""
    returning = core.lines.filter(pl.col("variable_kind") == "refund")
    changes = core.terms.filter(pl.col("action") == "change")
    return stated_estimates(changes, returning, "quantity", "promised").drop_nulls("promised").drop("evidence")


def _fees(core: Core) -> pl.DataFrame:
    """Return what lines priced by the month, quarter or year cost, step by step (`frames.FEES`)."""
    steps = core.terms.filter((pl.col("pricing") == "periodic") & pl.col("unit_price").is_not_null())
    agreed = core.ahead.select("amendment_id", "agreed_on").unique("amendment_id")
    steps = steps.join(agreed, on="amendment_id", how="left", maintain_order="left")
    known = pl.coalesce("agreed_on", "event_date").alias("known_on")
    return shaped(steps.with_columns(pl.col("takes_effect").alias("from_date"), known), FEES)


def _opened(core: Core) -> pl.DataFrame:
    """Return what opening positions had recognized of each obligation, as rows of performance with the progress of their day."""
    found = core.obligations.filter(pl.col("opened_on").is_not_null()) if "opened_on" in core.obligations.columns else None
    if found is None or not found.height:
        return empty(PERFORMANCE)
    amount = minor_money(pl.col("opened"), pl.col("minor_digits"))
    first = pl.concat(core.evolved.segments).filter(pl.col("ordinal") == 0).join(found.select("okey", "opened_on"), on="okey", how="inner")
    seen = with_progress(first, core.measures, "opened_on").select("okey", "m", "mt")
    found = found.join(seen, on="okey", how="left", maintain_order="left")
    found = with_fraction(found, "progress", *told_part())
    return shaped(
        found.with_columns(pl.col("opened_on").alias("posting_date"), amount.alias("amount"), pl.lit(value=False).alias("is_planned")),
        PERFORMANCE,
    )


def _done_by_change(core: Core) -> pl.DataFrame:
    """Return how much of a promise was done when it changed (DONE_BY_CHANGE)."""
    return _done_at(core.evolved.every_jump(), core.lines.select("okey", "contract_id", "obligation_id").unique())


@of_nothing
def _done_at(jumps: pl.DataFrame, about: pl.DataFrame) -> pl.DataFrame:
    """Return how much of promises (`about`: okey, contract_id, obligation_id) was done at their jumps (DONE_BY_CHANGE)."""
    told = with_fraction(jumps.filter(pl.col("step") == 1).join(about, on="okey", how="inner"), "progress", *told_part())
    after = with_fraction(jumps.filter(pl.col("step") == 2), "after", *told_part())
    after = after.select("okey", "ordinal", "after", pl.col("m").alias("done_after"))
    told = told.join(after, on=["okey", "ordinal"], how="left", maintain_order="left")
    return shaped(told.with_columns(pl.col("m").alias("done")).sort("date", "ordinal"), DONE_BY_CHANGE)


def _moved_ends(core: Core) -> pl.DataFrame:
    """Return what modifications did to the last day of promises (MOVED_ENDS)."""
    keys = ["contract_line_id", "place"]
    steps = core.terms.filter(pl.col("place") > 0)
    if not steps.height:
        return empty(MOVED_ENDS)
    apart = core.changes.filter(pl.col("kind").is_in(["separate", "exercise"])).select(keys).unique()
    made = steps.join(apart, on=keys, how="anti", maintain_order="left")
    made = made.join(core.ahead, on="amendment_id", how="left", maintain_order="left")
    about = core.lines.select("contract_line_id", "ends")
    made = made.drop("ends", strict=False).join(about, on="contract_line_id", how="left", maintain_order="left")
    made = made.with_columns(pl.coalesce("agreed_on", "event_date").alias("→day"))
    asked = made.select("amendment_id", "contract_id", "→day").unique().join(core.known.drop_nulls(), on="amendment_id", how="inner")
    taken_in = _taken_in(core, asked).select("amendment_id", "→day", "→open")
    made = made.join(taken_in, on=["amendment_id", "→day"], how="left", maintain_order="left")
    # A closed period stays as it was posted: what was known after its close counts from the first open one on.
    day = pl.max_horizontal("→day", "→open")
    is_gone = pl.col("action") == "remove"
    end = pl.when(is_gone).then(pl.col("event_date").dt.offset_by("-1d")).otherwise(pl.coalesce("end_date", "ends"))
    moves = is_gone | (pl.col("action") == "add") | (end != pl.coalesce("before.end_date", "ends"))
    made = made.with_columns(day.alias("date"), end.alias("end_date"), is_gone.fill_null(value=False).alias("is_gone"))
    made = made.filter(moves & pl.col("end_date").is_not_null())
    return shaped(made.sort("contract_line_id", "place"), MOVED_ENDS)


@of_no("asked")
def _taken_in(core: Core, asked: pl.DataFrame) -> pl.DataFrame:
    """Add to changes (contract_id, →day, known_at) of a period closed when they were known the first day of one open then (`→open`)."""
    calendars = core.contracts.filter(setting("late.closed_period") == "catch_up").select("contract_id", "calendar")
    rows = asked.join(calendars, on="contract_id", how="inner")
    return first_open(rows, core.periods, "→day", "known_at")


def _contracts(core: Core) -> pl.DataFrame:
    """Return the contracts; one whose end became known after the close of its period ends for the books in the first one open then."""
    late = core.contracts.filter(pl.col("end_known_at").is_not_null() & pl.col("terminated_date").is_not_null())
    asked = late.select("contract_id", pl.col("terminated_date").alias("→day"), pl.col("end_known_at").alias("known_at"))
    taken_in = _taken_in(core, asked).select("contract_id", "→open")
    made = core.contracts.join(taken_in, on="contract_id", how="left", maintain_order="left")
    served = pl.coalesce(pl.col("→open").dt.offset_by("-1d"), "terminated_date").alias("served_to")
    made = made.with_columns(pl.max_horizontal("terminated_date", "→open").alias("terminated_date"), served).drop("→open")
    return shaped(made, CONTRACTS, keep=[name for name in core.contracts.columns if name not in CONTRACTS])


def _lines(core: Core) -> pl.DataFrame:
    made = core.lines.with_columns(
        pl.col("begins").alias("start_date"),
        pl.col("ends").alias("end_date"),
        _transfer(core).alias("transfer_date"),
    )
    # Promised from the day it was agreed on.
    if core.ahead.height:
        agreed = core.ahead.rename({"amendment_id": "added_by"})
        made = made.join(agreed, on="added_by", how="left", maintain_order="left") if "added_by" in made.columns else made
        made = made.with_columns(pl.coalesce("agreed_on", "from_date").alias("from_date")) if "agreed_on" in made.columns else made
    return shaped(_with_hours_agreed(made, core), LINES).sort("contract_line_id")


def _with_hours_agreed(lines: pl.DataFrame, core: Core) -> pl.DataFrame:
    """Return lines, those of work as invoiced with the hours and price that changes state; none are committed once the line is over.

    `work_ahead`: what the hours still to come cost where their price is another than that of hours done (null: elsewhere).
    """
    work = lines.filter("is_as_invoiced").select("contract_line_id")
    steps = core.terms.filter(pl.col("action").is_in(["change", "remove"])).join(work, on="contract_line_id", how="semi")
    if not steps.height:
        return lines
    last = steps.sort("place").unique("contract_line_id", keep="last", maintain_order=True)
    over = (pl.col("action") == "remove") | (pl.col("end_date") <= core.as_of).fill_null(value=False)
    hours = pl.when(over).then(pl.lit(0)).otherwise("estimated_hours").cast(lines.schema["estimated_hours"])
    moved = steps.filter(pl.col("unit_price") != pl.col("before.unit_price")).select("contract_line_id", pl.lit(value=True).alias("→moved"))
    done = core.worked.filter("earns").group_by("contract_line_id").agg(pl.col("hours").sum().alias("→done"))
    named = last.select("contract_line_id", hours.alias("→hours"), pl.col("unit_price").alias("→price"))
    named = named.join(moved.unique(), on="contract_line_id", how="left").join(done, on="contract_line_id", how="left")
    made = lines.join(named, on="contract_line_id", how="left", maintain_order="left").with_columns(
        pl.coalesce("→hours", "estimated_hours").alias("estimated_hours"), pl.coalesce("→price", "unit_price").alias("unit_price")
    )
    to_come = pl.max_horizontal(pl.col("→hours").cast(_HOURS) - pl.col("→done").cast(_HOURS), pl.lit(0).cast(_HOURS))
    ahead = times(to_come, pl.col("→price"))
    return made.with_columns(pl.when("→moved").then(ahead).alias("work_ahead")).drop("→hours", "→price", "→moved", "→done")


def _transfer(core: Core) -> pl.Expr:
    passed = core.measures.observed.filter(pl.col("to_date") > 0).group_by("okey").agg(pl.col("date").min())
    known = pl.col("okey").replace_strict(passed["okey"], passed["date"], default=None, return_dtype=pl.Date)
    return pl.when(pl.col("timing") == "point_in_time").then(pl.coalesce(known, "ends", "begins"))


def _obligations(core: Core, versions: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    versions = versions.sort("okey", "date", "ordinal").unique(["okey", "date"], keep="last", maintain_order=True)
    terms = (
        pl.concat(core.evolved.segments)
        .drop("minor_digits", "timing", "half_even", "base", "rem", "m0", "u0", "measure")
        .sort("okey", "ordinal")
    )
    made = versions.join(facts_of(core), on="okey", how="inner", maintain_order="left").join(
        terms.drop("from_date"), on=["okey", "ordinal"], how="left", suffix=".term", maintain_order="left"
    )
    # Versions stand by obligation, in their order.
    last = begins("okey").shift(-1, fill_value=True)
    made = made.with_columns(
        pl.when(last).then(pl.lit(as_of)).otherwise(pl.col("date")).alias("→day"),
        counted("okey").cast(pl.Int32).alias("version"),
    )
    latest = terms.unique("okey", keep="last", maintain_order=True).select(
        "okey", pl.col("begins").alias("begins.l"), pl.col("ends").alias("ends.l")
    )
    made = made.join(latest, on="okey", how="left", maintain_order="left").with_columns(
        pl.when(last).then(pl.col("begins.l")).otherwise(pl.col("begins")).alias("begins"),
        pl.when(last).then(pl.col("ends.l")).otherwise(pl.col("ends")).alias("ends"),
    )
    made = with_progress(made, core.measures, "→day")
    made = made.join(_own_variable(core, made, as_of), on="okey", how="left", maintain_order="left")
    digits = pl.col("minor_digits")
    outside, fixed = pl.col("is_outside") | pl.col("problem").is_not_null(), pl.col("price") - pl.col("variable.minor") * GUARD
    made = variable_shares(made, core.contracts)
    done, total = told_part()
    made = with_fraction(_with_ssp_share(made), "→part", pl.min_horizontal(done, total), total)
    return shaped(
        made.with_columns(
            pl.col("date").alias("effective_date"),
            minor_money(pl.col("ssp"), pl.lit(6)).alias("standalone_selling_price"),
            pl.when(~outside).then(units_money(pl.col("price"), digits)).alias("allocated_amount"),
            pl.when(~outside).then(minor_money(pl.col("variable.minor"), digits)).alias("allocated_variable"),
            pl.when(~outside).then(units_money(pl.coalesce("variable.own", wide(0)), digits)).alias("variable_alone"),
            pl.when(~outside).then(units_money(fixed - pl.col("stated"), digits)).alias("carve_amount"),
            pl.when(~outside).then("→part").alias("progress"),
            pl.col("begins").alias("start_date"),
            pl.col("ends").alias("end_date"),
            _measure(core).alias("measure"),
        ),
        OBLIGATIONS,
    ).sort("contract_id", "obligation_id", "version")


def _with_ssp_share(versions: pl.DataFrame) -> pl.DataFrame:
    """Add `ssp_share`: the part of each version in the standalone prices of its day.

    A day that moves no standalone price moves nobody's share of them: an estimate of one promise leaves it as it was.
    """
    # A number of the group and the day is quicker to group by than texts.
    group = pl.col("group_id").cast(pl.Categorical).to_physical().cast(pl.Int64) * 2**24 + pl.col("date").to_physical()
    stays = (pl.col("ssp") == before(pl.col("ssp"), "okey")).fill_null(value=False).alias("→stays")
    made = versions.with_columns(group.alias("→group"), stays)
    made = made.with_columns(pl.col("ssp").sum().over("→group").alias("→whole"), pl.col("→stays").all().over("→group"))
    share = pl.when((pl.col("→whole") > 0) & ~pl.col("→stays")).then(fraction(pl.col("ssp"), pl.col("→whole")))
    return made.with_columns(share.forward_fill().over("okey").alias("ssp_share")).drop("→group", "→stays", "→whole")


def _measure(core: Core) -> pl.Expr:
    # What is nothing but priced use is measured by it; time measures only what is fixed beside.
    by_use = (pl.col("pricing") == "usage") & ((pl.col("measure") == "usage") | (pl.col("offering") != "licence"))
    used = core.lines.group_by("okey").agg(by_use.all().alias("→used")).filter("→used")["okey"]
    by_time = pl.when(pl.col("okey").is_in(used.implode())).then(pl.lit("usage")).otherwise(pl.col("measure"))
    return pl.when(pl.col("is_as_invoiced")).then(pl.lit("as_invoiced")).otherwise(by_time)


def _own_variable(core: Core, versions: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return what variable amounts are in the price of one obligation alone (32-40): okey, variable.own.

    An amount of the whole contract belongs to its only obligation; several share it, and it is none of theirs alone.
    """
    by_then = core.later.filter(pl.col("date") <= as_of)
    names = ("group_id", "okey", "is_variable")
    rows = pl.concat([core.start.select(*names, "level"), by_then.select(*names, pl.col("delta").alias("level"))]).filter("is_variable")
    if not rows.height:
        return pl.DataFrame(schema={"okey": pl.String(), "variable.own": pl.Int128()})
    priced = versions.filter(~pl.col("is_outside")).select("group_id", pl.col("okey").alias("okey.alone")).unique()
    alone = priced.filter(pl.len().over("group_id") == 1)
    found = rows.join(alone, on="group_id", how="left").with_columns(pl.coalesce("okey", "okey.alone").alias("okey"))
    return found.drop_nulls("okey").group_by("okey").agg(pl.col("level").sum().alias("variable.own"))


def _price(core: Core, versions: pl.DataFrame) -> pl.DataFrame:
    """Return the transaction price of every contract as steps over time (`frames.PRICE`)."""
    versions = (
        versions.sort("okey", "date", "ordinal")
        .join(core.obligations.filter(pl.col("problem").is_null()).select("okey", "contract_id", "minor_digits"), on="okey", how="inner",
              maintain_order="left")
    )
    names = {"price": "transaction_price", "variable": "included_variable", "stated": "stated"}
    versions = _by_contract(versions.with_columns(pl.col("stated").fill_null(0)), core, tuple(names))
    steps = versions.with_columns(
        (pl.col(name) - before(pl.col(name), "okey", "contract_id").fill_null(0)).alias(name) for name in names
    )
    daily = steps.group_by("contract_id", "minor_digits", "date").agg(pl.col(list(names)).sum()).sort("contract_id", "date")
    summed = daily.with_columns(running(pl.col(name), "contract_id").alias(name) for name in names)
    made = summed.with_columns(
        *(units_money(pl.col(name), pl.col("minor_digits")).alias(label) for name, label in names.items()),
        units_money(pl.col("price") - pl.col("variable"), pl.col("minor_digits")).alias("fixed"),
    )
    return shaped(made, PRICE).sort("contract_id", "date")


def _by_contract(versions: pl.DataFrame, core: Core, names: tuple[str, ...]) -> pl.DataFrame:
    """Share the price of obligations with lines in several combined contracts over these, as their revenue is shared (25-9)."""
    own = ("contract_line_id", pl.col("contract_id").alias("→of"))
    apart = core.changes.filter(adds_apart())
    of = pl.concat([core.lines.select("okey", *own), apart.select(key_apart().alias("okey"), *own)])
    several = of.filter(pl.col("→of").n_unique().over("okey") > 1)
    if not several.height:
        return versions
    shared, alone = versions.join(several, on="okey", how="semi"), versions.join(several, on="okey", how="anti")
    days = shared.select("okey", "ordinal", "date").join(several, on="okey", how="inner").sort("date")
    prices = line_prices(core.terms, core.start, core.later, core.lines, core.changes).sort("date")
    line = ["okey", "contract_line_id"]
    weighed = days.join_asof(prices.select(*line, "date", "price"), on="date", by=line, check_sortedness=False)
    keys = ["okey", "ordinal"]
    weighed = weighed.group_by(*keys, "→of").agg(pl.col("price").fill_null(0).sum().alias("weight")).sort(*keys, "→of")
    whole, so_far = pl.col("weight").sum().over(keys), pl.col("weight").cum_sum().over(keys)
    weighed = weighed.with_columns(whole.alias("→whole"), so_far.alias("→through"))
    rows = shared.join(weighed, on=keys, how="inner").sort(*keys, "→of")
    is_last = pl.col("→of") == pl.col("→of").last().over(keys)

    def through(name: str, weight: pl.Expr) -> pl.Expr:
        part = part_units(pl.col(name), weight, pl.when(pl.col("→whole") > 0).then(pl.col("→whole")))
        return (part + GUARD // 2) // GUARD * GUARD

    def of_contract(name: str) -> pl.Expr:
        before = pl.coalesce(through(name, pl.col("→through") - pl.col("weight")), wide(0))
        until = pl.when(is_last).then(pl.col(name)).otherwise(pl.coalesce(through(name, pl.col("→through")), wide(0)))
        return (until - before).alias(name)

    split = rows.with_columns(of_contract(name) for name in names).with_columns(pl.col("→of").alias("contract_id"))
    return pl.concat([alone, split.select(alone.columns)]).sort("okey", "contract_id", "date", "ordinal")


def _observations(core: Core) -> pl.DataFrame:
    own = core.obligations.select("okey", "contract_id", "obligation_id", "minor_digits")
    made = core.measures.observed.join(own, on="okey", how="inner").with_columns(units_to_minor(pl.col("at_cost")).alias("at_cost"))
    return shaped(made, OBSERVATIONS).sort("contract_id", "obligation_id", "date")
