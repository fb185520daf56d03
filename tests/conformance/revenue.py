"""Run the published revenue cases and our own scenarios: `python -m tests.conformance.revenue [--update]`.

Prints what passed and failed by topic and exits 1 when anything failed. With `--update` the table of
published cases in docs/revenue.md is written anew.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from adapters.policy_folder import SHIPPED
from adapters.policy_tests import TestOutcome, outcomes_of

ROOT: Final = Path(__file__).parents[2]
OWN: Final = ROOT / "tests" / "cases" / "revenue"
SHARED: Final = Path(os.environ.get("TIEOUT_SHARED", ROOT.parent / "shared")) / "revenue" / "scenarios"
PAGE: Final = ROOT / "docs" / "revenue.md"
BEGIN, END = "<!-- published cases: begin -->", "<!-- published cases: end -->"

TOPICS: Final = {
    "ALLOC": "Allocation", "BRK": "Breakage", "COLL": "Contract gate", "CONV": "Time conventions and rounding", "COST": "Contract costs",
    "DISC": "Disclosures", "FEE": "Upfront fees", "FIN": "Financing", "FX": "Currency", "LATE": "Late facts", "LIC": "Licences",
    "LOSS": "Losses", "MOD": "Modifications", "MR": "Material rights", "PA": "Principal or agent", "PRES": "Presentation",
    "PROG": "Progress", "REPO": "Repurchase", "TM": "Time and materials", "VC": "Variable consideration",
}  # fmt: skip


def published() -> list[Path]:
    """Return the files of the published cases, when they are at hand."""
    return sorted(SHARED.glob("*.yaml")) if SHARED.is_dir() else []


def topic_of(outcome: TestOutcome) -> str:
    """Return the topic of a case: by the beginning of a published case's id, else the name of our file."""
    stem = Path(outcome.file).stem
    return TOPICS.get(stem.partition("-")[0], f"own: {stem.replace('-', ' ')}")


def by_topic(outcomes: Iterable[TestOutcome]) -> dict[str, tuple[int, int]]:
    """Return by topic how many cases passed, of how many."""
    found: dict[str, tuple[int, int]] = {}
    for each in outcomes:
        passed, total = found.get(topic_of(each), (0, 0))
        found[topic_of(each)] = (passed + each.passed, total + 1)
    return dict(sorted(found.items(), key=lambda item: (item[0].startswith("own"), item[0])))


def table(outcomes: Iterable[TestOutcome]) -> str:
    """Return the table of published cases for docs/revenue.md."""
    lines = ["| case | topic | what it shows | result |", "|---|---|---|---|"]
    lines += [
        f"| {Path(each.file).stem} | {topic_of(each)} | {each.name.replace('|', '/')} | {'pass' if each.passed else '**fail**'} |"
        for each in outcomes
    ]
    return "\n".join(lines)


def update_page(outcomes: list[TestOutcome]) -> None:
    """Write the table of published cases into docs/revenue.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{table(outcomes)}\n{END}{after}", encoding="utf-8")


def main() -> int:
    """Run everything; return the exit code."""
    shared, own = published(), sorted(OWN.glob("*.yaml"))
    found = outcomes_of([*shared, *own], SHIPPED)
    cases = [outcome for each in found[: len(shared)] for outcome in each]
    outcomes = [outcome for each in found for outcome in each]
    for each in outcomes:
        for difference in each.differences:
            print(f"{each.file}:{difference.line}: {each.name}\n  expected  {difference.expected}\n  actual    {difference.actual}")
        if each.is_broken:
            print(f"{each.file}: {each.name}: {each.failure or 'cannot be run'}")
    for topic, (passed, total) in by_topic(outcomes).items():
        print(f"{topic:<40} {passed:>3} of {total:>3}")
    if not shared:
        print(f"The published cases are not at {SHARED} (set TIEOUT_SHARED); only our own scenarios ran.")
    elif "--update" in sys.argv:
        update_page(cases)
    passed = sum(each.passed for each in outcomes)
    print(f"{passed} passed, {len(outcomes) - passed} failed")
    return 0 if passed == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
