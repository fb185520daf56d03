"""Envelopes that connectors and interfaces put around records: which stream an element belongs to."""

from __future__ import annotations

from typing import Any, Final

from adapters.reading.table import Envelope

IGNORED: Final = frozenset({"results", "count", "meta", "links"})
"""Keys of a page of keyed objects that hold no records."""

Part = tuple[str, dict[str, Any]]


def parts(value: Any, envelope: Envelope, stream: str, key: str | None) -> list[Part] | None:
    """Return the records of one element with their streams; None when it is no record.

    `stream` and `key` are what a page of keyed objects says of the element.
    """
    if not isinstance(value, dict):
        return None
    if envelope == "airbyte":
        return _airbyte(value)
    if envelope == "django":
        return _django(value)
    if envelope == "keyed":
        return [(stream, {"id": key, **value} if key is not None else value)]
    if envelope == "list" and value and all(isinstance(each, dict) for each in value.values()):
        # An invoice beside its customer: every part is a record of its own stream.
        return list(value.items())
    return [(stream, value)]


def _airbyte(value: dict[str, Any]) -> list[Part] | None:
    if value.get("type") == "RECORD" and isinstance(value.get("record"), dict):
        value = value["record"]
    stream, data = value.get("stream"), value.get("data")
    if not isinstance(stream, str) or not stream or not isinstance(data, dict):
        return None
    return [(str(stream), data)]


def _django(value: dict[str, Any]) -> list[Part] | None:
    model, fields = value.get("model"), value.get("fields")
    if not isinstance(model, str) or not model or not isinstance(fields, dict):
        return None
    return [(str(model), {"pk": value.get("pk"), **fields})]
