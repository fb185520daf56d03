"""Who looks, in which roles and at what: the user of this computer, who only says so, or a signed-in person of the access policy."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.sight import EVERYTHING, Sight, access_policy, sight_of
from adapters.store.audit import Actor, now
from adapters.store.permissions import ROLES
from dashboard.views.policies import load_policies
from engine.policy.kinds.access import AccessPolicy


@dataclass(frozen=True, slots=True)
class Person:
    """A person before the dashboard, with roles and what they see."""

    name: str
    is_signed_in: bool
    roles: frozenset[str] = field(default_factory=frozenset)
    sight: Sight = EVERYTHING

    @property
    def told(self) -> str:
        """Return how the identity is known, the roles, and what is seen where it is not all."""
        known = "signed in" if self.is_signed_in else "not signed in, as this computer says"
        parts = [known, ", ".join(each for each in ROLES if each in self.roles).replace("_", " ") or "no role"]
        if self.sight.legal_entities is not None:
            parts.append("sees " + ", ".join(sorted(self.sight.legal_entities)))
        if self.sight.projects is not None:
            parts.append(f"sees own projects ({len(self.sight.projects)})")
        return " · ".join(parts)

    def actor(self) -> Actor:
        """Return who acts, for the store and its audit log."""
        return Actor(self.name, "signed_in" if self.is_signed_in else "asserted", self.roles, self.sight)


def who(policies: Path, signed_in: str | None) -> Person:
    """Return the person: alone at this computer every role, but no approval counts; signed in, the roles of the access policy.

    What a person sees depends on a run (`looking_at`); until then nobody sees a project of their own.
    Raises PolicyError when the policies have mistakes: nobody gets a role by one.
    """
    if signed_in is None:
        return Person(getpass.getuser(), is_signed_in=False, roles=frozenset(ROLES))
    policy = _policy(policies)
    roles = frozenset[str]() if policy is None else policy.roles_of(signed_in)
    return Person(signed_in, is_signed_in=True, roles=roles, sight=sight_of(policy, signed_in, roles, None))


def looking_at(policies: Path, person: Person, run_dir: Path, latest: Path | None = None) -> Person:
    """Return a person with what they see of a run; who sits at the computer has its files, and sees all.

    Own projects are those that are still theirs in the firm's `latest` run, where that is another one: cases are of today.
    """
    if not person.is_signed_in:
        return person
    policy = _policy(policies)
    sight = sight_of(policy, person.name, person.roles, run_dir)
    if sight.projects is not None and latest is not None and latest != run_dir:
        today = sight_of(policy, person.name, person.roles, latest).projects
        sight = sight if today is None else replace(sight, projects=sight.projects & today)
    return replace(person, sight=sight)


def _policy(policies: Path) -> AccessPolicy | None:
    return access_policy(load_policies(policies), now().date())
