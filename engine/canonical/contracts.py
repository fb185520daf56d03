"""What was sold: opportunities, contracts, their promises and how they change."""

from __future__ import annotations

from typing import ClassVar, Literal

from engine.canonical.base import (
    Bool,
    Date,
    Hours,
    Id,
    Int,
    Money,
    Pct,
    Price,
    Qty,
    Rate,
    Record,
    Text,
    Time,
    field,
    key,
)

Offering = Literal[
    "time_and_materials", "fixed_fee", "milestone", "retainer", "managed_service", "subscription", "licence",
    "outcome", "goods", "pass_through", "warranty", "material_right", "cost_plus",
]  # fmt: skip

_OF_CONTRACT = "contract.currency"
_OF_LINE = "contract_line.contract.currency"
_OF_AMENDMENT = "amendment.contract.currency"


class Opportunity(Record):
    """A possible sale in the CRM."""

    entity: ClassVar[str] = "opportunity"
    opportunity_id: Id = key("Identifies the opportunity.")
    customer_id: Id | None = field("Customer it is with.", reference="customer")
    contract_id: Id | None = field("Contract it became.", reference="contract")
    name: Text | None = field("Name.")
    stage: Text | None = field("Sales stage as the CRM names it.")
    is_won: Bool | None = field("Whether the sale was won.")
    amount: Money | None = field("Expected value, in the record's currency.")
    currency: Text | None = field("Currency of the amount, ISO 4217.")
    close_date: Date | None = field("Day it was or should be closed.")
    created_at: Time | None = field("When it was entered.")


class Contract(Record):
    """An agreement with a customer; amounts are as signed, amendments hold the values after."""

    entity: ClassVar[str] = "contract"
    contract_id: Id = key("Identifies the contract.")
    contract_number: Text | None = field("Number people use, the same in every system.")
    customer_id: Id | None = field("Customer who signed.", reference="customer")
    legal_entity_id: Id | None = field("Legal entity of the firm that signed.", reference="legal_entity")
    opportunity_id: Id | None = field("Opportunity it came from.", reference="opportunity")
    currency: Text | None = field("Currency of the contract, ISO 4217.")
    signed_date: Date | None = field("Day both parties had signed.")
    start_date: Date | None = field("First day of the term.")
    end_date: Date | None = field("Last day of the term (inclusive).")
    status: Literal["draft", "signed", "active", "completed", "terminated"] | None = field("State of the contract.")
    total_value: Money | None = field("Value as signed, in the contract's currency, without tax.")
    billing_frequency: Text | None = field("How often it is billed (weekly, monthly, quarterly, semiannually, annually, milestone, once).")
    payment_terms_days: Int | None = field("Days from invoice date to due date.")
    terminated_date: Date | None = field("Day it was terminated.")
    terminated_recorded_at: Time | None = field("When that it was terminated was first known, UTC; null: see `end_not_dated`.")
    combined_with_contract_id: Id | None = field("Contract it is accounted for together with.", reference="contract")
    created_at: Time | None = field("When it was entered.")
    notice_days: Int | None = field("Days of notice for termination.")
    cancellable_by: Literal["customer", "firm", "either", "none"] | None = field("Who may end it for convenience.")
    enforceable: Bool | None = field("Whether rights are enforceable (606-10-25-1, step 1).")
    collectible: Bool | None = field("Whether collection is probable (606-10-25-1(e)).")
    financing_rate: Pct | None = field("Borrowing rate at inception, percent a year.")
    criteria_met_date: Date | None = field("Day the contract criteria were met.")
    ceiling_amount: Money | None = field(
        "Most that may be ordered, in the contract's currency; never price, never remaining obligation."
    )
    financing_exclusion: (
        Literal["customer_discretion", "variable_outside_control", "other_reason", "not_significant"] | None
    ) = field("Why no financing is significant (606-10-32-17).")
    exit_penalty: Money | None = field("Penalty the customer pays on leaving, in the contract's currency.")
    cap_amount: Money | None = field("Most that may be billed under the contract, in its currency, where a billing policy caps by it.")


