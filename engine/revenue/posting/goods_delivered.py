"""Goods delivered: their cost, the part expected to come back as a return asset, and what came back (606-10-55-23, 55-27)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_SCALE, FIRST_DAY, MONEY, Kind, polars_dtype
from engine.nothing import of_nothing
from engine.revenue.arithmetic.asof import latest
from engine.revenue.arithmetic.asof import running as through_day
from engine.revenue.arithmetic.numbers import ZERO, whole_number, wide
from engine.revenue.arithmetic.rounding import round_quotient, round_share, units
from engine.revenue.ground.frames import DAY, TEXT, Books
from engine.revenue.posting.claims import Agreed, Claims
from engine.revenue.posting.goods_at_estimate import goods_at_estimate
from engine.revenue.posting.price_cuts import price_cuts
from engine.revenue.recognition.standing import as_arrived

_LINE: Final = "contract_line_id"

_QTY: Final = polars_dtype(Kind.QTY)
_PRICE: Final = polars_dtype(Kind.PRICE)

_PRICE_SCALE: Final = 10 ** (DECIMAL_SCALE[Kind.QTY] + DECIMAL_SCALE[Kind.PRICE] - DECIMAL_SCALE[Kind.MONEY])
"""Millionths of money over the last place of a price, as the last place of a quantity."""

_ALL: Final = ""
"""Stands for no promise alone: what is of all of a contract."""

_OF: Final = ["contract_id", "of"]

_NOTHING: Final = pl.DataFrame(schema={"contract_id": TEXT, "date": DAY, "back": MONEY})


@of_nothing
def goods_delivered(
    goods: pl.DataFrame, books: Books, records: Agreed, claims: Claims, owed: Callable[[Books], pl.DataFrame]
) -> pl.DataFrame:
    """Return the cost of goods and their return asset as steps: contract_id, date, goods_cost, return_asset, goods_back.

    `goods`: contract_id, contract_line_id. What is expected back is of all that is promised, as its price is: of a part delivered, the
    same part. It comes back as far as the money owed for it (`owed`: what estimates take off the price by day) was paid back or
    credited: `goods_back`, in neither of the other two any more. A report of less cost after that tells it itself.
    """
    returning = records.frame("contract_line").filter(pl.col("variable_kind") == "refund")
    promised = _promised(returning, books)
    returning = returning.select(_LINE, pl.lit(value=True).alias("returns"))
    promises = books.lines.join(goods, on="contract_id", how="semi").select("contract_id", _LINE, pl.col("obligation_id").alias("of"))
    cuts = price_cuts(promises, claims, books, _ALL)
    back = _paid_back(promises.join(goods, on=_LINE, how="semi").join(returning, on=_LINE, how="semi"), claims, cuts)
    cost, estimates = _cost(goods, books, records, back), _expected_back(goods, books, records, back)
    begun = promised.join(cost.group_by(_LINE).agg(pl.col("date").min().alias("→from")), on=_LINE, how="inner")
    changed = begun.filter(pl.col("date") > pl.col("→from"))
    days = pl.concat([each.select(_LINE, "date") for each in (cost, estimates, changed)]).unique()
    rows = days.join(goods, on=_LINE, how="inner").sort("date")
    rows = rows.join_asof(cost, on="date", by=_LINE, check_sortedness=False)
    rows = rows.join_asof(estimates, on="date", by=_LINE, check_sortedness=False)
    rows = rows.join(returning, on=_LINE, how="left").sort("date")
    rows = rows.join_asof(promised, on="date", by=_LINE, check_sortedness=False)
    rows = rows.join(books.contracts.select("contract_id", "minor_digits"), on="contract_id", how="left")
    coming = pl.when("reported").then("told").otherwise("coming_back")
    back_units, *whole = (each.cast(pl.Decimal(38, 10)).to_physical() for each in (coming, pl.col("delivered"), pl.col("promised")))
    part = round_share(pl.col("cost"), back_units, pl.max_horizontal(whole), pl.col("minor_digits"))
    asset = pl.when(pl.col("returns")).then(part).otherwise(ZERO).fill_null(ZERO)
    rows = rows.with_columns(pl.col("cost").fill_null(ZERO), asset.alias("asset"))
    flows = pl.concat([_given_back(promises, claims), cuts], how="diagonal")
    rows = _with_returned(rows, owed(books), promises, flows) if back.height else rows.with_columns(ZERO.alias("returned"))
    rows = rows.sort(_LINE, "date")
    steps = [
        (pl.col(name) - pl.col(name).shift(1).over(_LINE).fill_null(ZERO)).cast(MONEY).alias(flow)
        for name, flow in (("cost", "goods_cost"), ("asset", "return_asset"), ("returned", "goods_back"))
    ]
    return rows.select("contract_id", "date", *steps)


def _cost(goods: pl.DataFrame, books: Books, records: Agreed, back: pl.DataFrame) -> pl.DataFrame:
    """Return the cost to date and units of lines by day, and whether by then a report told less cost after money went back."""
    told = as_arrived(records.frame("progress"), books, "as_of_date", ("cost_to_date", "units_delivered"))
    cost = told.drop_nulls("cost_to_date").select(
        _LINE, pl.col("as_of_date").alias("date"), pl.col("cost_to_date").alias("cost"), pl.col("units_delivered").alias("delivered")
    )
    expected = goods_at_estimate(books, records).select(_LINE, pl.col("as_of_date").alias("date"), pl.col("cost_to_date").alias("cost"))
    cost = pl.concat([cost, expected], how="diagonal").sort("date", maintain_order=True)
    less = (pl.col("cost") < pl.col("cost").shift(1).over(_LINE)).fill_null(value=False)
    cost = _with_paid(cost, goods, back).with_columns((less & (pl.col("back") > 0)).cum_max().over(_LINE).alias("reported"))
    return cost.drop("back")


def _expected_back(goods: pl.DataFrame, books: Books, records: Agreed, back: pl.DataFrame) -> pl.DataFrame:
    """Return the units estimated to come back by day: as `told`, and `coming_back`, those that came back by then with them.

    An estimate after money went back that tells fewer units at the same amount counts those still to come; one that says the same again
    says nothing new.
    """
    estimated = records.frame("variable_estimate").drop_nulls(_LINE)
    estimated = as_arrived(estimated, books, "as_of_date")
    estimated = estimated.with_columns(pl.coalesce("constrained_amount", "amount").alias("→amount"))
    rows = _with_units_of_money(estimated, records, books).select(
        _LINE, pl.col("as_of_date").alias("date"), pl.col("quantity").alias("told"), "→amount"
    ).sort("date", maintain_order=True)  # fmt: skip
    earlier = {name: pl.col(name).shift(1).over(_LINE) for name in ("told", "→amount")}
    fewer = (pl.col("told") < earlier["told"]) & (pl.col("back") > 0)
    is_rest = (pl.col("→amount") == earlier["→amount"]) & (fewer | (pl.col("told") == earlier["told"]))
    counted = pl.when(~is_rest.fill_null(value=False)).then("told").forward_fill().over(_LINE)
    return _with_paid(rows, goods, back).with_columns(counted.alias("coming_back")).drop("back", "→amount")


def _promised(lines: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return how many units lines promise, as signed and as changed: contract_line_id, date, promised."""
    signed = lines.select(_LINE, pl.lit(FIRST_DAY).alias("date"), pl.coalesce("quantity", _one_whole()).alias("promised"))
    return pl.concat([signed, books.extra.get("promised_units", signed.clear())]).sort("date", maintain_order=True)


