"""What an auditor re-performs: the outputs of one run hold together, whatever the case is about.

Each relation is a sentence and gives what breaks it. What a policy leaves out, or a record explains, is left out here too: a contract
taken over or held, a right to leave, hours without a price, royalties of sales to come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import polars as pl

from engine.policy.testing import PolicyTest
from tests.engine.revenue.outputs import NONE, Outputs, Row, Sums, outputs, total, unlike

ASSETS: Final = ("contract_asset", "receivable", "return_asset", "customer_payment_asset")
DEBTS: Final = ("contract_liability", "refund_liability", "deposit_liability", "loss_provision")
GROUP_ASSETS: Final = (*ASSETS, "contract_cost_asset")
GROUP_DEBTS: Final = (*DEBTS, "tax_payable")
BESIDE: Final = ("as_invoiced", "usage", "royalty")
"""What is earned beside the price."""

_DIGITS: Final = {"JPY": "1", "KWD": "0.001"}
_ACCOUNT: Final = ("contract_id", "period", "account_role")


def entries_balance(run: Outputs) -> Iterator[str]:
    """Every entry balances in the contract's currency and in the company's; batches are what their entries come to."""
    for prefix in ("", "functional_"):
        entries = total(run["journal"], ("journal_id", f"{prefix}currency"), f"{prefix}net")
        yield from unlike("an entry balances", entries, {})
    for side in ("debit", "credit", "functional_debit", "functional_credit"):
        if run["journal_batches"]:
            entries, batches = (total(run[name], ("batch_id", "currency"), side) for name in ("journal", "journal_batches"))
            yield from unlike(f"a batch is what its entries come to ({side})", batches, entries)


def entries_move_balances(run: Outputs) -> Iterator[str]:
    """Balances move from one period to the next by what entries post, in both currencies."""
    for prefix in ("", "functional_"):
        entries = total(run["journal"], _ACCOUNT, f"{prefix}net")
        for contract, rows in run.balances().items():
            for name in (*ASSETS, *DEBTS):
                if rows[0].get(f"{prefix}{name}") is None:
                    continue
                stands = NONE
                for place, row in enumerate(rows):
                    moved = (row[f"{prefix}{name}"] - stands) * (1 if name in ASSETS else -1)
                    posted = entries.get((contract, row["period"], name), NONE)
                    if name == "receivable":
                        posted += entries.get((contract, row["period"], "unbilled_receivable"), NONE)
                    stands = row[f"{prefix}{name}"]
                    if moved != posted and (place or contract not in run.taken_over):
                        yield f"entries move balances: {contract} {row['period']} {prefix}{name}: {posted} is not {moved}"


def revenue_is_told_once(run: Outputs) -> Iterator[str]:
    """Revenue of the schedule is that of the journal, by line and in both currencies, and that of the balances, in every period."""
    posted = run.posted()
    schedule, balances, entries = (
        [row for row in rows if (row["contract_id"], row["period"]) in posted]
        for rows in (run.earned(), run["contract_balances"], [row for row in run["journal"] if row["account_role"] == "revenue"])
    )
    line, contract = ("contract_id", "contract_line_id", "period", "currency"), ("contract_id", "period")
    yield from unlike("revenue is posted", _turned(total(entries, line, "net")), total(schedule, line, "recognized_amount"))
    functional = _turned(total(entries, contract, "functional_net"))
    yield from unlike("revenue is posted in the company's currency", functional, total(schedule, contract, "functional_amount"))
    yield from unlike("balances tell it", total(balances, contract, "recognized"), total(schedule, contract, "recognized_amount"))


def _turned(sums: Sums) -> Sums:
    return {key: -amount for key, amount in sums.items()}


def flows_are_posted(run: Outputs) -> Iterator[str]:
    """Money, interest and exchange differences of a period are posted; the margin is what cost leaves; a contract is asset or liability."""
    entries, functional = (total(run["journal"], _ACCOUNT, name) for name in ("net", "functional_net"))
    posted = run.posted()
    for row in run["contract_balances"]:
        key = row["contract_id"], row["period"]
        cash, expense, income = (entries.get((*key, role), NONE) for role in ("cash", "interest_expense", "interest_income"))
        holds = {
            "a contract is an asset or a liability": not (row["contract_asset"] and row["contract_liability"]),
            "the margin is revenue less its cost": row["gross_margin"] == row["recognized"] - row["cost_of_revenue"],
        }
        if key in posted:
            holds |= {
                "money is posted": run.pays_customers or cash == row["received"],
                "interest is posted": expense - income == row["interest"],
                "exchange differences are posted": row["fx_difference"] in (None, -functional.get((*key, "fx"), NONE)),
            }
        yield from (f"{sentence}: {key}" for sentence, is_so in holds.items() if not is_so)


def versions_hold_the_price(run: Outputs) -> Iterator[str]:
    """Versions of an obligation follow each other, and those in force hold the whole price, in calendar months too."""
    versions: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in run["obligations"]:
        versions[row["contract_id"], row["obligation_id"]].append(row)
    for name, rows in versions.items():
        days = [row["effective_date"] for row in rows]
        if [row["version"] for row in rows] != [*range(1, len(rows) + 1)] or days != sorted(set(days)):
            yield f"versions follow each other: {name}"
    price = total((rows[-1] for rows in run.balances().values()), "whole", "transaction_price")
    yield from unlike("obligations hold the whole price", total(run.in_force(), "whole", "allocated_amount"), price)
    # A company's own months may be closed, and stand as they were known then.
    for end in {row["end"] for row in run["contract_balances"]} if not run.has_own_months else ():
        then = (row for row in run["contract_balances"] if row["end"] == end and row["contract_id"] not in run.endless)
        told = total(then, "whole", "transaction_price")
        known = [[row for row in rows if row["effective_date"] <= end and row["whole"] in told][-1:] for rows in versions.values()]
        shared = total((row for rows in known for row in rows), "whole", "allocated_amount")
        yield from unlike(f"versions hold the price of {end}", shared, told)


def revenue_keeps_to_the_price(run: Outputs) -> Iterator[str]:
    """What was earned and is planned never passes the price of an obligation, what is done is earned, what is not earned remains."""
    by_use = {(row["contract_id"], row["obligation_id"]) for row in run.in_force() if row["measure"] == "usage"}
    basis = {id(row): str(row["basis"]).split("_at_")[0] for row in run["revenue_schedule"]}
    inside = [
        row for row in run["revenue_schedule"]
        if basis[id(row)] not in BESIDE or (basis[id(row)] == "usage" and (row["contract_id"], row["obligation_id"]) in by_use)
    ]  # fmt: skip
    whole = {row["contract_id"]: row["whole"] for row in run["contract_balances"]}
    held = {whole.get(contract) for contract in run.held}
    promise = ("whole", "obligation_id")
    earned, planned = (total(inside, promise, f"{kind}_amount") for kind in ("recognized", "planned"))
    for contract, of_obligation in run.taken_over.items():
        for name, amount in of_obligation.items():
            earned[whole.get(contract), name] += amount
    priced = [row for row in run.in_force() if row["allocated_amount"] is not None and row["whole"] not in held]
    for row in priced:
        if row["measure"] == "usage" and row["obligation_id"] in run.buys_more:
            key = (row["whole"], row["obligation_id"])
            earned[key] = min(earned[key], row["allocated_amount"])
    for row in priced:
        key, price = (row["whole"], row["obligation_id"]), row["allocated_amount"]
        for amount in (earned[key], earned[key] + planned[key]):
            if abs(amount) > abs(price) or amount * price < 0:
                yield f"revenue never passes the price: {key}: {amount} of {price}"
        if row["progress"] == 1 and earned[key] != price:
            yield f"what is done is earned: {key}: {earned[key]} of {price}"
    if run.has_royalties:
        return
    loose = held | {whole.get(contract) for contract in run.may_leave}
    left = total((row for row in priced if row["whole"] not in loose), "whole", "allocated_amount")
    for key in {(row["whole"], row["obligation_id"]) for row in priced if row["whole"] not in loose}:
        left[key[0]] -= earned[key]
    closing = (rows[-1] for rows in run.balances().values() if rows[-1]["whole"] not in loose)
    yield from unlike("what is not earned remains", left, total(closing, "whole", "remaining_obligation"))


def remaining_is_disclosed(run: Outputs) -> Iterator[str]:
    """Bands of the remaining obligation come to what balances say remains, without expedients and hours, which have no price."""
    rows = run.disclosed("remaining_obligation")
    others = {row["whole"] for row in rows if row["exempted_by"] is not None}
    others |= {row["whole"] for row in run["obligations"] if row["measure"] == "as_invoiced"}
    closing = [rows[-1] for rows in run.balances().values() if rows[-1]["whole"] not in others]
    bands = total((row for row in rows if row["whole"] not in others), "whole", "amount")
    if not run.rounds_notes:
        yield from unlike("bands are what remains", bands, total(closing, "whole", "remaining_obligation"))


def positions_roll_forward(run: Outputs) -> Iterator[str]:
    """Opening and causes come to the closing; both are those of the balances, in the contract's currency and in the company's."""
    for prefix in ("", "functional_"):
        rows = run.disclosed(f"{prefix}roll_forward")
        told = total(rows, ("contract_id", "dimension_value"), "amount")
        causes = total((row for row in rows if row["dimension_value"] != "closing"), "contract_id", "amount")
        first = {row["contract_id"]: row["band_start"] for row in rows}
        history = {contract: balances for contract, balances in run.balances().items() if contract in first}
        closing = {contract: balances[-1][f"{prefix}net"] for contract, balances in history.items()}
        opening = {
            contract: next((row[f"{prefix}net"] for row in reversed(balances) if row["end"] < first[contract]), NONE)
            for contract, balances in history.items()
        }
        yield from unlike(f"{prefix}causes come to the closing", causes, closing)
        for end, amounts in (("closing", closing), ("opening", opening)):
            yield from unlike(f"the {prefix}{end} is that of the balances", {key: told.get((key, end), NONE) for key in amounts}, amounts)


def notes_tie_to_the_books(run: Outputs) -> Iterator[str]:
    """Waterfall, portions and exposure come to schedule and balances, every dimension to the year's revenue."""
    history = run.balances()
    closing = [rows[-1] for rows in history.values()]
    passed = [row for row in run.disclosed("waterfall") if row["dimension_value"] == "recognized"]
    ahead = [row for row in run.disclosed("waterfall") if row["dimension_value"] != "recognized"]
    scheduled = total(run["revenue_schedule"], "contract_id", "recognized_amount")
    yield from unlike("the waterfall shows what was earned", total(passed, "contract_id", "amount"), scheduled)
    yield from unlike("and what is deferred", total(ahead, "contract_id", "amount"), total(closing, "contract_id", "contract_liability"))
    for name in ("contract_asset", "contract_liability"):
        portions = (row for row in run.disclosed("current_portion") if row["dimension"] == name)
        yield from unlike(f"portions are the whole ({name})", total(portions, "contract_id", "amount"), total(closing, "contract_id", name))
    exposed = (row for row in run.disclosed("credit_exposure") if row["dimension_value"] == "contract_asset")
    assets = total(closing, "contract_id", "contract_asset")
    yield from unlike("contract assets are exposed", total(exposed, "contract_id", "amount"), assets)
    dimensions = total(run.disclosed("disaggregation"), ("contract_id", "dimension", "band_start"), "amount")
    for (contract, name, first), amount in dimensions.items():
        year = sum((row["recognized"] for row in history[contract] if row["end"] >= first), NONE)
        yield from unlike("a dimension comes to the year's revenue", {(contract, name): amount}, {(contract, name): year})
    for row in run.disclosed("opening_liability_recognized"):
        before = [each["contract_liability"] for each in history[row["contract_id"]] if each["end"] < row["band_start"]]
        if not before or not 0 < row["amount"] <= before[-1]:
            yield f"no more is earned of an opening liability than it was: {row['contract_id']}: {row['amount']}"


