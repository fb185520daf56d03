"""The runner of the DMN kit reads models as the kit writes them, and can fail."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conformance.dmn_model import read_model
from tests.conformance.dmn_tck import Result, equal, main, run

CASES = Path(__file__).parent / "cases"


@pytest.fixture
def altered(tmp_path: Path) -> Path:
    """A copy of the cases that a test may spoil."""
    folder = tmp_path / "kit"
    shutil.copytree(CASES, folder)
    return folder


def spoil(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_own_models_of_the_kits_shapes_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(CASES)]) == 0
    assert capsys.readouterr().out == "5 passed, 0 failed\n"


def test_a_wrong_result_is_told_with_both_values(altered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(altered / "rebate" / "rebate-test-01.xml", "<value>1.75</value>", "<value>1.750001</value>")
    assert main([str(altered)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "rebate-test-01 case 001: Rebate: expected 1.750001, got 1.75",
        "4 passed, 1 failed",
    ]


def test_two_wrong_results_of_one_case_are_one_failed_case(altered: Path) -> None:
    spoil(altered / "rebate" / "rebate-test-01.xml", "<value>partner</value>", "<value>nobody</value>")
    spoil(altered / "rebate" / "rebate-test-01.xml", "<value>0.25</value>", "<value>9</value>")
    report = run(altered)
    assert (report.passed, report.failed, len(report.failures)) == (3, 2, 3)


def test_a_conflict_of_a_unique_table_gives_nothing(altered: Path) -> None:
    model = altered / "credit-check" / "credit-check.dmn"
    spoil(model, '<text>"high"</text></inputEntry>', "<text>-</text></inputEntry>")
    failures = run(altered).failures
    assert "credit-check-test-01 case low risk has thirty days: Terms: expected {terms: net 30, days: 30.0}, got nothing" in failures


def test_a_table_that_the_engine_refuses_fails_its_cases(altered: Path) -> None:
    spoil(altered / "rebate" / "rebate.dmn", "&gt; 100", "[5..1]")
    report = run(altered)
    assert report.failed == 2
    assert all("the table is refused" in failure for failure in report.failures)


def test_a_decision_of_another_kind_fails_its_cases(altered: Path) -> None:
    spoil(altered / "rebate" / "rebate.dmn", 'decisionTable hitPolicy="COLLECT" aggregation="SUM"', 'context a=""')
    end = "</m:decisionTable>\n  </m:decision>\n  <m:decision id"
    spoil(altered / "rebate" / "rebate.dmn", end, "</m:context></m:decision><m:decision id")
    assert "rebate-test-01 case 001: Rebate: this is no decision table" in run(altered).failures


def test_a_model_that_is_no_xml_fails_all_its_cases(altered: Path) -> None:
    (altered / "rebate" / "rebate.dmn").write_text("<definitions>", encoding="utf-8")
    report = run(altered)
    assert report.failed == 2
    assert report.failures[0].startswith("rebate: the model cannot be read")


def test_in_a_folder_of_the_kit_only_its_decision_tables_run(altered: Path) -> None:
    (altered / "rebate").rename(altered / "0115-sum-collect-hitpolicy")
    folder = altered / "0115-sum-collect-hitpolicy"
    (folder / "rebate.dmn").rename(folder / "0115-sum-collect-hitpolicy.dmn")
    report = run(altered)
    assert (report.passed, report.failed, report.skipped) == (2, 0, 1)


def test_a_model_that_lies_twice_counts_once(altered: Path) -> None:
    shutil.copytree(altered / "rebate", altered / "old" / "rebate")
    assert run(altered).passed == 5


def test_a_copy_without_test_cases_does_not_hide_the_model_with_them(altered: Path) -> None:
    (altered / "a copy").mkdir()
    shutil.copy(altered / "rebate" / "rebate.dmn", altered / "a copy")
    assert run(altered).passed == 5


def test_a_folder_without_models_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert main([str(tmp_path / "missing")]) == 2
    assert "holds no DMN model" in capsys.readouterr().out


def test_structures_become_flat_names() -> None:
    model = read_model(CASES / "credit-check" / "credit-check.dmn")
    assert list(model.inputs) == ["Customer.open balance", "Customer.country", "Payment History", "Signed On"]


def test_lists_are_compared_in_order_unless_collected() -> None:
    wanted: list[Result] = ["1", "2", "2"]
    got: list[Result] = [Decimal(2), Decimal(1), Decimal(2)]
    assert equal(wanted, got, is_ordered=False)
    assert not equal(wanted, got, is_ordered=True)
    assert not equal(["1", "1", "2"], got, is_ordered=False)
    assert not equal(wanted[:2], got, is_ordered=False)


@pytest.mark.parametrize(
    ("wanted", "got", "same"),
    [
        ("1.00000001", Decimal(1), True),
        ("1.0000001", Decimal(1), False),
        ("true", True, True),
        ("1", True, False),
        ("one", Decimal(1), False),
        (None, None, True),
        (None, Decimal(0), False),
        ("", None, False),
        ({"a": "1"}, {"a": Decimal(1), "b": None}, False),
    ],
)
def test_values_are_compared_by_kind(wanted: object, got: object, same: bool) -> None:
    assert equal(wanted, got, is_ordered=True) is same  # type: ignore[arg-type]
