"""Proposed journal entries: what moves each contract from one position to the next, balanced in every currency and book.

Entries of a contract's day post in this order, each netted within itself: performance, rights and
estimates; remeasurement of foreign currency; each payment; remeasurement at closing. They are drafts,
in one batch per legal entity and period, until a second person approves the batch.
Contracts combined into one (606-10-25-9) have one position and so one entry; where they belong to
several legal entities each has its own, and what one holds for the other is owed between them.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.nothing import of_nothing
from engine.revenue.arithmetic.numbers import WIDE, ZERO
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.arithmetic.runs import before, begins, begins_anew, joined
from engine.revenue.ground.frames import CODE, DAY, TEXT, TEXTS, Books
from engine.revenue.posting.claims import Claims
from engine.revenue.posting.cost_rates import at_cost_rates
from engine.revenue.posting.currency import CLOSED, PERFORMED, Translated, in_period
from engine.revenue.posting.rights import POSITION, STEP_KEY, sequenced
from engine.revenue.recognition.adopted import PRINCIPLE

JOURNAL: Final[dict[str, pl.DataType]] = {
    "journal_id": TEXT, "batch_id": CODE, "line": pl.Int64(), "posting_date": DAY, "period": CODE, "legal_entity_id": CODE,
    "account": CODE, "account_role": CODE,
    "debit": MONEY, "credit": MONEY, "currency": CODE, "functional_debit": MONEY, "functional_credit": MONEY,
    "functional_currency": CODE, "contract_id": TEXT, "contract_line_id": TEXT, "reason": CODE, "rule": CODE, "status": CODE,
    "evidence": TEXTS,
}  # fmt: skip
"""Columns of `journal.parquet`, where codes stand as texts."""

_ASSETS: Final = ("receivable", "contract_asset", "customer_payment_asset", "return_asset")

_RULES: Final = {
    "receivable": "606-10-45-4", "unbilled_receivable": "606-10-45-4",
    "contract_asset": "606-10-45-3", "customer_payment_asset": "606-10-32-25",
    "contract_liability": "606-10-45-2", "refund_liability": "606-10-32-10",
    "deposit_liability": "606-10-25-8", "payable": "606-10-55-38", "tax_payable": "606-10-32-2A", "cash": "606-10-45-2",
    "fx": "830-20-35-1",
    "return_asset": "606-10-55-27", "inventory": "606-10-55-27", "cost_of_revenue": "606-10-55-27", "interest_income": "606-10-32-20",
    "interest_expense": "606-10-32-20", "loss_provision": "605-35-25-45", "contract_cost_asset": "340-40-25-1",
    "contract_cost_expense": "340-40-35-1", "opening_equity": "250-10-45-5", "intercompany": "810-10-45-1",
}  # fmt: skip

# In the order of their names: as whole numbers they sort as their texts do.
_ROLE: Final = pl.Enum(sorted({*_RULES, "revenue"}))

_LINE: Final[dict[str, pl.DataType]] = {
    "contract": pl.UInt32(), "date": DAY, "order": pl.Int32(), "account_role": _ROLE, "contract_line_id": TEXT, "place": pl.UInt32(),
    "amount": MONEY, "functional": MONEY, "reason": CODE, "rule": CODE, "evidence": TEXTS,
}  # fmt: skip

# After payments of the day: what concerns cost and provisions posts last.
_COSTS: Final = 2_000_000


def journal(books: Books, figures: Translated, claims: Claims, rates: pl.DataFrame, opened: pl.DataFrame) -> pl.DataFrame:
    """Return the proposed entries of every contract from its first step on (JOURNAL), sorted by contract, day and order.

    Through the day of an opening position nothing is proposed: the ledger holds it already.
    """
    codes = pl.col("legal_entity_id", "currency", "functional_currency").cast(CODE)
    names = ("group_id", "head", "head_id", pl.col("evidence").alias("own"))
    contracts = entry_heads(books.contracts).select("contract", "contract_id", "calendar", codes, *names)
    costs = _cost_lines(books, contracts, rates)
    parts = [_revenue_lines(figures.atoms, books.lines, contracts), _step_lines(figures, claims, contracts), costs]
    moves = (pl.col("amount") != 0) | (pl.col("functional").fill_null(ZERO) != 0)
    lines = pl.concat(parts).filter(pl.col("contract").is_not_null(), moves)
    if opened.height:
        since = opened.select("contract_id", "opened_on").join(contracts, on="contract_id", how="inner").select("contract", "opened_on")
        lines = lines.join(since, on="contract", how="left")
        lines = lines.filter((pl.col("date") > pl.col("opened_on")).fill_null(value=True)).drop("opened_on")
    lines = _numbered(_owed_within(_in_order(lines, contracts), contracts), books.periods)
    lines = _with_accounts(_with_own_values(lines), books.accounts, books.contracts.height)
    known = pl.col("evidence").list.len().fill_null(0) > 0
    # Mostly every line has sources: lists are costly to choose from.
    all_known = lines.select(known.all()).item()
    evidence = pl.col("evidence") if all_known else pl.when(known).then("evidence").otherwise("own").alias("evidence")
    lines = lines.with_columns(_sides("amount", "debit", "credit"))
    # In its own currency a contract's lines are told once, and stand in both columns.
    is_own = lines.select(pl.col("amount").eq_missing(pl.col("functional")).all()).item()
    same = [pl.col(side).alias(f"functional_{side}") for side in ("debit", "credit")]
    functional = same if is_own else _sides("functional", "functional_debit", "functional_credit")
    return lines.select(
        "journal_id", "batch_id", "line", pl.col("date").alias("posting_date"), "period", "legal_entity_id", "account",
        pl.col("account_role").cast(TEXT).cast(CODE), "debit", "credit", "currency",
        *functional, "functional_currency", "contract_id", "contract_line_id",
        "reason", pl.coalesce("rule", _of_role([_RULES.get(role, "606-10-45-1") for role in _ROLE.categories])).alias("rule"),
        pl.lit("draft", dtype=CODE).alias("status"), evidence,
    )  # fmt: skip


def entry_heads(contracts: pl.DataFrame) -> pl.DataFrame:
    """Return contracts numbered in the order of their ids, with the first contract of the entries each stands in.

    `head`, `head_id`: the contract itself, or the first of those combined with it in its legal entity and currency.
    """
    numbered = contracts.sort("contract_id").with_row_index("contract")
    together = ("group_id", "legal_entity_id", "currency")
    return numbered.with_columns(
        pl.col("contract").min().over(together).alias("head"), pl.col("contract_id").min().over(together).alias("head_id")
    )


def _in_order(lines: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return lines with their contracts, by head of entry, day, order, side, role and contract line.

    One whole number a line stands for all of that: sorting by it is much quicker than by texts.
    """
    if (contracts["head"] != contracts["contract"]).any():
        # Lines of combined contracts that are alike in all of that stand in the order of their contracts.
        lines = lines.sort("contract", maintain_order=True)
    side = (pl.coalesce(pl.when(pl.col("amount") != 0).then("amount"), "functional") < 0).cast(WIDE).fill_null(2)
    head = pl.lit(contracts["head"]).gather(pl.col("contract"))
    day = head.cast(WIDE) * 2**20 + pl.col("date").to_physical().cast(WIDE) + 2**19
    entry = day * 2**22 + pl.col("order").cast(WIDE)
    role = pl.col("account_role").to_physical().cast(WIDE)
    key = ((entry * 4 + side) * 64 + role) * 2**32 + pl.col("place").cast(WIDE).fill_null(2**32 - 1)
    return joined(lines.sort(key, maintain_order=True).drop("place"), contracts, "contract")


