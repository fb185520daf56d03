"""Errors: what is raised when a file, a store or the program itself is broken.

Each carries one sentence a user can act on; the command line prints it and exits with the code
the class states. Mistakes in policies are diagnostics and bad data are findings: neither is here.
"""

from __future__ import annotations

from typing import ClassVar

from engine.diagnostics import Diagnostic


class TieoutError(Exception):
    """Something the program cannot go on from; `remedy` says what the user can do."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(TieoutError):
    """The command was called with something that does not exist or does not fit."""

    exit_code: ClassVar[int] = 2


class SnapshotError(TieoutError):
    """`snapshot.yaml` is missing, unreadable or says something that cannot be."""

    exit_code: ClassVar[int] = 2


class PolicyError(TieoutError):
    """The policy folder or a mapping has errors; carries every diagnostic found."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, diagnostics: list[Diagnostic], remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.diagnostics = diagnostics


class StoreError(TieoutError):
    """A result could not be written or read back: disk full, no permission, corrupted file."""
