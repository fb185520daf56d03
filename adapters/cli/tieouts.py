"""The tie-outs and checks of a run, as `tieout run` prints them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# More tie-outs than a screen holds: only those that ask for somebody are listed.
_SCREEN = 24
_WIDTH = 120


def print_tieouts(console: Any, run_dir: Path) -> None:
    """Print every tie-out, or those that do not tie when there are many; then the checks that failed."""
    import polars as pl

    path = run_dir / "reconciliations.parquet"
    if path.is_file():
        rows = pl.read_parquet(path).to_dicts()
        if rows:
            _print_rows(console, rows)
    path = run_dir / "checks.parquet"
    if path.is_file():
        checks = pl.read_parquet(path).filter(pl.col("records") > 0).to_dicts()
        if checks:
            _print_checks(console, checks)


def _status(row: dict[str, Any]) -> str:
    """Say what a tie-out comes to: tied, what explains its difference, or what nothing explains."""
    if row["status"] == "open":
        return f"open: {row['unexplained']:,.2f}, breaks {row['breaks']:,}"
    if row["status"] in ("tied", "not_comparable"):
        return str(row["status"]).replace("_", " ")
    parts = [
        f"{name.removeprefix('explained_').replace('_', ' ')} {amount:,.2f}"
        for name, amount in row.items() if name.startswith("explained_") and amount
    ]  # fmt: skip
    review = [f"{row['suggested']:,} suggested"] if row["status"] == "review" else []
    return f"{row['status']}: {', '.join([*review, *parts])}"


def _right(name: str) -> Any:
    from rich.table import Column

    return Column(name, justify="right")


def _print_rows(console: Any, rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = rows if len(rows) <= _SCREEN else [row for row in rows if row["status"] in ("open", "review", "not_comparable")]
    if shown:
        columns = ("tie-out", _right("left"), _right("right"), "in", _right("ties"), "status")
        table = Table(*columns, title="What ties", box=box.SIMPLE_HEAD, pad_edge=False)
        for row in shown:
            name = row["reconciliation"] + ("" if row["scope"] == "all" else f" {row['scope']}")
            amounts = (f"{row[side]:,.2f}" for side in ("left_total", "right_total"))
            table.add_row(name, *amounts, row["currency"] or "", f"{row['matched']:,}", _status(row))
        # Amounts are never cut: a screen narrower than them wraps.
        Console(width=max(console.width, _WIDTH)).print(table)
    if len(shown) < len(rows):
        count = {status: sum(row["status"] == status for row in rows) for status in ("tied", "explained")}
        console.print(f"Of {len(rows)} tie-outs {count['tied']} tie, and {count['explained']} differ by what is explained.")


def _print_checks(console: Any, checks: list[dict[str, Any]]) -> None:
    from rich.table import Table

    failed = [each for each in checks if each["status"] == "failed"]
    if failed:
        table = Table("check", _right("met"), _right("of"), _right("not known"), title="Checks that do not hold everywhere")
        for each in failed:
            table.add_row(each["check"], f"{each['passed']:,}", f"{each['records']:,}", f"{each['unknown']:,}")
        console.print(table)
    if len(failed) < len(checks):
        console.print(f"{len(checks) - len(failed)} of {len(checks)} checks hold for every record.")
