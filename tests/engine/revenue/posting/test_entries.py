"""Proposed entries: order within a day, accounts, batches, and what must hold for any contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Post = Callable[..., Any]

FIRST = dt.date(2027, 1, 1)
AS_OF = "2027-06-30"
RATES = [
    {
        "from_currency": "EUR",
        "to_currency": "USD",
        "rate_type": kind,
        "rate_date": FIRST + dt.timedelta(days=day),
        "rate": Decimal(100 + (day * 7) % 23) / 100,
    }
    for kind in ("spot", "closing", "average")
    for day in range(0, 181, 3)
]


def test_a_day_posts_performance_then_remeasurement_then_each_payment(posted: Post) -> None:
    made = posted(
        "2027-02-28",
        contracts=[{"currency": "EUR", "functional_currency": "USD", "legal_entity_id": "LE"}],
        lines=[{"amount": 900}],
        earned=[{"posting_date": "2027-01-10", "amount": 900, "timing": "point_in_time"}],
        invoice=[
            {"invoice_id": "I1", "contract_id": "C1", "invoice_date": "2027-01-10", "net_amount": 900, "tax_amount": 0, "status": "posted"}
        ],
        payment=[
            {"payment_id": name, "invoice_id": "I1", "paid_date": "2027-02-09", "amount": amount}
            for name, amount in (("A", 300), ("B", 600))
        ],
        exchange_rate=RATES,
    )
    day = made.journal.filter(pl.col("posting_date") == dt.date(2027, 2, 9))
    assert day.select("journal_id", "reason").unique(maintain_order=True).rows() == [
        ("C1|2027-02-09|1", "remeasurement at the day's rate"),
        ("C1|2027-02-09|2", "payment"),
        ("C1|2027-02-09|3", "payment"),
    ]
    assert day["line"].to_list() == [1, 2] * 3
    assert set(day["batch_id"]) == {"LE|2027-02"}
    assert set(day["status"]) == {"draft"}


def test_revenue_is_posted_by_contract_line_with_its_rule_and_its_source_rows(posted: Post) -> None:
    made = posted(
        "2027-01-31",
        lines=[{"contract_line_id": "A", "amount": 300}, {"contract_line_id": "B", "amount": 700}],
        earned=[
            {"contract_line_id": "A", "posting_date": "2027-01-31", "amount": 100, "rule": "RT-1", "evidence": ["t.csv:4"]},
            {
                "contract_line_id": "A",
                "posting_date": "2027-01-31",
                "amount": -20,
                "rule": "RT-1",
                "nature": "estimate_change",
                "evidence": ["t.csv:9"],
            },
            {"contract_line_id": "B", "posting_date": "2027-01-31", "amount": 70, "rule": "RT-2", "evidence": ["m.csv:2"]},
        ],
        invoice=[
            {
                "invoice_id": "I",
                "contract_id": "C1",
                "invoice_date": "2027-01-31",
                "net_amount": 150,
                "tax_amount": 0,
                "status": "paid",
                "evidence": ["i.csv:7"],
            }
        ],
    )
    revenue = made.journal.filter(pl.col("account_role") == "revenue")
    assert revenue.select("contract_line_id", "credit", "reason", "rule", "evidence").rows() == [
        ("A", 80, "revenue: current, estimate change", "RT-1", ["t.csv:4", "t.csv:9"]),
        ("B", 70, "revenue: current", "RT-2", ["m.csv:2"]),
    ]
    receivable = made.journal.filter(pl.col("account_role") == "receivable")
    assert receivable.select("debit", "rule", "evidence").row(0) == (150, "606-10-45-4", ["i.csv:7", "m.csv:2", "t.csv:4", "t.csv:9"])


def test_batches_carry_control_totals_by_currency(posted: Post) -> None:
    made = posted(
        "2027-02-28",
        contracts=[
            {"legal_entity_id": "LE"},
            {"contract_id": "C2", "legal_entity_id": "LE", "currency": "EUR", "functional_currency": "EUR"},
        ],
        payment=[
            {"payment_id": f"P{number}", "contract_id": name, "paid_date": day, "amount": amount}
            for number, (name, day, amount) in enumerate(
                [("C1", "2027-01-04", 10), ("C1", "2027-01-05", 5), ("C2", "2027-01-05", 7), ("C1", "2027-02-05", 1)]
            )
        ],
    )
    assert made.batches.select("batch_id", "currency", "journals", "lines", "debit", "credit").rows() == [
        ("LE|2027-01", "EUR", 1, 2, 7, 7),
        ("LE|2027-01", "USD", 2, 4, 15, 15),
        ("LE|2027-02", "USD", 1, 2, 1, 1),
    ]


def test_losses_and_contract_costs_post_beside_revenue(posted: Post) -> None:
    end = dt.date(2027, 1, 31)
    names = ("change", "provision", "capitalized", "expensed", "amortized", "impaired", "reversed")
    money = dict.fromkeys(names, pl.Decimal(38, 6))
    provisions = pl.DataFrame(
        {"contract_id": ["C1"], "obligation_id": ["L1"], "period": ["2027-01"], "end_date": [end], "change": [40], "provision": [40],
         "currency": ["USD"], "rule": ["605-35-25-45"]}
    )
    costs = pl.DataFrame(
        {
            "contract_id": ["C1"] * 3, "cost_id": ["K1", "K2", "K3"], "kind": ["obtain", "obtain", "delivery"], "currency": ["USD"] * 3,
            "end_date": [end] * 3, "capitalized": [120, 0, 0], "expensed": [0, 7, 9], "amortized": [10, 0, 0], "impaired": [5, 0, 0],
            "reversed": [0] * 3, "rule": ["340-40-35-1", "340-40-25-3", "340-40-25-8"], "evidence": [["c.csv:2"]] * 3,
        }
    )  # fmt: skip
    typed = [
        frame.with_columns(pl.col(name).cast(kind) for name, kind in money.items() if name in frame.columns)
        for frame in (provisions, costs)
    ]
    made = posted("2027-01-31", extra={"loss_provisions": typed[0], "contract_costs": typed[1]})
    assert made.entry("2027-01-31") == {
        "cost_of_revenue": 40,
        "loss_provision": -40,
        "contract_cost_asset": 105,
        # 10 + 5 of the asset and 7 expensed at once; cost of delivery is posted by whoever incurs it.
        "contract_cost_expense": 22,
        "payable": -127,
    }
    assert made.balance("2027-01", "loss_provision", "cost_of_revenue", "gross_margin") == [40, 40, -40]


COMBINED: dict[str, list[dict[str, Any]]] = {
    "contracts": [{"contract_id": "C1"}, {"contract_id": "C2", "group_id": "C1"}],
    "lines": [
        {"contract_id": "C1", "contract_line_id": "L1", "amount": 500},
        {"contract_id": "C2", "contract_line_id": "L2", "amount": 500},
    ],
    "earned": [
        {"contract_id": "C1", "contract_line_id": "L1", "posting_date": "2027-01-31", "amount": 100},
        {"contract_id": "C2", "contract_line_id": "L2", "posting_date": "2027-01-31", "amount": 30},
    ],
    "payment": [{"payment_id": "P1", "contract_id": "C2", "paid_date": "2027-01-31", "amount": 200}],
}


def sides(journal: pl.DataFrame, *keys: str) -> list[Decimal]:
    """Return what the entries do not balance by, in both books."""
    both = (("debit", "credit"), ("functional_debit", "functional_credit"))
    sums = journal.group_by(*keys).agg((pl.col(debit) - pl.col(credit)).sum().alias(debit) for debit, credit in both)
    return [value for row in sums.drop(keys).iter_rows() for value in row if value]


def test_contracts_combined_into_one_have_one_position_and_one_entry(posted: Post) -> None:
    made = posted("2027-01-31", **COMBINED)
    assert made.journal.select("journal_id", "line", "account_role", "contract_id", pl.col("debit") - pl.col("credit")).rows() == [
        ("C1|2027-01-31|1", 1, "contract_asset", "C1", 100),
        ("C1|2027-01-31|1", 2, "contract_asset", "C2", 30),
        ("C1|2027-01-31|1", 3, "revenue", "C1", -100),
        ("C1|2027-01-31|1", 4, "revenue", "C2", -30),
        ("C1|2027-01-31|2", 1, "cash", "C2", 200),
        ("C1|2027-01-31|2", 2, "contract_asset", "C1", -100),
        ("C1|2027-01-31|2", 3, "contract_asset", "C2", -30),
        ("C1|2027-01-31|2", 4, "contract_liability", "C2", -70),
    ]
    assert made.balances["fx_difference"].sum() == 0
    assert sides(made.journal, "journal_id") == []


def test_what_combined_contracts_of_two_entities_hold_for_each_other_is_owed_between_them(posted: Post) -> None:
    entities = [{**each, "legal_entity_id": entity} for each, entity in zip(COMBINED["contracts"], ("LE1", "LE2"), strict=True)]
    made = posted("2027-01-31", **{**COMBINED, "contracts": entities})
    assert sides(made.journal, "journal_id") == [] and sides(made.journal, "legal_entity_id") == []
    owed = made.journal.filter(pl.col("account_role") == "intercompany").select("journal_id", "legal_entity_id", "debit", "credit")
    assert owed.rows() == [("C1|2027-01-31|2", "LE1", 100, 0), ("C2|2027-01-31|2", "LE2", 0, 100)]


def test_a_difference_of_combined_contracts_balances_too(posted: Post) -> None:
    january = posted("2027-01-31", **COMBINED).journal
    late = [*COMBINED["earned"], {"contract_id": "C2", "contract_line_id": "L2", "posting_date": "2027-01-31", "amount": 5}]
    made = posted("2027-02-28", **{**COMBINED, "earned": late}, outputs={"approved_entries": january})
    assert made.journal["journal_id"].unique().to_list() == ["C1|2027-02-01|difference"]
    assert made.journal["line"].to_list() == list(range(1, made.journal.height + 1))
    assert sides(made.journal, "journal_id") == []


days = st.integers(0, 175).map(lambda day: FIRST + dt.timedelta(days=day))
amounts = st.integers(1, 90_000).map(lambda cents: Decimal(cents).scaleb(-2))


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Contracts in one or two currencies with anything that moves a position: plans, invoices, credits, payments, refunds."""
    given_: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("contracts", "lines", "earned", "invoice", "payment", "billing_plan_line")
    }
    for name in (f"C{number}" for number in range(1, draw(st.integers(3, 6)) + 1)):
        foreign = draw(st.booleans())
        # Contracts in the first one's currency may be combined with it.
        first = given_["contracts"][0]["currency"] if given_["contracts"] else None
        given_["contracts"].append(
            {
                "contract_id": name,
                "group_id": "C1" if not foreign and first == "USD" and draw(st.booleans()) else name,
                "currency": "EUR" if foreign else "USD",
                "functional_currency": "USD",
                "gate_date": draw(days | st.just(FIRST)),
                "setting.fx.layers": draw(st.sampled_from(["fifo", "average"])),
            }
        )
        for line in range(draw(st.integers(1, 2))):
            key = f"{name}-{line}"
            as_invoiced = draw(st.booleans())
            given_["lines"].append(
                {
                    "contract_id": name,
                    "contract_line_id": key,
                    "amount": None if as_invoiced else draw(amounts),
                    "is_as_invoiced": as_invoiced,
                }
            )
            for _ in range(draw(st.integers(0, 3))):
                day = max(draw(days), given_["contracts"][-1]["gate_date"])
                timing = "as_invoiced" if as_invoiced else draw(st.sampled_from(["over_time", "point_in_time"]))
                amount = draw(amounts) * draw(st.sampled_from([1, 1, 1, -1]))
                given_["earned"].append(
                    {"contract_id": name, "contract_line_id": key, "posting_date": day, "amount": amount, "timing": timing}
                )
        for number in range(draw(st.integers(0, 2))):
            billed = draw(st.sampled_from([None, f"{name}-0"]))
            given_["billing_plan_line"].append(
                {
                    "plan_line_id": f"{name}B{number}",
                    "contract_id": name,
                    "contract_line_id": billed,
                    "due_date": draw(days),
                    "amount": draw(amounts),
                    "is_unconditional": draw(st.booleans()),
                }
            )
        for number in range(draw(st.integers(0, 3))):
            key = f"{name}I{number}"
            net, day = draw(amounts), draw(days)
            tax = draw(st.sampled_from([Decimal(0), Decimal("3.10")]))
            posted_invoice = {"contract_id": name, "status": "posted", "tax_amount": tax}
            given_["invoice"].append({"invoice_id": key, "invoice_date": day, "net_amount": net, **posted_invoice})
            if draw(st.booleans()):
                back = {
                    "invoice_id": f"{key}N",
                    "invoice_date": max(draw(days), day),
                    "net_amount": -net,
                    "corrects_invoice_id": key,
                    **posted_invoice,
                    "tax_amount": -tax,
                }
                given_["invoice"].append(back)
            if draw(st.booleans()):
                paid_on = max(draw(days), day)
                given_["payment"].append({"payment_id": f"{key}P", "invoice_id": key, "paid_date": paid_on, "amount": draw(amounts)})
        for number in range(draw(st.integers(0, 2))):
            given_["payment"].append(
                {"payment_id": f"{name}P{number}", "contract_id": name, "paid_date": draw(days), "amount": draw(amounts)}
            )
    return given_


