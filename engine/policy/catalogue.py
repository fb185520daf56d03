"""The one catalogue of diagnostic codes, and its page."""

from __future__ import annotations

from typing import Final

from engine.condition import CODES as CONDITION_CODES
from engine.decision import CODES as TABLE_CODES
from engine.diagnostics import Code
from engine.policy import codes
from engine.policy.kinds import billing_codes

CATALOGUE: Final[dict[str, Code]] = {code.name: code for code in (*codes.CODES, *billing_codes.CODES, *CONDITION_CODES, *TABLE_CODES)}
"""Every diagnostic code by name."""


def diagnostics_document() -> str:
    """Return docs/diagnostics.md: every code with its level, meaning and remedy."""
    lines = [
        "# Diagnostics",
        "",
        "What `tieout policy check` can say about a policy folder. Generated from the catalogue; do not edit.",
        "",
        "| code | level | what it means | what to do |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{code.name}` | {code.level} | {code.meaning} | {code.remedy} |" for code in CATALOGUE.values()]
    return "\n".join(lines) + "\n"
