"""What policies may speak of beside the canonical entities: the outputs of earlier stages, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.canonical.base import Record
from engine.canonical.kinds import FieldSpec, Kind
from engine.canonical.schema import ENTITIES, EntitySpec

_REFERENCES: Final = {
    "contract_id": "contract", "contract_line_id": "contract_line", "project_id": "project", "time_entry_id": "time_entry",
    "legal_entity_id": "legal_entity", "account": "account", "cost_id": "contract_cost",
}  # fmt: skip


def _fields(kinds: Mapping[str, Kind], keys: tuple[str, ...]) -> dict[str, FieldSpec]:
    currency = "currency" if "currency" in kinds else None
    return {
        name: FieldSpec(
            name, kind, "", is_key=name in keys, reference=_REFERENCES.get(name), currency=currency if kind is Kind.MONEY else None
        )
        for name, kind in kinds.items()
    }


def _output(name: str, meaning: str, keys: tuple[str, ...], texts: str, amounts: str, **others: Kind) -> EntitySpec:
    kinds = {each: Kind.ID if each.endswith("_id") or each == "account" else Kind.TEXT for each in texts.split()}
    kinds |= dict.fromkeys(amounts.split(), Kind.MONEY) | others
    return EntitySpec(name, meaning, Record, _fields(kinds, keys), keys)


OUTPUTS: Final[Mapping[str, EntitySpec]] = {
    each.name: each
    for each in (
        _output(
            "billing_decisions", "What may be billed of an item, and what was.", ("item_type", "item_id"),
            "item_type item_id contract_id contract_line_id project_id decision currency rule reason",
            "amount amount_billed amount_unbilled", quantity=Kind.QTY, rate=Kind.PRICE, earliest_bill_date=Kind.DATE, period=Kind.PERIOD,
        ),
        _output(
            "revenue_schedule", "Revenue of an obligation in a period.",
            ("obligation_id", "contract_line_id", "period", "relates_to_period"),
            "contract_id contract_line_id obligation_id nature basis currency rule",
            "planned_amount recognized_amount catch_up_amount functional_amount", period=Kind.PERIOD, relates_to_period=Kind.PERIOD,
        ),
        _output(
            "contract_balances", "Where a contract stands at the end of a period.", ("contract_id", "period"), "contract_id currency",
            "billed received recognized contract_asset contract_liability invoiced_not_unconditional receivable unbilled_receivable "
            "refund_liability deposit_liability loss_provision interest fx_difference remaining_obligation functional_contract_asset "
            "functional_contract_liability functional_receivable functional_received", period=Kind.PERIOD,
        ),
        _output(
            "contract_costs", "A cost asset in a period.", ("cost_id", "period"), "cost_id contract_id currency rule",
            "opening capitalized amortized impaired expensed reversed closing", period=Kind.PERIOD,
        ),
        _output(
            "time_revenue", "Revenue of a time entry.", ("time_entry_id", "period"), "time_entry_id contract_line_id currency rule",
            "recognized_amount", period=Kind.PERIOD, hours=Kind.HOURS,
        ),
        _output(
            "journal", "A line of a proposed entry.", ("journal_id", "line"),
            "journal_id line legal_entity_id account account_role currency contract_id contract_line_id reason rule",
            "debit credit functional_debit functional_credit", posting_date=Kind.DATE, period=Kind.PERIOD,
        ),
    )
}  # fmt: skip
"""The outputs a policy may read, by name."""

READABLE: Final[Mapping[str, EntitySpec]] = {**ENTITIES, **OUTPUTS}
"""Everything a side of a reconciliation or a check may be of."""
