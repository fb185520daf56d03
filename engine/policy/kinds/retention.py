"""How long runs, cases and evidence are kept."""

from __future__ import annotations

from typing import Literal

import pydantic

from engine.diagnostics import Diagnostic
from engine.policy.kinds.base import PolicyFile, Strict, refuse_where
from engine.policy.sheets import Sheet
from engine.policy.source import Document


class Keep(Strict):
    """Say for how many days something is kept."""

    days: int = pydantic.Field(ge=1)


class RetentionPolicy(PolicyFile):
    """How long things are kept, in days up to the latest run's business date; without a setting, for ever.

    `runs`: results, from the run's business date; a run under a close or a hold stays, and so do the latest
    `latest_runs`. `cases`: those that are settled or resolved, from that day. `evidence`: the files of the
    snapshots, once no run that is kept was made from them.
    """

    policy: Literal["retention"]
    runs: Keep | None = None
    cases: Keep | None = None
    evidence: Keep | None = None
    latest_runs: int = pydantic.Field(default=10, ge=1)


def check_retention(policy: RetentionPolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check a retention policy: it holds for all runs."""
    return refuse_where(policy, document)
