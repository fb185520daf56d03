"""`tieout adapter` on good and bad input: what it prints, its exit code, never a stack trace."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.cli import main
from adapters.mapping.library import adapter_names

SAMPLES = Path(__file__).parent.parent / "sources"
Ran = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tieout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ran:
    """Return a function that runs `tieout adapter` in this process."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tieout", "adapter", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err + printed.out
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def test_the_list_names_every_adapter_and_what_it_reads(tieout: Ran) -> None:
    code, out, _ = tieout("list")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, adapter_names())
    assert "tempo  Tempo Timesheets for Jira (API v4 pages, or through a connector): contract, customer, time_entry" in out


def test_a_mapping_is_shown_field_by_field_with_what_is_from_general_knowledge(tieout: Ran) -> None:
    code, out, _ = tieout("show", "kantata")
    assert (code, '  hours: {"from": ["time_in_minutes"], "unit": "minutes"}' in out) == (0, True)
    assert '  bill_rate: {"from": ["bill_rate_in_cents"], "unit": "cents", "known": "K"}' in out


def test_an_unknown_adapter_is_named_with_the_nearest_one(tieout: Ran) -> None:
    code, out, err = tieout("show", "kantatta")
    assert (code, out) == (2, "")
    assert err.startswith("There is no adapter 'kantatta', did you mean 'kantata'?\nThe adapters are canonical, ")


@pytest.mark.parametrize("name", [name for name in adapter_names() if name != "canonical"])
def test_every_shipped_mapping_passes_its_own_check(name: str, tieout: Ran) -> None:
    code, out, _ = tieout("check", str(Path("adapters/sources") / f"{name}.yaml"))
    assert (code, out.startswith(f"{name}: ")) == (0, True)


def test_a_broken_mapping_is_shown_with_line_spot_and_remedy(tieout: Ran, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("adapter: own\ntitle: x\nstreams: {a: {files: [a.csv]}\nentities: []\n", encoding="utf-8")
    code, out, _ = tieout("check", str(tmp_path / "own.yaml"))
    assert code == 2
    assert out.splitlines()[0].startswith("own.yaml:4:1: error invalid-yaml: ")
    assert out.splitlines()[-1].startswith("  remedy: ")


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_mapping_that_cannot_be_opened_is_named(name: str, tieout: Ran, tmp_path: Path) -> None:
    code, _, err = tieout("check", str(tmp_path / name))
    assert (code, "cannot be opened" in err) == (2, True)


def test_a_folder_without_a_snapshot_is_refused_with_a_remedy(tieout: Ran, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        code, _, err = tieout("read", str(folder))
        assert (code, err) == (2, f"There is no readable snapshot.yaml in {folder}.\nGive the folder that holds snapshot.yaml.\n")


def test_a_path_where_nothing_lies_is_told(tieout: Ran, tmp_path: Path) -> None:
    (tmp_path / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources: [{system: crm, adapter: canonical, path: exports/*.csv}]\n")
    code, out, err = tieout("read", str(tmp_path))
    assert (code, "rows read 0" in out) == (0, True)
    assert err == "not read: crm: there is no file its adapter reads at 'exports/*.csv'; correct it in snapshot.yaml\n"


def test_reading_prints_rows_held_rows_and_what_became_of_every_row(tieout: Ran) -> None:
    code, out, _ = tieout("read", str(SAMPLES / "zuora"), "--entity", "invoice", "--limit", "1")
    lines = out.splitlines()
    assert code == 0
    assert lines[1].startswith("i1,INV1,invoice,001A,2026-01-31,2026-03-02,USD,1000,85.5,1085.5,posted,")
    assert lines[2] == "… 3 more; --limit prints them"
    assert any(line.startswith("export/zuora_invoice_data.csv,6,invoice,due_date,31/01/2026,not_a_date,") for line in lines)
    assert lines[-1] == (
        "rows read 19 = used 12 + held 1 + set aside 6 (deleted_in_source 2, earlier_version 2, no_stream 1, payment_not_made 1)"
    )


def test_an_unknown_entity_or_folder_of_mappings_is_refused(tieout: Ran, tmp_path: Path) -> None:
    code, _, err = tieout("read", str(SAMPLES / "zuora"), "--entity", "invoise")
    assert (code, err.startswith("'invoise' is no canonical entity, did you mean 'invoice'?")) == (2, True)
    code, _, err = tieout("read", str(SAMPLES / "zuora"), "--mappings", str(tmp_path / "none"))
    assert (code, err.startswith("There is no folder of mappings at ")) == (2, True)


def test_a_snapshot_whose_own_mapping_has_mistakes_shows_them(tieout: Ran, tmp_path: Path) -> None:
    (tmp_path / "zuora.yaml").write_text("adapter: zuora\ntitle: x\nstreams: {}\nentities: [{entity: customer, from: a, fields: {}}]\n")
    code, _, err = tieout("read", str(SAMPLES / "zuora"), "--mappings", str(tmp_path))
    assert code == 2
    assert "'a' is no declared stream" in err
    assert "the key 'customer_id' of 'customer' is not mapped" in err
