"""What moves a contract's position beside performance, invoices and payments: interest, payments to the customer, rebates, returns."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no
from engine.revenue.arithmetic.asof import running as through_day
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.frames import BESIDE, DAY, TEXT, Books
from engine.revenue.posting.anew import with_earned_share
from engine.revenue.posting.claims import Agreed, Claims
from engine.revenue.posting.goods_delivered import goods_delivered
from engine.revenue.posting.taken_over import opening_steps, openings, unopened_steps
from engine.revenue.recognition.standing import as_arrived

_STEP: Final[dict[str, pl.DataType]] = {"contract_id": TEXT, "date": DAY, "seq": pl.Int32()}


def moves(books: Books, records: Agreed, claims: Claims, as_of: dt.date) -> pl.DataFrame:
    """Return further steps of positions (`rights.FLOWS`), and a step on every day a contract's terms change.

    Interest comes from `books.extra["interest"]` (contract_id, posting_date, direction, interest).
    """
    opened = openings(books, records, as_of)
    frames = [
        _marks(books, as_of), _interest(books), _to_customer(books, records), _rebates(books, records, claims),
        _goods(books, records, claims), opening_steps(opened), unopened_steps(opened, books),
    ]  # fmt: skip
    whole = pl.concat([pl.DataFrame(schema=_STEP), *(_stepped(frame) for frame in frames if frame.height)], how="diagonal_relaxed")
    return whole.filter(pl.col("date") <= as_of).with_columns(pl.exclude(*_STEP).fill_null(ZERO))


def _stepped(frame: pl.DataFrame) -> pl.DataFrame:
    rest = [pl.col(name).cast(MONEY) for name in frame.columns if name not in _STEP]
    return frame.select("contract_id", "date", pl.lit(0, dtype=pl.Int32).alias("seq"), *rest)


def _marks(books: Books, as_of: dt.date) -> pl.DataFrame:
    """Return the days from which a contract's gate, price or end differ."""
    contracts = books.contracts
    days = [
        contracts.select("contract_id", pl.col("gate_date").alias("date")),
        contracts.select("contract_id", pl.col("terminated_date").alias("date")),
        books.price.select("contract_id", "date"),
    ]
    if "force" in books.extra:
        days.append(books.extra["force"].filter(pl.col("date") > dt.date.min).select("contract_id", "date"))
    return pl.concat(days).drop_nulls().filter(pl.col("date") <= as_of).unique()


def _interest(books: Books) -> pl.DataFrame:
    accrued = books.extra.get("interest")
    if accrued is None:
        return pl.DataFrame(schema=_STEP)
    is_income = pl.col("direction") == "income"
    return accrued.select(
        "contract_id", pl.col("posting_date").alias("date"),
        pl.when(is_income).then(pl.col("interest")).otherwise(ZERO).alias("income"),
        pl.when(is_income).then(ZERO).otherwise(pl.col("interest")).alias("expense"),
    )  # fmt: skip


def _to_customer(books: Books, records: Agreed) -> pl.DataFrame:
    """Return what the firm owes or paid its customer for nothing distinct: revenue is lower by it (606-10-32-25 to 32-27).

    What became known after a close counts from the first open period, as its price does.
    """
    lowering = records.frame("consideration_payable").filter(~pl.col("is_for_distinct_good").fill_null(value=False))
    known = lowering.join(books.contracts.select("contract_id"), on="contract_id", how="semi")
    told = [pl.col("known_at")] if "known_at" in known.columns else []
    day = pl.min_horizontal("agreed_date", "paid_date").alias("date")
    agreed = known.select("contract_id", day, pl.col("amount").alias("agreed"), *told)
    paid = known.select("contract_id", pl.col("paid_date").alias("date"), pl.col("amount").alias("paid_out"), *told)
    steps = pl.concat([agreed, paid], how="diagonal").drop_nulls("date")
    steps = as_arrived(steps, books, "date").drop("known_at", strict=False)
    return steps if steps.is_empty() else pl.concat([steps, *_bearing_nothing(books, steps)], how="diagonal_relaxed")