def costs_roll_forward(run: Outputs) -> Iterator[str]:
    """A cost asset opens where it closed and moves by what is told of it; entries post that, of costs in the contract's currency."""
    stands: Sums = defaultdict(lambda: NONE)
    came_in: Sums = defaultdict(lambda: NONE)
    for row in sorted(run["contract_costs"], key=lambda row: (row["cost_id"], row["period"])):
        came_in[row["cost_id"]] += row["capitalized"]
        row["moved"] = row["capitalized"] - row["amortized"] - row["impaired"] + row["reversed"]
        row["spent"] = row["capitalized"] - row["moved"] + (NONE if row["kind"] == "delivery" else row["expensed"] or NONE)
        # What a clawback takes off costs is below 0 until it is used up.
        crosses = row["closing"] * came_in[row["cost_id"]] < 0
        if row["opening"] != stands[row["cost_id"]] or row["closing"] != row["opening"] + row["moved"] or crosses:
            yield f"a cost asset rolls forward: {row['cost_id']} {row['period']}"
        stands[row["cost_id"]] = row["closing"]
    currencies = {contract: rows[-1]["currency"] for contract, rows in run.balances().items()}
    others = {row["contract_id"] for row in run["contract_costs"] if row["currency"] != currencies.get(row["contract_id"])}
    others |= run.taken_over.keys()
    for role, name in (("contract_cost_asset", "moved"), ("contract_cost_expense", "spent")):
        entries = [row for row in run["journal"] if row["account_role"] == role and row["contract_id"] not in others]
        own = [row for row in run["contract_costs"] if row["contract_id"] not in others]
        posted, costs = total(entries, ("contract_id", "period"), "net"), total(own, ("contract_id", "period"), name)
        yield from unlike(f"{role} is posted", posted, costs if own else posted)


