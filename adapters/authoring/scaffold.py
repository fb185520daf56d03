"""`tieout policy new` and `tieout init`: a policy to begin with, and a folder that runs."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Final

from adapters.authoring.editor import FOLDER, write_editor_setup
from adapters.policy_folder import SHIPPED
from engine.errors import UsageError
from engine.policy.kinds.registry import KINDS

_EXAMPLES: Final = {
    "ownership": "ownership/contract.yaml", "revenue": "revenue/rev-treatment.yaml", "kpi": "kpi/dso.yaml",
    "reconciliation": "reconciliation/rec-payment-invoice.yaml", "billing": "billing/bill-expense.yaml", "tax": "tax/tax-codes.yaml",
    "cases": "cases.yaml", "check": "reconciliation/chk-credit-notes.yaml", "flow": "reconciliation/flow-integrations.yaml",
    "close": "close.yaml", "access": "access.yaml", "remedy": "remedies/rem-drafts.yaml", "triage": "triage/tri-causes.yaml",
    "run": "run.yaml", "calendar": "calendar.yaml",
}  # fmt: skip
"""By kind, the shipped policy that a new one begins as."""

SNAPSHOT: Final = """# The exports of one day. `tieout adapter list` names the adapters; an export no adapter knows may bear
# the canonical names (docs/canonical.md) and be read by `canonical`.
snapshot: {name}-{day}
schema_version: "1.0.0"
as_of: {day}
sources:
  - {{system: psa, adapter: canonical, path: psa}}
  - {{system: billing, adapter: canonical, path: billing}}
"""

GUIDE: Final = """# Your policies

1. Put a day's exports into `snapshot/psa`, `snapshot/billing`, …, and name their adapters in `snapshot/snapshot.yaml`.
2. `tieout adapter read snapshot` shows what is read, and which rows are held and why.
3. `tieout policy check` says what is wrong with the policies, `tieout policy test` runs their tests.
4. `tieout run snapshot` holds the exports to the policies; `tieout explain`, `tieout unblock` and the dashboard tell the rest.
5. Change a rule, then `tieout policy diff OLD policies --snapshot snapshot` shows the money before anybody approves it.
"""


def new_policy(kind: str, name: str, folder: Path, day: dt.date) -> Path:
    """Write a policy of a kind to begin with into a folder; return its path.

    It is the shipped policy of the kind under a new id, in force from `day`. Raises UsageError for a kind
    that is none or has no example, an id that is none, and a file that is there already.
    """
    if kind not in KINDS or kind not in _EXAMPLES:
        raise UsageError(f"There is no kind of policy '{kind}' to begin with.", f"The kinds are {', '.join(sorted(_EXAMPLES))}.")
    if not name or not name.replace("-", "").isalnum() or name != name.lower() or not name[0].isalpha():
        raise UsageError(f"'{name}' is no id of a policy.", "Write small letters, digits and hyphens, a letter first.")
    path = folder / f"{name}.yaml"
    if path.exists():
        raise UsageError(f"{path} is there already.", "Choose another id.")
    lines = (SHIPPED / _EXAMPLES[kind]).read_text(encoding="utf-8").split("\n")
    changed = {"id:": f"id: {name}", "effective_from:": f"effective_from: {day}"}
    text = "\n".join(next((new for start, new in changed.items() if line.startswith(start)), line) for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# Begun as {_EXAMPLES[kind]}; change title, owner, reference and the ids of the rules.\n{text}", encoding="utf-8")
    return path


def init_folder(folder: Path, day: dt.date) -> list[str]:
    """Write the shipped policies with their tests, a snapshot to fill, a guide and an editor's settings into a new folder.

    Return what was written.

    Raises UsageError when the folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty.", "Give a new folder.")
    shutil.copytree(SHIPPED, folder / "policies")
    for system in ("psa", "billing"):
        (folder / "snapshot" / system).mkdir(parents=True)
    (folder / "snapshot" / "snapshot.yaml").write_text(SNAPSHOT.format(name=folder.name, day=day), encoding="utf-8")
    (folder / "README.md").write_text(GUIDE, encoding="utf-8")
    write_editor_setup(folder, folder / FOLDER / "schemas", folder / "policies")
    settings = [f"{FOLDER}/{each}" for each in ("settings.json", "extensions.json", "schemas/")]
    return ["policies/", "snapshot/snapshot.yaml", "README.md", *settings]
