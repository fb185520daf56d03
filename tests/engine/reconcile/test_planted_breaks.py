"""One wrong booking in books that tie: the tie-outs it breaks find it, and all they find has one cause."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from adapters.run import run_snapshot
from adapters.sampling import FirmOptions, simulate_firm, write_canonical

MONEY = pl.Decimal(38, 6)


def booked_more(night: Path, source: str, accounts: tuple[str, str], more: int) -> None:
    """Raise the debit of the first account and the credit of the second in the first journal of a source."""
    path = night / "erp" / "journal_line.parquet"
    lines = pl.read_parquet(path).with_row_index("at")
    mine = lines.filter(pl.col("source_document_type") == source)
    debits = mine.filter((pl.col("account") == accounts[0]) & (pl.col("debit") > 0))
    journal = debits.filter(pl.col("journal_id").is_in(mine.filter(pl.col("account") == accounts[1])["journal_id"].implode()))
    first = journal.row(0, named=True)
    second = lines.filter((pl.col("journal_id") == first["journal_id"]) & (pl.col("account") == accounts[1])).row(0, named=True)
    for at, side in ((first["at"], "debit"), (second["at"], "credit")):
        raised = [
            pl.when(pl.col("at") == at).then((pl.col(name) + Decimal(more)).cast(MONEY)).otherwise(pl.col(name)).alias(name)
            for name in (side, f"functional_{side}")
        ]
        lines = lines.with_columns(raised)
    lines.drop("at").write_parquet(path)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("planted")
    firm = simulate_firm(FirmOptions(contracts=12, months=4, seed=4, nights=1, clean=True))
    night = write_canonical(firm, folder)[-1]
    # Each in a document of its own: labour, an expense report, a bill, an accrual, a contract asset.
    booked_more(night, "payroll", ("5000", "2100"), 901)
    booked_more(night, "expense_report", ("5200", "2150"), 302)
    booked_more(night, "bill", ("5100", "2000"), 503)
    booked_more(night, "revenue", ("1200", "4000"), 404)
    booked_more(night, "revenue", ("1210", "4000"), 605)
    return pl.read_parquet(run_snapshot(night, out=folder / "runs").run_dir / "findings.parquet")


@pytest.mark.parametrize(
    ("amount", "rules"),
    [
        (901, {"rec-labour-gl"}), (302, {"rec-expense-gl"}), (503, {"rec-bill-gl", "rec-ap-control"}),
        (404, {"rec-unbilled-gl", "rec-schedule-gl", "posted_revenue_differs"}),
        (605, {"rec-contract-asset-gl", "rec-schedule-gl", "posted_revenue_differs"}),
    ],
)  # fmt: skip
def test_a_wrong_booking_is_found_by_what_it_breaks_and_has_one_cause(findings: pl.DataFrame, amount: int, rules: set[str]) -> None:
    own = findings.filter(pl.col("amount_at_risk").abs() == amount)
    assert set(own["rule"]) == rules
    assert own["cause_id"].n_unique() == 1


def test_nothing_else_is_found(findings: pl.DataFrame) -> None:
    others = findings.filter(~pl.col("amount_at_risk").abs().is_in([901, 302, 503, 404, 605]).fill_null(value=False))
    # The export no longer is what its system stated when it was made.
    assert others.select("rule", "entity_id").rows() == [("control_total_differs", "erp")]