def changes_are_posted(run: Outputs) -> Iterator[str]:
    """Causes of a catch-up come to it, catch-ups to the revenue of modifications (but what a close made late)."""
    causes = total(run["modifications"], ("amendment_id", "contract_line_id"), "catch_up_price")
    for key, amount in total(run["modifications"], ("amendment_id", "contract_line_id"), "catch_up_progress").items():
        causes[key] += amount
    yield from unlike("causes come to it", causes, total(run["modifications"], ("amendment_id", "contract_line_id"), "catch_up_amount"))
    for row in run["modifications"]:
        if row["pool_before"] is not None and row["pool_after"] != row["pool_before"] + row["price_change"] - row["catch_up_amount"]:
            yield f"a pool gains the price and loses what is caught up: {row['amendment_id']} {row['contract_line_id']}"
    late = {row["whole"] for row in run["revenue_schedule"] if row["relates_to_period"] != row["period"]}
    posted = [row for row in run["revenue_schedule"] if row["nature"] == "modification" and row["whole"] not in late]
    caught = [row for row in run["modifications"] if row["whole"] not in late]
    if "modifications" in run.rows:
        yield from unlike("catch-ups are posted", total(posted, "whole", "recognized_amount"), total(caught, "whole", "catch_up_amount"))


def other_periods_are_registered(run: Outputs) -> Iterator[str]:
    """The register holds what was posted for other periods; time entries bear the revenue of the month they are of."""
    late = [row for row in run["revenue_schedule"] if row["relates_to_period"] != row["period"]]
    key = ("relates_to_period", "period", "nature")
    if "out_of_period" in run.rows:
        yield from unlike("the register holds it", total(run["out_of_period"], key, "amount"), total(late, key, "functional_amount"))
    borne = total(run["time_revenue"], ("contract_line_id", "period"), "recognized_amount")
    of_month = total(run.earned(), ("contract_line_id", "relates_to_period"), "recognized_amount")
    if not run.has_expenses:
        yield from unlike("time bears the revenue of its month", borne, {each: of_month[each] for each in borne})


