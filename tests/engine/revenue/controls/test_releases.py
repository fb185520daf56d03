"""Controls: each finding appears for its trouble and stays away without it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import MONEY
from engine.findings import finish_findings
from engine.revenue.controls.estimates import estimate_findings, look_back, look_back_findings
from engine.revenue.controls.releases import (
    allocation_findings,
    exercise_findings,
    material_right_findings,
    negative_backlog_findings,
    old_asset_findings,
    price_range_findings,
    release_findings,
    unprovided_loss_findings,
)

DAY = dt.date
Make = Callable[..., pl.DataFrame]
AS_OF = pl.lit(DAY(2026, 9, 30))


def told(frame: pl.DataFrame) -> list[tuple[str, str, Decimal | None]]:
    return finish_findings(frame).select("kind", "entity_id", "amount_at_risk").sort("entity_id").rows()


def schedule(records: Make, **amounts: int) -> pl.DataFrame:
    rows = [
        {
            "schedule_line_id": line,
            "contract_line_id": line,
            "contract_id": "C1",
            "amount": amount,
            "currency": "USD",
            "status": "recognized",
        }
        for line, amount in amounts.items()
    ]
    return records("revenue_schedule_line", *rows)


def prices(**amounts: int | None) -> pl.DataFrame:
    rows = [(line, None if amount is None else Decimal(amount), "time_elapsed", Decimal("0.01")) for line, amount in amounts.items()]
    return pl.DataFrame(rows, schema={"contract_line_id": pl.String, "price": MONEY, "measure": pl.String, "minor": MONEY}, orient="row")


def test_revenue_beyond_the_price_or_below_zero(records: Make) -> None:
    found = release_findings(
        schedule(records, whole=100, over=105, under=-3, credit=-40, deep=-60, open=900),
        prices(whole=100, over=100, under=100, credit=-50, deep=-50),
    )
    assert told(found) == [("release_above_price", "deep", 10), ("release_above_price", "over", 5), ("release_below_zero", "under", 3)]


def test_a_schedule_that_does_not_sum_to_the_allocated_price(records: Make) -> None:
    found = allocation_findings(schedule(records, same=100, other=98), prices(same=100, other=100))
    assert told(found) == [("schedule_differs_from_allocation", "other", 2)]


def test_a_standalone_price_outside_its_range(records: Make) -> None:
    line = {"contract_id": "C1", "ssp_low": 80, "ssp_high": 120}
    found = price_range_findings(
        records(
            "contract_line", {**line, "contract_line_id": "in", "standalone_selling_price": 120},
            {**line, "contract_line_id": "below", "standalone_selling_price": 75}, {**line, "contract_line_id": "none"},
            {"contract_line_id": "above", "standalone_selling_price": 130, "ssp_high": 120},
        )
    )  # fmt: skip
    assert told(found) == [("ssp_out_of_range", "above", 10), ("ssp_out_of_range", "below", 5)]


def balance(contract: str, day: dt.date, asset: int, remaining: int = 0, recognized: int = 0, price: int = 10) -> dict[str, Any]:
    return {
        "contract_id": contract, "end_date": day, "contract_asset": Decimal(asset), "currency": "USD",
        "remaining_obligation": Decimal(remaining), "recognized": Decimal(recognized), "transaction_price": Decimal(price),
    }  # fmt: skip


def balances(*rows: dict[str, Any]) -> pl.DataFrame:
    money = ("contract_asset", "remaining_obligation", "recognized", "transaction_price")
    return pl.DataFrame(list(rows), schema_overrides=dict.fromkeys(money, MONEY))


def test_what_is_left_of_a_contract_asset_beyond_the_revenue_since_has_stood_too_long() -> None:
    march, june, september = DAY(2026, 3, 31), DAY(2026, 6, 30), DAY(2026, 9, 30)
    held = balances(
        balance("C1", march, 50), balance("C1", june, 60, recognized=10), balance("C1", september, 75, recognized=35),
        # Rolled over: what stands now was earned since.
        balance("C2", march, 50), balance("C2", june, 70, recognized=60), balance("C2", september, 70, recognized=40),
        balance("C3", DAY(2026, 7, 31), 40), balance("C3", september, 40),
        balance("C4", march, 30), balance("C4", june, 0), balance("C4", september, 30),
    )  # fmt: skip
    limits = pl.DataFrame({"contract_id": ["C1", "C2", "C3", "C4"], "days": [120] * 4})
    assert told(old_asset_findings(held, limits, AS_OF)) == [("contract_asset_old", "C1", 30)]


def test_more_recognized_than_promised() -> None:
    held = balances(balance("C1", DAY(2026, 8, 31), 0, -9), balance("C1", DAY(2026, 9, 30), 0, 5), balance("C2", DAY(2026, 9, 30), 0, -4))
    assert told(negative_backlog_findings(held, AS_OF)) == [("negative_backlog", "C2", 4)]


def test_what_remains_of_a_credit_is_below_zero_and_more_credited_than_promised_is_told() -> None:
    day = DAY(2026, 9, 30)
    held = balances(balance("C1", day, 0, -6, price=-12), balance("C2", day, 0, 3, price=-12), balance("C3", day, 0, 0, price=-12))
    found = negative_backlog_findings(held, AS_OF)
    assert told(found) == [("negative_backlog", "C2", 3)]
    assert found["message"].to_list() == ["The remaining obligation of C2 is 3.00 USD: more is credited than promised."]


def test_an_expected_loss_that_the_ledger_does_not_hold() -> None:
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "contract_id": pl.String,
        "obligation_id": pl.String,
        "end_date": pl.Date,
        "provision": MONEY,
        "currency": pl.String,
        "rule": pl.String,
    }
    needed = pl.DataFrame(
        [("C1", None, DAY(2026, 6, 30), Decimal(90), "USD", "605-35-25-45"),
         ("C1", None, DAY(2026, 9, 30), Decimal(70), "USD", "605-35-25-45"),
         ("C2", None, DAY(2026, 9, 30), Decimal(30), "USD", "605-35-25-45")],
        schema=schema, orient="row",
    )  # fmt: skip
    posted = pl.DataFrame({"contract_id": ["C1", "C2"], "amount": [Decimal(25), Decimal(30)]}, schema_overrides={"amount": MONEY})
    assert told(unprovided_loss_findings(needed, posted, AS_OF)) == [("loss_not_provided", "C1", 45)]


def test_an_option_nobody_judged(records: Make) -> None:
    more = {"contract_id": "C1", "discount_pct": 30, "discount_otherwise_pct": 10}
    options = records(
        "option", {**more, "option_id": "asked"}, {**more, "option_id": "promised", "contract_line_id": "L1"},
        {**more, "option_id": "usual", "discount_otherwise_pct": 30}, {**more, "option_id": "judged", "contract_id": "C2"},
    )  # fmt: skip
    judgements = records(
        "judgement", {"judgement_id": "J1", "contract_id": "C2", "question": "material_right", "conclusion": "no"},
        {"judgement_id": "J2", "contract_id": "C1", "question": "principal"},
    )  # fmt: skip
    assert told(material_right_findings(options, judgements)) == [("material_right_not_assessed", "asked", None)]


def test_an_option_exercised_for_nobody_knows_what(records: Make) -> None:
    right = {"contract_id": "C1", "contract_line_id": "V", "exercised_date": DAY(2026, 4, 10)}
    options = records(
        "option", {**right, "option_id": "unnamed"}, {**right, "option_id": "unknown", "exercised_line_id": "M"},
        {**right, "option_id": "known", "exercised_line_id": "N"}, {**right, "option_id": "ahead", "exercised_date": DAY(2027, 1, 1)},
        {**right, "option_id": "no right", "contract_line_id": None}, {**right, "option_id": "open", "exercised_date": None},
    )  # fmt: skip
    lines = pl.DataFrame({"contract_line_id": ["V", "N", None]})
    found = exercise_findings(options, lines, pl.lit(DAY(2026, 12, 31)))
    assert [row[1] for row in told(found)] == ["unknown", "unnamed"]


def estimate(line: str, day: dt.date, cost: int, total: int) -> dict[str, Any]:
    return {"progress_id": f"{line}{day}", "contract_line_id": line, "as_of_date": day, "cost_to_date": cost, "estimated_total_cost": total}


@pytest.fixture
def jobs(records: Make) -> Callable[..., pl.DataFrame]:
    def make(*ids: str, done: bool = False, **changes: Any) -> pl.DataFrame:
        rows = records(
            "contract_line", *({"contract_line_id": each, "contract_id": "C1", "start_date": DAY(2026, 1, 1)} | changes for each in ids)
        )
        return rows.with_columns(
            pl.lit("cost_to_cost").alias("measure"),
            pl.lit(value=False).alias("estimate_hours"),
            pl.lit(done).alias("is_done"),
            pl.lit(100).alias("stale_days"),
            pl.lit("Ida").alias("manager"),
        )

    return make


def test_estimates_grow_stale_and_some_are_never_made(records: Make, jobs: Callable[..., pl.DataFrame]) -> None:
    progress = records("progress", estimate("old", DAY(2026, 6, 1), 5, 10), estimate("fresh", DAY(2026, 8, 1), 5, 10))
    found = estimate_findings(jobs("old", "fresh", "never"), progress, AS_OF)
    assert told(found) == [("estimate_never_attested", "never", None), ("estimate_stale", "old", None)]
    assert estimate_findings(jobs("never", done=True), progress, AS_OF).height == 0
    assert estimate_findings(jobs("never", end_date=DAY(2026, 8, 31)), progress, AS_OF).height == 0


def test_an_estimate_somebody_stands_behind_is_not_stale_while_it_is_the_systems_own(
    records: Make, jobs: Callable[..., pl.DataFrame]
) -> None:
    progress = records("progress", estimate("old", DAY(2026, 6, 1), 5, 10))
    lines = jobs("old", "never", estimated_cost=Decimal(70))

    def left(*words: tuple[str, int]) -> list[str]:
        attested = pl.DataFrame(
            [(line, DAY(2026, 9, 20), Decimal(amount)) for line, amount in words],
            schema={"contract_line_id": pl.String, "as_of_date": pl.Date, "estimated_total_cost": MONEY}, orient="row",
        )  # fmt: skip
        return sorted(estimate_findings(lines, progress, AS_OF, attested)["entity_id"].to_list())

    assert left() == ["never", "old"]
    assert left(("never", 70)) == ["old"]
    assert left(("never", 70), ("old", 10)) == []
    # The systems say another amount by now: what was attested is not what stands.
    assert left(("never", 71), ("old", 9)) == ["never", "old"]


def test_hours_at_completion_are_asked_for_where_the_policy_says_so(records: Make, jobs: Callable[..., pl.DataFrame]) -> None:
    observed = {"progress_id": "x", "contract_line_id": "old", "as_of_date": DAY(2026, 6, 1), "estimated_total_hours": Decimal(80)}
    # A cost observed is no estimate of hours.
    progress = records("progress", observed, estimate("never", DAY(2026, 8, 1), 5, 10))
    lines = jobs("old", "never", estimated_hours=Decimal(70)).with_columns(pl.lit("hours").alias("measure"))
    asked = lines.with_columns(pl.lit(value=True).alias("estimate_hours"))
    assert estimate_findings(lines, progress, AS_OF).height == 0
    assert told(estimate_findings(asked, progress, AS_OF)) == [
        ("estimate_never_attested", "never", None), ("estimate_stale", "old", None),
    ]  # fmt: skip

    def left(*words: tuple[str, int]) -> list[str]:
        attested = pl.DataFrame(
            [(line, DAY(2026, 9, 20), Decimal(hours)) for line, hours in words],
            schema={"contract_line_id": pl.String, "as_of_date": pl.Date, "estimated_total_hours": MONEY}, orient="row",
        )  # fmt: skip
        return sorted(estimate_findings(asked, progress, AS_OF, attested)["entity_id"].to_list())

    assert left(("never", 70), ("old", 80)) == []
    assert left(("never", 80), ("old", 70)) == ["never", "old"]


def test_the_look_back_compares_the_estimate_halfway_with_the_outcome(records: Make, jobs: Callable[..., pl.DataFrame]) -> None:
    progress = records(
        "progress", estimate("bad", DAY(2026, 2, 1), 10, 70), estimate("bad", DAY(2026, 4, 1), 45, 80),
        estimate("bad", DAY(2026, 8, 1), 100, 100),
        estimate("good", DAY(2026, 2, 1), 10, 40), estimate("good", DAY(2026, 8, 1), 39, 39),
    )  # fmt: skip
    found = look_back(jobs("bad", "good", done=True), progress)
    assert found.select("contract_line_id", "estimate", "outcome", "deviation_pct").rows() == [
        ("bad", 80, 100, 25),
        ("good", 40, 39, Decimal("-2.5")),
    ]
    limits = pl.DataFrame({"contract_id": ["C1"], "deviation_pct": [Decimal(20)], "currency": ["USD"]})
    far = look_back_findings(found, limits)
    assert told(far) == [("estimate_far_from_outcome", "bad", 20)]
    assert "25.0 % more than estimated halfway; 1 of 2 finished lines of Ida" in far["message"].item()