class ContractLine(Record):
    """A promise of a contract."""

    entity: ClassVar[str] = "contract_line"
    contract_line_id: Id = key("Identifies the line.")
    contract_id: Id | None = field("Contract it belongs to.", reference="contract")
    project_id: Id | None = field("Project that delivers it.", reference="project")
    obligation_key: Text | None = field("Lines sharing it are one performance obligation; null: the line alone.")
    description: Text | None = field("What is promised.")
    service_line: Text | None = field("Service line that delivers it.")
    offering: Offering | None = field("Kind of promise.")
    quantity: Qty | None = field("Units promised.")
    unit_price: Price | None = field(
        "Price of one unit, in the line's currency.", currency=_OF_CONTRACT, own_currency="currency"
    )
    amount: Money | None = field(
        "Price of the whole line without tax, in the line's currency; for time and materials an estimate or null.",
        currency=_OF_CONTRACT,
        own_currency="currency",
    )
    standalone_selling_price: Money | None = field(
        "Standalone selling price of the whole line, in the line's currency.",
        currency=_OF_CONTRACT,
        own_currency="currency",
    )
    start_date: Date | None = field("First day of delivery.")
    end_date: Date | None = field("Last day of delivery (inclusive).")
    cap_amount: Money | None = field(
        "Most that may be billed on the line, in the line's currency.", currency=_OF_CONTRACT, own_currency="currency"
    )
    estimated_hours: Hours | None = field("Hours expected for the whole line.")
    estimated_cost: Money | None = field(
        "Cost expected for the whole line, in the line's currency.", currency=_OF_CONTRACT, own_currency="currency"
    )
    variable_amount: Money | None = field(
        "Variable part of the price, in the line's currency.", currency=_OF_CONTRACT, own_currency="currency"
    )
    variable_kind: Literal["bonus", "penalty", "usage", "rebate", "refund", "other"] | None = field(
        "Kind of the variable part."
    )
    is_refundable: Bool | None = field("Whether the amount can be claimed back.")
    billing_method: Literal["milestone", "percent_complete", "schedule", "time"] | None = field(
        "What its invoices follow."
    )
    price_period: Literal["once", "month", "quarter", "year"] | None = field("Period the unit price is for.")
    anchor_day: Int | None = field("Day of month from which anchored months run, 1-31.")
    service_start_at: Time | None = field("Instant service begins (inclusive).")
    service_end_at: Time | None = field("Instant service ends (exclusive).")
    cash_selling_price: Money | None = field(
        "Price if paid in cash at transfer, in the line's currency.", currency=_OF_CONTRACT, own_currency="currency"
    )
    currency: Text | None = field("Currency of the line's amounts, ISO 4217; null: the contract's.")
    list_price: Money | None = field(
        "List price of the whole line, in the line's currency.", currency=_OF_CONTRACT, own_currency="currency"
    )
    ssp_pct_of_list: Pct | None = field("Standalone selling price as percent of list.")
    ssp_method: Literal["observable", "adjusted_market", "cost_plus", "residual"] | None = field(
        "How the standalone selling price was found."
    )
    ssp_low: Money | None = field(
        "Low end of the standalone selling price range, in the line's currency.",
        currency=_OF_CONTRACT,
        own_currency="currency",
    )
    ssp_high: Money | None = field(
        "High end of the standalone selling price range, in the line's currency.",
        currency=_OF_CONTRACT,
        own_currency="currency",
    )
    variable_allocation: Literal["line", "contract"] | None = field("What variable amounts are allocated to.")
    commission_pct: Pct | None = field("Share the firm keeps as an agent, percent.")
    fee_pct: Pct | None = field("Fee as percent of another line.")
    fee_on_line_id: Id | None = field("Line the fee is a percent of.", reference="contract_line")
    repurchase_kind: Literal["forward", "call", "put"] | None = field("Kind of repurchase agreement.")
    repurchase_price: Money | None = field(
        "Price of the repurchase, in the line's currency.", currency=_OF_CONTRACT, own_currency="currency"
    )
    repurchase_until: Date | None = field("Last day of the repurchase right.")


