"""The nearest known name to one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean 'x'?` for the nearest known word, or nothing."""
    match = nearest(word, known)
    return f", did you mean '{match}'?" if match else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the nearest known word, or None when none is near."""
    match = difflib.get_close_matches(word, list(known), n=1)
    return match[0] if match else None
