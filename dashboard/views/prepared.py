"""The sums of a run that pages show, made before anyone visits."""

from __future__ import annotations

from dashboard.views.projects import projects
from dashboard.views.revenue import closing_balances, waterfall
from dashboard.views.workspace import RunEntry


def prepare(run: RunEntry) -> None:
    """Make the sums of a run that no visit has asked for yet."""
    for make in (projects, waterfall, closing_balances):
        make(run)