class Amendment(Record):
    """A change to a contract."""

    entity: ClassVar[str] = "amendment"
    amendment_id: Id = key("Identifies the amendment.")
    contract_id: Id | None = field("Contract it changes.", reference="contract")
    effective_date: Date | None = field("Day it takes effect.")
    approved_date: Date | None = field("Day it was approved.")
    status: Literal["draft", "approved", "rejected"] | None = field("State of the amendment.")
    amount_change: Money | None = field(
        "Stated change of the contract's value (the delta; negative: less), in the contract's currency.",
        currency=_OF_CONTRACT,
    )
    total_after: Money | None = field(
        "Stated new total of the contract, in the contract's currency.", currency=_OF_CONTRACT
    )
    description: Text | None = field("What changes.")
    is_enforceable: Bool | None = field("Whether an unapproved change is enforceable already (606-10-25-11).")


class AmendmentLine(Record):
    """What an amendment does to one line: the line's whole-life values after it; null in a change: unchanged."""

    entity: ClassVar[str] = "amendment_line"
    amendment_line_id: Id = key("Identifies the amendment line.")
    amendment_id: Id | None = field("Amendment it belongs to.", reference="amendment")
    contract_line_id: Id | None = field(
        "Line it changes; null or a new id for an added line.", reference="contract_line"
    )
    action: Literal["add", "change", "remove"] | None = field("What happens to the line.")
    quantity: Qty | None = field("Units after.")
    unit_price: Price | None = field("Unit price after, in the line's currency.", currency=_OF_AMENDMENT)
    amount: Money | None = field("Amount after, in the line's currency.", currency=_OF_AMENDMENT)
    standalone_selling_price: Money | None = field(
        "Standalone selling price after, in the line's currency.", currency=_OF_AMENDMENT
    )
    start_date: Date | None = field("First day after.")
    end_date: Date | None = field("Last day after (inclusive).")
    estimated_hours: Hours | None = field("Hours expected after.")
    estimated_cost: Money | None = field("Cost expected after, in the line's currency.", currency=_OF_AMENDMENT)
    cap_amount: Money | None = field("Most that may be billed on the line after, in the line's currency.", currency=_OF_AMENDMENT)
    obligation_key: Text | None = field("Obligation after.")
    offering: Offering | None = field("Kind of promise after.")
    remaining_is_distinct: Bool | None = field(
        "Whether what remains is distinct from what was transferred (606-10-25-13)."
    )
    remaining_standalone_selling_price: Money | None = field(
        "Standalone selling price of what remains, in the line's currency.", currency=_OF_AMENDMENT
    )
    past_performance_amount: Money | None = field(
        "Part of the price change for what was transferred already, in the line's currency: revenue at once.",
        currency=_OF_AMENDMENT,
    )


class VariableEstimate(Record):
    """An estimate of variable consideration as of a day; signed against the line's amount."""

    entity: ClassVar[str] = "variable_estimate"
    estimate_id: Id = key("Identifies the estimate.")
    contract_line_id: Id | None = field("Line it is about.", reference="contract_line")
    as_of_date: Date | None = field("Day the estimate was made.")
    method: Literal["expected_value", "most_likely"] | None = field("Method of the estimate (606-10-32-8).")
    amount: Money | None = field(
        "Estimate without constraint, in the contract's currency.", currency=_OF_LINE, own_currency=_OF_CONTRACT
    )
    constrained_amount: Money | None = field(
        "Part included in the price (606-10-32-11), in the contract's currency.",
        currency=_OF_LINE,
        own_currency=_OF_CONTRACT,
    )
    description: Text | None = field("What the uncertainty is.")
    contract_id: Id | None = field("Contract it is about when no line is named.", reference="contract")
    quantity: Qty | None = field("Units the estimate supposes.")


