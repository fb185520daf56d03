"""Who may do what: people with their roles, and what they see."""

from __future__ import annotations

from typing import Literal

import pydantic

from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, Strict, Words, refuse_where
from engine.policy.sheets import Sheet
from engine.policy.source import Document

Role = Literal["viewer", "project_manager", "preparer", "approver", "admin"]


class Grant(Strict):
    """Give a person, named as the identity provider names them, roles."""

    person: str = pydantic.Field(min_length=1)
    roles: tuple[Role, ...] = pydantic.Field(min_length=1)


class AccessPolicy(PolicyFile):
    """Who has which roles; a person who is not listed and signs in has those of `everyone`."""

    policy: Literal["access"]
    people: tuple[Grant, ...] = ()
    everyone: Words = ()

    @pydantic.field_validator("everyone")
    @classmethod
    def _only_looks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if set(value) - {"viewer"}:
            raise ValueError("everyone may at most be a viewer; name the people who do more")
        return value

    def roles_of(self, person: str) -> frozenset[str]:
        """Return a person's roles, however the name is capitalized; those of everyone when it is not listed."""
        wanted = person.strip().casefold()
        granted = [set(each.roles) for each in self.people if each.person.strip().casefold() == wanted]
        return frozenset().union(*granted) if granted else frozenset(self.everyone)


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
    return found