def _owed_within(lines: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Add what a legal entity's entry holds for another's contract: combined contracts of two entities have one position."""
    several = contracts.group_by("group_id").agg(pl.col("head").n_unique().alias("heads")).filter(pl.col("heads") > 1)
    shared = contracts.join(several, on="group_id", how="semi")["contract"]
    if not len(shared):
        return lines
    entry = ["head", "date", "order"]
    owed = (
        lines.filter(pl.col("contract").is_in(shared.implode()))
        .group_by(entry, maintain_order=True)
        .agg((pl.col("amount").sum() * -1).cast(MONEY), (pl.col("functional").sum() * -1).cast(MONEY))
        .filter((pl.col("amount") != 0) | (pl.col("functional").fill_null(ZERO) != 0))
        .with_columns(
            pl.col("head").alias("contract"),
            pl.lit("intercompany").alias("account_role"),
            pl.lit("owed within the group").alias("reason"),
        )
    )
    more = _line(owed).drop("place").join(contracts, on="contract", how="left", maintain_order="left")
    whole = pl.concat([lines, more.select(lines.columns)])
    return whole.sort(entry, maintain_order=True)


def _numbered(lines: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Add period, journal and batch of each entry, told once an entry, and the number of each line in it; lines stand in order."""
    names = ("calendar", "head", "head_id", "legal_entity_id", "date")
    starts = lines.select(*names, begins("head", "date", "order").alias("new"))
    place = starts["new"].cum_sum() - 1
    entries = in_period(starts.filter("new").drop("new"), periods).with_row_index("count")
    before = pl.when(begins("head", "date")).then("count").forward_fill()
    days = entries.select("date").unique().with_columns(pl.col("date").dt.strftime("%Y-%m-%d").alias("day"))
    entries = entries.with_columns((pl.col("count") - before + 1).alias("number")).join(days, on="date", how="left", maintain_order="left")
    entity = pl.col("legal_entity_id").cast(TEXT).fill_null("")
    told = entries.select(
        pl.concat_str("head_id", "day", pl.col("number").cast(pl.String), separator="|").alias("journal_id"),
        pl.concat_str(entity, pl.col("period"), separator="|").cast(CODE).alias("batch_id"), pl.col("period").cast(CODE), "period_end",
    )  # fmt: skip
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    begun = pl.when(starts["new"]).then(row).forward_fill()
    return lines.with_columns((row - begun + 1).alias("line"), *told[place].get_columns())


def _of_role(values: list[str | None]) -> pl.Expr:
    """Return the value of each line's role; `values` stand in the order of the roles."""
    return pl.lit(pl.Series(values, dtype=TEXT).cast(CODE)).gather(pl.col("account_role").to_physical())


def _with_accounts(lines: pl.DataFrame, accounts: pl.DataFrame, contracts: int) -> pl.DataFrame:
    """Add each line's account; roles that every contract posts to the same account are looked up by role alone."""
    asked = accounts.filter(pl.col("account_role").is_in(lines["account_role"].unique().cast(TEXT).implode()))
    by_role = asked.group_by("account_role").agg(pl.col("account").first(), pl.col("account").n_unique().alias("of"), pl.len())
    if by_role.filter((pl.col("of") > 1) | (pl.col("len") != contracts)).is_empty():
        known = dict(by_role.select("account_role", "account").iter_rows())
        return lines.with_columns(_of_role([known.get(role) for role in _ROLE.categories]).alias("account"))
    asked = asked.with_columns(pl.col("account_role").cast(_ROLE))
    return lines.join(asked, on=["contract_id", "account_role"], how="left", maintain_order="left")


def _sides(amount: str, debit: str, credit: str) -> list[pl.Expr]:
    return [
        pl.max_horizontal(pl.col(amount), ZERO).cast(MONEY).alias(debit),
        pl.max_horizontal(pl.col(amount) * -1, ZERO).cast(MONEY).alias(credit),
    ]


@of_nothing
def _line(frame: pl.DataFrame) -> pl.DataFrame:
    given = [
        pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name) for name, dtype in _LINE.items()
    ]
    return frame.select(given)


