"""Mistakes the library finds in settings are told in the words of who writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydantic
import pytest
import yaml

from engine.policy.kinds.registry import KINDS
from engine.policy.load import load_policies
from engine.policy.source import SourceText
from engine.policy.wording import needed

SHIPPED = Path(__file__).parents[3] / "policies"

LIBRARY = ("input should", "should have", "should match", "valid boolean", "valid dict", "tuple", "unable to", "keys should", "^", "{")
"""Words that only the library uses."""

ACCESS = "policy: access\nid: acc\ntitle: t\nowner: o\neffective_from: 1900-01-01\nreference: r\npeople:\n"


def told(text: str) -> list[str]:
    _, found = load_policies([SourceText("p.yaml", text)])
    return [each.message for each in found if each.is_error]


def test_a_role_that_there_is_not_is_told_once_and_by_its_name() -> None:
    (message,) = told(ACCESS + "  - {person: a@b.c, roles: [manager]}\n")
    assert message.startswith("an entry of 'roles' cannot be 'manager': write 'viewer', 'project_manager', 'preparer',")


def test_nobody_is_without_a_role() -> None:
    assert told(ACCESS + "  - {person: a@b.c, roles: []}\n") == ["'roles' cannot be an empty list: at least 1 is needed"]


@pytest.mark.parametrize("wrong", [None, [], {}, ["x"], -1, 1.5, 10**9, True, "", "x y", "EURO"])
@pytest.mark.parametrize(
    "file", ["access", "cases", "close", "alerts", "retention", "run", "kpi/dso", "billing/bill-time", "ownership/contract"]
)
def test_no_wrong_value_is_answered_in_the_words_of_the_library(file: str, wrong: object) -> None:
    path = SHIPPED / f"{file}.yaml"
    whole = yaml.safe_load(path.read_text(encoding="utf-8"))
    for holder, key in _places(whole):
        kept = holder[key]
        holder[key] = wrong
        try:
            KINDS[whole["policy"]].model.model_validate(whole)
        except pydantic.ValidationError as error:
            words = [needed(each) for each in error.errors() if each["type"] not in ("extra_forbidden", "missing")]
            assert not [each for each in words if any(sign in each for sign in LIBRARY)], (file, key, wrong, words)
        holder[key] = kept


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place of a policy that holds a value: what holds it, and its name there."""
    listed = list(enumerate(value[:1])) if isinstance(value, list) else []
    parts: list[tuple[Any, Any]] = list(value.items()) if isinstance(value, dict) else listed
    found = [(value, key) for key, _ in parts if key != "policy"]
    return [*found, *(place for _, each in parts for place in _places(each))]
