"""Contracts of their own on lines that run already: what they add, and whose the units drawn are (606-10-25-12)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.arithmetic.runs import before, carried
from engine.revenue.ground.records import original_id
from engine.revenue.progress.observed import OBSERVED

_QTY: Final = pl.Decimal(38, 10)


_APART: Final = "\x1d"
"""Stands between an obligation's key and the amendment that adds a contract of its own to its lines."""


BY_UNIT: Final = ["units", "usage"]
"""Measures of which what is added is drawn after what was agreed before."""


def adds_apart() -> pl.Expr:
    """Return whether a change adds a promise of its own to a line that runs on: a contract of its own, or a right to use renewed."""
    return pl.col("kind").is_in(["separate", "renewal"]) & (pl.col("action") == "change")


def key_apart() -> pl.Expr:
    """Return the key of the obligation that an amendment adds to the lines of another."""
    return pl.concat_str("okey", "amendment_id", separator=_APART)


def key_of_lines() -> pl.Expr:
    """Return the key of an obligation's lines: its own, or of what is added apart that of the obligation it is added to."""
    return pl.col("okey").str.split(_APART).list.first()


@of_nothing
def split_changes(changes: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return what changes add apart (`adds_apart`) to each obligation: the new one's key and its span of the measure.

    Lines of one obligation that an amendment adds to are one obligation in what it adds, too: from the first day after one of them ends
    to the last day. Of a promise of several lines what is added is drawn after the units of all of them. `lines`: how many it adds to.
    """
    found = changes.filter(adds_apart()).with_columns(key_apart().alias("new_okey"))
    ssp = pl.when(pl.col("ssp_change").is_not_null().any()).then(pl.col("ssp_change").sum()).alias("ssp_change")
    made = found.sort("new_okey", "contract_line_id").group_by("new_okey", maintain_order=True).agg(
        pl.exclude("new_okey", "price_change", "ssp_change", "end_date", "before.end_date").first(), pl.col("price_change").sum(), ssp,
        pl.col("end_date").max(), pl.col("before.end_date").min(), pl.len().alias("lines"),
        whole_number(pl.col("quantity") - pl.col("before.quantity"), _QTY).sum().alias("more"),
        pl.col("quantity").is_not_null().any().alias("→counted"),
    )  # fmt: skip
    return made.join(_units_before(made, changes, lines), on=["okey", "place"], how="left", maintain_order="left").with_columns(
        pl.format("{}@{}", pl.col("obligation_id"), original_id("amendment_id")).alias("new_obligation"),
        pl.when("→counted").then("more").alias("new_units"),
    ).drop("more", "→counted")


def _units_before(parts: pl.DataFrame, changes: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the units of all lines of an obligation before an amendment adds to them: okey, place, from_units."""
    place = pl.col("place").cast(lines.schema["added_place"]).alias("→place")
    promised = lines.select("okey", pl.col("added_place").alias("→place"), whole_number("quantity", _QTY).alias("→units"))
    changed = changes.filter(pl.col("action") == "change").unique(["contract_line_id", "place"])
    more = whole_number(pl.col("quantity") - pl.col("before.quantity"), _QTY)
    both = pl.concat([promised, changed.select("okey", place, more.alias("→units"))])
    earlier = parts.select("okey", "place").unique().join(both, on="okey", how="inner").filter(pl.col("→place") < pl.col("place"))
    return earlier.group_by("okey", "place").agg(pl.col("→units").fill_null(0).sum().alias("from_units"))


@of_no("changes", "splits", "amendments")
def unit_parts(
    observed: pl.DataFrame, changes: pl.DataFrame, splits: pl.DataFrame, lines: pl.DataFrame, amendments: pl.DataFrame
) -> pl.DataFrame:
    """Return later changes of a line in parts by unit: okey, place, →part (whose change it is), from_units, new_units, begun (its day).

    It is of the part from which units are drawn by then: the first with something left, else the last. Units that it adds are drawn
    after all that were agreed before, and are of that part. `observed`: with all units of a line.
    """
    parted = _by_units(splits)
    first = parted.group_by("okey").agg(pl.col("place").min().alias("→since"), pl.col("from_units").min().alias("→cut"))
    later = changes.filter(pl.col("kind").is_in(["prospective", "catch_up"]) & (pl.col("action") == "change"))
    later = later.join(first, on="okey", how="inner").filter(pl.col("place") > pl.col("→since"))
    days = amendments.select("group_id", "place", pl.col("event_date").alias("begun"))
    later = later.join(days, on=["group_id", "place"], how="inner").unique(["contract_line_id", "place"])
    more = whole_number(pl.col("quantity") - pl.col("before.quantity"), _QTY).fill_null(0)
    # Units of all lines of a promise are drawn together.
    later = later.group_by("okey", "place").agg(pl.col("begun").first(), pl.max_horizontal(more.sum(), wide(0)).alias("new_units"))
    later = later.join(_units_before(later, changes, lines), on=["okey", "place"], how="left").sort("okey", "place").with_columns(
        pl.col("begun").dt.offset_by("-1d").alias("→before"), pl.int_range(pl.len()).over("okey").alias("→turn")
    )  # fmt: skip
    seen = observed.select("okey", pl.col("date").alias("→before"), pl.col("to_date").alias("→drawn")).sort("→before")
    later = later.sort("→before").join_asof(seen, on="→before", by="okey", check_sortedness=False)
    return _in_turn(later.with_columns(pl.col("→drawn").fill_null(0)), first, parted)


def _in_turn(later: pl.DataFrame, first: pl.DataFrame, parted: pl.DataFrame) -> pl.DataFrame:
    """Return each change with the part it is of, one after the other: what one adds the next may find being drawn."""
    names = ["okey", "→part", "place", "from_units", "new_units"]
    layers = pl.concat([
        first.select(
            "okey", pl.col("okey").alias("→part"), pl.lit(0, dtype=parted.schema["place"]).alias("place"), wide(0).alias("from_units"),
            pl.col("→cut").alias("new_units"),
        ),
        parted.select("okey", pl.col("new_okey").alias("→part"), "place", "from_units", "new_units"),
    ]).select(names)  # fmt: skip
    told = []
    for turn in later.sort("→turn").partition_by("→turn", maintain_order=True):
        asked = turn.join(layers.rename({name: f"{name}.of" for name in names[2:]}), on="okey", how="inner")
        asked = asked.filter(pl.col("place.of") < pl.col("place"))
        over = pl.col("from_units.of") + pl.col("new_units.of") <= pl.col("→drawn")
        rank = pl.when(over).then(pl.col("from_units.of") * -1 + 2**100).otherwise(pl.col("from_units.of"))
        chosen = asked.sort("okey", "place", rank).unique(["okey", "place"], keep="first", maintain_order=True)
        told.append(chosen.select(*names, "begun"))
        layers = pl.concat([layers, chosen.select(names)])
    return pl.concat(told) if told else later.with_columns(pl.col("okey").alias("→part")).select(*names, "begun")


def _by_units(splits: pl.DataFrame) -> pl.DataFrame:
    return splits.filter(pl.col("new_units").is_not_null() & pl.col("measure").is_in(BY_UNIT))


def split_observations(observed: pl.DataFrame, splits: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """Give the units above the old quantity to the new obligation and leave the old one its own (606-10-25-12).

    `later`: of `unit_parts`, what is added to a part when others were added after it.

    `observed`: with all units agreed by each day. What is expected to lapse stays with the old obligation until it is estimated anew
    (an addition is no change of it); from then on units are drawn from the oldest, so that those of the newest lapse.
    """
    parted = _by_units(splits)
    if not parted.height:
        return observed
    layers = later.filter(pl.col("new_units") > 0)
    rows = _drawn_before(observed, parted.sort("okey", "place"), layers)
    # What has lapsed was earned in full, in each layer.
    lapsed = (pl.col("basis") == "expiry") & (pl.col("to_date") >= pl.col("total"))
    old = rows.with_columns(
        pl.when(lapsed).then("own").otherwise(pl.min_horizontal("to_date", "own")).alias("to_date"),
        pl.col("own").alias("total"),
        (pl.col("is_reestimate") & (pl.col("is_new") | (pl.col("date") < pl.col("split_on")))).alias("is_reestimate"),
    )
    spans = parted.select("okey", "new_okey", "from_units", "new_units", pl.col("event_date").alias("begun"))
    new = rows.join(spans, on="okey", how="inner").filter(pl.col("date") >= pl.col("begun"))
    drawn = pl.max_horizontal(pl.col("to_date") - pl.col("from_units"), wide(0))
    left = pl.col("total") - pl.col("own") - (pl.col("from_units") - pl.col("cut"))
    new = new.with_columns(pl.when(lapsed).then("new_units").otherwise(pl.min_horizontal(drawn, "new_units")).alias("→drawn"))
    expected = pl.when(lapsed).then("new_units").otherwise(pl.min_horizontal(left, "new_units"))
    new = new.with_columns(
        pl.col("→drawn").alias("to_date"),
        pl.max_horizontal(expected, "→drawn", wide(1)).alias("total"),
        pl.col("new_okey").alias("okey"),
        (pl.col("is_reestimate") & pl.col("is_new") & (pl.col("date") > pl.col("begun"))).alias("is_reestimate"),
    )
    rest = observed.join(parted.select("okey"), on="okey", how="anti")
    made = _with_layers(pl.concat([old.select(rest.columns), new.select(rest.columns)]), rows.with_columns(lapsed.alias("→lapsed")), layers)
    return pl.concat([rest, made.select(rest.columns)]).sort("okey", "date")


def _with_layers(made: pl.DataFrame, rows: pl.DataFrame, layers: pl.DataFrame) -> pl.DataFrame:
    """Add to the parts of a line what later changes added to them, drawn after all that was agreed before."""
    if not layers.height:
        return made
    of = rows.join(layers, on="okey", how="inner").filter(pl.col("date") >= pl.col("begun"))
    drawn = pl.max_horizontal(pl.min_horizontal(pl.col("to_date") - pl.col("from_units"), "new_units"), wide(0))
    left = pl.col("total") - pl.col("own") - (pl.col("from_units") - pl.col("cut"))
    expected = pl.max_horizontal(pl.min_horizontal(left, "new_units"), drawn)
    of = of.with_columns(
        pl.when("→lapsed").then("new_units").otherwise(drawn).alias("→drawn"),
        pl.when("→lapsed").then("new_units").otherwise(expected).alias("→all"),
    )
    summed = of.group_by(pl.col("→part").alias("okey"), "date").agg(pl.col("→drawn", "→all").sum())
    both = made.join(summed, on=["okey", "date"], how="left", maintain_order="left")
    return both.with_columns(
        (pl.col("to_date") + pl.col("→drawn").fill_null(0)).alias("to_date"), (pl.col("total") + pl.col("→all").fill_null(0)).alias("total")
    )


def _drawn_before(observed: pl.DataFrame, parted: pl.DataFrame, layers: pl.DataFrame) -> pl.DataFrame:
    """Return the observations of obligations with additions, with what is told of the old one.

    Columns added: cut (its quantity), split_on (day of the first addition), own (what of it is expected to be drawn), is_new (whether
    that was estimated since).
    """
    first = parted.group_by("okey", maintain_order=True).agg(
        pl.col("from_units").first().alias("cut"), pl.col("event_date").first().alias("split_on")
    )
    days = ((parted, "event_date"), (layers, "begun"))
    agreed = pl.concat([frame.select("okey", pl.col(day).alias("date"), "new_units") for frame, day in days])
    more = agreed.group_by("okey", "date").agg(pl.col("new_units").sum().alias("→more"))
    rows = observed.join(first, on="okey", how="inner").join(more, on=["okey", "date"], how="left").sort("okey", "date")
    is_later = pl.col("date") >= pl.col("split_on")
    added = pl.col("total") - before(pl.col("total"), "okey") <= pl.col("→more")
    is_new = is_later & pl.col("is_reestimate") & ~added.fill_null(value=False)
    held = carried(pl.when(~is_later).then("total"), "okey")
    rows = rows.with_columns(is_new.cum_max().over("okey", order_by="date").alias("is_new"), held.alias("→held"))
    kept = pl.max_horizontal(pl.col("→held").fill_null(pl.col("total")), "to_date")
    own = pl.min_horizontal(pl.when("is_new").then("total").otherwise(kept), "cut")
    return rows.with_columns(pl.when(is_later).then(own).otherwise(pl.min_horizontal("total", "cut")).alias("own"))


def with_renewed_rights(observed: pl.DataFrame, splits: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the observations with the first days of periods that rights to use are renewed for: then the renewals pass (55-58C)."""
    chosen = splits.filter((pl.col("offering") == "licence") & (pl.col("timing") == "point_in_time"))
    if not chosen.height:
        return observed
    day = pl.max_horizontal(pl.col("before.end_date").dt.offset_by("1d"), "event_date")
    made = chosen.with_columns(
        pl.col("new_okey").alias("okey"), day.alias("date"), wide(1).alias("to_date"), wide(1).alias("total"), wide(0).alias("at_cost"),
        pl.lit(value=False).alias("is_reestimate"), pl.lit("acceptance").alias("basis"),
    )  # fmt: skip
    renewed = made.filter(pl.col("date") <= as_of).select(pl.col(name).cast(kind) for name, kind in OBSERVED.items())
    return pl.concat([observed, renewed]).sort("okey", "date")


def over_unit_parts(touched: pl.DataFrame, later: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Give what later changes do to a line in parts by unit to the part they concern (`unit_parts`); all parts go with the line."""
    parts = _by_units(splits).select("okey", pl.col("new_okey").alias("→part"), pl.col("place").alias("→since"))
    gone = touched.filter((pl.col("kind") == "remove") & ~pl.col("is_told")).join(parts, on="okey", how="inner")
    gone = gone.filter(pl.col("place") > pl.col("→since")).with_columns(
        pl.col("→part").alias("okey"), *(wide(0).alias(name) for name in ("price_change", "borne", "lifted", "ssp_lifted", "past"))
    )
    part = later.select("okey", "place", "→part")
    made = touched.join(part, on=["okey", "place"], how="left", maintain_order="left")
    made = made.with_columns(pl.coalesce("→part", "okey").alias("okey")).drop("→part") if later.height else touched
    return pl.concat([made, gone.select(made.columns)]) if gone.height else made


def over_parts(touched: pl.DataFrame, splits: pl.DataFrame, lines: pl.DataFrame, amendments: pl.DataFrame) -> pl.DataFrame:
    """Give what later changes do to a line in parts (its own term, and terms added as contracts of their own) to the part they concern.

    That is the part that runs on the day of the change, or the one in which the service then ends, where its last day moves. Parts
    that begin later than that are taken away, and all parts with the line. `touched`: of `change_rows`.
    """
    # What is added to some lines of a promise only runs beside the others.
    whole = lines.group_by("okey").agg(pl.len().alias("lines"))
    parted = splits.filter(pl.col("before.end_date") < pl.col("end_date")).join(whole, on=["okey", "lines"], how="semi")
    parted = parted.sort("okey", "place")
    days = amendments.select("group_id", "place", pl.col("event_date").alias("→day"))
    first = parted.group_by("okey").agg(pl.col("place").first().alias("→since"), pl.col("before.end_date").first().alias("→end"))
    hit = touched.join(first, on="okey", how="inner").filter(pl.col("place") > pl.col("→since"))
    if not hit.height:
        return touched
    hit = hit.join(days, on=["group_id", "place"], how="inner")
    made = _of_its_part(_parts_of(hit, parted))
    others = touched.join(hit.select("okey", "place"), on=["okey", "place"], how="anti")
    return pl.concat([others, made.select(others.columns)])


def _parts_of(hit: pl.DataFrame, parted: pl.DataFrame) -> pl.DataFrame:
    """Return each change once for each part of its line (`→part`, with its days and what was added for it), in their order."""
    own = hit.with_columns(pl.col("okey").alias("→part"), pl.col("begins.after").alias("→begin"), wide(0).alias("→price"))
    added = parted.select(
        "okey", pl.col("place").alias("→since.part"), pl.col("new_okey").alias("→part"), pl.col("end_date").alias("→end.part"),
        pl.col("before.end_date").dt.offset_by("1d").alias("→begin"), pl.col("price_change").alias("→price"),
    )  # fmt: skip
    later = hit.join(added, on="okey", how="inner").filter(pl.col("→since.part") < pl.col("place"))
    later = later.with_columns(pl.col("→end.part").alias("→end"))
    return pl.concat([own, later.select(own.columns)]).sort("okey", "place", "→begin")


def _of_its_part(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the change of the part it concerns, and the removal of those that never begin."""
    key = ["okey", "place"]
    moves = pl.col("ends.after") != pl.col("→end").last().over(key)
    rows = rows.with_columns(moves.fill_null(value=False).alias("→moves"))
    until = pl.when("→moves").then("ends.after").otherwise("→day")
    rows = rows.with_columns((pl.col("→begin") <= until).alias("→begun"))
    place = pl.int_range(pl.len()).over(key)
    rows = rows.with_columns((place == pl.max_horizontal(pl.col("→begun").sum().over(key).cast(pl.Int64) - 1, 0)).alias("→is_it"))
    goes = ~pl.col("→begun") & ((pl.col("kind") == "remove") | pl.col("→moves"))
    rows = rows.filter(pl.col("→is_it") | goes)
    off = pl.when(goes & ~pl.col("→is_it") & (pl.col("price_change") != 0)).then(pl.col("→price") * -1).otherwise(wide(0))
    rows = rows.with_columns(off.alias("→off"))
    rest = pl.col("price_change") - pl.col("→off").sum().over(key)
    none = ("borne", "lifted", "ssp_lifted", "past")
    return rows.with_columns(
        pl.when("→is_it").then(rest).otherwise("→off").alias("price_change"),
        pl.when("→is_it").then("kind").otherwise(pl.lit("remove")).alias("kind"),
        *(pl.when("→is_it").then(name).otherwise(wide(0)).alias(name) for name in none),
        *(pl.when("→is_it").then(name).alias(name) for name in ("ssp_change", "ssp_left")),
        pl.col("→begin").alias("begins.after"),
        pl.when(pl.col("→is_it") & pl.col("→moves")).then("ends.after").otherwise("→end").alias("ends.after"),
        pl.col("→part").alias("okey"),
    )
