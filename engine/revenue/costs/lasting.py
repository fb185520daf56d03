"""How a cost asset is amortized when its term or the policy's convention changes: from then on (340-40-35-2, 250-10-45-18)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import FIRST_DAY, MONEY
from engine.revenue.arithmetic.conventions import TermColumns, with_earned
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.progress.measured import fiscal_periods

MOVES: Final[dict[str, pl.DataType]] = {
    "cost_id": pl.String(), "date": pl.Date(), "benefit_end": pl.Date(), "convention": pl.String(), "is_error": pl.Boolean(),
}  # fmt: skip
"""One row per change of a cost's benefit: its end, or the convention it is spread by (null: as before).

Until the day before it the asset is amortized as before, from it on what is left; a corrected error (`is_error`) is caught up whole.
"""

CONVENTIONS: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "date": pl.Date(), "before": pl.String(), "convention": pl.String(), "is_error": pl.Boolean(),
}  # fmt: skip
"""One row per contract whose costs an adopted version of the policy spreads in another way from a day on."""

GONE: Final[dict[str, pl.DataType]] = {"cost_id": pl.String(), "gone_on": pl.Date()}
"""One row per cost of a line that a change ended before its day: nothing it was incurred for is transferred from that day on."""


def benefit_terms(periods: pl.DataFrame) -> TermColumns:
    """Return where a classified cost says over what it is amortized; months are its company's fiscal periods (340-40-35-1)."""
    return TermColumns(start="benefit_start", end="benefit_end", periods=fiscal_periods(periods), entity="calendar")


