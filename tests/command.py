"""The command line run in this process: the same parser, messages and exit codes, without starting Python each time."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from adapters.cli import main

ROOT = Path(__file__).parent.parent


def tieout(*arguments: str, cwd: Path = ROOT, columns: int = 140) -> subprocess.CompletedProcess[str]:
    """Run `tieout` with arguments in a folder, as wide as so many columns."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["tieout", *arguments]), mock.patch.dict(os.environ, {"COLUMNS": str(columns)}),
        contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
    ):  # fmt: skip
        try:
            main()
            code: int | str | None = 0
        except SystemExit as ended:
            code = ended.code
    status = code if isinstance(code, int) else int(code is not None)
    return subprocess.CompletedProcess(["tieout", *arguments], status, out.getvalue(), err.getvalue())
