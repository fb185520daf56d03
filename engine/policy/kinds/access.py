"""Who may do what: people with their roles, and what they see."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

import pydantic

from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, Strict, Words, refuse_where
from engine.policy.sheets import Sheet
from engine.policy.source import Document

Role = Literal["viewer", "project_manager", "preparer", "approver", "admin"]


class Grant(Strict):
    """Give a person, named as the identity provider names them, roles and what they see.

    `legal_entities`: only these; without it, all. `projects`: `own` are those the person manages, by the
    name `manages_as` that projects give their manager. Who is a project manager alone sees their own.
    """

    person: str = pydantic.Field(min_length=1)
    roles: tuple[Role, ...] = pydantic.Field(min_length=1)
    legal_entities: Words | None = None
    projects: Literal["all", "own"] | None = None
    manages_as: str | None = None

    @property
    def sees_own_projects(self) -> bool:
        """Say whether the person sees their own projects alone."""
        if self.projects is not None:
            return self.projects == "own"
        return set(self.roles) <= {"viewer", "project_manager"} and "project_manager" in self.roles


class PolicyApproval(Strict):
    """Say which role approves changes of policies that move no more than so much money in any one currency; None: any amount."""

    role: Role
    up_to: Decimal | None = None


KEY_PREFIX: Final = "ed25519:"
"""What a public key begins with."""


class TrustedKey(Strict):
    """Name whose public key (`ed25519:…`) bundles of policies may be signed with."""

    name: str = pydantic.Field(min_length=1)
    key: str = pydantic.Field(pattern=r"^ed25519:[A-Za-z0-9+/]{43}=$")


class AccessPolicy(PolicyFile):
    """Who has which roles; a person who is not listed and signs in has those of `everyone`."""

    policy: Literal["access"]
    people: tuple[Grant, ...] = ()
    everyone: Words = ()
    policy_approvals: tuple[PolicyApproval, ...] = (PolicyApproval(role="approver"),)
    """Who approves changes of policies, the first that suffices; money that nobody told takes the last."""
    cost_rates: tuple[Role, ...] = ("preparer", "approver", "admin")
    """Roles that see what people cost."""
    trusted_keys: tuple[TrustedKey, ...] = ()
    """Whose bundles of policies are used on this machine."""

    @pydantic.field_validator("everyone")
    @classmethod
    def _only_looks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if set(value) - {"viewer"}:
            raise ValueError("everyone may at most be a viewer; name the people who do more")
        return value

    def policy_approver(self, moved: Decimal | None) -> str:
        """Return the role that approves a change of policies which moves so much money."""
        sufficient = [each.role for each in self.policy_approvals if moved is not None and (each.up_to is None or moved <= each.up_to)]
        return (sufficient or [each.role for each in self.policy_approvals[-1:]] or ["approver"])[0]

    def roles_of(self, person: str) -> frozenset[str]:
        """Return a person's roles, however the name is capitalized; those of everyone when it is not listed."""
        grant = self.grant_of(person)
        return frozenset(self.everyone) if grant is None else frozenset(grant.roles)

    def grant_of(self, person: str) -> Grant | None:
        """Return a person's line, however the name is capitalized; None when it is not listed."""
        wanted = person.strip().casefold()
        return next((each for each in self.people if each.person.strip().casefold() == wanted), None)


def check_access(policy: AccessPolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check an access policy: it holds for the whole run, and names each person once."""
    found = refuse_where(policy, document)
    seen: set[str] = set()
    for place, grant in enumerate(policy.people):
        name = grant.person.strip().casefold()
        if name in seen:
            message = f"'{grant.person}' is listed twice; give one line all the roles"
            found.append(document.diagnostic(codes.INVALID_VALUE, ("people", place, "person"), message))
        seen.add(name)
        if grant.legal_entities is not None and not grant.legal_entities:
            message = f"'{grant.person}' would see no legal entity; leave the setting out for all"
            found.append(document.diagnostic(codes.INVALID_VALUE, ("people", place, "legal_entities"), message))
    return found
