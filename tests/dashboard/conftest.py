"""A firm of one contract over two nights, and a workspace on its runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.policy_folder import SHIPPED
from adapters.run import run_snapshot
from adapters.store.permissions import ROLES
from dashboard.views.access import Person
from dashboard.views.workspace import Workspace

CONTRACT = "contract_id,contract_number,customer_id,legal_entity_id,currency,signed_date,start_date,end_date,status,total_value\n"
SIGNED = "C1,N1,K1,LE,EUR,2026-01-02,2026-01-02,2026-12-31,active,{value}\n"
CUSTOMER = "customer_id,name,currency,status\nK1,{name},EUR,active\n"
ENTITY = "legal_entity_id,name,functional_currency,reporting_currency\nLE,Firm,EUR,EUR\n"


def write_night(folder: Path, day: str, psa_value: str) -> Path:
    """Write a snapshot whose PSA says another total than the CRM, which owns it."""
    night = folder / day
    systems = {
        "crm": {"contract": CONTRACT + SIGNED.format(value="1000.00"), "customer": CUSTOMER.format(name="=Kurz"), "legal_entity": ENTITY},
        "psa": {"contract": CONTRACT + SIGNED.format(value=psa_value)},
    }
    lines = [f"snapshot: firm-{day}", 'schema_version: "1.0.0"', f"as_of: {day}", "sources:"]
    for system, files in systems.items():
        lines.append(f"  - {{system: {system}, adapter: canonical, path: {system}}}")
        (night / system).mkdir(parents=True)
        for entity, text in files.items():
            (night / system / f"{entity}.csv").write_text(text, encoding="utf-8")
    (night / "snapshot.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return night


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the runs of two nights: on the second the difference is larger."""
    base = tmp_path_factory.mktemp("dashboard")
    first, second = (write_night(base, day, value) for day, value in (("2026-10-30", "1100.00"), ("2026-10-31", "1250.00")))
    run_snapshot(first, out=base / "runs")
    run_snapshot(second, previous=first, out=base / "runs")
    return base / "runs"


@pytest.fixture
def workspace(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return a workspace on its own copy of the runs; the pages find it by the environment."""
    import shutil

    out = tmp_path / "runs"
    shutil.copytree(published, out)
    monkeypatch.setenv("TIEOUT_OUT", str(out))
    monkeypatch.delenv("TIEOUT_STORE", raising=False)
    return Workspace(out, f"sqlite:///{out / 'tieout.db'}", SHIPPED)


@pytest.fixture
def local() -> Person:
    return Person("maria", is_signed_in=False, roles=frozenset(ROLES))