def _revenue_lines(atoms: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return revenue by contract line and day, and what a change of principle moved, through opening equity.

    What is negative of the whole day is a debit.
    """
    known = lines.select("contract_line_id").unique().sort("contract_line_id").with_row_index("place")
    numbered = joined(joined(atoms, contracts.select("contract_id", "contract"), "contract_id"), known, "contract_line_id")
    # The number of a line and the day are one whole number, quicker to compare than texts.
    line = pl.coalesce(pl.col("place").cast(pl.Int64), pl.col("contract").cast(pl.Int64) + 2**32)
    daily = numbered.select(
        "contract", "place", "contract_line_id", pl.col("posting_date").alias("date"), (pl.col("amount") * -1).alias("amount"),
        (pl.col("functional_amount") * -1).fill_null(ZERO).alias("functional"), "rule", "evidence", pl.col("nature").alias("natures"),
        ((line * 2**20 + pl.col("posting_date").to_physical().cast(pl.Int64)) * 2 + (pl.col("nature") == PRINCIPLE)).alias("key"),
    )  # fmt: skip
    # Mostly a day has one atom of a line with one source: only the others have something to put together.
    of_one = (pl.col("evidence").list.len() == 1) & pl.col("evidence").list.first().is_not_null()
    single = daily.select(~pl.col("key").is_duplicated() & of_one.fill_null(value=False)).to_series()
    several = daily.filter(~single).group_by("key").agg(
        pl.col("contract", "place", "contract_line_id", "date").first(), pl.col("amount", "functional").sum(),
        pl.col("rule").drop_nulls().first(), pl.col("evidence").explode().drop_nulls().unique().sort(),
        pl.col("natures").cast(TEXT).unique().sort().str.join(", ").cast(CODE),
    )  # fmt: skip
    whole = pl.concat([daily.filter(single), several.select(daily.columns)])
    reasons = {each: f"revenue: {each.replace('_', ' ')}" for each in whole["natures"].unique()}
    reasons |= {PRINCIPLE: "change of a principle, of earlier periods"} if PRINCIPLE in reasons else {}
    role = pl.when(pl.col("natures") == PRINCIPLE).then(pl.lit("opening_equity")).otherwise(pl.lit("revenue"))
    return _line(
        whole.with_columns(
            pl.lit(PERFORMED, dtype=pl.Int32).alias("order"), role.alias("account_role"),
            pl.col("natures").replace_strict(reasons, return_dtype=CODE).alias("reason"),
        )
    )  # fmt: skip


def _step_lines(figures: Translated, claims: Claims, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of balances, cash, interest, goods and exchange differences, step by step."""
    steps = joined(_with_unbilled(figures.steps), contracts.select("contract_id", "contract"), "contract_id")
    sources = _sources(claims, figures.atoms, contracts)
    steps = steps.with_columns(STEP_KEY.alias("key")).join(sources, on="key", how="left", maintain_order="left")
    performed, moving = pl.col("order") == PERFORMED, pl.col("order").is_between(1, 9) | (pl.col("order") == CLOSED)
    signs = {role: 1 if role in _ASSETS else -1 for role in POSITION}
    parts: dict[str, tuple[pl.Expr, pl.Expr]] = {
        role: (pl.col(f"delta_{role}") * sign, pl.col(f"change_{role}") * sign) for role, sign in signs.items()
    }
    owed, value = parts["receivable"]
    parts |= {
        "receivable": (owed - pl.col("delta_unbilled"), value.fill_null(ZERO) - pl.col("change_unbilled").fill_null(ZERO)),
        "unbilled_receivable": (pl.col("delta_unbilled"), pl.col("change_unbilled")),
        "cash": (pl.col("delta_received") - pl.col("delta_paid_out"), pl.col("functional_cash")),
        "interest_income": (pl.col("delta_income") * -1, pl.col("functional_income") * -1),
        "interest_expense": (pl.col("delta_expense"), pl.col("functional_expense")),
        "inventory": (pl.col("delta_goods_cost") * -1, pl.col("functional_goods") * -1),
        "cost_of_revenue": (
            pl.col("delta_goods_cost") - pl.col("delta_return_asset"), pl.col("functional_goods") - pl.col("change_return_asset")
        ),
        "fx": (ZERO, pl.col("fx_difference") * -1),
    }  # fmt: skip
    reason = (
        pl.when(performed).then(pl.lit("performance, rights and estimates"))
        .when(pl.col("order") == CLOSED).then(pl.lit("remeasurement at closing"))
        .when(pl.col("order") < 10).then(pl.lit("remeasurement at the day's rate"))
        .otherwise(pl.lit("payment"))
    )  # fmt: skip
    steps = steps.with_columns(reason.alias("reason"), pl.when(~moving).then("sources").alias("evidence"))
    about = ("contract", "date", "order", "reason", "evidence")
    lines = [
        steps.lazy().filter((amount != 0) | (functional.fill_null(ZERO) != 0)).select(
            *about, pl.lit(role).alias("account_role"), amount.alias("amount"), functional.fill_null(ZERO).alias("functional")
        )
        for role, (amount, functional) in parts.items()
    ]  # fmt: skip
    return pl.concat(_line(each) for each in pl.collect_all(lines))


def _with_unbilled(steps: pl.DataFrame) -> pl.DataFrame:
    """Add what of the receivable is work as invoiced that no invoice charges yet, by what it changed: it has an account of its own."""
    if not steps.select((pl.col("earned_as_invoiced") != 0).any()).item():
        return steps.with_columns(ZERO.alias("delta_unbilled"), ZERO.alias("change_unbilled"))
    charged = pl.max_horizontal("as_invoiced_billed", "as_invoiced_cash")
    open_work = pl.max_horizontal(pl.min_horizontal(pl.col("earned_as_invoiced") - charged, "receivable"), ZERO)
    part = round_share(
        pl.col("functional_receivable"), units(pl.col("unbilled")), units(pl.col("receivable")), minor_digits(pl.col("functional_currency"))
    )
    made = steps.sort("contract_id", "date", "order").with_columns(open_work.cast(MONEY).alias("unbilled"))
    made = made.with_columns(pl.when(pl.col("unbilled") != 0).then(part).otherwise(ZERO).cast(MONEY).alias("functional_unbilled"))
    earlier = {name: before(pl.col(name), "contract_id").fill_null(ZERO) for name in ("unbilled", "functional_unbilled")}
    return made.with_columns(
        (pl.col("unbilled") - earlier["unbilled"]).cast(MONEY).alias("delta_unbilled"),
        (pl.col("functional_unbilled") - earlier["functional_unbilled"]).cast(MONEY).alias("change_unbilled"),
    )


def _sources(claims: Claims, atoms: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return the source rows of each step (`STEP_KEY`): invoices, plan lines and performance of a day, or the payment."""
    # Atoms of one promise stand together and rest on the same rows: these are looked at once.
    begun = begins_anew(atoms, "evidence", "contract_id", "contract_line_id")
    zero, none = pl.lit(0, dtype=pl.Int32).alias("seq"), pl.lit(None, dtype=pl.UInt32).alias("promise")
    done = atoms.select(pl.col("posting_date").alias("date"), begun.cum_sum().cast(pl.UInt32).alias("promise"))
    heads = atoms.select("contract_id", "evidence").filter(begun).with_row_index("promise", offset=1)
    rows = [
        claims.billed.select("contract_id", none, "date", zero, "evidence"),
        claims.plan.select("contract_id", none, pl.col("due_date").alias("date"), zero, "evidence"),
        sequenced(claims.cash).select("contract_id", none, "date", "seq", "evidence"),
        heads.select("contract_id", "promise", pl.lit(None, dtype=DAY).alias("date"), zero, "evidence"),
    ]
    whole = pl.concat(rows).filter(pl.col("evidence").list.len() > 0).explode("evidence").filter(pl.col("evidence").is_not_null())
    texts = whole.select(pl.col("evidence").unique().sort()).with_row_index("text")
    whole = whole.join(texts, on="evidence", how="left").join(contracts.select("contract_id", "contract"), on="contract_id", how="inner")
    of_promise = whole.filter(pl.col("promise").is_not_null()).drop("date").join(done, on="promise", how="inner")
    # In the order of steps and sources, each once: what comes together needs no sorting of its own.
    key = (STEP_KEY * 2**32 + pl.col("text")).alias("key")
    keys = pl.concat([whole.filter(pl.col("promise").is_null()).select(key), of_promise.select(key)]).drop_nulls()["key"].sort()
    once = keys.to_frame().filter(begins("key")).select(pl.col("key") // 2**32, (pl.col("key") % 2**32).alias("text"))
    found = once.select(pl.col("key").set_sorted(), pl.lit(texts["evidence"]).gather(pl.col("text")).alias("sources"))
    return found.group_by("key", maintain_order=True).agg("sources")


def _cost_lines(books: Books, contracts: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Return entries of loss provisions and contract costs, from the frames that their rooms put into the books."""
    found = []
    provisions = books.extra.get("loss_provisions")
    if provisions is not None:
        dated = provisions.select(
            "contract_id", pl.col("end_date").alias("date"), pl.lit(_COSTS).alias("order"), "change", "rule",
            pl.lit("expected loss").alias("reason"), "functional_change", ZERO.alias("none"), pl.col("exchange").alias("functional_none"),
        )  # fmt: skip
        remeasured = dated.filter(pl.col("functional_none") != 0).with_columns(
            pl.lit("remeasurement at closing").alias("reason"), pl.lit(_COSTS + 2).alias("order")
        )
        found += [_pair(dated.filter(pl.col("change") != 0), contracts, "change", "cost_of_revenue", "loss_provision")]
        found += [_pair(remeasured, contracts, "none", "fx", "loss_provision")]
    costs = books.extra.get("contract_costs")
    if costs is not None:
        # Cost of delivery is posted where it is incurred; what obtaining a contract costs and is no asset is of the contract alone.
        at_once = pl.when(pl.col("kind").eq_missing(pl.lit("delivery"))).then(ZERO).otherwise("expensed").alias("at_once")
        left = (pl.col("amortized") + pl.col("impaired") - pl.col("reversed")).cast(MONEY).alias("expense")
        dated = costs.select("contract_id", "cost_id", "currency", "end_date", "rule", "evidence", "capitalized", at_once, left)
        dated = at_cost_rates(dated, contracts, rates).with_columns(
            pl.col("end_date").alias("date"), pl.lit(_COSTS + 1).alias("order")
        )
        # What no rate translates is a finding, and no amount.
        dated = dated.filter(pl.all_horizontal(pl.col("capitalized", "at_once", "expense").is_not_null()))
        capitalized = dated.with_columns(pl.lit("cost capitalized").alias("reason"))
        expense = dated.with_columns(pl.lit("cost amortized or written down").alias("reason"))
        expensed = dated.with_columns(pl.lit("cost expensed").alias("reason"))
        found += [_pair(capitalized, contracts, "capitalized", "contract_cost_asset", "payable")]
        found += [_pair(expensed, contracts, "at_once", "contract_cost_expense", "payable")]
        found += [_pair(expense, contracts, "expense", "contract_cost_expense", "contract_cost_asset")]
        found += [_pair(_owed(books, contracts), contracts, "exchange", "fx", "payable")]
    return pl.concat([pl.DataFrame(schema=_LINE), *found])


def _owed(books: Books, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return what debts for costs rise by for rates alone; a contract in another currency than its entity's has it in functional money."""
    texts = contracts.select("contract_id", "currency", "functional_currency")
    rows = books.extra["owed_exchange"].join(texts, on="contract_id", how="left")
    own = pl.col("currency").cast(TEXT) == pl.col("functional_currency").cast(TEXT)
    return rows.select(
        "contract_id", pl.col("end_date").alias("date"), pl.lit(_COSTS + 2).alias("order"), "evidence",
        pl.when(own).then("exchange").otherwise(ZERO).cast(MONEY).alias("exchange"), pl.col("exchange").alias("functional_exchange"),
        pl.lit("remeasurement of what is owed for costs").alias("reason"), pl.lit("830-20-35-1").alias("rule"),
    )  # fmt: skip


def _with_own_values(lines: pl.DataFrame) -> pl.DataFrame:
    """Let costs and provisions in their entity's own currency count as they stand; all else brings its functional amount."""
    own = (pl.col("order") >= _COSTS) & (pl.col("currency") == pl.col("functional_currency"))
    return lines.with_columns(pl.coalesce("functional", pl.when(own).then("amount")).alias("functional"))


@of_nothing
def _pair(rows: pl.DataFrame, contracts: pl.DataFrame, amount: str, debit: str, credit: str) -> pl.DataFrame:
    """Return a debit and a credit line of each row's amount; a negative amount turns them round."""
    rows = rows.join(contracts.select("contract_id", "contract"), on="contract_id", how="left", maintain_order="left")
    both = [
        rows.with_columns(
            pl.lit(role).alias("account_role"), (pl.col(amount) * sign).cast(MONEY).alias("amount"),
            *((pl.col(value) * sign).cast(MONEY).alias("functional") for value in (f"functional_{amount}",) if value in rows.columns),
        )
        for role, sign in ((debit, 1), (credit, -1))
    ]
    return _line(pl.concat(both))
