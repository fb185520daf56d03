"""What a change of policies does to the books: both folders decided over the same facts, as far as the change reaches."""

from __future__ import annotations

from engine.impact.both import Decided, Sided, decide_both, decide_whole
from engine.impact.measures import Impact, impact_rows, measure_impact
from engine.impact.reach import Reach, reach_of
from engine.impact.weigh import RuleWeight, weigh_rules

__all__ = [
    "Decided",
    "Impact",
    "Reach",
    "RuleWeight",
    "Sided",
    "decide_both",
    "decide_whole",
    "impact_rows",
    "measure_impact",
    "reach_of",
    "weigh_rules",
]
