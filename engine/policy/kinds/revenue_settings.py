"""The accounting choices of a revenue policy: every named setting, what it may be, and what the standard allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import polars as pl
import pydantic

from engine.policy.kinds.base import Strict

Convention = Literal[
    "actual_days", "actual_365", "thirty_360", "monthly_even", "even_no_partial_last", "even_no_partial_first",
    "prorated_ends", "mid_month", "first_of_month", "next_month", "actual_seconds", "anchored_months", "thirty_day",
]  # fmt: skip
Measure = Literal[
    "cost_to_cost", "hours", "units", "milestones", "time_elapsed", "as_invoiced", "observed", "cost_recovery", "usage",
]  # fmt: skip
Timing = Literal["over_time", "point_in_time"]

Months = Annotated[int, pydantic.Field(ge=0)]
Percent = Annotated[Decimal, pydantic.Field(ge=0)]


def _listed(value: Any) -> Any:
    if value in (None, "none"):
        return ()
    return (value,) if isinstance(value, str) else value


class Allocation(Strict):
    """How the price is shared over obligations (606-10-32-28 to 32-41)."""

    method: Literal["relative_ssp", "residual"] = "relative_ssp"
    residual_to: str = pydantic.Field(default="largest", pattern=r"^(largest|first|last|named\([^()]+\))$")
    discount: str = pydantic.Field(default="proportional", pattern=r"^(proportional|bundle\([^()]+\))$")
    bundle_price: Decimal | None = None
    bundle_tolerance: Percent = Decimal(5)
    missing_ssp: Literal["finding"] = "finding"
    ssp_range: Literal["nearest", "mid"] = "nearest"
    cost_plus_margin: Percent = Decimal(0)


class Modification(Strict):
    """How changes of a contract are accounted for (606-10-25-10 to 25-13)."""

    mixed: Literal["by_line", "by_pool"] = "by_line"
    reallocation: Literal["remaining_ssp", "by_line"] = "remaining_ssp"
    effect_from: Literal["date", "month_start"] = "date"
    date: Literal["approved", "effective"] = "approved"
    catch_up: Literal["effective", "approved"] = "effective"
    prospective: Literal["effective", "approved"] = "effective"
    ssp_tolerance: Percent = Decimal(0)


class Variable(Strict):
    """How variable amounts are estimated where an estimate names no method (606-10-32-8)."""

    method: Literal["most_likely", "expected_value"] = "most_likely"


class Noncash(Strict):
    """When non-cash consideration is measured (606-10-32-21)."""

    measured_at: Literal["inception", "receipt"] = "inception"


class ProgressSettings(Strict):
    """How progress is used; `decimals` rounds the fraction, only to reproduce a history."""

    decimals: Annotated[int, pydantic.Field(ge=0, le=12)] | None = None
    when_unmeasurable: Literal["cost_recovery", "none", "finding"] = "cost_recovery"
    hours_weight: Literal["none", "bill_rate", "cost_rate"] = "none"


class Rounding(Strict):
    """How figures are rounded when posted and disclosed."""

    mode: Literal["half_up", "half_even"] = "half_up"
    schedule: Literal["cumulative", "last_period_plug", "largest_remainder"] = "cumulative"
    disclosure_unit: Annotated[Decimal, pydantic.Field(gt=0)] | None = None


class Cap(Strict):
    """How work under a not-to-exceed cap earns once an overrun is expected."""

    overrun: Literal["expected_hours", "at_cap"] = "expected_hours"


class Accrual(Strict):
    """What work not yet approved counts at the end of a period."""

    unapproved_time: Literal["none", "submitted", "assigned_hours"] = "none"
    unapproved_expenses: Literal["none", "submitted"] = "none"


class Licence(Strict):
    """What a licence gives (606-10-55-58)."""

    nature: Literal["right_to_access", "right_to_use"] = "right_to_access"


class Breakage(Strict):
    """When rights that will not be used are earned (606-10-55-46 to 55-49)."""

    mode: Literal["proportional", "remote"] = "proportional"


class FinancingSettings(Strict):
    """When time between payment and transfer is interest (606-10-32-15 to 32-20)."""

    expedient_months: Months = 12
    compounding: Literal["monthly", "annual", "period"] = "monthly"


class Loss(Strict):
    """For what an expected loss is provided for, and which costs count."""

    unit: Literal["contract", "obligation"] = "contract"
    cost_basis: Literal["full", "incremental"] = "full"


class Costs(Strict):
    """How costs of obtaining and fulfilling contracts are spread (340-40)."""

    expedient_months: Months = 12
    proration: Convention | None = None


class Fx(Strict):
    """At which rates foreign contracts are kept."""

    advance_rate: Literal["payment_date", "invoice_date"] = "payment_date"
    layers: Literal["fifo", "average"] = "fifo"
    revenue_rate: Literal["average", "spot"] = "average"


class MaterialRight(Strict):
    """What the exercise of a material right is (606-10-55-41 to 55-45)."""

    exercise: Literal["continuation", "modification"] = "continuation"


class Renewal(Strict):
    """Whether renewals are looked through to, and how the hypothetical price is shared (606-10-55-45)."""

    look_through: bool = False
    weights: Literal["ssp", "expected_cost"] = "ssp"
    rounding_unit: Annotated[Decimal, pydantic.Field(gt=0)] | None = None
    rounding_per: Literal["contract", "total"] = "contract"


class Late(Strict):
    """What happens to facts of closed periods."""

    closed_period: Literal["catch_up", "reopen"] = "catch_up"
    materiality: Decimal | None = None


class Disclosure(Strict):
    """What is disclosed, and which expedients are used (606-10-50)."""

    rpo_expedients: Annotated[
        tuple[Literal["original_term", "right_to_invoice", "sales_royalty", "unsatisfied_variable"], ...],
        pydantic.BeforeValidator(_listed),
    ] = ()
    rpo_bands: Literal["calendar_year", "fiscal_year", "months"] = "calendar_year"
    disaggregate_by: Annotated[tuple[str, ...], pydantic.BeforeValidator(_listed)] = ()


class Pushdown(Strict):
    """How an obligation's revenue is pushed down to the records of work."""

    to: Literal["time_entry"] = "time_entry"
    by: Literal["hours", "amount", "cost"] = "hours"