class VariableOutcome(Record):
    """A possible outcome of an estimate; the probabilities of one estimate sum to 100."""

    entity: ClassVar[str] = "variable_outcome"
    outcome_id: Id = key("Identifies the outcome.")
    estimate_id: Id | None = field("Estimate it belongs to.", reference="variable_estimate")
    amount: Money | None = field(
        "Amount if it comes so, in the contract's currency.",
        currency="variable_estimate.contract_line.contract.currency",
        own_currency="variable_estimate.contract.currency",
    )
    probability_pct: Pct | None = field("Probability, percent 0-100.")


class Option(Record):
    """A right of the customer to buy more."""

    entity: ClassVar[str] = "option"
    option_id: Id = key("Identifies the option.")
    contract_id: Id | None = field("Contract that gives it.", reference="contract")
    contract_line_id: Id | None = field("The material right's own line.", reference="contract_line")
    description: Text | None = field("What may be bought.")
    discount_pct: Pct | None = field("Discount it gives, percent.")
    discount_otherwise_pct: Pct | None = field("Discount available without it, percent.")
    exercise_probability: Pct | None = field("Probability of exercise, percent 0-100.")
    quantity: Qty | None = field("Units that may be bought.")
    price: Money | None = field("Price on exercise, in the contract's currency.", currency=_OF_CONTRACT)
    exercised_date: Date | None = field("Day it was exercised.")
    expires_date: Date | None = field("Last day it can be exercised.")
    exercised_line_id: Id | None = field("Line added on exercise.", reference="contract_line")
    start_date: Date | None = field("First day of what is bought.")
    end_date: Date | None = field("Last day of what is bought (inclusive).")
    estimated_cost: Money | None = field(
        "Expected cost of what is bought, in the contract's currency.", currency=_OF_CONTRACT
    )
    exercised_quantity: Qty | None = field("Units exercised.")
    expected_purchase_amount: Money | None = field(
        "Purchases expected under it, in the contract's currency.", currency=_OF_CONTRACT
    )


class PriceTier(Record):
    """A volume tier of a line's price."""

    entity: ClassVar[str] = "price_tier"
    tier_id: Id = key("Identifies the tier.")
    contract_line_id: Id | None = field("Line it prices.", reference="contract_line")
    from_quantity: Qty | None = field("Units above which it holds (exclusive).")
    to_quantity: Qty | None = field("Units up to which it holds (inclusive).")
    unit_price: Price | None = field("Price of one unit in the tier, in the contract's currency.", currency=_OF_LINE)
    is_retrospective: Bool | None = field("Whether it reprices all units from the first.")


class FundingSource(Record):
    """A source of money with a limit that pays for a contract."""

    entity: ClassVar[str] = "funding_source"
    funding_source_id: Id = key("Identifies the source.")
    contract_id: Id | None = field("Contract it funds.", reference="contract")
    name: Text | None = field("Name.")
    limit_amount: Money | None = field("Most it pays, in the record's currency.")
    currency: Text | None = field("Currency of the limit, ISO 4217.")


class FundingRule(Record):
    """How a contract's charges are split over its funding sources."""

    entity: ClassVar[str] = "funding_rule"
    funding_rule_id: Id = key("Identifies the rule.")
    contract_id: Id | None = field("Contract it splits.", reference="contract")
    priority: Int | None = field("Order of use, 1 first.")
    funding_source_id: Id | None = field("Source used.", reference="funding_source")
    split_pct: Pct | None = field("Share of each charge, percent.")