def the_group_is_told(run: Outputs) -> Iterator[str]:
    """The group is told of every balance of the ledger at closing, and of revenue at the average."""
    entries = total(run["journal"], _ACCOUNT, "functional_net")
    stands: Sums = defaultdict(lambda: NONE)
    unknown = {row["contract_id"] for row in run["reporting_balances"] if None in (row["closing_rate"], row["average_rate"])}
    for row in run["reporting_balances"]:
        contract, period = row["contract_id"], row["period"]
        if contract in unknown | run.taken_over.keys():
            continue
        for name in (*GROUP_ASSETS, *GROUP_DEBTS):
            roles = ("receivable", "unbilled_receivable") if name == "receivable" else (name,)
            stands[contract, name] += sum((entries.get((contract, period, role), NONE) for role in roles), NONE)
            amount = stands[contract, name] * (1 if name in GROUP_ASSETS else -1)
            if row[name] != _told_at(row["closing_rate"], amount, row["reporting_currency"]):
                yield f"balances are told at closing: {contract} {period} {name}: {row[name]} of {amount}"
        revenue = -entries.get((contract, period, "revenue"), NONE)
        if row["recognized"] != _told_at(row["average_rate"], revenue, row["reporting_currency"]):
            yield f"revenue is told at the average: {contract} {period}: {row['recognized']} of {revenue}"