def _one_whole() -> pl.Expr:
    """Return 1 for a line that states neither a quantity nor the price of a unit: it is one unit."""
    return pl.when(pl.col("unit_price").is_null()).then(pl.lit(1, dtype=_QTY))


def _with_units_of_money(estimated: pl.DataFrame, records: Agreed, books: Books) -> pl.DataFrame:
    """Give estimates that tell money alone the units that cost as much: what is paid back in full comes back."""
    lines = records.frame("contract_line").unique(_LINE, keep="first")
    lines = lines.join(_shares_of_packages(lines, books), on=_LINE, how="left", maintain_order="left")
    promised, whole = pl.coalesce("quantity", _one_whole()), pl.coalesce("amount", "→share")
    lines = lines.select(_LINE, pl.col("unit_price").alias("→each"), promised.alias("→promised"), whole.alias("→whole"))
    rows = estimated.join(lines, on=_LINE, how="left", maintain_order="left")
    back = units(pl.max_horizontal(pl.col("→amount") * -1, ZERO))
    price = whole_number(pl.when(pl.col("→each") > 0).then("→each"), _PRICE)
    by_price = round_quotient(back * wide(_PRICE_SCALE), price)
    by_whole = round_quotient(back * whole_number("→promised", _QTY), units(pl.when(pl.col("→whole") > 0).then("→whole")))
    told = pl.coalesce(by_whole, by_price).reinterpret(dtype=_QTY)
    return rows.with_columns(pl.coalesce("quantity", told).alias("quantity"))


