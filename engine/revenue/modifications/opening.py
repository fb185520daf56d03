"""Where a contract begins to count: taken over with its allocation from before Tieout, or as agreed when it met the criteria."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.schema import entity_spec
from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import COEFFICIENT, GUARD, money_units, part_units, units_to_minor
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.contracts.amendments import TERM_FIELDS
from engine.revenue.ground.records import Records, original_id
from engine.revenue.modifications.segments import at_cost_of_start, with_revenue
from engine.revenue.progress.measured import Measures, with_progress


def latest_openings(records: Records, as_of: dt.date) -> pl.DataFrame:
    """Return the last opening position of each line through as_of, with `opened_on`."""
    found = records.frame("opening_position").filter((pl.col("as_of_date") <= as_of) & pl.col("allocated_amount").is_not_null())
    latest = found.sort("contract_line_id", "as_of_date").unique("contract_line_id", keep="last", maintain_order=True)
    return latest.rename({"as_of_date": "opened_on"})


def over_promises(openings: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return opening positions of promises, with what those of discounts (lines below 0 that are no promise) hold of their price.

    A discount is a part of the price of what it is off (606-10-32-36): what is allocated to it is shared by what is to these, what was
    recognized of it by what was. `lines`: of `without_borne`.
    """
    about = lines.select("contract_line_id", "group_id", "okey", "minor_digits")
    owned = openings.join(about, on="contract_line_id", how="inner", maintain_order="left")
    promised = owned.filter(pl.col("okey").is_not_null())["group_id"]
    off = owned.filter(pl.col("okey").is_null() & pl.col("group_id").is_in(promised.implode()))
    return openings if off.is_empty() else _shared(openings, owned, off)


def _shared(openings: pl.DataFrame, owned: pl.DataFrame, off: pl.DataFrame) -> pl.DataFrame:
    names = ("allocated_amount", "recognized_amount")
    sums = off.group_by("group_id").agg(pl.col(name).sum().alias(f"→{name}") for name in names)
    rows = owned.filter(pl.col("okey").is_not_null()).join(sums, on="group_id", how="inner").sort("group_id", "contract_line_id")
    rows = rows.with_columns(pl.col(names).fill_null(0))
    for name in names:
        # Where nothing was recognized of any promise, by what is allocated.
        own = units(pl.when(pl.col(name).sum().over("group_id") == 0).then("allocated_amount").otherwise(name))
        running, whole = own.cum_sum().over("group_id"), own.sum().over("group_id")
        by_then = round_share(pl.col(f"→{name}"), running, whole, pl.col("minor_digits")).fill_null(0)
        rows = rows.with_columns(by_then.alias("→by_then"))
        share = pl.col("→by_then") - pl.col("→by_then").shift(1).over("group_id").fill_null(0)
        rows = rows.with_columns((pl.col(name) + share).cast(openings.schema[name]).alias(name))
    taken = pl.concat([off.select("contract_line_id"), rows.select("contract_line_id")])
    return pl.concat([openings.join(taken, on="contract_line_id", how="anti"), rows.select(openings.columns)])


