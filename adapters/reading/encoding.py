"""Bytes to text: byte-order marks, declared encodings, and files that are not text at all."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from adapters.reading.table import FileFailure, file_failure

REPLACED: Final = "\ufffd"
"""Stands where bytes could not be decoded."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_MAGIC: Final = (
    (b"PK\x03\x04", "compressed_file", "The file is a ZIP archive or a workbook, not text."),
    (b"\x1f\x8b", "compressed_file", "The file is compressed with gzip, not text."),
    (b"\xd0\xcf\x11\xe0", "not_text", "The file is an old .xls workbook, not text."),
    (b"PAR1", "not_text", "The file is a Parquet file, not text."),
    (b"%PDF", "not_text", "The file is a PDF document, not text."),
)

# Damage puts single NUL bytes into text; UTF-16 without its mark and binary files are full of them.
_NUL_SHARE: Final = 0.1
_SAMPLE: Final = 65_536


@dataclass(frozen=True)
class Decoded:
    """Hold a file's text; `damaged` says that bytes were replaced by U+FFFD."""

    text: str
    damaged: bool


def decode(data: bytes, encoding: str) -> Decoded | FileFailure:
    """Return the file's text without byte-order mark, or why it has none."""
    failure = _not_text(data)
    if failure is not None:
        return failure
    for mark, marked in _MARKS:
        if data.startswith(mark):
            encoding = marked
            data = data[len(mark) :] if marked == "utf-8" else data
            break
    else:
        if _full_of_nul(data[:_SAMPLE]) and not encoding.lower().startswith(("utf-16", "utf-32")):
            return file_failure("not_text", "The file is full of NUL bytes.")
    try:
        return Decoded(data.decode(encoding), damaged=False)
    except UnicodeError:
        return Decoded(data.decode(encoding, "replace"), damaged=True)
    except LookupError:
        return file_failure("unknown_encoding", f"There is no text encoding named {encoding!r}.")


def _full_of_nul(sample: bytes) -> bool:
    # A disk that failed while writing leaves NUL bytes behind the rows it kept: those can be read.
    body = sample.rstrip(b"\0")
    return len(sample) > 0 and body.count(0) >= _NUL_SHARE * len(body)


def _not_text(data: bytes) -> FileFailure | None:
    for magic, reason, message in _MAGIC:
        if data.startswith(magic):
            return file_failure(reason, message)
    start = data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return file_failure("web_page", "The file is a web page.")
    return None
