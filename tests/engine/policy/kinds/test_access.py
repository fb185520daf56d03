"""Who has which roles, and what an access policy may not say."""

from __future__ import annotations

import pytest

from engine.policy.kinds.access import AccessPolicy
from engine.policy.load import load_policies
from engine.policy.source import SourceText

HEAD = "policy: access\nid: access\ntitle: Who\nowner: controller\neffective_from: 1900-01-01\n"


def loaded(text: str) -> tuple[AccessPolicy | None, list[str]]:
    policies, diagnostics = load_policies([SourceText("access.yaml", HEAD + text)], [])
    found = policies.of_kind(AccessPolicy)
    return (found[0][1] if found else None), [f"{each.span.line}: {each.message}" for each in diagnostics if each.is_error]


def test_a_person_has_the_roles_of_their_line_and_others_those_of_everyone() -> None:
    policy, errors = loaded("everyone: [viewer]\npeople:\n  - {person: Anna@firm.example, roles: [preparer, admin]}\n")
    assert policy is not None
    assert not errors
    assert policy.roles_of(" anna@FIRM.example") == {"preparer", "admin"}
    assert policy.roles_of("bruno@firm.example") == {"viewer"}


def test_without_everyone_a_stranger_has_no_role() -> None:
    policy, _ = loaded("people: []\n")
    assert policy is not None
    assert policy.roles_of("x") == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "everyone: [approver]\n",
        "people:\n  - {person: a, roles: [king]}\n",
        "people:\n  - {person: a, roles: []}\n",
        "people:\n  - {person: a, roles: [viewer]}\n  - {person: A, roles: [admin]}\n",
        "where: amount > 1\n",
    ],
)
def test_what_cannot_be_is_a_mistake_with_its_line(text: str) -> None:
    _, errors = loaded(text)
    assert errors
    assert all(each[0].isdigit() for each in errors)
