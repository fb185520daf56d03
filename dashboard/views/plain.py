"""Text from data as text: nothing in it is taken for a heading, a link or an image."""

from __future__ import annotations

import re
from typing import Final

_MARKS: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>$~:&])")


def plain(value: object) -> str:
    """Return a value as markdown that shows exactly its text, on one line."""
    return "" if value is None else _MARKS.sub(r"\\\1", " ".join(str(value).split()))
