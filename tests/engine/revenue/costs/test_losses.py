"""Loss provisions and recoverable amounts: figures computed by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.revenue.costs.assets import classified
from engine.revenue.costs.losses import loss_provisions
from engine.revenue.costs.recoverable import recoverable_amounts
from engine.revenue.costs.remaining import Evidence

DAY = dt.date
Make = Callable[..., pl.DataFrame]
Q1, Q2, Q3 = DAY(2026, 3, 31), DAY(2026, 6, 30), DAY(2026, 9, 30)


@pytest.fixture
def evidence(records: Make) -> Callable[..., Evidence]:
    def make(progress: list[dict[str, Any]] | None = None, cost_estimate: list[dict[str, Any]] | None = None,
             estimates: list[dict[str, Any]] | None = None) -> Evidence:  # fmt: skip
        return Evidence(
            records("progress", *(progress or [])), records("cost_estimate", *(cost_estimate or [])), records("amendment"),
            records("amendment_line"), records("variable_estimate", *(estimates or [])),
        )  # fmt: skip

    return make


def seen(line: str, day: dt.date, cost: int, total: int) -> dict[str, Any]:
    return {"progress_id": f"{line}{day}", "contract_line_id": line, "as_of_date": day, "cost_to_date": cost, "estimated_total_cost": total}


def quarterly(found: pl.DataFrame, name: str = "provision") -> dict[dt.date, Decimal]:
    rows = found.filter(pl.col("end_date").is_in([Q1, Q2, Q3]))
    return {row["end_date"]: row[name] for row in rows.group_by("end_date").agg(pl.col(name).sum()).to_dicts()}


@pytest.fixture
def two_jobs(contracts: Make, obligations: Make, lines: Make, performance: Make) -> Callable[..., tuple[pl.DataFrame, ...]]:
    """Job L1 for 900 loses, job L2 for 500 gains; L1 is half done in the second quarter."""

    def make(**settings: Any) -> tuple[pl.DataFrame, ...]:
        scope = {"loss_scope": settings.pop("loss_scope", True), "effective_date": DAY(2026, 1, 1)}
        return (
            contracts({"signed_date": DAY(2026, 1, 1), **settings}),
            obligations({**scope, "allocated_amount": 900}, {**scope, "obligation_id": "L2", "allocated_amount": 500}),
            performance(
                {"posting_date": Q1, "amount": 180, "progress": "0.2"}, {"posting_date": Q2, "amount": 270, "progress": "0.5"},
                {"posting_date": Q3, "amount": 450, "progress": 1},
            ),
            lines({}, {"contract_line_id": "L2", "obligation_id": "L2"}),
        )  # fmt: skip

    return make


JOBS = [seen("L1", Q1, 160, 800), seen("L1", Q2, 600, 1200), seen("L1", Q3, 1200, 1200), seen("L2", Q1, 0, 350)]


@pytest.fixture
def provisions(
    two_jobs: Callable[..., tuple[pl.DataFrame, ...]], evidence: Callable[..., Evidence], months: Any
) -> Callable[..., pl.DataFrame]:
    def go(
        progress: list[dict[str, Any]] | None = None, cost_estimate: list[dict[str, Any]] | None = None, **settings: Any
    ) -> pl.DataFrame:
        terms, promised, earned, lines = two_jobs(**settings)
        known = evidence(progress=JOBS if progress is None else progress, cost_estimate=cost_estimate)
        return loss_provisions(terms, promised, earned, lines, months(2026, 2026), known, pl.lit(Q3))

    return go


def test_each_obligation_provides_for_its_whole_loss_and_releases_it(provisions: Callable[..., pl.DataFrame]) -> None:
    found = provisions(**{"setting.loss.unit": "obligation"})
    # Second quarter: 600 to come against a price of 450: 150, half of the expected loss of 300
    assert quarterly(found) == {Q2: 150, Q3: 0}
    assert quarterly(found, "change") == {Q2: 150, Q3: -150}
    assert found["obligation_id"].unique().to_list() == ["L1"]
    assert found["rule"].unique().to_list() == ["605-35-25-45"]


def test_in_the_unit_of_the_contract_a_gain_offsets_a_loss(provisions: Callable[..., pl.DataFrame]) -> None:
    # 150 short on L1, 150 to gain on L2
    assert provisions().height == 0


def test_us_gaap_provides_within_the_scope_of_the_guidance_only(provisions: Callable[..., pl.DataFrame]) -> None:
    assert provisions(**{"setting.loss.unit": "obligation", "loss_scope": False}).height == 0


def test_ifrs_needs_no_scope_and_stops_at_the_penalty_for_leaving(provisions: Callable[..., pl.DataFrame]) -> None:
    ifrs = {"setting.standard": "ifrs", "setting.loss.unit": "obligation", "loss_scope": False}
    assert quarterly(provisions(**ifrs)) == {Q2: 150, Q3: 0}
    capped = provisions(**ifrs, exit_penalty=40)
    assert quarterly(capped) == {Q2: 40, Q3: 0}
    assert capped.filter(pl.col("end_date") == Q2)["rule"].to_list() == ["IAS 37.68"]


@pytest.mark.parametrize(("basis", "provision"), [("full", 130), ("incremental", 70)])
def test_cost_to_fulfil_holds_what_is_allocated_directly_and_never_overhead(
    provisions: Callable[..., pl.DataFrame], basis: str, provision: int
) -> None:
    kinds = {"incremental": 970, "allocated_direct": 60, "general_overhead": 500}
    estimates = [
        {"cost_estimate_id": kind, "contract_line_id": "L1", "as_of_date": DAY(2026, 1, 15), "kind": kind, "amount": amount}
        for kind, amount in kinds.items()
    ]
    ifrs = {"setting.standard": "ifrs", "setting.loss.unit": "obligation", "setting.loss.cost_basis": basis}
    found = provisions([], estimates, **ifrs)
    assert found.filter(pl.col("period") == "2026-02")["provision"].to_list() == [provision]


def test_a_promise_of_unknown_cost_is_not_judged(provisions: Callable[..., pl.DataFrame]) -> None:
    assert provisions([], **{"setting.loss.unit": "obligation"}).height == 0


def test_leaving_a_contract_ends_its_provision(provisions: Callable[..., pl.DataFrame]) -> None:
    found = provisions(**{"setting.loss.unit": "obligation", "status": "terminated", "terminated_date": DAY(2026, 8, 15)})
    assert found.filter(pl.col("period") >= "2026-07").select("period", "provision", "change").rows() == [
        ("2026-07", 150, 0),
        ("2026-08", 0, -150),
    ]


def test_recoverable_is_what_the_contract_still_brings_above_its_cost(
    records: Make, contracts: Make, lines: Make, obligations: Make, performance: Make, prices: Make, months: Any, evidence: Any
) -> None:
    terms = contracts({"start_date": DAY(2026, 1, 1), "end_date": DAY(2026, 12, 31)})
    cost = {
        "cost_id": "K1", "contract_id": "C1", "kind": "fulfil", "incurred_date": DAY(2026, 1, 1), "amount": 90, "currency": "USD",
        "benefit_end": DAY(2026, 12, 31),
    }  # fmt: skip
    known = evidence(
        progress=[seen("L1", Q1, 100, 700)],
        estimates=[{"estimate_id": "E1", "contract_line_id": "L1", "as_of_date": Q1, "amount": 80, "constrained_amount": 30}],
    )
    found = recoverable_amounts(
        classified(records("contract_cost", cost), terms, lines({})), terms,
        obligations({"effective_date": DAY(2026, 1, 1), "allocated_amount": 1000}), performance({"posting_date": Q1, "amount": 150}),
        lines({}), prices({"date": DAY(2026, 1, 1), "transaction_price": 1000}), months(2026, 2026), known, pl.lit(Q1),
    )  # fmt: skip
    # 1,000 − 150 + 50 held out by the constraint − 600 to come; before the first estimate nothing is known
    assert dict(found.select("end_date", "recoverable").rows()) == {DAY(2026, 1, 31): None, DAY(2026, 2, 28): None, Q1: 300}


def test_revenue_ahead_of_cost_on_a_contract_that_gains_is_no_loss(
    contracts: Make, obligations: Make, lines: Make, performance: Make, evidence: Any, months: Any
) -> None:
    terms = contracts({"signed_date": DAY(2026, 1, 1)})
    promised = obligations({"loss_scope": True, "effective_date": DAY(2026, 1, 1), "allocated_amount": 100})
    earned = performance({"posting_date": Q1, "amount": 90, "progress": "0.9"})
    core = (terms, promised, earned, lines({"measure": "hours"}), months(2026, 2026))
    # 30 to come against 10 left, but 80 in all against 100
    assert loss_provisions(*core, evidence(progress=[seen("L1", Q1, 50, 80)]), pl.lit(Q1)).height == 0
    # 120 in all: the loss of 20 and the 40 of margin shown too early are provided for
    found = loss_provisions(*core, evidence(progress=[seen("L1", Q1, 50, 120)]), pl.lit(Q1))
    assert found["provision"].to_list() == [60]


def test_without_cost_to_date_the_cost_to_come_follows_progress(
    contracts: Make, obligations: Make, lines: Make, performance: Make, evidence: Any, months: Any
) -> None:
    terms = contracts({"signed_date": DAY(2026, 1, 1)})
    promised = obligations({"loss_scope": True, "effective_date": DAY(2026, 1, 1), "allocated_amount": 900})
    earned = performance({"posting_date": Q1, "amount": 300, "progress": Decimal(1) / Decimal(3)})
    known = evidence(progress=[{"progress_id": "P", "contract_line_id": "L1", "as_of_date": Q1, "estimated_total_cost": 1200}])
    found = loss_provisions(terms, promised, earned, lines({"measure": "hours"}), months(2026, 2026), known, pl.lit(Q1))
    # a loss of 300, two thirds of it to come
    assert found["provision"].to_list() == [200]