# Several contracts an example: a few examples see more of them than many of one contract each.
few = settings(
    max_examples=max(settings().max_examples // 12, 1),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)


@few
@given(contracts())
def test_what_must_hold_for_any_contract(posted: Post, given_: dict[str, list[dict[str, Any]]]) -> None:
    made = posted(AS_OF, **given_, exchange_rate=RATES)
    journal, balances = made.journal, made.balances
    assert made.findings == []
    assert sides(journal, "journal_id", "currency") == []
    assert balances.filter((pl.col("contract_asset") != 0) & (pl.col("contract_liability") != 0)).is_empty()
    names = ["contract_asset", "contract_liability", "refund_liability", "deposit_liability", "receivable"]
    assert balances.filter(pl.any_horizontal(pl.col(name) < 0 for name in names)).is_empty()
    # The entries' running totals are the balances, in both books.
    last = balances.filter(pl.col("period") == "2027-06")
    for role in ("contract_asset", "contract_liability", "receivable", "refund_liability", "deposit_liability"):
        sign = -1 if role.endswith("liability") else 1
        for prefix in ("", "functional_"):
            if prefix and role in {"refund_liability", "deposit_liability"}:
                continue
            # What is not invoiced yet of work as invoiced stands in an account of its own.
            roles = ["receivable", "unbilled_receivable"] if role == "receivable" else [role]
            lines = journal.filter(pl.col("account_role").is_in(roles))
            total = ((lines[f"{prefix}debit"] - lines[f"{prefix}credit"]).sum() or Decimal(0)) * sign
            assert total == last[f"{prefix}{role}"].sum(), (role, prefix)
    assert (journal.filter(pl.col("account_role") == "revenue")["credit"].sum() or 0) - (
        journal.filter(pl.col("account_role") == "revenue")["debit"].sum() or 0
    ) == balances["recognized"].sum()
    assert (journal.filter(pl.col("account_role") == "cash")["debit"].sum() or 0) == balances["received"].sum()
    gains = journal.filter(pl.col("account_role") == "fx")
    assert (gains["functional_credit"] - gains["functional_debit"]).sum() == balances["fx_difference"].sum()
    assert balances["remaining_obligation"].dtype == pl.Decimal(38, 6)


@few
@given(contracts(), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter_and_a_replay_changes_nothing(
    posted: Post, given_: dict[str, list[dict[str, Any]]], random: Any
) -> None:
    shuffled = {name: random.sample(rows, len(rows)) if name not in {"contracts", "lines"} else rows for name, rows in given_.items()}
    first, again = posted(AS_OF, **given_, exchange_rate=RATES), posted(AS_OF, **shuffled, exchange_rate=RATES[::-1])
    assert first.journal.equals(again.journal)
    assert first.balances.equals(again.balances)


@few
@given(contracts())
def test_what_happens_later_changes_nothing_before(posted: Post, given_: dict[str, list[dict[str, Any]]]) -> None:
    given_ = {**given_, "earned": [row for row in given_["earned"] if row["posting_date"] <= dt.date(2027, 3, 31)]}
    now, later = posted("2027-03-31", **given_, exchange_rate=RATES), posted(AS_OF, **given_, exchange_rate=RATES)
    early = later.journal.filter(pl.col("posting_date") <= dt.date(2027, 3, 31))
    assert early.equals(now.journal)


@pytest.mark.parametrize("scale", [10])
def test_ten_times_the_money_is_ten_times_the_balance(posted: Post, scale: int) -> None:
    def given_by(factor: int) -> dict[str, list[dict[str, Any]]]:
        return {
            "lines": [{"amount": 500 * factor}],
            "earned": [{"posting_date": "2027-01-31", "amount": 120 * factor}],
            "payment": [{"payment_id": "P", "contract_id": "C1", "paid_date": "2027-02-01", "amount": 300 * factor}],
        }

    one, ten = posted("2027-02-28", **given_by(1)), posted("2027-02-28", **given_by(scale))
    assert ten.balances["contract_liability"].to_list() == [amount * scale for amount in one.balances["contract_liability"].to_list()]