def _standing(books: Books) -> pl.DataFrame:
    """Return the versions of obligations as each period stood with them."""
    return books.extra.get("standing", books.obligations)


def _bearing_nothing(books: Books, asked: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what contracts earn beside their price, and what promises cost that have no part in it, as steps.

    Work as invoiced, use and royalties, and promises with a price of their own alone bear nothing of what concerns the contract.
    """
    keys = ["contract_id", "obligation_id"]
    versions = _standing(books).join(asked, on="contract_id", how="semi").filter(~pl.col("is_pooled").fill_null(value=True))
    done = books.performance.filter(~pl.col("is_planned")).join(asked, on="contract_id", how="semi")
    done = done.with_columns(pl.col("obligation_id", "timing").cast(TEXT))
    own = versions.select(*keys, pl.lit(value=True).alias("→own")).unique()
    beside = done.join(own, on=keys, how="left").filter(pl.col("→own").fill_null(value=False) | pl.col("timing").is_in(list(BESIDE)))
    earned = beside.select("contract_id", pl.col("posting_date").alias("date"), pl.col("amount").alias("unborne"))
    earlier = pl.col("allocated_amount").shift(1).over(keys, order_by="version").fill_null(ZERO)
    prices = versions.select(
        "contract_id", pl.col("effective_date").alias("date"), (pl.col("allocated_amount") - earlier).cast(MONEY).alias("unborne_price")
    )
    return earned, prices.drop_nulls("unborne_price")


def _earned(books: Books, keys: list[str], asked: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """Return the revenue of each key by day, cumulative; of those only whose columns `on` are in `asked`."""
    done = books.performance.filter(~pl.col("is_planned")).join(asked, on=on, how="semi")
    daily = done.group_by(*keys, pl.col("posting_date").alias("date")).agg(pl.col("amount").sum()).sort(*keys, "date")
    return daily.with_columns(pl.col("amount").cum_sum().over(keys).cast(MONEY).alias("earned")).drop("amount")


def _rebates(books: Books, records: Agreed, claims: Claims) -> pl.DataFrame:
    """Return what of the invoiced price is expected to go back for what was earned so far, as steps (606-10-32-10).

    For a line with retrospective tiers: units delivered at the list price less their revenue. Of what estimates
    take off a price (concessions, rebates, refunds, penalties): its share of the revenue earned.
    """
    tiered = _tiered(books, records)
    owed = pl.concat([tiered.rename({"contract_line_id": "of"}), _estimated(books)]).sort("contract_id", "of", "date")
    before = pl.col("owed").shift(1).over("contract_id", "of").fill_null(ZERO)
    steps = [owed.select("contract_id", "date", (pl.col("owed") - before).cast(MONEY).alias("rebate")), _of_billed(owed, books, claims)]
    if "conceded" in books.extra:
        steps.append(books.extra["conceded"].select("contract_id", "date", pl.col("amount").alias("rebate"), "to_customer"))
    steps_of_work = pl.concat(steps, how="diagonal").with_columns(pl.exclude("contract_id", "date").fill_null(ZERO))
    return steps_of_work.filter(pl.any_horizontal(pl.exclude("contract_id", "date") != 0))


@of_no("owed")
def _of_billed(owed: pl.DataFrame, books: Books, claims: Claims) -> pl.DataFrame:
    """Return what of the rebates of single promises was invoiced for these, as steps: no other promise's asset is set off against it."""
    keys = ["contract_id", "of"]
    names = books.lines.select("contract_id", "contract_line_id", "obligation_id")
    several = names.filter(pl.col("obligation_id").n_unique().over("contract_id") > 1)
    named = [names.select("contract_line_id", pl.col(column).alias("of")) for column in ("obligation_id", "contract_line_id")]
    mine = owed.join(several, on="contract_id", how="semi").drop_nulls("of")
    of = pl.concat(named).unique().join(mine, on="of", how="semi")
    billed = claims.billed.filter(pl.col("basis") != "conditional").join(of, on="contract_line_id", how="inner")
    billed = billed.select(*keys, "date", "net")
    done = books.performance.filter(pl.col("contract_id").is_in(mine["contract_id"].unique().implode()))
    done = done.filter(~pl.col("is_planned")).with_columns(pl.col("contract_line_id").cast(TEXT))
    done = done.join(of, on="contract_line_id", how="inner").select(*keys, pl.col("posting_date").alias("date"), "amount")
    days = pl.concat([each.select(*keys, "date") for each in (mine, billed, done)]).unique().join(billed, on=keys, how="semi").sort("date")
    for flow, name in ((billed, "net"), (done, "amount")):
        days = through_day(days, flow, by=keys, on="date", columns=[name])
    days = days.join_asof(mine.select(*keys, "date", "owed").sort("date"), on="date", by=keys, check_sortedness=False).sort(*keys, "date")
    back = pl.max_horizontal(pl.min_horizontal(pl.col("owed").fill_null(ZERO), pl.col("net") - pl.col("amount")), ZERO)
    earlier = pl.col("back").shift(1).over(keys).fill_null(ZERO)
    days = days.with_columns(back.alias("back"))
    return days.select("contract_id", "date", (pl.col("back") - earlier).cast(MONEY).alias("rebate_billed"))


def _tiered(books: Books, records: Agreed) -> pl.DataFrame:
    tiers = records.frame("price_tier").filter(pl.col("is_retrospective").fill_null(value=False))
    if tiers.is_empty():
        return pl.DataFrame(schema={"contract_id": TEXT, "contract_line_id": TEXT, "date": DAY, "owed": MONEY})
    earned = _earned(books, ["contract_id", "obligation_id", "contract_line_id"], tiers, ["contract_line_id"])
    first = tiers.sort("from_quantity", nulls_last=False).unique("contract_line_id", keep="first", maintain_order=True)
    listed = records.frame("contract_line").select("contract_line_id", pl.col("unit_price").alias("own_price"))
    prices = first.join(listed, on="contract_line_id", how="left")
    prices = prices.select("contract_line_id", pl.coalesce("own_price", "unit_price").alias("price"))
    units_done = _delivered(books, records)
    rows = earned.join(prices, on="contract_line_id", how="inner").sort("date")
    rows = rows.join_asof(units_done, on="date", by="contract_line_id", check_sortedness=False)
    listed_price = (pl.col("delivered").cast(pl.Decimal(38, 10)) * pl.col("price").cast(pl.Decimal(38, 10))).cast(MONEY)
    owed = pl.max_horizontal(listed_price - pl.col("earned"), ZERO).fill_null(ZERO)
    return rows.select("contract_id", "contract_line_id", "date", owed.cast(MONEY).alias("owed"))


def _delivered(books: Books, records: Agreed) -> pl.DataFrame:
    """Return units delivered of a line, cumulative by day: as observed, else as used; what came after a close in the next open period."""

    def arrived(entity: str, day: str, told: tuple[str, ...] = ()) -> pl.DataFrame:
        return as_arrived(records.frame(entity).sort(day), books, day, told)

    observed = arrived("progress", "as_of_date", ("units_delivered",)).drop_nulls("units_delivered")
    observed = observed.select("contract_line_id", pl.col("as_of_date").alias("date"), pl.col("units_delivered").alias("delivered"))
    used = arrived("usage", "usage_date").drop_nulls("quantity").join(observed, on="contract_line_id", how="anti")
    daily = used.group_by("contract_line_id", pl.col("usage_date").alias("date")).agg(pl.col("quantity").sum())
    daily = daily.sort("contract_line_id", "date")
    counted = daily.with_columns(pl.col("quantity").cum_sum().over("contract_line_id").alias("delivered")).select(observed.columns)
    time, reports = arrived("time_entry", "work_date"), arrived("progress", "as_of_date", ("hours_to_date",))
    return pl.concat([observed, counted, _hours_done(records, time, reports)], how="vertical_relaxed").sort("date", maintain_order=True)


def _hours_done(records: Agreed, time: pl.DataFrame, reports: pl.DataFrame) -> pl.DataFrame:
    """Return the hours of lines whose hours have tiers, cumulative by day: of approved time, else as reported."""
    by_hour = records.frame("contract_line").filter(pl.col("offering") == "time_and_materials")
    tiered = by_hour.join(records.frame("price_tier"), on="contract_line_id", how="semi").select("contract_line_id")
    time = time.filter((pl.col("status") == "approved") & pl.col("hours").is_not_null())
    time = time.join(tiered, on="contract_line_id", how="semi")
    daily = time.group_by("contract_line_id", pl.col("work_date").alias("date")).agg(pl.col("hours").sum())
    worked = daily.sort("contract_line_id", "date")
    worked = worked.with_columns(pl.col("hours").cum_sum().over("contract_line_id").alias("delivered")).drop("hours")
    told = reports.drop_nulls("hours_to_date").join(tiered, on="contract_line_id", how="semi")
    told = told.join(worked, on="contract_line_id", how="anti")
    reported = told.select("contract_line_id", pl.col("as_of_date").alias("date"), pl.col("hours_to_date").alias("delivered"))
    return pl.concat([worked, reported], how="vertical_relaxed")


def _estimated(books: Books) -> pl.DataFrame:
    """Return by obligation (or contract) what estimates take off the price of what was earned, by day: contract_id, of, date, owed."""
    lowered = books.extra.get("lowered")
    if lowered is None or not lowered.height:
        return pl.DataFrame(schema={"contract_id": TEXT, "of": TEXT, "date": DAY, "owed": MONEY})
    own = lowered.filter(pl.col("obligation_id").is_not_null())
    whole = lowered.filter(pl.col("obligation_id").is_null()).drop("obligation_id")
    versions = _standing(books).select(
        "contract_id", "obligation_id", pl.col("effective_date").alias("date"), pl.col("allocated_amount").alias("price")
    )
    prices = books.price.select("contract_id", "date", pl.col("transaction_price").alias("price"))
    digits = books.contracts.select("contract_id", "minor_digits")
    found = []
    for rows, price, keys in ((own, versions, ["contract_id", "obligation_id"]), (whole, prices, ["contract_id"])):
        earned = _earned(books, keys, rows, keys)
        days = pl.concat([earned.select(*keys, "date"), rows.select(*keys, "date")]).unique().sort("date")
        for table in (earned, price, rows):
            days = days.join_asof(table.sort("date"), on="date", by=keys, check_sortedness=False)
        days = _of_price(days, books, keys)
        days = days.join(digits, on="contract_id", how="left")
        done = pl.min_horizontal("earned", "price")
        amounts = (pl.col("lowered").fill_null(ZERO).alias("→of"), done.alias("→done"), pl.col("price").alias("→price"))
        days = with_earned_share(days.sort(*keys, "date").with_columns(amounts), books, "→share", by=keys)
        owed = pl.when((pl.col("price") > 0) & (pl.col("earned") > 0)).then("→share").otherwise(ZERO).fill_null(ZERO)
        of = pl.col("obligation_id") if "obligation_id" in keys else pl.lit(None, dtype=TEXT)
        found.append(days.select("contract_id", of.alias("of"), "date", owed.cast(MONEY).alias("owed")))
    return pl.concat(found)


def _of_price(days: pl.DataFrame, books: Books, keys: list[str]) -> pl.DataFrame:
    """Take off `earned` and `price` what was earned beside the price, and of contracts what promises cost that bear nothing of it."""
    if "obligation_id" in keys:
        named = books.performance.filter(pl.col("timing").is_in(list(BESIDE)) & ~pl.col("is_planned")).join(days, on=keys, how="semi")
        flows = {"earned": named.select(*keys, pl.col("posting_date").alias("date"), pl.col("amount").alias("unborne"))}
    else:
        flows = dict(zip(("earned", "price"), _bearing_nothing(books, days), strict=True))
    for name, flow in flows.items():
        off = flow.columns[-1]
        days = through_day(days, flow, by=keys, on="date", columns=[off])
        days = days.with_columns((pl.col(name) - pl.col(off)).alias(name)).drop(off)
    return days


def _goods(books: Books, records: Agreed, claims: Claims) -> pl.DataFrame:
    goods = books.lines.filter(pl.col("offering") == "goods").select("contract_id", "contract_line_id")
    return goods_delivered(goods, books, records, claims, _estimated)
