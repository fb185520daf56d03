"""Remaining performance obligations: what is promised and not yet performed, by the time it is expected (606-10-50-13 to 50-15)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.bands import band_of
from engine.revenue.arithmetic.conventions import MONTHS_IN, TermColumns, with_months
from engine.revenue.arithmetic.months import within_months
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_share
from engine.revenue.arithmetic.runs import before, begins, run_sums
from engine.revenue.disclosures.milestones import dated_by_milestones
from engine.revenue.disclosures.spans import with_spans
from engine.revenue.disclosures.through_notice import rounded_once, through_notice
from engine.revenue.ground.frames import BESIDE
from engine.revenue.ground.promised_term import last_promised

FINE: Final = pl.Decimal(38, 16)

_YEAR: Final = 12


def remaining_obligations(
    contracts: pl.DataFrame, obligations: pl.DataFrame, lines: pl.DataFrame, performance: pl.DataFrame, promised: pl.DataFrame,
    as_of: pl.Expr, apart: pl.DataFrame | None = None, to_come: pl.DataFrame | None = None, spans: pl.DataFrame | None = None,
    due: pl.DataFrame | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Return the remaining obligation by contract and band, and one row of 0 for each expedient that exempts some of it.

    The price allocated to what is not performed, with included estimates and without constrained amounts,
    in the bands of the policy; of a contract that its customer may end, only through the notice period.
    Planned revenue falls on its own day, what milestones measure on the days they are due, the rest of an over-time promise evenly on
    the days to its end,
    a promise that transfers at a point on its expected day; what has no date stands in a band without dates.
    `contracts` has `fiscal_year_start` beside its columns; `promised`: what lines priced by the month cost, step by step
    (`frames.FEES`); `apart`: contract_id, obligation_id of promises that are a contract of their own (25-12);
    `to_come`: royalties of sales made for promises not satisfied yet (`frames.TO_COME`); `spans`: of `fiscal_spans`;
    `due`: of `due_milestones`.
    Columns: contract_id, band_start, band_end, amount, currency, exempted_by.
    """
    left = _left(contracts, obligations, lines, performance, _evergreen(contracts, lines, promised, as_of), as_of)
    left = _exempted(_with_royalties(_of_whole_length(left, apart), to_come, as_of))
    exempt = left.filter(pl.col("exempted_by").is_not_null())
    by_variable = left.filter(pl.col("exempt_variable") != 0)
    shown = left.filter(pl.col("exempted_by").is_null() & (pl.col("remaining") != 0))
    dated = _dated(shown, performance, obligations, due, as_of)
    banded = _banded(dated, contracts, as_of, spans)
    names = banded.columns
    nothing = [pl.lit(None, dtype=pl.Date).alias(name) for name in ("band_start", "band_end")]
    by_royalty = left.filter("royalty_left_out").with_columns(pl.lit("sales_royalty").alias("exempted_by"))
    told = pl.concat([exempt, by_variable.with_columns(pl.lit("unsatisfied_variable").alias("exempted_by")), by_royalty])
    told = told.select("contract_id", "currency", "exempted_by").unique().with_columns(*nothing, ZERO.alias("amount"))
    return pl.concat([banded, told.select(names)]).sort("contract_id", "band_start", "exempted_by", nulls_last=True)