def moved_benefits(judged: pl.DataFrame, moved: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return how the benefit of costs without a stated end moves with the terms of what they were incurred for (MOVES).

    `judged`: classified costs. `moved` (`frames.MOVED_ENDS`): ends of promises that modifications changed. A cost of a line follows the
    line, one of a contract the last of its promises, as far as that was the end of the contract. Renewals that were expected anyway
    are not moved by a term that becomes no longer than they are.
    """
    costs = judged.filter(~pl.col("has_end"))
    if not moved.height or not costs.height:
        return pl.DataFrame(schema=MOVES)
    of_line = costs.filter(pl.col("line_end").is_not_null()).join(
        moved.select("contract_line_id", "date", pl.col("end_date").alias("→end")), on="contract_line_id", how="inner"
    )
    of_line = of_line.with_columns(pl.col("line_end").alias("→from"))
    whole = _last_of_contract(moved, lines)
    of_all = costs.filter(pl.col("line_end").is_null() & pl.col("contract_end").is_not_null()).join(whole, on="contract_id", how="inner")
    # A record of the contract may tell its end as it is now; what it was signed for is what its promises tell.
    is_new = ((pl.col("contract_end") == pl.col("→end")) & (pl.col("→signed") != pl.col("contract_end"))).any().over("cost_id")
    first = of_all.filter(is_new).unique("cost_id", keep="first", maintain_order=True).with_columns(
        pl.lit(FIRST_DAY).alias("date"), pl.col("→signed").alias("→end")
    )
    follows = is_new | (pl.col("→signed") == pl.col("contract_end")) | (pl.col("→end") > pl.col("contract_end"))
    of_all = pl.concat([first, of_all.filter(follows)]).with_columns(pl.col("contract_end").alias("→from"))
    names = ["cost_id", "date", "→end", "→from", "benefit_start", "benefit_end", "expected_renewals"]
    both = pl.concat([of_line.select(names), of_all.select(names)])
    renews = pl.col("expected_renewals").fill_null(0) > 0
    later = pl.when(renews).then(pl.max_horizontal("→end", "benefit_end")).otherwise("→end")
    ends = both.with_columns(pl.max_horizontal(later, "benefit_start").alias("benefit_end"))
    ends = ends.sort("cost_id", "date").unique(["cost_id", "date"], keep="last", maintain_order=True)
    return _shaped(ends)


def gone_benefits(judged: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """Return costs whose line a change took away or ended by its own day (GONE), whatever end and renewals were stated (340-40-35-3).

    `judged`, `moved`: as in `moved_benefits`. A line that a later change lets run on is not gone.
    """
    costs = judged.filter(pl.col("line_end").is_not_null()).select("cost_id", "contract_line_id", "line_end")
    if not moved.height or not costs.height:
        return pl.DataFrame(schema=GONE)
    last = moved.sort("contract_line_id", "date").unique("contract_line_id", keep="last", maintain_order=True)
    found = costs.join(last.select("contract_line_id", "date", "end_date", "is_gone"), on="contract_line_id", how="inner")
    is_over = pl.col("is_gone") | (pl.col("end_date") < pl.col("date"))
    # Agreed ahead, it is served until then.
    day = pl.max_horizontal("date", pl.col("end_date").dt.offset_by("1d"))
    return found.filter(is_over & (pl.col("end_date") < pl.col("line_end"))).select("cost_id", day.alias("gone_on"))


def _shaped(moves: pl.DataFrame) -> pl.DataFrame:
    return moves.select(
        pl.col(name) if name in moves.columns else pl.lit(None, dtype=dtype).alias(name) for name, dtype in MOVES.items()
    )


def changed_conventions(judged: pl.DataFrame, conventions: pl.DataFrame) -> pl.DataFrame:
    """Return how adopted changes of the policy (CONVENTIONS) change the way costs of before are spread (MOVES)."""
    every = judged.select("cost_id", "contract_id", "incurred_date").join(conventions, on="contract_id", how="inner")
    every = every.filter(pl.col("incurred_date") < pl.col("date")).sort("cost_id", "date")
    first = every.unique("cost_id", keep="first", maintain_order=True).with_columns(
        pl.lit(FIRST_DAY).alias("date"), pl.col("before").alias("convention"), pl.lit(value=False).alias("is_error")
    )
    return _shaped(pl.concat([first, every]))


def _last_of_contract(moved: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the last day of each contract's promises, as signed and after each change: contract_id, date, →end, →signed."""
    own = lines.filter(pl.col("end_date").is_not_null())
    signed = own.filter(pl.col("added_by").is_null()).select("contract_line_id", "contract_id", pl.lit(FIRST_DAY).alias("date"), "end_date")
    steps = pl.concat([signed, moved.select(signed.columns)]).sort("date")
    days = moved.select("contract_id", "date").unique()
    lived = steps.select("contract_line_id", "contract_id").unique().join(days, on="contract_id", how="inner").sort("date")
    on_day = lived.join_asof(steps.select("contract_line_id", "date", "end_date"), on="date", by="contract_line_id", check_sortedness=False)
    after = on_day.group_by("contract_id", "date").agg(pl.col("end_date").max().alias("→end"))
    before = signed.group_by("contract_id").agg(pl.col("end_date").max().alias("→signed"))
    return after.join(before, on="contract_id", how="inner").sort("contract_id", "date")


def as_moved(judged: pl.DataFrame, moves: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return classified costs with the end of their benefit as it is known on a day."""
    known = moves.filter((pl.col("date") <= as_of) & pl.col("benefit_end").is_not_null())
    known = known.sort("cost_id", "date").unique("cost_id", keep="last", maintain_order=True)
    made = judged.join(known.select("cost_id", pl.col("benefit_end").alias("→end")), on="cost_id", how="left", maintain_order="left")
    return made.with_columns(pl.coalesce("→end", "benefit_end").alias("benefit_end")).drop("→end")


def with_amortized(rows: pl.DataFrame, moves: pl.DataFrame, terms: TermColumns) -> pl.DataFrame:
    """Add `earned`: what of each cost (`amount`) is amortized through its row's day; `benefit_end` is the one known then.

    From a change of the end on, what is left is spread over what is left of the benefit.
    """
    still = rows.join(moves.select("cost_id").unique(), on="cost_id", how="anti", maintain_order="left")
    still = _amortized(still, "earned", "amount", "end_date", None, terms)
    moving = rows.join(moves.select("cost_id").unique(), on="cost_id", how="semi", maintain_order="left")
    if not moving.height:
        return still
    spans = _spans(moving.unique("cost_id", keep="first", maintain_order=True), moves, terms)
    found = moving.drop("benefit_end", "convention").sort("end_date").join_asof(
        spans.sort("→since"), left_on="end_date", right_on="→since", by="cost_id", check_sortedness=False
    )
    found = _amortized(found, "→then", "→amount", "end_date", "→after", terms)
    found = found.with_columns((pl.col("→spent") + pl.col("→then")).cast(MONEY).alias("earned"))
    return pl.concat([still, found.select(still.columns)]).sort("cost_id", "end_date")


def _spans(costs: pl.DataFrame, moves: pl.DataFrame, terms: TermColumns) -> pl.DataFrame:
    """Return for each cost the spans with one end and convention: cost_id, →since, →amount (left then), →after, →spent, both."""
    now = costs.with_columns(
        pl.lit(FIRST_DAY).alias("→since"), pl.col("amount").cast(MONEY).alias("→amount"), pl.lit(None, dtype=pl.Date).alias("→after"),
        ZERO.alias("→spent"),
    )  # fmt: skip
    names = ["cost_id", "→since", "→amount", "→after", "→spent", "benefit_end", "convention"]
    made = [now.select(names)]
    numbered = moves.sort("cost_id", "date").with_columns(pl.int_range(pl.len()).over("cost_id").alias("→number"))
    for number in numbered["→number"].unique().sort():
        step = numbered.filter(pl.col("→number") == number).select(
            "cost_id", "date", pl.col("benefit_end").alias("→next"), pl.col("convention").alias("→way"), "is_error"
        )
        now = now.join(step, on="cost_id", how="inner", maintain_order="left")
        now = now.with_columns(pl.col("date").dt.offset_by("-1d").alias("→until"))
        now = _amortized(now, "→gone", "→amount", "→until", "→after", terms)
        # What was known before the cost was incurred, or was an error, is its term from the start.
        anew = (pl.col("date") <= pl.col("incurred_date")) | pl.col("is_error").fill_null(value=False)
        spent = pl.when(anew).then(ZERO).otherwise(pl.col("→spent") + pl.col("→gone")).cast(MONEY)
        now = now.with_columns(
            pl.col("date").alias("→since"), (pl.col("amount") - spent).cast(MONEY).alias("→amount"),
            pl.when(~anew).then("→until").alias("→after"), spent.alias("→spent"),
            pl.coalesce("→next", "benefit_end").alias("benefit_end"), pl.coalesce("→way", "convention").alias("convention"),
        ).drop("date", "→next", "→way", "is_error", "→until", "→gone")  # fmt: skip
        made.append(now.select(names))
    return pl.concat(made).sort("cost_id", "→since").unique(["cost_id", "→since"], keep="last", maintain_order=True)


def _amortized(rows: pl.DataFrame, name: str, amount: str, at: str, after: str | None, terms: TermColumns) -> pl.DataFrame:
    mode = pl.col("rounding")
    made = with_earned(rows.lazy(), name, amount=amount, at=at, after=after, digits="digits", mode=mode, terms=terms).collect()
    # A benefit of unknown length is not amortized: it is a finding, not a guess.
    return made.with_columns(pl.col(name).fill_null(ZERO).cast(MONEY).alias(name))

