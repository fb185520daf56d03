"""A reconciliation of two systems' files in a line: `reconcile(policy, billing={…}, erp={…})`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from adapters.run import run_snapshot

Snapshot = Callable[..., Path]


class Reconciled:
    """Hold what a run wrote."""

    def __init__(self, folder: Path, manifest: dict[str, object]) -> None:
        self.folder = folder
        self.manifest = manifest

    def frame(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.folder / f"{name}.parquet")

    def not_applicable(self) -> list[tuple[str, str]]:
        own = ("rec-", "chk-", "flow-")
        listed = self.manifest["not_applicable"]
        assert isinstance(listed, list)
        return [(each["policy"], each["why"]) for each in listed if each["policy"].startswith(own)]

    def kinds(self) -> list[tuple[str, str]]:
        found = self.frame("findings").filter(pl.col("stage") == "reconciliation").sort("kind", "entity_id")
        return list(found.select("kind", "entity_id").iter_rows())

    def tie(self) -> dict[str, object]:
        return self.frame("reconciliations").to_dicts()[0]

    def matches(self, status: str) -> list[list[str]]:
        rows = self.frame("matches").filter(pl.col("status") == status).sort("match_id", "side", "entity_id", nulls_last=True)
        return [group["entity_id"].to_list() for group in rows.partition_by("match_id", maintain_order=True)]


@pytest.fixture
def reconcile(tmp_path: Path, snapshot: Snapshot) -> Callable[..., Reconciled]:
    """Run one policy (and others, by file name) over files written inline."""

    def go(policy: str, *, as_of: str = "2026-01-31", others: dict[str, str] | None = None, decided: pl.DataFrame | None = None, **systems: dict[str, str]) -> Reconciled:  # noqa: E501
        policies = tmp_path / "policies"
        policies.mkdir(exist_ok=True)
        for name, text in {"policy.yaml": policy, **(others or {})}.items():
            (policies / name).write_text(text)
        said = {} if decided is None else {"decided_matches": decided}
        name = f"snapshot{len(list(tmp_path.iterdir()))}"
        outcome = run_snapshot(snapshot(name=name, as_of=as_of, **systems), policies=policies, out=tmp_path / "runs", decided=said)
        return Reconciled(outcome.run_dir, outcome.manifest)

    return go
