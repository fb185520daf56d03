"""Cost assets, losses, interest and the group's currency come to what plain arithmetic says, month by month."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import hypothesis
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from adapters.policy_folder import check_policies
from engine.canonical.schema import entity_spec
from engine.policy.loaded import PolicySet
from engine.revenue import decide_revenue
from engine.stage import Context, Facts
from tests.oracle.positions import Financed, Serving, Told, month_end
from tests.properties.test_revenue import ROOT, Rows

# One run decides many contracts at the price of a few; the seed says which.
TOGETHER = 24
SOME = max(hypothesis.settings().max_examples // 100, 1)
START = dt.date(2026, 1, 1)
MONTHS = 24
AS_OF = month_end(START, MONTHS - 1)
ENTITIES = (
    "legal_entity", "contract", "contract_line", "contract_cost", "progress", "payment", "billing_plan_line", "exchange_rate",
)  # fmt: skip


def name(number: int) -> str:
    return f"C{number:02}"


@cache
def policies() -> PolicySet:
    """The shipped policies, every other contract under IFRS, in the scope of losses, costs without the expedient."""
    financing = {"compounding": "monthly", "expedient_months": 0}
    settings = {"proration": "monthly_even", "costs": {"expedient_months": 0}, "financing": financing}
    assign: dict[str, Any] = {f"{name(number)}L": {"loss_scope": True} for number in range(TOGETHER)}
    assign |= {name(number): {"settings": {"standard": "ifrs"}} for number in range(1, TOGETHER, 2)}
    loaded, mistakes = check_policies(ROOT / "policies", {"rev-treatment": {"settings": settings, "assign": assign}})
    assert not [each for each in mistakes if each.is_error]
    return loaded


def decided(rows: Rows) -> dict[str, pl.DataFrame]:
    frames = {}
    for entity, records in rows.items():
        schema = entity_spec(entity).polars_schema()
        filled = [{**dict.fromkeys(schema), **each, "evidence": ["x:1"]} for each in records]
        frames[entity] = pl.DataFrame(filled, schema={**schema, "evidence": pl.List(pl.String)}, orient="row").lazy()
    context = Context(AS_OF)
    result = decide_revenue(Facts(frames, {}, AS_OF), policies(), context)
    return {each: frame.collect() for each, frame in result.frames.items()}


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def money(chance: random.Random, most: int = 10**7) -> Fraction:
    return Fraction(chance.randint(100, most), 100)


def begun(key: str, months: int, price: Fraction, **fields: object) -> Rows:
    rows: Rows = {entity: [] for entity in ENTITIES}
    ends = month_end(START, months - 1)
    rows["contract"] = [
        {"contract_id": key, "legal_entity_id": "E", "currency": "EUR", "signed_date": START, "start_date": START, "end_date": ends,
         "status": "active", "enforceable": True, "collectible": True, **fields}
    ]  # fmt: skip
    rows["contract_line"] = [
        {"contract_line_id": f"{key}L", "contract_id": key, "offering": "managed_service", "amount": decimal(price), "start_date": START,
         "end_date": ends}
    ]  # fmt: skip
    return rows


def serving(chance: random.Random, key: str, is_ifrs: bool) -> tuple[Rows, Serving]:
    months, price = chance.randint(10, MONTHS), money(chance)
    asset = Fraction(int(price * chance.randint(5, 80)), 100)
    penalty = price / 10 if is_ifrs and chance.random() < 0.3 else None
    penalty = None if penalty is None else Fraction(int(penalty * 100), 100)
    rows = begun(key, months, price, exit_penalty=None if penalty is None else decimal(penalty))
    rows["contract_cost"] = [
        {"cost_id": key, "contract_id": key, "kind": "fulfil", "incurred_date": START, "amount": decimal(asset), "currency": "EUR"}
    ]
    reports: list[tuple[Fraction, Fraction] | None] = []
    done, whole, since = Fraction(0), Fraction(int(price * chance.randint(10, 90)), 100), chance.randint(1, 4)
    for month in range(1, months + 1):
        if chance.random() < 0.3:
            whole = Fraction(int(price * chance.randint(5, 150)), 100)
        done = min(done + Fraction(int(whole * chance.randint(0, 15)), 100), whole) if done < whole else done
        whole = max(whole, done)
        reports.append((done, whole) if month >= since else None)
        if month >= since:
            rows["progress"].append(
                {"progress_id": f"{key}{month}", "contract_line_id": f"{key}L", "as_of_date": month_end(START, month - 1),
                 "cost_to_date": decimal(done), "estimated_total_cost": decimal(whole), "currency": "EUR"}
            )  # fmt: skip
    paid, so_far = [], Fraction(0)
    for month in range(1, months + 1):
        if chance.random() < 0.3 and so_far < price:
            amount = min(money(chance), price - so_far)
            so_far += amount
            rows["payment"].append(
                {"payment_id": f"{key}{month}", "contract_id": key, "paid_date": month_end(START, month - 1) - dt.timedelta(days=3),
                 "amount": decimal(amount), "currency": "EUR"}
            )  # fmt: skip
        paid.append(so_far)
    return rows, Serving(price, asset, months, reports, is_ifrs, penalty, paid)


def merged(drawn: list[Rows], **shared: list[dict[str, Any]]) -> Rows:
    return {entity: [row for rows in drawn for row in rows[entity]] for entity in ENTITIES} | shared


@hypothesis.settings(max_examples=SOME)
@given(st.integers(0, 2**32 - 1))
def test_cost_assets_losses_and_the_group_come_to_what_arithmetic_says(seed: int) -> None:
    chance = random.Random(seed)
    drawn = [serving(chance, name(number), number % 2 == 1) for number in range(TOGETHER)]
    average, closing = ([Fraction(chance.randint(8000, 14000), 10**4) for _ in range(MONTHS)] for _ in range(2))
    rates = [
        {"from_currency": "EUR", "to_currency": "USD", "rate_date": month_end(START, month), "rate_type": kind, "rate": decimal(of[month])}
        for kind, of in (("average", average), ("closing", closing))
        for month in range(MONTHS)
    ]
    entity = {"legal_entity_id": "E", "name": "E", "functional_currency": "EUR", "reporting_currency": "USD"}
    told = decided(merged([rows for rows, _ in drawn], exchange_rate=rates, legal_entity=[entity]))
    costs = {(row["contract_id"], row["period"]): row for row in told["contract_costs"].iter_rows(named=True)}
    group = {(row["contract_id"], row["period"]): row for row in told["reporting_balances"].iter_rows(named=True)}
    for number, (_, each) in enumerate(drawn):
        assets = each.assets()
        revenue = [each.recognized(month) - each.recognized(month - 1) for month in range(1, each.months + 1)]
        balances = [each.held(month) for month in range(1, each.months + 1)]
        shown = Told(balances, revenue, average, closing)
        for month in range(1, each.months + 1):
            key = (name(number), f"{2026 + (month - 1) // 12}-{(month - 1) % 12 + 1:02}")
            found = costs.get(key, {"impaired": 0, "reversed": 0, "closing": 0})
            own = tuple(Fraction(found[of]) for of in ("impaired", "reversed", "closing"))
            assert own == assets[month - 1], (key, own, assets[month - 1])
            for of, amount in shown.month(month).items():
                sign = -1 if of in ("contract_liability", "loss_provision") else 1
                assert Fraction(group[key][of]) * sign == amount, (key, of, group[key][of], amount)


def financed(chance: random.Random, key: str) -> tuple[Rows, Financed]:
    months, promised = chance.randint(2, MONTHS), Fraction(chance.randint(1000, 10**6))
    rate = chance.choice([3, 6, 12, 18])
    rows = begun(key, months, promised, financing_rate=Decimal(rate))
    payments, left = [], promised
    days = sorted(chance.sample(range(30 * months), chance.randint(1, 4)))
    for place, day in enumerate(days):
        amount = left if place == len(days) - 1 else Fraction(int(left * chance.randint(1, 60) / 100))
        if amount == 0:
            continue
        left -= amount
        payments.append((START + dt.timedelta(days=day), amount))
        rows["payment"].append(
            {"payment_id": f"{key}{place}", "contract_id": key, "paid_date": payments[-1][0], "amount": decimal(amount), "currency": "EUR"}
        )
    return rows, Financed(promised, START, months, payments, Fraction(rate, 1200))


@hypothesis.settings(max_examples=SOME)
@given(st.integers(0, 2**32 - 1))
def test_services_financed_over_time_come_to_what_arithmetic_says(seed: int) -> None:
    chance = random.Random(seed)
    drawn = [financed(chance, name(number)) for number in range(TOGETHER)]
    entity = {"legal_entity_id": "E", "name": "E", "functional_currency": "EUR"}
    told = decided(merged([rows for rows, _ in drawn], legal_entity=[entity]))
    balances = {(row["contract_id"], row["period"]): row for row in told["contract_balances"].iter_rows(named=True)}
    near = Fraction(3, 100)
    for number, (_, each) in enumerate(drawn):
        earned, price = Fraction(0), each.price()
        for month in range(1, each.months + 1):
            row = balances[name(number), f"{2026 + (month - 1) // 12}-{(month - 1) % 12 + 1:02}"]
            earned += Fraction(row["recognized"])
            assert abs(earned - price * month / each.months) <= near, (number, month, earned)
        ends = month_end(START, each.months - 1)
        borne = sum((Fraction(balances[key]["interest"]) for key in balances if key[0] == name(number)), Fraction(0))
        gross = each.interest(AS_OF)
        signs = {paid < served for paid, served, _ in each.parts() if paid != served}
        if len(signs) == 1:
            assert abs(borne - abs(gross)) <= near, (number, borne, gross, ends)
        # What was earned is what was promised, and the interest of both kinds.
        assert abs(earned - each.promised - gross) <= near, (number, earned, gross)
