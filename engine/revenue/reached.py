"""Which contracts a change of the revenue policy can reach: those whose settings, treatment or accounts it changes."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.policy.loaded import PolicySet
from engine.revenue.contracts.amendments import amended_lines, counted_amendments
from engine.revenue.contracts.gate import contract_frame
from engine.revenue.contracts.lines import line_frame
from engine.revenue.ground.records import Records, read_records
from engine.revenue.ground.settings import Versions, accounts_frame, revenue_versions
from engine.revenue.recognition.adopted import worlds
from engine.stage import Context, Facts

# The number of a version is no meaning; the rule's name is, since it stands on every row it decides.
_LEFT_OUT: Final = ("version", "evidence")


def revenue_reach(facts: Facts, old: PolicySet, new: PolicySet, context: Context) -> list[str] | None:
    """Return the contracts that the revenue policies of two folders treat differently, sorted; None for every contract.

    A contract is reached when a setting of its version, its own override, the treatment of one of
    its lines or an account of its entries differs; a second book in either folder reaches all.
    """
    before, after = revenue_versions(old), revenue_versions(new)
    if [each.fingerprint for each, _ in before] == [each.fingerprint for each, _ in after]:
        return []
    if not before or not after or any(policy.second_book for _, policy in (*before, *after)):
        return None
    records = read_records(facts, context)
    earlier, later = worlds(before, context.as_of), worlds(after, context.as_of)
    one, other = ([_treated(records, world.versions, context) for world in side] for side in (earlier, later))
    # Changes adopted on other days, or as something else, reach whatever they treat differently from before.
    alike = [(each.day, each.change) for each in earlier] == [(each.day, each.change) for each in later]
    pairs = list(zip(one, other, strict=True)) if alike else [(one[0], each) for each in (*one[1:], *other)]
    found = [_different(left, right, keys) for first, second in pairs for (left, keys), (right, _) in zip(first, second, strict=True)]
    return pl.concat(found)["contract_id"].drop_nulls().unique().sort().to_list()


def decided_reach(old: pl.DataFrame, new: pl.DataFrame) -> list[str] | None:
    """Return the contracts whose revenue can follow from what billing decides differently, sorted; None for every contract.

    `old` and `new`: billing decisions of the same items. Revenue takes from them the rate of work, its currency, and that work
    is never billed; whether it waits or goes out changes no revenue.
    """
    sides = [
        each.filter(pl.col("item_type") == "time_entry").group_by("contract_id", "item_id").agg(
            pl.col("rate", "currency").drop_nulls().first(), pl.col("decision").is_in(["not_billable", "billed_otherwise"]).all()
        )
        for each in (old, new)
    ]  # fmt: skip
    both = sides[0].join(sides[1], on=["contract_id", "item_id"], how="full", coalesce=True, nulls_equal=True, suffix=".new")
    differs = pl.any_horizontal(~pl.col(name).eq_missing(pl.col(f"{name}.new")) for name in ("rate", "currency", "decision"))
    found = both.filter(differs)["contract_id"].unique().sort()
    return None if found.null_count() else found.to_list()


def _treated(records: Records, versions: Versions, context: Context) -> list[tuple[pl.DataFrame, list[str]]]:
    """Return contracts with their settings, lines with their treatment and accounts by role, each with its keys."""
    contracts = contract_frame(records, versions, context.as_of)
    amended = amended_lines(records, counted_amendments(records, contracts, context.as_of))
    lines = line_frame(records, contracts, amended, versions, context.as_of)
    accounts = accounts_frame(contracts, versions)
    return [(contracts, ["contract_id"]), (lines, ["contract_id", "contract_line_id"]), (accounts, ["contract_id", "account_role"])]


def _different(one: pl.DataFrame, other: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    names = [name for name in one.columns if name in other.columns and name not in (*keys, *_LEFT_OUT)]
    both = one.select(*keys, *names).join(other.select(*keys, *names), on=keys, how="full", coalesce=True, nulls_equal=True, suffix=".new")
    differs = pl.any_horizontal(~pl.col(name).eq_missing(pl.col(f"{name}.new")) for name in names)
    return both.filter(differs).select("contract_id")
