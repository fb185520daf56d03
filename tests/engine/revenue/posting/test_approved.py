"""Batches approved earlier are not proposed again; only what their figures moved by since is, in the first open period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl

Post = Callable[..., Any]

GIVEN: dict[str, Any] = {
    "lines": [{"amount": 900}],
    "earned": [{"posting_date": "2027-01-31", "amount": 100}, {"posting_date": "2027-02-28", "amount": 150}],
    "payment": [{"payment_id": "P1", "contract_id": "C1", "paid_date": "2027-01-10", "amount": 400}],
}


def test_without_approved_batches_everything_is_proposed(posted: Post) -> None:
    journal = posted("2027-02-28", **GIVEN).journal
    assert journal["period"].unique().sort().to_list() == ["2027-01", "2027-02"]


def test_an_approved_batch_that_still_stands_is_not_proposed_again(posted: Post) -> None:
    january = posted("2027-01-31", **{**GIVEN, "earned": GIVEN["earned"][:1]}).journal
    made = posted("2027-02-28", **GIVEN, outputs={"approved_entries": january})
    assert made.journal["period"].unique().to_list() == ["2027-02"]
    assert made.entry("2027-02-28") == {"contract_liability": 150, "revenue": -150}


def test_what_moved_since_posts_as_a_difference_in_the_first_period_after(posted: Post) -> None:
    january = posted("2027-01-31", **{**GIVEN, "earned": GIVEN["earned"][:1]}).journal
    late = {**GIVEN, "earned": [*GIVEN["earned"], {"posting_date": "2027-01-31", "amount": 30, "nature": "error"}]}
    made = posted("2027-02-28", **late, outputs={"approved_entries": january})
    assert made.entry("2027-02-01") == {"contract_liability": 30, "revenue": -30}
    difference = made.journal.filter(pl.col("posting_date") == dt.date(2027, 2, 1))
    assert difference["reason"].unique().to_list() == ["difference to approved batches"]
    assert difference["batch_id"].unique().to_list() == ["|2027-02"]
    everything = pl.concat([january, made.journal]).group_by("account_role").agg((pl.col("debit") - pl.col("credit")).sum().alias("net"))
    whole = posted("2027-02-28", **late).journal.group_by("account_role").agg((pl.col("debit") - pl.col("credit")).sum().alias("net"))
    assert everything.sort("account_role").equals(whole.sort("account_role"))


def test_a_difference_that_was_approved_itself_is_not_posted_twice(posted: Post) -> None:
    january = posted("2027-01-31", **{**GIVEN, "earned": GIVEN["earned"][:1]}).journal
    late = {**GIVEN, "earned": [*GIVEN["earned"], {"posting_date": "2027-01-31", "amount": 30, "nature": "error"}]}
    february = posted("2027-02-28", **late, outputs={"approved_entries": january}).journal
    approved = pl.concat([january, february])
    march = {**late, "earned": [*late["earned"], {"posting_date": "2027-03-31", "amount": 50}]}
    made = posted("2027-03-31", **march, outputs={"approved_entries": approved})
    assert made.journal["period"].unique().to_list() == ["2027-03"]
    assert made.entry("2027-03-31") == {"contract_liability": 50, "revenue": -50}


def test_an_approved_entry_that_nothing_stands_for_any_more_is_taken_back(posted: Post) -> None:
    january = posted("2027-01-31", **{**GIVEN, "earned": GIVEN["earned"][:1]}).journal
    made = posted("2027-02-28", **{**GIVEN, "earned": GIVEN["earned"][1:]}, outputs={"approved_entries": january})
    assert made.entry("2027-02-01") == {"contract_liability": -100, "revenue": 100}
