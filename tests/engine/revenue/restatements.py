"""Other ways to tell a scenario: in parts, again, of nobody, beside other contracts, with every line as two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import polars as pl

from engine.canonical.schema import entity_spec
from engine.policy.testing import PolicyTest

TWIN: Final = "@2|reversed, \"'\\{}日\n~"
"""What is added to an id to make another of it: an id may hold any letter."""

Given = dict[str, pl.DataFrame]

_IN_HALVES: Final = {
    "time_entry": "hours", "expense": "amount", "payment": "amount", "contract_cost": "amount", "billing_plan_line": "amount"
}  # fmt: skip
_OBSERVED: Final = ("progress", "variable_estimate")
_APPROVED: Final = ("time_entry", "expense", "amendment")
_SHARED: Final = ("source_id", "tax_id")

_OF_CONTRACTS: Final = {
    "contract": ("total_value", "ceiling_amount", "exit_penalty", "cap_amount"), "invoice": ("net_amount", "tax_amount", "gross_amount"),
    "amendment": ("amount_change", "total_after"),
}  # fmt: skip
"""Amounts that are of all lines of a contract."""

_OF_ALL_LINES: Final = (
    "contract_id", "customer_id", "invoice_id", "amendment_id", "resource_id", "vendor_id", "opportunity_id", "combined_with_contract_id",
    "bill_id", "corrects_invoice_id", "replaces_invoice_id", "parent_customer_id", "billed_invoice_id", "source_document_id",
)  # fmt: skip

_NOT_BY_LINE: Final = frozenset({"assignment", "funding_source", "funding_rule", "rate", "journal_line", "bill"})
"""What cannot be told line by line."""


def in_halves(given: Given) -> Given:
    """Return the records with all that adds up told in two parts of whole cents, or of hundredths of hours."""
    return {name: _split(name, frame) if name in _IN_HALVES else frame for name, frame in given.items()}


def _split(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    amount = pl.col(_IN_HALVES[name])
    part = (amount / 2).round(2, mode="half_away_from_zero").cast(frame.schema[_IN_HALVES[name]])
    others = pl.when(amount.is_not_null() & (amount != part)).then(amount - part)
    return pl.concat((frame.with_columns(part), _twins(name, frame.with_columns(others).filter(amount.is_not_null() & (amount != 0)))))


def observed_twice(given: Given) -> Given:
    """Return the records with every report and estimate told once more under another name."""
    return {name: pl.concat((frame, _twins(name, frame))) if name in _OBSERVED else frame for name, frame in given.items()}


def with_rejected_twins(given: Given) -> Given:
    """Return the records with work, expenses and amendments that were told twice, and once rejected."""
    rejected = pl.lit("rejected").alias("status")
    told = [name for name in given if name in _APPROVED]
    twins = {name: _twins(name, given[name]).with_columns(rejected, *_undecided(given[name])) for name in told}
    if "amendment" in twins and "amendment_line" in given:
        twins["amendment_line"] = _twins("amendment_line", given["amendment_line"]).with_columns(pl.col("amendment_id") + TWIN)
    return {name: pl.concat((frame, twins[name])) if name in twins else frame for name, frame in given.items()}


def _undecided(frame: pl.DataFrame) -> list[pl.Expr]:
    approval = [name for name in ("approved_at", "approved_by", "approved_date") if name in frame.columns]
    return [pl.lit(None, dtype=frame.schema[name]).alias(name) for name in approval]


def _twins(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(entity_spec(name).keys[0]) + TWIN)


RESTATED: Final[dict[str, Callable[[Given], Given]]] = {
    "in_halves": in_halves, "observed_twice": observed_twice, "with_rejected_twins": with_rejected_twins,
}  # fmt: skip
"""Ways to tell the same records of the same contracts."""


def beside_itself(test: PolicyTest) -> PolicyTest:
    """Return the scenario with other contracts beside its own, which are these under other names."""
    names = {value for frame in test.given.values() for each in _own_names(frame) for value in frame[each].drop_nulls()}
    given = {name: pl.concat((frame, _under_other_names(frame))) if _is_own(name, frame) else frame for name, frame in test.given.items()}
    return replace(test, given=given, policies=_with_twins(test.policies, names))


def _is_own(name: str, frame: pl.DataFrame) -> bool:
    return any(key in _own_names(frame) for key in entity_spec(name).keys)


def _own_names(frame: pl.DataFrame) -> list[str]:
    own = [each for each in frame.columns if each.endswith(("_id", "obligation_key"))]
    return [each for each in own if "legal_entity" not in each and each not in _SHARED]


def _under_other_names(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(_own_names(frame)) + TWIN)


def _with_twins(setting: Any, names: set[str]) -> Any:
    """Return a setting that says of the twins what it says of each name: under a name's key, or in an item of a list."""
    if isinstance(setting, list):
        twins = (_renamed(each, names) for each in setting)
        return [*setting, *(twin for each, twin in zip(setting, twins, strict=True) if twin != each)]
    if not isinstance(setting, dict):
        return setting
    inner = {key: _with_twins(value, names) for key, value in setting.items()}
    return inner | {f"{key}{TWIN}": value for key, value in inner.items() if key in names}


def _renamed(setting: Any, names: set[str]) -> Any:
    if isinstance(setting, list):
        return [_renamed(each, names) for each in setting]
    if isinstance(setting, dict):
        return {key: _renamed(value, names) for key, value in setting.items()}
    return f"{setting}{TWIN}" if setting in names else setting


def in_twice_the_lines(test: PolicyTest) -> PolicyTest | None:
    """Return the scenario with two lines of the same promise where it has one, each as it was: twice the contract.

    None where what it tells cannot be told line by line.
    """
    if _NOT_BY_LINE & test.given.keys() or ("option" in test.given and test.given["option"]["contract_line_id"].null_count()):
        return None
    names = {value for frame in test.given.values() for each in _names_by_line(frame) for value in frame[each].drop_nulls()}
    given = {name: _of_two_lines(name, frame, dict(test.given)) for name, frame in test.given.items()}
    return replace(test, given=given, policies=_with_twins(test.policies, names))


def _names_by_line(frame: pl.DataFrame) -> list[str]:
    return [each for each in _own_names(frame) if each not in _OF_ALL_LINES and each != "obligation_key"]


def _of_two_lines(name: str, frame: pl.DataFrame, given: Given) -> pl.DataFrame:
    if name in _OF_CONTRACTS:
        return _doubled(frame, *_OF_CONTRACTS[name])
    by_line = _names_by_line(frame)
    if not any(key in by_line for key in entity_spec(name).keys):
        return frame
    if name in ("contract_line", "amendment_line"):
        # An added line's promise is told by the amendment.
        own = pl.coalesce("obligation_key", "contract_line_id")
        key = own if name == "contract_line" else pl.when(pl.col("action") == "add").then(own).otherwise("obligation_key")
        frame = frame.with_columns(key.alias("obligation_key"))
    # What is expected of the whole contract is not said twice but expected to be twice as much.
    whole = pl.lit(value=False)
    if name in ("variable_estimate", "variable_outcome"):
        of_contract = given["variable_estimate"].filter(pl.col("contract_line_id").is_null())["estimate_id"]
        whole = pl.col("estimate_id").is_in(of_contract.implode())
    lines = frame.filter(~whole)
    amounts = [each for each in ("amount", "constrained_amount") if each in frame.columns]
    return pl.concat((lines, lines.with_columns(pl.col(by_line) + TWIN), _doubled(frame.filter(whole), *amounts)))


def _doubled(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    return frame.with_columns((pl.col(name) * 2).cast(frame.schema[name]) for name in names)