def _shares_of_packages(lines: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return what lines without a price of their own cost of the price of their contract, as signed: contract_line_id, →share.

    Lines of one promise have its price by their standalone prices.
    """
    of = ["contract_id", "obligation_id"]
    unpriced = lines.filter(pl.col("amount").is_null() & pl.col("unit_price").is_null()).select(_LINE)
    alone = pl.when(pl.len().over(of) == 1).then(wide(1))
    weight = pl.coalesce(alone, units(pl.col("standalone_selling_price")))
    weighed = books.lines.select(_LINE, *of, weight.alias("→part"), weight.sum().over(of).alias("→of"))
    signed = books.obligations.sort("version").unique(of, keep="first")
    fixed = (pl.col("allocated_amount") - pl.col("allocated_variable").fill_null(ZERO)).cast(MONEY).alias("→fixed")
    rows = weighed.join(unpriced, on=_LINE, how="semi").join(signed.select(*of, fixed), on=of, how="inner")
    rows = rows.join(books.contracts.select("contract_id", "minor_digits"), on="contract_id", how="left")
    return rows.select(_LINE, round_share(pl.col("→fixed"), pl.col("→part"), pl.col("→of"), pl.col("minor_digits")).alias("→share"))


def _with_paid(rows: pl.DataFrame, goods: pl.DataFrame, back: pl.DataFrame) -> pl.DataFrame:
    """Add what went back of the line's contract by the day, 0 where nothing did."""
    if not back.height:
        return rows.with_columns(ZERO.alias("back"))
    found = latest(rows.join(goods, on=_LINE, how="left", maintain_order="left"), back, by=["contract_id"], on="date", columns=["back"])
    return found.with_columns(pl.col("back").fill_null(ZERO)).drop("contract_id")


def _paid_back(goods: pl.DataFrame, claims: Claims, cuts: pl.DataFrame) -> pl.DataFrame:
    """Return what went back to customers of goods with a right of return, or was credited, cumulative by day: contract_id, date, back.

    Of a credit note and the money paid back for it the greater counts, beyond what changes took off the price of the goods. Money that
    names an invoice of other lines is not for goods. `goods`: contract_id, contract_line_id, of. `cuts`: from `price_cuts`.
    """
    cash = claims.cash.join(goods, on="contract_id", how="semi").filter(pl.col("amount") < 0)
    billed = claims.billed.join(goods, on="contract_id", how="semi")
    if not cash.height and not billed.filter(pl.col("net") < 0).height:
        return _NOTHING
    of_goods = billed.filter(pl.col(_LINE).is_null() | pl.col(_LINE).is_in(goods[_LINE].implode()))
    others = billed.join(of_goods, on="claim", how="anti")
    ours = cash.join(others, on="claim", how="anti")
    out = ours.group_by("contract_id", "date").agg((pl.col("amount").sum() * -1).cast(MONEY).alias("paid"))
    daily = of_goods.group_by("contract_id", "date").agg(pl.col("net").sum()).sort("contract_id", "date")
    billed_by_then = pl.col("net").cum_sum().over("contract_id")
    credited = (billed_by_then.cum_max().over("contract_id") - billed_by_then).cast(MONEY)
    credit = daily.with_columns(credited.alias("credited"))
    step = pl.col("credited") - pl.col("credited").shift(1).over("contract_id").fill_null(ZERO)
    credit = credit.select("contract_id", "date", step.cast(MONEY).alias("credited"))
    days = pl.concat([out.select("contract_id", "date"), credit.select("contract_id", "date")]).unique().sort("contract_id", "date")
    own = cuts.join(goods, on=_OF, how="semi")
    for flow, name in ((out, "paid"), (credit, "credited"), (own, "cut")):
        days = through_day(days, flow, by=["contract_id"], on="date", columns=[name])
    back = pl.max_horizontal(pl.max_horizontal("paid", "credited") - pl.col("cut"), ZERO)
    return days.select("contract_id", "date", back.cast(MONEY).alias("back")).sort("date")


def _with_returned(rows: pl.DataFrame, owed: pl.DataFrame, promises: pl.DataFrame, flows: pl.DataFrame) -> pl.DataFrame:
    """Add `returned`, the cost of goods that came back by the day, and take it off `cost` and `asset`, on the days of all of them."""
    owed = owed.join(promises, on="contract_id", how="semi").with_columns(pl.col("of").fill_null(_ALL))
    days = pl.concat([each.select("contract_id", "date") for each in (rows, flows, owed)]).unique().sort("date")
    digits = rows.select("contract_id", "minor_digits").unique()
    lines = rows.select("contract_id", _LINE, "minor_digits").unique().join(promises, on=["contract_id", _LINE], how="left")
    stands = rows.select(_LINE, "date", "cost", "asset", "reported").sort("date")
    rows = lines.join(days, on="contract_id", how="inner").sort("date").join_asof(stands, on="date", by=_LINE, check_sortedness=False)
    settled = _settled(days, owed, flows, digits)
    rows = rows.join(settled, on=["contract_id", "of", "date"], how="left", maintain_order="left")
    share = round_share(pl.col("asset").fill_null(ZERO), units(pl.col("settled")), units(pl.col("owed")), pl.col("minor_digits"))
    returned = pl.when(pl.col("reported").fill_null(value=False)).then(ZERO).otherwise(share.fill_null(ZERO))
    rows = rows.with_columns(returned.cast(MONEY).alias("returned"), pl.col("cost", "asset").fill_null(ZERO))
    return rows.with_columns((pl.col(name) - pl.col("returned")).cast(MONEY) for name in ("cost", "asset"))


def _given_back(promises: pl.DataFrame, claims: Claims) -> pl.DataFrame:
    """Return what went back by the promise it was invoiced for, as steps: contract_id, of, date, paid, credited.

    Of what no invoice line places `of` is `_ALL`.
    """
    contracts, place = promises.select("contract_id").unique(), promises.select(_LINE, "of").unique(_LINE)
    billed = claims.billed.join(contracts, on="contract_id", how="semi").join(place, on=_LINE, how="left")
    billed = billed.with_columns(pl.col("of").fill_null(_ALL))
    daily = billed.group_by(*_OF, "date").agg(pl.col("net").sum()).sort(*_OF, "date")
    so_far = pl.col("net").cum_sum().over(_OF)
    credited = daily.with_columns((so_far.cum_max().over(_OF) - so_far).cast(MONEY).alias("credited"))
    credited = credited.with_columns((pl.col("credited") - pl.col("credited").shift(1).over(_OF).fill_null(ZERO)).alias("credited"))
    of_claim = billed.select("claim", "of").unique("claim", keep="first", maintain_order=True)
    out = claims.cash.join(contracts, on="contract_id", how="semi").filter(pl.col("amount") < 0)
    paid = out.join(of_claim, on="claim", how="left").with_columns(pl.col("of").fill_null(_ALL), (pl.col("amount") * -1).alias("paid"))
    steps = [each.select(*_OF, "date", pl.col(name).cast(MONEY)) for each, name in ((paid, "paid"), (credited, "credited"))]
    return pl.concat(steps, how="diagonal").with_columns(pl.col("paid", "credited").fill_null(ZERO))


def _settled(days: pl.DataFrame, owed: pl.DataFrame, flows: pl.DataFrame, digits: pl.DataFrame) -> pl.DataFrame:
    """Return by promise and day what is owed of it (`owed`) and what of that went back (`settled`).

    What names a promise is for that; of it a credit note and the money paid for it count once. What names none pays first what credit
    notes tell, and is then for all that is still owed, in proportion. Either is first for what changes took off the price (`cut`).
    """
    both = pl.concat([each.select(_OF) for each in (owed, flows)]).unique()
    rows = both.join(days, on="contract_id", how="inner").join(digits, on="contract_id", how="left").sort("date")
    rows = latest(rows, owed.sort("date", maintain_order=True), by=_OF, on="date", columns=["owed"])
    rows = through_day(rows, flows, by=_OF, on="date", columns=["paid", "credited", "cut"])
    rows = rows.with_columns(pl.col("owed").fill_null(ZERO), pl.max_horizontal("paid", "credited").alias("→back"))
    named, then = pl.col("of") != _ALL, ["contract_id", "date"]
    unpaid = pl.when(named).then(pl.max_horizontal(pl.col("credited") - pl.col("paid"), ZERO)).otherwise(ZERO).sum().over(then)
    uncredited = pl.when(named).then(pl.max_horizontal(pl.col("cut") - pl.col("→back"), ZERO)).otherwise(ZERO).sum().over(then)
    loose = pl.when(~named).then(pl.max_horizontal(pl.col("paid") - unpaid, "credited") - pl.col("cut")).otherwise(ZERO).sum().over(then)
    own = pl.when(named).then(pl.max_horizontal(pl.min_horizontal("owed", pl.col("→back") - pl.col("cut")), ZERO)).otherwise(ZERO)
    rows = rows.with_columns(own.alias("→own"), pl.max_horizontal(loose - uncredited, ZERO).alias("→loose"))
    rest = pl.max_horizontal(pl.col("owed") - pl.col("→own"), ZERO)
    rows = rows.with_columns(rest.alias("→rest"), rest.sum().over(then).alias("→all"))
    part = round_share(
        pl.min_horizontal("→loose", "→all").cast(MONEY), units(pl.col("→rest")), units(pl.col("→all")), pl.col("minor_digits")
    )
    return rows.select(*_OF, "date", "owed", (pl.col("→own") + part.fill_null(ZERO)).cast(MONEY).alias("settled"))