@of_no("promised")
def _evergreen(contracts: pl.DataFrame, lines: pl.DataFrame, promised: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return what promises by the month without an end are worth through the notice period: contract_id, obligation_id, evergreen.

    Each day of it costs what was agreed for that day by the day it is seen from.
    """
    known = promised.filter(pl.col("price_period").is_in(list(MONTHS_IN)) & (pl.col("known_on").is_null() | (pl.col("known_on") <= as_of)))
    until = pl.col("from_date").shift(-1).over("contract_line_id", order_by="place").dt.offset_by("-1d")
    by_period = known.with_columns(until.alias("until")).filter(
        pl.col("end_date").last().over("contract_line_id", order_by="place").is_null()
    ).select(
        "contract_line_id", "from_date", "until",
        pl.col("price_period").replace_strict(MONTHS_IN, return_dtype=pl.Int64).cast(pl.Int128).alias("each"),
        (pl.coalesce("quantity", pl.lit(1)).cast(FINE) * pl.col("unit_price").cast(FINE)).cast(MONEY).alias("fee"),
    )  # fmt: skip
    terms = contracts.filter(pl.col("end_date").is_null() & (pl.col("term_end") > as_of)).select("contract_id", "term_end", "minor_digits")
    about = lines.select("contract_id", "obligation_id", "contract_line_id", "convention")
    open_lines = about.join(by_period, on="contract_line_id", how="inner")
    open_lines = open_lines.join(terms, on="contract_id", how="inner").with_columns(
        pl.max_horizontal("from_date", as_of + pl.duration(days=1)).alias("notice_from"),
        pl.min_horizontal("until", "term_end").alias("through"),
    )
    open_lines = open_lines.filter(pl.col("notice_from") <= pl.col("through"))
    if open_lines.is_empty():
        return pl.DataFrame(schema={"contract_id": pl.String, "obligation_id": pl.String, "evergreen": MONEY})
    term = TermColumns(start="notice_from", end="through")
    counted = with_months(open_lines.lazy(), numerator="months", denominator="of", terms=term).collect()
    worth = round_share(pl.col("fee"), pl.col("months"), pl.col("of") * pl.col("each"), pl.col("minor_digits"))
    return counted.with_columns(worth.alias("evergreen")).group_by("contract_id", "obligation_id").agg(pl.col("evergreen").sum())


def _left(
    contracts: pl.DataFrame, obligations: pl.DataFrame, lines: pl.DataFrame, performance: pl.DataFrame, evergreen: pl.DataFrame,
    as_of: pl.Expr,
) -> pl.DataFrame:  # fmt: skip
    """Return per obligation in force what remains, and whether it still runs."""
    key = ["contract_id", "obligation_id"]
    now = obligations.sort("version").group_by(*key).agg(pl.all().exclude(key).last()).drop("currency")
    done = _of_group(_earned(performance), now, contracts)
    promised = now.join(_in_force(contracts, as_of), on="contract_id", how="inner").join(done, on=key, how="left").with_columns(
        pl.col("recognized", "in_price").fill_null(ZERO)
    )
    promised = promised.join(_of_lines(lines, as_of), on=key, how="left").join(evergreen, on=key, how="left")
    open_price = pl.when(pl.col("is_as_invoiced")).then(_committed(as_of)).otherwise(pl.col("allocated_amount"))
    remaining = pl.max_horizontal(open_price, pl.col("recognized")) - pl.col("recognized")
    # Hours at another price than those done: what these were does not tell what is still to come.
    free = pl.coalesce("line_end", "contract_end") <= pl.coalesce("term_end", "line_end", "contract_end")
    remaining = pl.when(pl.col("→is_told") & free.fill_null(value=True)).then("→ahead").otherwise(remaining)
    promised = promised.with_columns(
        pl.when(pl.col("evergreen").is_not_null()).then(pl.col("evergreen")).when(pl.col("is_as_invoiced")).then(remaining)
        .otherwise(pl.col("allocated_amount") - pl.col("in_price"))
        .fill_null(ZERO).cast(MONEY).alias("remaining"),
    )  # fmt: skip
    running = pl.coalesce("end_date", "contract_end").is_null() | (pl.coalesce("end_date", "contract_end") > as_of)
    return promised.with_columns(running.alias("is_running"))


def _with_royalties(left: pl.DataFrame, to_come: pl.DataFrame | None, as_of: pl.Expr) -> pl.DataFrame:
    """Add to what remains the royalties of sales made (`sold`): price of what is not satisfied, unless left out (50-14A(a))."""
    if to_come is None or not to_come.height:
        return left.with_columns(ZERO.alias("sold"))
    now = to_come.filter((pl.col("from_date") <= as_of) & (pl.col("date").is_null() | (pl.col("date") > as_of)))
    sold = now.group_by("contract_id", "obligation_id").agg(pl.col("amount").sum().cast(MONEY).alias("sold"))
    made = left.join(sold, on=["contract_id", "obligation_id"], how="left", maintain_order="left")
    made = made.with_columns(pl.col("sold").fill_null(ZERO))
    left_out = pl.col("expedients").list.contains("sales_royalty").fill_null(value=False)
    more = pl.when(left_out).then(ZERO).otherwise("sold")
    return made.with_columns((pl.col("remaining") + more).cast(MONEY).alias("remaining"))


def _in_force(contracts: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return the contracts in force with their terms and what the policy elects for them."""
    # How long a term is matters only to those who elect the expedient for short ones.
    elects = contracts.select(pl.col("setting.disclosure.rpo_expedients").list.contains("original_term").any()).item()
    notice = within_months(as_of + pl.duration(days=1), pl.col("term_end"), pl.lit(_YEAR)).fill_null(value=False)
    return contracts.filter(
        (pl.col("gate") == "met") & pl.col("lost_date").is_null() & ~(pl.col("terminated_date") <= as_of).fill_null(value=False)
    ).select(
        "contract_id", "currency", "calendar", "minor_digits", "term_end",
        pl.col("start_date").alias("contract_start"), pl.col("end_date").alias("contract_end"), "signed_date",
        pl.col("setting.disclosure.rpo_expedients").alias("expedients"),
        pl.col("setting.disclosure.rpo_expedients").list.contains("original_term").fill_null(value=False).alias("is_elected"),
        # A contract from notice to notice is as short as the notice.
        (notice if elects else pl.lit(value=False)).alias("is_short_notice"),
    )  # fmt: skip


def _earned(performance: pl.DataFrame) -> pl.DataFrame:
    """Return per obligation what was recognized, and what of it uses up the price (`in_price`)."""
    key = ["contract_id", "obligation_id"]
    # What is earned beside the price (work as invoiced, use, royalties) uses up nothing of it.
    outside = pl.col("timing").is_in(BESIDE).fill_null(value=False)
    in_price = pl.when(outside).then(ZERO).otherwise(pl.col("amount")).alias("in_price")
    # Atoms of an obligation stand together by line: what is summed by text is what each line comes to.
    earned = performance.lazy().filter(~pl.col("is_planned")).select(*key, pl.col("amount").alias("recognized"), in_price)
    return run_sums(earned, key, "recognized", "in_price").group_by(*key).agg(pl.col("recognized", "in_price").sum()).collect()


def _exempted(promised: pl.DataFrame) -> pl.DataFrame:
    """Add which elected expedient exempts a promise, and take what is exempt out of what remains (50-14, 50-14A)."""
    royalty = (pl.col("offering") == "licence") & pl.col("measure").is_in(["usage", "royalty"])
    # Only of a promise of which nothing is performed, and only what is wholly its own: of an amount that others share too it has
    # no more than a part allocated to it (50-14A(b), 32-40).
    is_untouched = (pl.col("recognized") == 0) & (pl.col("variable_alone").fill_null(ZERO) != 0)
    running, elected = pl.col("is_running"), pl.col("expedients")
    short = pl.when(pl.col("evergreen").is_not_null()).then("is_short_notice").otherwise("is_short")
    is_open = (pl.col("remaining") != 0) | (running & (pl.col("is_as_invoiced") | royalty))
    exempted = (
        pl.when(~is_open).then(None)
        .when(elected.list.contains("original_term") & short).then(pl.lit("original_term"))
        .when(elected.list.contains("right_to_invoice") & pl.col("is_as_invoiced")).then(pl.lit("right_to_invoice"))
        .when(elected.list.contains("sales_royalty") & royalty).then(pl.lit("sales_royalty"))
    )  # fmt: skip
    variable = elected.list.contains("unsatisfied_variable") & is_untouched & exempted.is_null()
    return promised.with_columns(
        exempted.alias("exempted_by"),
        pl.when(variable).then(pl.col("variable_alone")).otherwise(ZERO).alias("exempt_variable"),
        # What a licence earns by sales beside its fixed price is left out, and the fixed price is not.
        (elected.list.contains("sales_royalty") & ((pl.col("bears_royalty") & running) | (pl.col("sold") != 0)) & exempted.is_null())
        .fill_null(value=False).alias("royalty_left_out"),
    ).with_columns((pl.col("remaining") - pl.col("exempt_variable")).alias("remaining"))  # fmt: skip


def _of_whole_length(promised: pl.DataFrame, apart: pl.DataFrame | None) -> pl.DataFrame:
    """Judge every promise by the length of the contract it is part of (50-14(a)): the same for all of them.

    Contracts that are combined are one (25-9), and what a change made longer is longer for all that it promises; a promise that is a
    contract of its own (25-12) is as short as itself.
    """
    if not promised["is_elected"].any():
        return promised.with_columns(pl.lit(value=False).alias("is_short"))
    own = pl.DataFrame(schema={"contract_id": pl.String, "obligation_id": pl.String}) if apart is None else apart
    told = promised.join(own.unique().with_columns(pl.lit(value=True).alias("is_apart")), on=["contract_id", "obligation_id"], how="left")
    # Where the record of a contract states no end, its promises do, unless one of them has none.
    whole = told.filter(pl.col("is_apart").is_null()).group_by("group_id").agg(
        pl.coalesce("contract_start", "start_date").min().alias("→start"),
        last_promised(pl.max_horizontal("contract_end", "end_date")).alias("→end"),
    )
    told = told.join(whole, on="group_id", how="left")
    own_start, own_end = (pl.when("is_apart").then(name).otherwise(side) for name, side in (("start_date", "→start"), ("end_date", "→end")))
    is_short = within_months(own_start, own_end, pl.lit(_YEAR)).fill_null(value=False)
    return told.with_columns((is_short & pl.col("is_elected")).alias("is_short")).drop("is_apart", "→start", "→end")


def _of_group(done: pl.DataFrame, obligations: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Bring what was earned under combined contracts to the one that holds the obligation."""
    key = ["contract_id", "obligation_id"]
    astray = done.join(obligations, on=key, how="anti")
    if astray.is_empty():
        return done
    groups = contracts.select("contract_id", "group_id")
    held = obligations.select(key).join(groups, on="contract_id", how="inner").rename({"contract_id": "→holder"})
    moved = astray.join(groups, on="contract_id", how="left").join(held, on=["group_id", "obligation_id"], how="left")
    moved = moved.with_columns(pl.coalesce("→holder", "contract_id").alias("contract_id")).select(done.columns)
    return pl.concat([done.join(astray, on=key, how="anti"), moved]).group_by(key).agg(pl.all().exclude(key).sum())


def _of_lines(lines: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return per obligation the hours committed × price of its lines, their term and the expected day of transfer."""
    value = (pl.col("estimated_hours").cast(FINE) * pl.col("unit_price").cast(FINE)).cast(MONEY)
    return lines.group_by("contract_id", "obligation_id").agg(
        value.sum().alias("hours_value"),
        pl.col("work_ahead").sum().alias("→ahead"), pl.col("work_ahead").is_not_null().all().alias("→is_told"),
        ((pl.col("offering") == "licence") & (pl.col("variable_kind") == "usage")).any().alias("bears_royalty"),
        pl.col("transfer_date").filter(pl.col("transfer_date") > as_of).max().alias("transfer_day"),
        pl.col("start_date").min().alias("line_start"),
        pl.col("end_date").max().alias("line_end"),
    )


def _committed(as_of: pl.Expr) -> pl.Expr:
    """Return the committed value of work by the hour: all of it, or its share through the notice period."""
    start, end = pl.coalesce("line_start", "contract_start"), pl.coalesce("line_end", "contract_end")
    is_cut = (pl.col("term_end") < end).fill_null(value=False) & (start <= as_of)
    through = (pl.col("term_end") - start).dt.total_days() + 1
    whole = (end - start).dt.total_days() + 1
    cut = round_share(pl.col("hours_value"), through, whole, pl.col("minor_digits"))
    return pl.when(is_cut).then(cut).otherwise(pl.col("hours_value"))


@of_nothing
def _dated(
    left: pl.DataFrame, performance: pl.DataFrame, obligations: pl.DataFrame, due: pl.DataFrame | None, as_of: pl.Expr
) -> pl.DataFrame:  # fmt: skip
    """Return what remains with the day it is expected on: as planned, as milestones are due, then the rest by its measure."""
    key = ["contract_id", "obligation_id"]
    planned = performance.lazy().filter(pl.col("is_planned") & (pl.col("amount") != 0)).select(
        *key, pl.col("posting_date").alias("day"), "amount"
    ).collect()
    ends = pl.coalesce("end_date", "line_end", "contract_end").alias("ends")
    # What remains of a service without an end is worth the notice already.
    bound = pl.when(pl.col("evergreen").is_null()).then("term_end").alias("term_end")
    begins = pl.coalesce("start_date", "line_start", "contract_start").alias("begins")
    planned = planned.join(left.select(*key, bound, begins, ends, "calendar", "minor_digits"), on=key, how="inner")
    within = through_notice(planned, as_of).filter(pl.col("amount") != 0)
    within = rounded_once(within, left, obligations, as_of)
    # What is planned beyond the notice period is dated too: it is no part of the rest.
    whole = planned.group_by(*key).agg(pl.col("amount").sum().alias("planned"))
    rest = left.join(whole, on=key, how="left").with_columns(
        (pl.col("remaining") - pl.col("planned").fill_null(ZERO)).alias("rest")
    ).filter(pl.col("rest") != 0)  # fmt: skip
    by_milestone, rest = dated_by_milestones(rest, due)
    return pl.concat([each.select("contract_id", "day", "amount") for each in (within, by_milestone, _rest(rest, as_of))])


@of_nothing
def _banded(dated: pl.DataFrame, contracts: pl.DataFrame, as_of: pl.Expr, spans: pl.DataFrame | None) -> pl.DataFrame:
    """Return what is dated by contract and band of the policy."""
    # Days of a contract stand together, and many contracts have the same: the band of each is told once.
    place = begins("contract_id").cum_sum().cast(pl.Int64) * 2**32 + pl.col("day").to_physical().fill_null(2**30)
    daily = dated.lazy().group_by(place.alias("place")).agg(pl.col("contract_id", "day").first(), pl.col("amount").sum()).collect()
    kind = pl.col("setting.disclosure.rpo_bands").alias("bands")
    told = contracts.select("contract_id", "currency", kind, "fiscal_year_start", "calendar")
    daily = daily.join(told, on="contract_id", how="left")
    start, end = band_of(pl.col("day"), pl.col("bands"), pl.col("fiscal_year_start"), as_of)
    asked = ["day", "bands", "fiscal_year_start", "calendar"]
    bands = daily.select(asked).unique().with_columns(start.alias("band_start"), end.alias("band_end"))
    if spans is not None and spans.height:
        first = pl.max_horizontal("from", as_of + pl.duration(days=1))
        own = (pl.when(pl.col("to").is_not_null()).then(first).otherwise("band_start"), pl.coalesce("to", "band_end"))
        bands = with_spans(bands, spans, "day").with_columns(own[0].alias("band_start"), own[1].alias("band_end")).drop("from", "to")
    return (
        daily.join(bands, on=asked, how="left", nulls_equal=True)
        .group_by("contract_id", "band_start", "band_end", "currency").agg(pl.col("amount").sum())
        .filter(pl.col("amount") != 0)
        .with_columns(pl.lit(None, dtype=pl.String).alias("exempted_by"))
    )  # fmt: skip


@of_nothing
def _rest(rest: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return what no plan dates: at its expected day, or evenly over the months to the end, or without a day."""
    is_evergreen = pl.col("evergreen").is_not_null()
    end = pl.when(is_evergreen).then(pl.col("term_end")).otherwise(pl.coalesce("end_date", "line_end", "contract_end"))
    at_a_point = pl.col("timing") == "point_in_time"
    day = pl.when(at_a_point).then(pl.coalesce("transfer_day", end)).otherwise(end)
    known = rest.with_columns(pl.when(day > as_of).then(day).alias("until"), at_a_point.alias("at_a_point"))
    # A contract its customer may end is promised no further than the notice.
    is_cut = (pl.col("term_end") < pl.col("until")).fill_null(value=False)
    served, whole = ((pl.col(name) - as_of).dt.total_days() for name in ("term_end", "until"))
    part = round_share(pl.col("rest"), pl.max_horizontal(served, pl.lit(0)), whole, pl.col("minor_digits"))
    known = known.with_columns(
        # What remains of work by the hour is cut to the notice already.
        pl.when(is_cut & pl.col("at_a_point")).then(ZERO).when(is_cut & ~pl.col("is_as_invoiced")).then(part)
        .otherwise(pl.col("rest")).alias("rest"),
        pl.when(is_cut).then(pl.col("term_end")).otherwise(pl.col("until")).alias("until"),
    ).filter(pl.col("rest") != 0)
    single = known.filter(pl.col("at_a_point") | pl.col("until").is_null()).with_columns(
        pl.col("until").alias("day"), pl.col("rest").alias("amount")
    )
    spread = known.filter(~pl.col("at_a_point") & pl.col("until").is_not_null())
    begin = as_of + pl.duration(days=1)
    months = spread.with_columns(
        pl.date_ranges(begin.dt.month_start(), pl.col("until").dt.month_start(), "1mo").alias("month")
    ).explode("month", empty_as_null=True, keep_nulls=True)  # fmt: skip
    until = pl.min_horizontal(pl.col("month").dt.month_end(), pl.col("until"))
    whole = (pl.col("until") - begin).dt.total_days() + 1
    so_far = round_share(pl.col("rest"), (until - begin).dt.total_days() + 1, whole, pl.col("minor_digits"))
    key = ["contract_id", "obligation_id"]
    # The months of a promise stand together, in their order.
    steps = months.with_columns(so_far.alias("so_far"), until.alias("day"))
    amount = pl.col("so_far") - before(pl.col("so_far"), *key).fill_null(ZERO)
    names = ["contract_id", "day", "amount"]
    return pl.concat([single.select(names), steps.with_columns(amount.alias("amount")).select(names)])
