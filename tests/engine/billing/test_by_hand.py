"""The stage decides what a script written by hand for one firm decides, row by row and to the cent."""

from __future__ import annotations

from benchmarks.billing import AS_OF, COMPARED, by_hand, facts, shipped
from engine.billing import decide_billing
from engine.policy.loaded import PolicySet
from engine.stage import Context


def test_the_stage_agrees_with_a_script_by_hand() -> None:
    given, policies = facts(20_000), shipped()
    only = PolicySet(tuple(each for each in policies.policies if each.policy.id == "bill-time"), policies.fingerprint)
    made = decide_billing(given, only, Context(AS_OF)).frames["billing_decisions"].collect()
    assert made.height > 20_000, "some entries are split at a cap"
    assert set(made["decision"]) >= {"billed", "billable", "on_hold", "not_billable", "billed_otherwise"}
    assert made.select(COMPARED).equals(by_hand(given).select(COMPARED))
