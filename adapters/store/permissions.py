"""Who may do what, asked where it is written: by role, and by what a person sees."""

from __future__ import annotations

from typing import Final

from adapters.store.audit import Actor
from adapters.store.tables import Case
from engine.errors import UsageError

ROLES: Final = ("viewer", "project_manager", "preparer", "approver", "admin")

_WORKERS: Final = frozenset({"project_manager", "preparer", "approver", "admin"})
_SETTLERS: Final = frozenset({"preparer", "approver", "admin"})
_DECIDERS: Final = frozenset({"approver", "admin"})

PERMITTED: Final = {
    "assign": _WORKERS, "comment": _WORKERS, "give a reason": _WORKERS, "snooze": _SETTLERS, "waive": _SETTLERS, "write off": _SETTLERS,
    "reopen": _SETTLERS, "decide": _DECIDERS, "ask for a release": _SETTLERS, "release a remedy": _DECIDERS, "start a close": _SETTLERS,
    "sign a close": _SETTLERS, "lock a close": _SETTLERS, "reopen a close": _DECIDERS, "change a policy": frozenset({"preparer", "admin"}),
    "run again": _SETTLERS, "share a view": _WORKERS, "purge": frozenset({"admin"}), "place a hold": _SETTLERS,
    "release a hold": _DECIDERS, "attach a file": _WORKERS, "attest an estimate": _WORKERS, "decide a match": _SETTLERS,
}  # fmt: skip
"""By act, the roles that may do it."""

# What is of the whole firm is not for who sees a part of it.
_OF_THE_FIRM: Final = frozenset(
    {"start a close", "sign a close", "lock a close", "reopen a close", "change a policy", "run again", "purge", "ask for a release",
     "release a remedy", "place a hold", "release a hold", "decide a match"}
)  # fmt: skip


def may(actor: Actor, act: str) -> bool:
    """Say whether a person may do an act."""
    return bool(actor.roles & PERMITTED[act]) and (act not in _OF_THE_FIRM or actor.sight.is_whole)


def require(actor: Actor, act: str, case: Case | None = None) -> None:
    """Raise UsageError when a person may not do an act, or not to this case, which they do not see."""
    if not actor.roles & PERMITTED[act]:
        roles = " or ".join(sorted(PERMITTED[act])).replace("_", " ")
        raise UsageError(f"{actor.name} may not {act}.", f"That takes the role {roles} (policies/access.yaml).")
    if act in _OF_THE_FIRM and not actor.sight.is_whole:
        raise UsageError(f"{actor.name} may not {act}: it is of the whole firm.", "Ask somebody who sees all of it.")
    if case is not None:
        require_seen(actor, case)


def require_seen(actor: Actor, case: Case) -> None:
    """Raise UsageError, as for a case that is not there, when a person does not see it."""
    is_seen = actor.sight.sees(case.legal_entity_id, case.project_id) and (actor.sight.cost_rates or not case.shows_cost)
    if not is_seen:
        raise UsageError(f"There is no case {case.case_id[:8]}.", "`tieout case list` shows the cases.")
