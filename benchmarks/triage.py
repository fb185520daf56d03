"""Triage of 20,000 findings: `python -m benchmarks.triage` prints the seconds it takes."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal
from pathlib import Path

import polars as pl

from adapters.policy_folder import SHIPPED, require_policies
from engine.findings import FINDING_SCHEMA, finish_findings
from engine.stage import Context, Facts
from engine.triage import decide_triage

COUNT = 20_000
TIMES = 3
AS_OF = dt.date(2026, 10, 31)

KINDS = (
    "missed_amendment", "schedule_differs", "schedule_differs_from_policy", "not_billed", "value_drift", "invoice_not_posted",
    "invoice_revenue_not_in_ledger", "billed_twice", "over_cap", "rate_below_card",
)  # fmt: skip


def findings(count: int) -> pl.DataFrame:
    """Return findings of many contracts and kinds, about a tenth of them causes of others."""
    rows = [
        {"stage": "revenue", "kind": KINDS[n % 10], "rule": KINDS[n % 10], "severity": "high", "entity": "thing", "entity_id": f"X{n}",
         "related_entity": "invoice", "related_id": f"INV-{n // 10}", "contract_id": f"CON-{n % 2_500}", "period": f"2026-{n % 9 + 1:02}",
         "systems": [("psa", "erp", "billing")[n % 3]], "amount_at_risk": Decimal(n % 997), "currency": "EUR",
         "since": AS_OF - dt.timedelta(days=n % 90), "message": "m", "evidence": [f"file{n % 7}.csv:{n}"]}
        for n in range(count)
    ]  # fmt: skip
    return finish_findings(pl.DataFrame(rows, schema=FINDING_SCHEMA))


def main() -> None:
    """Triage them several times and print a table."""
    policies = require_policies(Path(SHIPPED))
    facts = Facts({"findings": findings(COUNT).lazy()}, {}, AS_OF)
    clocks, processors = [], []
    causes = 0
    for _ in range(TIMES):
        started, used = time.perf_counter(), time.process_time()
        causes = decide_triage(facts, policies, Context(AS_OF)).frames["causes"].collect().height
        clocks.append(time.perf_counter() - started)
        processors.append(time.process_time() - used)
    print(f"| least of {TIMES} | clock | processor |\n|---|---|---|")
    print(f"| {COUNT:,} findings to {causes:,} causes | {min(clocks):.2f} s | {min(processors):.2f} s |")


if __name__ == "__main__":
    main()