def opened_groups(openings: pl.DataFrame, records: Records, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return the groups that have opening positions and the day of the last: group_id, opened_on."""
    lines = pl.concat(
        [
            records.frame("contract_line").select("contract_line_id", "contract_id"),
            records.frame("amendment_line")
            .join(records.frame("amendment").select("amendment_id", "contract_id"), on="amendment_id")
            .select("contract_line_id", "contract_id"),
        ]
    ).unique("contract_line_id", keep="first", maintain_order=True)
    made = openings.select("contract_line_id", "opened_on").join(lines, on="contract_line_id", how="inner")
    return (
        made.join(contracts.select("contract_id", "group_id"), on="contract_id", how="inner")
        .group_by("group_id")
        .agg(pl.col("opened_on").max())
    )


@of_nothing
def taken_over_changes(amendments: pl.DataFrame, openings: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Return the amendments (with `opened_on` of their group) that opening positions already hold: events of before.

    A contract of its own that was agreed on before and begins after is in the position of no line but its own.
    """
    earlier = amendments.filter((pl.col("event_date") <= pl.col("opened_on")).fill_null(value=False))
    own = records.frame("amendment_line").filter((pl.col("action") == "add") & pl.col("contract_line_id").is_not_null())
    held = own.join(openings.select("contract_line_id"), on="contract_line_id", how="semi")["amendment_id"].unique()
    to_come = pl.col("is_apart") & (pl.col("takes_effect") > pl.col("opened_on")) & ~pl.col("amendment_id").is_in(held.implode())
    return earlier.filter(~to_come)


@of_nothing
def agreed_before(amendments: pl.DataFrame, contracts: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Return the amendments that were in effect by the day an agreement met the criteria of a contract, later than its signing, and
    those dated before it was signed.

    There was no contract to modify (606-10-25-1, 25-10): its price and promises are those agreed on that day, allocated as of then,
    and what was performed until then is caught up. What has a price for each month or hour, is taken away, or was agreed for the past
    keeps its day, and so does everything of such a contract.
    """
    met_later = pl.col("gate_date") > pl.col("signed_date")
    by_then = pl.when(met_later).then("gate_date").otherwise(pl.col("signed_date").dt.offset_by("-1d"))
    days = contracts.filter(pl.col("gate_date").is_not_null()).select("contract_id", by_then.alias("→by"))
    early = amendments.join(days, on="contract_id", how="inner").filter(pl.col("event_date") <= pl.col("→by"))
    bought = records.frame("option")["exercised_line_id"].drop_nulls()
    dated = (
        (pl.col("action") == "remove")
        | pl.col("past_performance_amount").is_not_null()
        | (pl.col("unit_price").is_not_null() & pl.col("amount").is_null())
        | pl.col("contract_line_id").is_in(bought.implode())
    )
    lines = records.frame("amendment_line").join(early.select("amendment_id", "contract_id"), on="amendment_id", how="inner")
    kept = lines.filter(dated.fill_null(value=False)).select("contract_id")
    return early.join(kept, on="contract_id", how="anti").select(amendments.columns)


def as_opened(records: Records, before: pl.DataFrame) -> Records:
    """Return the records with lines as they stood on opening; `before` are the amended lines of changes up to then.

    A line that was added begins on the day it was added for, where it names no other.
    """
    if not before.height:
        return records
    schema = entity_spec("contract_line").polars_schema()
    latest = (
        before.sort("place")
        .group_by("contract_line_id", maintain_order=True)
        .agg(
            pl.col("contract_id").last(),
            *(pl.col(name).drop_nulls().last() for name in TERM_FIELDS),
            pl.col("offering").drop_nulls().last(),
            pl.col("obligation_key").drop_nulls().last(),
            pl.col("evidence").last(),
            pl.col("takes_effect").filter(pl.col("action") == "add").first().alias("begins_on"),
        )
    )
    own = records.frame("contract_line")
    changed = own.join(latest, on="contract_line_id", how="left", maintain_order="left", suffix=".after")
    names = (*TERM_FIELDS, "offering", "obligation_key")
    grounds = pl.when(pl.col("evidence.after").is_null()).then("evidence").otherwise(pl.concat_list("evidence", "evidence.after"))
    changed = changed.with_columns(grounds.alias("evidence"), *(pl.coalesce(f"{name}.after", name).alias(name) for name in names))
    changed = changed.with_columns(pl.coalesce("start_date", "begins_on").alias("start_date")).select(own.columns)
    added = latest.join(own, on="contract_line_id", how="anti").with_columns(pl.coalesce("start_date", "begins_on").alias("start_date"))
    fresh = added.select(
        *(pl.col(name).cast(kind) if name in added.columns else pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items()),
        "evidence",
        pl.lit(None, dtype=own.schema["known_at"]).alias("known_at"),
    )
    return Records(
        records.facts, records.as_of, records.known_on, {**records.held, "contract_line": pl.concat([changed, fresh.select(own.columns)])}
    )


def with_openings(
    states: pl.DataFrame, openings: pl.DataFrame, lines: pl.DataFrame, measures: Measures, verdicts: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Let obligations with opening positions start from them; add `opened_on`, `opened` (minor units recognized by then), `runs_on`.

    Where what was recognized is what the measure shows, the obligation runs on as if it had always been here
    (a later estimate catches up from its first day); else what is left is earned from here on, and of a later change of the price the
    part that was recognized of it then is earned at once (606-10-32-43, 25-13(b)). `verdicts` (okey, runs_on) holds what the
    policy of the day of the position said, where another has been adopted since.
    """
    nothing = [pl.lit(None, dtype=pl.Date).alias("opened_on"), wide(0).alias("opened"), pl.lit(None, dtype=pl.Boolean).alias("runs_on")]
    if not openings.height:
        return states.with_columns(nothing)
    own = lines.select("contract_line_id", "okey", "minor_digits")
    found = openings.drop("evidence").join(own, on="contract_line_id", how="inner")
    digits = pl.col("minor_digits")
    sums = found.group_by("okey").agg(
        pl.col("opened_on").max(),
        money_units(pl.col("allocated_amount"), digits).sum().alias("→allocated"),
        money_units(pl.col("recognized_amount").fill_null(0), digits).sum().alias("→recognized"),
    )
    rest = states.join(sums, on="okey", how="anti").with_columns(nothing)
    rows = states.join(sums, on="okey", how="inner")
    rows = with_progress(rows.with_columns(wide(0).alias("base"), pl.col("→allocated").alias("rem")), measures, "opened_on")
    taken = units_to_minor(pl.col("→recognized"))
    rows = with_revenue(rows, minor="→shown")
    agrees = ((pl.col("→shown") - taken).abs() <= 1) & (pl.col("m") > 0)
    rows = rows.with_columns(agrees.alias("runs_on"), taken.alias("opened"))
    if verdicts is not None:
        said = verdicts.select(pl.col("okey").alias("→original"), pl.col("runs_on").alias("→said"))
        rows = rows.with_columns(original_id("okey").alias("→original")).join(said, on="→original", how="left", maintain_order="left")
        rows = rows.with_columns(pl.coalesce("→said", "runs_on").alias("runs_on"))
    anew = ~pl.col("runs_on")
    rows = rows.with_columns(
        pl.when(anew).then(pl.col("opened") * GUARD).otherwise(wide(0)).alias("base"),
        pl.when(anew).then(pl.col("m")).otherwise(wide(0)).alias("m0"),
        pl.when(anew).then(at_cost_of_start()).otherwise(wide(0)).alias("u0"),
        # What the position states settles what the price lacked, not whether control passes.
        pl.when(pl.col("problem") == "repurchase_review").then("problem").alias("problem"),
        wide(0).alias("variable"),
        wide(0).alias("on_whole"),
        wide(0).alias("cut"),
        # It was in force when it was taken over, whenever the paper says it was signed.
        pl.min_horizontal("signed_on", "opened_on").alias("signed_on"),
    ).with_columns((pl.col("→allocated") - pl.col("base")).alias("rem"))
    left = part_units(pl.col("unserved"), pl.col("rem"), pl.col("→allocated"))
    rows = rows.with_columns(pl.when(anew & (pl.col("→allocated") > 0)).then(left).otherwise(pl.col("unserved")).alias("unserved"))
    rows = _with_held(rows, anew & (pl.col("→allocated") > 0))
    return pl.concat([rest, rows.select(rest.columns)])


def _with_held(rows: pl.DataFrame, anew: pl.Expr) -> pl.DataFrame:
    """Add the part of the price that was earned when it was taken over (`held`): a later estimate has it too (606-10-32-43)."""
    taken = pl.max_horizontal(pl.min_horizontal("base", "→allocated"), wide(0))
    held = pl.when(anew).then(part_units(wide(COEFFICIENT), taken, pl.col("→allocated"))).otherwise(wide(0))
    rows = rows.with_columns(held.alias("held"))
    rows = rows.with_columns(part_units(pl.col("w_rem"), pl.col("held"), wide(COEFFICIENT)).alias("w_base"))
    return rows.with_columns(
        pl.col("held").alias("own_base"),
        (pl.col("own_rem") - pl.col("held")).alias("own_rem"),
        (pl.col("w_rem") - pl.col("w_base")).alias("w_rem"),
    )
