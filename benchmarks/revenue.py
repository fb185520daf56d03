"""The revenue stage over 300,000 promises of 100,000 contracts, beside a plain Polars straight-line schedule of the same promises.

`python -m benchmarks.revenue [--contracts N]`. The stage yields everything: obligations with their versions, modifications,
the schedule, contract balances, journal entries, disclosures, findings; beside it stands what its obligations and their schedule
alone take, the like of what the plain one makes. The plain schedule is handed what the stage had to
find out, every version of every obligation with its price and term, and spreads it by days: one row per version and month.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import polars as pl

from adapters.processes import keeping_memory
from engine.canonical.schema import entity_spec
from engine.policy.loaded import PolicySet
from engine.revenue import books_of, decide_revenue
from engine.revenue.ground.blocks import cut_in_blocks, used_up
from engine.revenue.ground.frames import in_words
from engine.revenue.ground.records import read_records
from engine.revenue.ground.settings import revenue_versions
from engine.revenue.schedule import revenue_schedule
from engine.stage import Context, Facts, StageResult

AS_OF: Final = dt.date(2026, 12, 31)
CONTRACTS: Final = 100_000
LINES: Final = 3
MONTHS: Final = 24
TIMES: Final = 3
FIRST: Final = dt.date(2025, 1, 1)

_HOURS: Final = 400
# Three contracts of twenty are modified, one to five times, every two months from the third on.
_MODIFIED, _OF = 3, 20

Figures = tuple[float, float]


def contracts(count: int) -> pl.DataFrame:
    """Return contracts of 24 months that begin on every day of 2025."""
    numbered = pl.select(pl.int_range(count, dtype=pl.Int64).alias("n"))
    began = pl.lit(FIRST) + pl.duration(days=pl.col("n") * 37 % 365)
    return numbered.with_columns(began.alias("start_date")).with_columns(
        pl.format("C{}", pl.col("n").cast(pl.String).str.zfill(6)).alias("contract_id"), pl.lit("LE").alias("legal_entity_id"),
        pl.format("K{}", pl.col("n") % 5000).alias("customer_id"), pl.lit("EUR").alias("currency"), pl.lit("active").alias("status"),
        pl.col("start_date").alias("signed_date"), pl.col("start_date").dt.offset_by(f"{MONTHS}mo").dt.offset_by("-1d").alias("end_date"),
        pl.lit(value=True).alias("enforceable"), pl.lit(value=True).alias("collectible"),
    )  # fmt: skip


def contract_lines(signed: pl.DataFrame) -> pl.DataFrame:
    """Return three promises a contract, all over time: one of fifteen measured by hours, the others by time elapsed."""
    rows = signed.select("n", "contract_id", "start_date", "end_date").join(pl.select(pl.int_range(LINES).alias("k")), how="cross")
    n, k = pl.col("n"), pl.col("k")
    cents = (n * 7919 + k * 104_729) % 9_000_000 + 100_000
    is_measured = (k == 2) & (n % 5 == 0)
    offering = (
        pl.when(is_measured).then(pl.lit("fixed_fee")).when(k == 0).then(pl.lit("retainer")).when(k == 1).then(pl.lit("managed_service"))
        .otherwise(pl.lit("subscription"))
    )  # fmt: skip
    return rows.with_columns(
        pl.format("{}-{}", "contract_id", "k").alias("contract_line_id"), offering.alias("offering"), cents.alias("cents"),
        _money(cents).alias("amount"), _money(cents * (90 + (n + k * 11) % 31) // 100).alias("standalone_selling_price"),
        pl.when(is_measured).then(pl.lit(_HOURS).cast(pl.Decimal(38, 8))).alias("estimated_hours"),
    )  # fmt: skip


def amendments(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the amendments of three contracts in twenty: each changes the price of one promise, distinct or not by turns."""
    n, change = pl.col("n"), pl.col("i")
    chosen = lines.filter(n % _OF < _MODIFIED).join(pl.select(pl.int_range(5).alias("i")), how="cross")
    # A cross join leaves empty chunks behind a filter, on which texts cannot be put together.
    chosen = chosen.filter((change <= n // _OF % 5) & (pl.col("k") == (n + change) % LINES)).rechunk()
    cents = pl.col("cents") * (90 + (n * 13 + change * 29) % 31) // 100
    rows = chosen.with_columns(
        pl.format("{}-A{}", "contract_id", "i").alias("amendment_id"), _money(cents).alias("amount"),
        (pl.col("start_date") + pl.duration(days=60 + 60 * change + n % 28)).alias("effective_date"),
    )  # fmt: skip
    heads = rows.select(
        "amendment_id", "contract_id", "effective_date", pl.col("effective_date").alias("approved_date"), pl.lit("approved").alias("status")
    )
    changed = rows.select(
        pl.col("amendment_id").alias("amendment_line_id"), "amendment_id", "contract_line_id", pl.lit("change").alias("action"), "amount",
        ((n // 100 + change) % 2 == 0).alias("remaining_is_distinct"),
    )  # fmt: skip
    return heads, changed


def progress(lines: pl.DataFrame) -> pl.DataFrame:
    """Return a report of hours at the end of each month; a tenth of the promises is re-estimated after a year."""
    rows = lines.filter(pl.col("offering") == "fixed_fee").join(pl.select(pl.int_range(MONTHS).alias("m")), how="cross")
    month, n = pl.col("m"), pl.col("n")
    day = pl.col("start_date").dt.month_end().dt.offset_by(pl.format("{}mo", month)).dt.month_end()
    rows = rows.with_columns(day.alias("as_of_date")).filter(pl.col("as_of_date") <= AS_OF).rechunk()
    expected = pl.when((n % 50 == 0) & (month >= 12)).then(_HOURS + 40).otherwise(_HOURS)
    return rows.select(
        pl.format("{}-P{}", "contract_line_id", "m").alias("progress_id"), "contract_line_id", "as_of_date",
        ((month + 1) * 16 + n % 5).cast(pl.Decimal(38, 8)).alias("hours_to_date"),
        expected.cast(pl.Decimal(38, 8)).alias("estimated_total_hours"),
    )  # fmt: skip


def fiscal_periods() -> pl.DataFrame:
    """Return calendar months, closed on the fifth of the next but for the last of the snapshot."""
    starts = pl.date_range(FIRST, dt.date(2028, 12, 1), "1mo", eager=True).alias("start_date").to_frame()
    is_closed = pl.col("start_date") < AS_OF.replace(day=1)
    return starts.with_columns(
        pl.lit("LE").alias("legal_entity_id"), pl.col("start_date").dt.strftime("%Y-%m").alias("period"),
        pl.col("start_date").dt.month_end().alias("end_date"),
        pl.when(is_closed).then(pl.lit("closed")).otherwise(pl.lit("open")).alias("status"),
        pl.when(is_closed).then(pl.col("start_date").dt.offset_by("1mo4d").cast(pl.Datetime("us", "UTC"))).alias("closed_at"),
    )  # fmt: skip


def records(count: int) -> dict[str, pl.DataFrame]:
    """Return the agreed records of a firm by entity, with every canonical column and evidence."""
    signed = contracts(count)
    lines = contract_lines(signed)
    heads, changed = amendments(lines)
    frames = {
        "contract": signed, "contract_line": lines, "amendment": heads, "amendment_line": changed, "progress": progress(lines),
        "fiscal_period": fiscal_periods(),
        "legal_entity": pl.DataFrame({"legal_entity_id": ["LE"], "functional_currency": ["EUR"]}),
    }  # fmt: skip
    return {name: _canonical(name, frame) for name, frame in frames.items()}


def _canonical(entity: str, frame: pl.DataFrame) -> pl.DataFrame:
    placed = frame.with_row_index("source_row", offset=2).with_columns(pl.lit(f"bench/{entity}.csv").alias("source_file"))
    evidence = pl.concat_list(pl.format("{}:{}", "source_file", "source_row")).alias("evidence")
    return placed.select(
        *((pl.col(name) if name in placed.columns else pl.lit(None)).cast(kind).alias(name)
          for name, kind in entity_spec(entity).polars_schema().items()), evidence,
    )  # fmt: skip


def _money(cents: pl.Expr) -> pl.Expr:
    return cents.cast(pl.Decimal(38, 6)) / 100


def policies() -> PolicySet:
    """Return the shipped policies."""
    from adapters.policy_folder import SHIPPED, check_policies

    loaded, mistakes = check_policies(SHIPPED)
    assert not [each for each in mistakes if each.is_error], mistakes
    return loaded


def stage(folder: Path) -> tuple[Figures, StageResult]:
    """Return the seconds of clock and processor that the whole stage takes, every output collected, and what it made."""
    facts, rules = _facts(folder), policies()
    started, used = time.perf_counter(), time.process_time()
    result = decide_revenue(facts, rules, Context(AS_OF))
    for frame in result.frames.values():
        frame.collect()
    return (time.perf_counter() - started, time.process_time() - used), result


def schedule_alone(folder: Path) -> tuple[Figures, StageResult]:
    """Return the seconds until obligations, modifications and the schedule stand, and these; nothing that follows from them is made.

    The same steps on the way as the whole stage takes; amounts stay in the currency of the contract.
    """
    facts, rules, context = _facts(folder), policies(), Context(AS_OF)
    started, used = time.perf_counter(), time.process_time()
    books, result = books_of(read_records(facts, context), revenue_versions(rules), context)
    earned = books.performance.with_columns(pl.col("amount").alias("functional_amount"))
    parts = cut_in_blocks(books, earned, books.extra["moved"])
    del books, earned
    result.frames = {name: result.frames[name] for name in ("obligations", "modifications")}
    result.frames["revenue_schedule"] = in_words(pl.concat(used_up(parts, revenue_schedule)).lazy())
    for frame in result.frames.values():
        frame.collect()
    return (time.perf_counter() - started, time.process_time() - used), result


def _facts(folder: Path) -> Facts:
    entities = ("contract", "contract_line", "amendment", "amendment_line", "progress", "fiscal_period", "legal_entity")
    return Facts({name: pl.read_parquet(folder / f"{name}.parquet").lazy() for name in entities}, {}, AS_OF)


def straight_line(folder: Path) -> tuple[Figures, pl.DataFrame]:
    """Return the seconds of the plain schedule and its rows: every obligation version spread by days over its term, in cents."""
    versions = pl.read_parquet(folder / "versions.parquet")
    started, used = time.perf_counter(), time.process_time()
    month = "1mo"
    spread = (
        versions.lazy().sort("contract_id", "obligation_id", "version")
        .with_columns(pl.date_ranges(pl.col("from_date").dt.month_start(), "through_date", month).alias("month"))
        .explode("month")
        .with_columns(pl.min_horizontal(pl.col("month").dt.month_end(), "through_date").alias("posting_date"))
        .with_columns(
            ((pl.col("posting_date") - pl.col("start_date")).dt.total_days() + 1).alias("days"),
            ((pl.col("end_date") - pl.col("start_date")).dt.total_days() + 1).alias("of"),
        )
        .with_columns((pl.col("allocated_amount") * pl.col("days") / pl.col("of")).round(2, mode="half_away_from_zero").alias("so_far"))
        .with_columns((pl.col("so_far") - pl.col("so_far").shift(1).over("contract_id", "obligation_id").fill_null(0)).alias("amount"))
        .select("contract_id", "obligation_id", "version", pl.col("month").dt.strftime("%Y-%m").alias("period"), "posting_date", "amount")
    )  # fmt: skip
    rows = spread.collect()
    return (time.perf_counter() - started, time.process_time() - used), rows


def write(folder: Path, count: int) -> StageResult:
    """Write the records of a firm, and for the plain schedule the versions that the stage made of them; return what it made."""
    for name, frame in records(count).items():
        frame.write_parquet(folder / f"{name}.parquet")
    result = stage(folder)[1]
    made = result.frames["obligations"].collect()
    lines = pl.read_parquet(folder / "contract_line.parquet").select("contract_line_id", "start_date", "end_date")
    following = pl.col("effective_date").shift(-1).over("obligation_id", order_by="version")
    versions = made.sort("obligation_id", "version").join(lines, left_on="obligation_id", right_on="contract_line_id", how="inner")
    versions = versions.with_columns(
        pl.when(pl.col("version") == 1).then("start_date").otherwise("effective_date").alias("from_date"),
        pl.coalesce(following.dt.offset_by("-1d"), "end_date").alias("through_date"),
    )
    kept = ("contract_id", "obligation_id", "version", "allocated_amount", "start_date", "end_date", "from_date", "through_date")
    assert versions.height == made.height
    versions.select(kept).sample(fraction=1, shuffle=True, seed=1).write_parquet(folder / "versions.parquet")
    return result


def _child(what: str, folder: Path) -> tuple[float, ...]:
    """Return clock, processor and peak GiB of one measurement in its own process, and the rows of its schedule."""
    command = [sys.executable, "-m", "benchmarks.revenue", "--measure", what, "--folder", str(folder)]
    # As a command runs; the plain schedule too.
    environment = {**os.environ, **keeping_memory()}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
    return tuple(float(each) for each in output)


def _measure(what: str, folder: Path) -> None:
    if what in ("stage", "schedule"):
        figures, result = (stage if what == "stage" else schedule_alone)(folder)
        rows = result.frames["revenue_schedule"].collect().height
    elif what == "plain":
        figures, schedule = straight_line(folder)
        rows = schedule.height
    else:
        write(folder, int(what))
        return
    print(*figures, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, rows)


def measured(count: int, times: int = TIMES) -> dict[str, tuple[float, float, float, int]]:
    """Return for the stage, its schedule alone and the plain schedule, in turn: least clock and processor, greatest memory, rows."""
    runs: dict[str, list[tuple[float, ...]]] = {"stage": [], "schedule": [], "plain": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "benchmarks.revenue", "--measure", str(count), "--folder", name], check=True)
        for _ in range(times):
            for what, figures in runs.items():
                figures.append(_child(what, folder))
    return {
        what: (min(run[0] for run in each), min(run[1] for run in each), max(run[2] for run in each), int(each[0][3]))
        for what, each in runs.items()
    }


def lines(count: int = CONTRACTS, times: int = TIMES) -> list[str]:
    """Return the table of results: a tenth of the contracts, all of them, and what one takes of the other."""
    sizes = (count // 10, count)
    found = {size: measured(size, times) for size in sizes}
    text = ["| contracts | what | rows of schedule | clock | processor | peak memory |", "|---|---|---|---|---|---|"]
    names = {
        "stage": "Tieout: the revenue stage",
        "schedule": "Tieout: obligations and their schedule alone",
        "plain": "Polars: straight-line schedule",
    }
    for size, both in found.items():
        for what, (clock, processor, memory, rows) in both.items():
            text.append(f"| {size:,} | {names[what]} | {rows:,} | {clock:.2f} s | {processor:.2f} s | {memory:.2f} GiB |")
    text.append("")
    for size, both in found.items():
        for what, told in (("schedule", "schedule against schedule"), ("stage", "the whole stage against it")):
            clock, processor = (both[what][place] / both["plain"][place] for place in (0, 1))
            text.append(f"At {size:,} contracts, {told}: {clock:.1f} times the clock and {processor:.1f} times the processor.")
    growth = [found[sizes[1]]["stage"][place] / found[sizes[0]]["stage"][place] for place in (0, 1)]
    text.append(f"From {sizes[0]:,} to {sizes[1]:,} the stage takes {growth[0]:.1f} times the clock, {growth[1]:.1f} the processor.")
    return text


def main() -> None:
    """Measure in turn and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--contracts", type=int, default=CONTRACTS)
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--measure")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.measure:
        _measure(given.measure, given.folder)
        return
    print("\n".join(lines(given.contracts, given.times)))


if __name__ == "__main__":
    main()