class Controls(Strict):
    """When an estimate (of cost, and of hours where it is asked of them), a contract asset or a look-back is worth a finding."""

    contract_asset_days: Annotated[int, pydantic.Field(ge=1)] = 180
    estimate_stale_days: Annotated[int, pydantic.Field(ge=1)] = 95
    estimate_deviation_pct: Percent = Decimal(20)
    estimate_hours: bool = False


class Gate(Strict):
    """What is presumed of a signed contract that nobody judged (606-10-25-1)."""

    enforceable: Literal["presumed", "ask"] = "ask"
    collectible: Literal["presumed", "ask"] = "ask"


class RevenueSettings(Strict):
    """Every accounting choice, each a policy of its own with a default."""

    standard: Literal["us_gaap", "ifrs"] = "us_gaap"
    allocation: Allocation = Allocation()
    modification: Modification = Modification()
    variable: Variable = Variable()
    noncash: Noncash = Noncash()
    progress: ProgressSettings = ProgressSettings()
    proration: Convention = "actual_days"
    rounding: Rounding = Rounding()
    as_invoiced: bool = True
    cap: Cap = Cap()
    accrual: Accrual = Accrual()
    licence: Licence = Licence()
    breakage: Breakage = Breakage()
    financing: FinancingSettings = FinancingSettings()
    loss: Loss = Loss()
    costs: Costs = Costs()
    fx: Fx = Fx()
    material_right: MaterialRight = MaterialRight()
    renewal: Renewal = Renewal()
    late: Late = Late()
    disclosure: Disclosure = Disclosure()
    pushdown: Pushdown = Pushdown()
    gate: Gate = Gate()
    controls: Controls = Controls()

    def flat(self) -> dict[str, Any]:
        """Return every setting by its path (`rounding.mode`)."""
        return dict(_flattened(self.model_dump(), ""))

    def refused(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield the settings that the standard does not allow, with the reason."""
        if self.standard == "ifrs" and self.fx.advance_rate != "payment_date":
            yield ("fx", "advance_rate"), "IFRIC 22 measures an advance at the rate of the day of payment: write payment_date"
        if self.allocation.discount.startswith("bundle") and self.allocation.bundle_price is None:
            yield ("allocation", "discount"), "a discount of a bundle needs `bundle_price`, the price at which the bundle is sold"


def _flattened(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        if isinstance(each, Mapping):
            yield from _flattened(each, f"{prefix}{name}.")
        else:
            yield prefix + name, list(each) if isinstance(each, tuple) else each


_DECIMALS: Final = {
    "allocation.bundle_price": pl.Decimal(38, 6), "allocation.bundle_tolerance": pl.Decimal(38, 8),
    "allocation.cost_plus_margin": pl.Decimal(38, 8),
    "modification.ssp_tolerance": pl.Decimal(38, 8), "renewal.rounding_unit": pl.Decimal(38, 6), "late.materiality": pl.Decimal(38, 6),
    "rounding.disclosure_unit": pl.Decimal(38, 6), "controls.estimate_deviation_pct": pl.Decimal(38, 8),
}  # fmt: skip
_NUMBERS: Final = (
    "progress.decimals", "financing.expedient_months", "costs.expedient_months", "controls.contract_asset_days",
    "controls.estimate_stale_days",
)  # fmt: skip


def setting_types() -> dict[str, pl.DataType]:
    """Return the Polars type of every setting by its path."""
    types: dict[str, pl.DataType] = {}
    for path, value in RevenueSettings().flat().items():
        if path in _DECIMALS:
            types[path] = _DECIMALS[path]
        elif path in _NUMBERS:
            types[path] = pl.Int64()
        elif isinstance(value, bool):
            types[path] = pl.Boolean()
        else:
            types[path] = pl.List(pl.String()) if isinstance(value, list) else pl.String()
    return types


_NAMES: Final = re.compile(r"^\w+\((.*)\)$")


def named_keys(text: str) -> list[str]:
    """Return the keys in `named(a)` or `bundle(a,b)`; none for a plain word."""
    match = _NAMES.match(text)
    return [] if match is None else [each.strip() for each in match[1].split(",")]