class IncentiveFee(Record):
    """An incentive fee on a cost-plus line."""

    entity: ClassVar[str] = "incentive_fee"
    incentive_fee_id: Id = key("Identifies the fee.")
    contract_line_id: Id | None = field("Line it belongs to.", reference="contract_line")
    target_cost: Money | None = field("Cost at which the target fee is earned, in the record's currency.")
    target_fee: Money | None = field("Fee at target cost, in the record's currency.")
    contractor_share_pct: Pct | None = field("Firm's share of over- and underrun, percent.")
    floor_fee: Money | None = field("Least fee, in the record's currency.")
    ceiling_fee: Money | None = field("Greatest fee, in the record's currency.")
    currency: Text | None = field("Currency of the amounts, ISO 4217.")


class ConsiderationPayable(Record):
    """An amount the firm pays to its customer (606-10-32-25)."""

    entity: ClassVar[str] = "consideration_payable"
    payable_id: Id = key("Identifies the payable.")
    contract_id: Id | None = field("Contract it belongs to.", reference="contract")
    agreed_date: Date | None = field("Day it was promised.")
    paid_date: Date | None = field("Day it was paid.")
    amount: Money | None = field("Amount, in the record's currency.")
    currency: Text | None = field("Currency of the amount, ISO 4217.")
    is_for_distinct_good: Bool | None = field("Whether it pays for a distinct good or service at fair value.")
    description: Text | None = field("What it is for.")


class NoncashValue(Record):
    """Fair value of non-cash consideration as of a day (606-10-32-21)."""

    entity: ClassVar[str] = "noncash_value"
    noncash_value_id: Id = key("Identifies the value.")
    contract_line_id: Id | None = field("Line paid that way.", reference="contract_line")
    as_of_date: Date | None = field("Day of the value.")
    quantity: Qty | None = field("Units received.")
    unit_fair_value: Price | None = field("Fair value of one unit, in the record's currency.")
    currency: Text | None = field("Currency of the value, ISO 4217.")


class OpeningPosition(Record):
    """Where a line stands when Tieout starts."""

    entity: ClassVar[str] = "opening_position"
    contract_line_id: Id = key("Line it is about.", reference="contract_line")
    as_of_date: Date = key("Day of the position.")
    allocated_amount: Money | None = field(
        "Price allocated to the line, without changes still to take effect, in the record's currency."
    )
    recognized_amount: Money | None = field("Revenue recognized so far, in the record's currency.")
    billed_amount: Money | None = field("Invoiced so far, in the record's currency.")
    received_amount: Money | None = field("Received so far, in the record's currency.")
    contract_asset: Money | None = field("Contract asset, in the record's currency.")
    contract_liability: Money | None = field("Contract liability, in the record's currency.")
    cost_asset: Money | None = field("Asset from contract costs, in the record's currency.")
    currency: Text | None = field("Currency of the amounts, ISO 4217.")
    liability_rate: Rate | None = field("Functional currency per 1 contract currency at which the liability is held.")


class Judgement(Record):
    """One entry of the register of accounting judgements."""

    entity: ClassVar[str] = "judgement"
    judgement_id: Id = key("Identifies the judgement.")
    contract_id: Id | None = field("Contract it is about.", reference="contract")
    contract_line_id: Id | None = field("Line it is about.", reference="contract_line")
    amendment_id: Id | None = field("Amendment it is about.", reference="amendment")
    question: (
        Literal[
            "enforceable", "collectible", "distinct", "principal", "over_time", "standalone_selling_price",
            "material_right", "constraint", "other",
        ]
        | None
    ) = field("Question that was judged.")  # fmt: skip
    conclusion: Text | None = field("Answer: yes, no, or the value found.")
    basis: Text | None = field("Reasons and references.")
    prepared_by: Text | None = field("Who prepared it.")
    reviewed_by: Text | None = field("Who reviewed it.")
    decided_on: Date | None = field("Day it was decided.")