def _told_at(rate: Decimal, amount: Decimal, currency: str) -> Decimal:
    return (amount * rate).quantize(Decimal(_DIGITS.get(currency, "0.01")), ROUND_HALF_UP)


def books_differ_as_told(first: Outputs, second: Outputs) -> Iterator[str]:
    """What two books differ in is the second less the first, figure by figure."""
    compared = {
        "revenue_schedule": ("contract_line_id", ("recognized_amount", "planned_amount")),
        "contract_costs": ("cost_id", ("capitalized", "expensed", "amortized", "impaired", "reversed", "closing")),
        "disclosures": ("disclosure", ("amount",)),
        "journal": ("account_role", ("debit", "credit", "functional_debit", "functional_credit")),
        "contract_balances": (None, ("transaction_price", "recognized", *ASSETS, *DEBTS, "gross_margin", "remaining_obligation")),
    }
    for output, (item, columns) in compared.items():
        for column in columns:
            rows = [row for row in first["book_differences"] if row["output"] == output and row["column"] == column]
            key = ("contract_id", *(() if item is None else (item,)), *(() if output == "disclosures" else ("period",)))
            differences = total(rows, tuple("item" if each == item else each for each in key), "difference")
            one, other = (total(book[output], key, column) for book in (first, second))
            less = {each: other.get(each, NONE) - one.get(each, NONE) for each in one.keys() | other.keys()}
            yield from unlike(f"books differ as told ({output}.{column})", differences, less)


RELATIONS: Final[tuple[Callable[[Outputs], Iterator[str]], ...]] = (
    entries_balance, entries_move_balances, revenue_is_told_once, flows_are_posted, versions_hold_the_price, revenue_keeps_to_the_price,
    remaining_is_disclosed, positions_roll_forward, notes_tie_to_the_books, costs_roll_forward, changes_are_posted,
    other_periods_are_registered, the_group_is_told,
)  # fmt: skip


def broken(test: PolicyTest, frames: Mapping[str, pl.DataFrame], findings: pl.DataFrame) -> list[str]:
    """Return every relation that the outputs of a test's run break, as sentences."""
    if "revenue_schedule" not in frames:
        return []
    first = outputs(test, frames, findings)
    found = [each for relation in RELATIONS for each in relation(first)]
    if "book_differences" in frames:
        second = outputs(test, frames, findings, "second_book/")
        found += [f"second book: {each}" for relation in RELATIONS for each in relation(second)]
        found += books_differ_as_told(first, second)
    return found
