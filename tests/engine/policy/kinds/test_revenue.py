"""Revenue policies: settings have names and limits, and overrides are checked like the settings."""

from __future__ import annotations

import pytest

from engine.diagnostics import Diagnostic
from engine.policy.kinds.revenue import RevenuePolicy
from engine.policy.kinds.revenue_settings import RevenueSettings, setting_types
from engine.policy.load import load_policies
from engine.policy.source import SourceText

POLICY = """policy: revenue
id: rev-x
title: Treatment
owner: controller
effective_from: 1900-01-01
reference: AM 4
inputs: [offering]
outputs: {timing: [over_time, point_in_time], measure: [hours, units], convention: text}
rules: |
  | rule | offering | -> timing | -> measure | -> convention |
  |------|----------|-----------|------------|---------------|
  | R-1  | goods    | over_time | hours      | null          |
"""


def load(tail: str = "") -> tuple[RevenuePolicy | None, list[Diagnostic]]:
    policies, found = load_policies([SourceText("revenue/x.yaml", POLICY + tail)])
    return next((policy for _, policy in policies.of_kind(RevenuePolicy)), None), [each for each in found if each.is_error]


def test_a_policy_without_settings_has_the_defaults() -> None:
    policy, found = load()
    assert policy is not None and not found
    assert policy.settings.flat()["rounding.mode"] == "half_up"
    assert set(policy.settings.flat()) == set(setting_types())


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ("settings: {rounding: {mode: bankers}}\n", "mode"),
        ("settings: {rouding: {mode: half_up}}\n", "rounding"),
        ("settings: {standard: ifrs, fx: {advance_rate: invoice_date}}\n", "IFRIC 22"),
        ("settings: {allocation: {discount: 'bundle(A,B)'}}\n", "bundle_price"),
        ("accounts: {revenu: '4000'}\n", "revenue"),
        ("assign: {C1: {settings: {rounding: {mode: up}}}}\n", "rounding.mode"),
        ("assign: {L1: {measure: miles}}\n", "measure"),
    ],
)
def test_a_mistake_is_told_with_its_place(tail: str, message: str) -> None:
    _, found = load(tail)
    assert found and any(message in each.message for each in found)


def test_an_override_changes_only_what_it_names() -> None:
    policy, found = load("settings: {standard: ifrs}\nassign: {C1: {settings: {loss: {cost_basis: incremental}}}}\n")
    assert policy is not None and not found
    settings: RevenueSettings = policy.settings_of("C1")
    assert (settings.standard, settings.loss.cost_basis, settings.loss.unit) == ("ifrs", "incremental", "contract")
