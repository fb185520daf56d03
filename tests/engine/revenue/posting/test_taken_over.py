"""Contracts that began before Tieout: what their opening positions hold is taken over once, and never proposed again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

Post = Callable[..., Any]


def test_an_opening_liability_is_used_up_and_older_documents_do_not_count_again(posted: Post) -> None:
    made = posted(
        "2027-04-30", lines=[{"amount": 1200}],
        opening_position=[
            {"contract_line_id": "L1", "as_of_date": "2027-01-31", "allocated_amount": 1200, "recognized_amount": 300, "billed_amount": 900,
             "received_amount": 700, "contract_asset": 0, "contract_liability": 600},
        ],
        invoice=[
            {"invoice_id": "I1", "contract_id": "C1", "invoice_date": "2027-01-02", "net_amount": 900, "tax_amount": 0, "status": "posted"},
        ],
        payment=[
            {"payment_id": "P1", "invoice_id": "I1", "paid_date": "2027-01-20", "amount": 700},
            {"payment_id": "P2", "invoice_id": "I1", "paid_date": "2027-02-20", "amount": 200},
        ],
        earned=[{"posting_date": "2027-02-28", "amount": 400}, {"posting_date": "2027-04-30", "amount": 350}],
    )  # fmt: skip
    assert made.balance("2027-01", "contract_liability", "receivable", "remaining_obligation") == [600, 200, 900]
    assert made.balance("2027-01", "billed", "recognized") == [0, 0]
    assert made.balance("2027-02", "contract_liability", "receivable", "received") == [200, 0, 200]
    assert made.balance("2027-04", "contract_liability", "contract_asset", "remaining_obligation") == [0, 150, 150]
    assert made.entry("2027-01-31") == {}
    assert made.entry("2027-02-20") == {"cash": 200, "receivable": -200}
    assert made.entry("2027-04-30") == {"contract_liability": 200, "contract_asset": 150, "revenue": -350}
    assert made.balances["period"].to_list()[0] == "2027-01"


def test_an_opening_liability_in_foreign_currency_keeps_its_rate(posted: Post) -> None:
    made = posted(
        "2027-03-31", contracts=[{"currency": "GBP", "functional_currency": "USD"}], lines=[{"amount": 500}],
        opening_position=[
            {"contract_line_id": "L1", "as_of_date": "2027-01-31", "allocated_amount": 500, "recognized_amount": 100, "billed_amount": 300,
             "received_amount": 300, "contract_asset": 0, "contract_liability": 200, "liability_rate": "1.17"},
        ],
        earned=[{"posting_date": "2027-02-28", "amount": 150}],
        exchange_rate=[
            {"from_currency": "GBP", "to_currency": "USD", "rate_type": "closing", "rate_date": "2027-01-31", "rate": "1.4"},
            {"from_currency": "GBP", "to_currency": "USD", "rate_type": "closing", "rate_date": "2027-02-28", "rate": "1.5"},
        ],
    )  # fmt: skip
    assert made.balance("2027-01", "functional_contract_liability", "fx_difference") == [234, 0]
    assert made.entry("2027-02-28", functional=True) == {"contract_liability": Decimal("175.5"), "revenue": Decimal("-175.5")}
