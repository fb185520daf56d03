"""Mistakes that the library finds in settings, in the words of who writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

_DAY: Final = "write a day that exists as YYYY-MM-DD"
_NUMBER: Final = "write a number in digits, with a point before the decimals"
_WHOLE: Final = "write a whole number"
_LIST: Final = "it is a list; write [one, another], or each on a line of its own behind a dash"
_GROUP: Final = "it is a group of settings; write name: value"
_YES_NO: Final = "write true or false"

# What a value of another kind should have been, by the library's name for the mistake.
_NEEDED: Final = {
    "string_type": "it is text; write it in quotes", "string_too_short": "it may not be blank",
    "invalid_key": "a name is text; write it in quotes",
    "bool_type": _YES_NO, "bool_parsing": _YES_NO,
    "date_from_datetime_parsing": _DAY, "date_from_datetime_inexact": "write a day without a time, as YYYY-MM-DD", "date_type": _DAY,
    "date_parsing": _DAY,
    "int_type": _WHOLE, "int_parsing": _WHOLE, "int_from_float": _WHOLE,
    "int_parsing_size": "it has more digits than a number here can have",
    "decimal_type": _NUMBER, "decimal_parsing": _NUMBER, "finite_number": _NUMBER,
    "tuple_type": _LIST, "list_type": _LIST, "dict_type": _GROUP, "model_type": _GROUP, "model_attributes_type": _GROUP,
}  # fmt: skip

# The same with a limit in it.
_LIMITED: Final = {
    "greater_than_equal": "write {ge} or more", "greater_than": "write more than {gt}", "less_than_equal": "write {le} or less",
    "less_than": "write less than {lt}", "literal_error": "write {expected}", "too_short": "at least {min_length} is needed",
    "too_long": "at most {max_length} can be given", "string_too_long": "at most {max_length} characters can be given",
    "decimal_max_places": "at most {decimal_places} decimals can be kept",
    "decimal_max_digits": "at most {max_digits} digits can be kept",
}  # fmt: skip

# What a text must look like, by the pattern that says so.
_FORMS: Final = {
    "^[a-z][a-z0-9-]*$": "write small letters a to z, digits and hyphens, a letter first",
    "^[a-z][a-z0-9_]*$": "write small letters a to z, digits and underscores, a letter first",
    "^[a-z][a-z0-9_-]*$": "write small letters a to z, digits, hyphens and underscores, a letter first",
    "^[A-Za-z][A-Za-z0-9-]*$": "write letters a to z, digits and hyphens, a letter first",
    "^[A-Z][A-Z0-9_]*$": "write capital letters A to Z, digits and underscores, a letter first",
    "^[A-Z]{3}$": "a currency is three capital letters, such as EUR or USD",
    r"^\d{4}-(0[1-9]|1[0-2])$": "write a month as YYYY-MM",
    r"^[,;|\t]$": "write one of , ; | or a tab",
    r"^(largest|first|last|named\([^()]+\))$": "write largest, first, last or named(a line)",
    r"^(proportional|bundle\([^()]+\))$": "write proportional or bundle(one, another)",
    r"^ed25519:[A-Za-z0-9+/]{43}=$": "write the public key as `tieout policy key` printed it, ed25519:…",
}  # fmt: skip


def needed(error: Mapping[str, Any]) -> str:
    """Return what a setting needs, of one mistake as pydantic reports it; what it does not report so is said in its own words."""
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == "string_pattern_mismatch" and context.get("pattern") in _FORMS:
        return _FORMS[context["pattern"]]
    if kind in _LIMITED:
        return _LIMITED[kind].format(**context)
    text = str(error["msg"]).removeprefix("Value error, ")
    return _NEEDED.get(kind, f"{text[:1].lower()}{text[1:]}")


def told_once(errors: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return mistakes without those that only follow from others: a list is too short where what stands in it was refused."""
    every = list(errors)
    places = [tuple(each["loc"]) for each in every]
    return [each for each in every if each["type"] != "too_short" or not _holds_another(tuple(each["loc"]), places)]


def _holds_another(place: tuple[Any, ...], places: list[tuple[Any, ...]]) -> bool:
    return any(len(other) > len(place) and other[: len(place)] == place for other in places)


def in_yaml(value: Any) -> str:
    """Return a value as a file of settings would have it, and not as the program holds it."""
    if value is None:
        return "blank"
    if isinstance(value, list | tuple | dict):
        return "a group of settings" if isinstance(value, dict) else "a list" if value else "an empty list"
    return repr(value) if isinstance(value, str) else str(value).lower()
