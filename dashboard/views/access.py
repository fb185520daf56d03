"""Who looks, in which roles: the user of this computer, who only says so, or a signed-in person of the access policy."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from adapters.store.audit import Actor
from dashboard.views.policies import load_policies
from engine.policy.kinds.access import AccessPolicy

ROLES: Final = ("viewer", "project_manager", "preparer", "approver", "admin")


@dataclass(frozen=True, slots=True)
class Person:
    """A person before the dashboard, with roles."""

    name: str
    is_signed_in: bool
    roles: frozenset[str] = field(default_factory=frozenset)

    @property
    def told(self) -> str:
        """Return how the identity is known, and the roles."""
        known = "signed in" if self.is_signed_in else "not signed in, as this computer says"
        return f"{known} · {', '.join(each for each in ROLES if each in self.roles).replace('_', ' ') or 'no role'}"

    def actor(self) -> Actor:
        """Return who acts, for the store and its audit log."""
        return Actor(self.name, "signed_in" if self.is_signed_in else "asserted", self.roles)


def who(policies: Path, signed_in: str | None) -> Person:
    """Return the person: alone at this computer every role, but no approval counts; signed in, the roles of the access policy.

    Raises PolicyError when the policies have mistakes: nobody gets a role by one.
    """
    if signed_in is None:
        return Person(getpass.getuser(), is_signed_in=False, roles=frozenset(ROLES))
    found = load_policies(policies).of_kind(AccessPolicy)
    roles = found[-1][1].roles_of(signed_in) if found else frozenset[str]()
    return Person(signed_in, is_signed_in=True, roles=roles)
