"""Facts that came after the close of their period: measured at their own day, posted in the first open period (ASC 250).

What a closed period was posted with rests on what was known at its close. So a contract with late facts is
computed once for every close at which more was known: copies of its records, each without what came
later, go through the core beside all other contracts. A period keeps the figures of the copy that was
known when it closed; what a later copy changes in it is posted in the period that took the facts in.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.canonical.schema import entity_spec
from engine.revenue.ground.frames import in_words
from engine.revenue.ground.periods import first_open, with_period
from engine.revenue.ground.records import COPY, RESTORED, Records, not_ended, not_rejected
from engine.revenue.recognition.rejected import ACCRUED, REJECTED, after_a_close, of_submitted, rejections

_DATED: Final = {
    "time_entry": "work_date",
    "expense": "incurred_date",
    "progress": "as_of_date",
    "milestone": "accepted_date",
    "usage": "usage_date",
    "variable_estimate": "as_of_date",
    "amendment": "effective_date",
    "judgement": "decided_on",
    "consideration_payable": "agreed_date",
    "noncash_value": "as_of_date",
}
"""Entities whose facts may come late, and the day each is a fact of."""

_END: Final = "contract_end"
"""Name of the fact that a contract ended (its `terminated_date`): the contract itself was known before."""

# Entities of a contract whose records a copy holds; everything else is shared.
_COPIED: Final = (
    "contract",
    "contract_line",
    "amendment",
    "amendment_line",
    "variable_estimate",
    "variable_outcome",
    "option",
    "price_tier",
    "incentive_fee",
    "consideration_payable",
    "noncash_value",
    "opening_position",
    "judgement",
    "time_entry",
    "expense",
    "milestone",
    "progress",
    "usage",
    "billing_plan_line",
    "invoice",
    "payment",
)

_NAMES: Final = (
    "contract_id",
    "combined_with_contract_id",
    "contract_line_id",
    "fee_on_line_id",
    "exercised_line_id",
    "amendment_id",
    "amendment_line_id",
    "estimate_id",
    "option_id",
    "invoice_id",
)
"""Ids that a copy bears with its number before them."""


_ORDER: Final = {"modification": 0, "estimate_change": 1, "out_of_period": 2, "error": 3}
"""What one close took in is told apart in this order."""


@dataclass(frozen=True, slots=True)
class Vintages:
    """Hold the late facts: `facts` (entity, key, group_id, taken_in: the period end that took it in, nature),
    `steps` (group_id, number, taken_in: the end of the period that took in what copy `number` knows more than the one before,
    nature: of what it knows more). One close takes in each nature by a step of its own, so that no two of them net.
    """

    facts: pl.DataFrame
    steps: pl.DataFrame


def late_facts(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, periods: pl.DataFrame) -> Vintages:
    """Return the facts first known after their period had closed, and at which closes they were taken in."""
    groups = contracts.filter(pl.col("setting.late.closed_period") == "catch_up").select("contract_id", "group_id", "calendar")
    by_line = lines.select("contract_line_id", "contract_id")
    closes = periods.filter(pl.col("closed_at").is_not_null())
    if not closes.height:
        return Vintages(_no_facts(), _no_steps())
    found = []
    own = (_dated_facts(records, entity, day, lines) for entity, day in _DATED.items())
    rejected = (rejections(records, entity, lines, _DATED[entity]) for entity in ACCRUED)
    for told in (*own, *rejected, *_of_contracts(records, contracts)):
        is_dated = pl.col("known_at").is_not_null()
        if "stood_at" in told.columns:
            is_dated = is_dated | pl.col("stood_at").is_not_null()
        rows = told.filter(pl.col("day").is_not_null() & is_dated)
        if rows.is_empty():
            continue
        if "contract_line_id" in rows.columns:
            rows = rows.join(by_line, on="contract_line_id", how="left", suffix=".line")
            name = "contract_id.line" if "contract_id.line" in rows.columns else "contract_id"
            rows = rows.with_columns(pl.coalesce(*dict.fromkeys((name, "contract_id"))).alias("contract_id"))
        rows = after_a_close(rows.join(groups, on="contract_id", how="inner"), closes)
        dated = with_period(rows, periods, "day").filter(pl.col("known_at") > pl.col("closed_at"))
        names = [name for name in ("contract_id", "contract_line_id") if name in dated.columns]
        found.append(dated.select("entity", "key", "group_id", "calendar", "day", "known_at", *names))
    if not found:
        return Vintages(_no_facts(), _no_steps())
    facts = _with_errors(_taken_in(pl.concat(found, how="diagonal"), periods), records)
    steps = (
        facts.select("group_id", "taken_in", "nature")
        .unique()
        .sort("group_id", "taken_in", pl.col("nature").replace_strict(_ORDER, return_dtype=pl.Int8))
        .with_columns(pl.int_range(1, pl.len() + 1).over("group_id").alias("number"))
    )
    return Vintages(facts.select(_no_facts().columns), steps.select(_no_steps().columns))


def _dated_facts(records: Records, entity: str, day: str, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the records of an entity as facts: entity, key, day, known_at, and the contract or line each is of."""
    frame = records.frame(entity)
    known = pl.col("known_at")
    if entity in ACCRUED and ACCRUED[entity] in lines.columns:
        known = pl.when(of_submitted(entity, lines)).then(pl.min_horizontal("known_at", "submitted_at")).otherwise("known_at")
    if entity == "amendment":
        known = pl.coalesce(known, pl.col("approved_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    if entity == "judgement":
        # What a late fact is called (`question: other`) is no fact of its own.
        frame = frame.filter(pl.col("question").ne_missing("other"))
    # What is agreed ahead may count from approval on.
    counts = pl.min_horizontal(day, "approved_date") if entity == "amendment" else pl.col(day)
    return _facts(frame, entity, counts, known)


def _of_contracts(records: Records, contracts: pl.DataFrame) -> tuple[pl.DataFrame, ...]:
    """Return as facts that contracts were signed, with which lines, and that they ended.

    A line that an amendment adds is a fact of that amendment.
    """
    signed = pl.coalesce("signed_date", "start_date", "criteria_met_date")
    added = records.frame("amendment_line").filter(pl.col("action") == "add")["contract_line_id"].drop_nulls()
    lines = records.frame("contract_line").filter(~pl.col("contract_line_id").is_in(added.implode()))
    lines = lines.select("contract_id", "contract_line_id", "known_at").join(
        contracts.select("contract_id", "signed_date"), on="contract_id", how="inner"
    )
    ended = contracts.filter(pl.col("terminated_date").is_not_null())
    return (
        _facts(records.frame("contract"), "contract", signed, pl.col("known_at")),
        _facts(lines, "contract_line", pl.col("signed_date"), pl.col("known_at")),
        _facts(ended, _END, pl.col("terminated_date"), pl.col("end_known_at"), key="contract_id"),
    )


def _facts(frame: pl.DataFrame, entity: str, day: pl.Expr, known: pl.Expr, key: str | None = None) -> pl.DataFrame:
    return frame.select(
        pl.lit(entity).alias("entity"),
        pl.col(key or entity_spec(entity).keys[0]).alias("key"),
        day.alias("day"),
        known.alias("known_at"),
        *(pl.col(name) for name in ("contract_id", "contract_line_id") if name in frame.columns),
    )


def _no_facts() -> pl.DataFrame:
    return pl.DataFrame(
        schema={"entity": pl.String(), "key": pl.String(), "group_id": pl.String(), "taken_in": pl.Date(), "nature": pl.String()}
    )


def _no_steps() -> pl.DataFrame:
    return pl.DataFrame(schema={"group_id": pl.String(), "number": pl.Int64(), "taken_in": pl.Date(), "nature": pl.String()})


def _taken_in(facts: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Add `taken_in`: the end of the first period, from the fact's own on, that was still open when the fact became known."""
    natures = {"amendment": "modification", _END: "modification", "variable_estimate": "estimate_change"}
    kinds = pl.col("entity").replace_strict(natures, default="out_of_period", return_dtype=pl.String)
    rows = first_open(facts, periods, "day", "known_at").rename({"→closes": "taken_in"}).drop_nulls("taken_in")
    names = [name for name in ("contract_id", "contract_line_id") if name in facts.columns]
    first = rows.group_by("entity", "key", "group_id").agg(pl.col("taken_in").min(), pl.col(names).first())
    return first.with_columns(kinds.alias("nature"))


def _with_errors(facts: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Tell late facts that correct an error (250-10-20): the register of judgements says so of the amendment, line or contract.

    Of a whole contract it is said of what merely came late, not of changes and estimates made in between.
    """
    said = pl.col("conclusion").str.strip_chars().str.to_lowercase().str.starts_with("error")
    judged = records.frame("judgement").filter((pl.col("question") == "other") & said & (pl.col("decided_on") <= records.as_of))
    if not judged.height:
        return facts
    named = {name: judged[name].drop_nulls() for name in ("amendment_id", "contract_line_id")}
    whole = judged.filter(pl.col("contract_line_id").is_null() & pl.col("amendment_id").is_null())["contract_id"].drop_nulls()
    is_late = pl.col("nature") == "out_of_period"
    is_error = (
        ((pl.col("entity") == "amendment") & pl.col("key").is_in(named["amendment_id"].implode()))
        | pl.col("contract_line_id").is_in(named["contract_line_id"].implode())
        | (is_late & pl.col("contract_id").is_in(whole.implode()))
    )
    return facts.with_columns(pl.when(is_error.fill_null(value=False)).then(pl.lit("error")).otherwise("nature").alias("nature"))


def copied_records(records: Records, vintages: Vintages, contracts: pl.DataFrame, lines: pl.DataFrame) -> Records:
    """Return copies of the records of contracts with late facts: copy n knows what was taken in by its close, and not more."""
    groups = vintages.steps.group_by("group_id").agg(pl.col("number").max().alias("copies"))
    # Copy 0 knows nothing late; the last step's knowledge is that of the records themselves.
    copies = groups.with_columns(pl.int_ranges(0, "copies").alias("copy")).explode("copy").select("group_id", "copy")
    own = contracts.select("contract_id", "group_id")
    of_line = lines.select("contract_line_id", "group_id")
    of_amendment = records.frame("amendment").join(own, on="contract_id", how="inner").select("amendment_id", "group_id")
    of_estimate = _with_group(records.frame("variable_estimate"), own, of_line, of_amendment, None).select("estimate_id", "group_id")
    numbered = vintages.facts.join(vintages.steps, on=["group_id", "taken_in", "nature"], how="left").select(
        "entity", "key", pl.col("number").alias("known_from")
    )
    held: dict[str, pl.DataFrame] = {}
    for entity in _COPIED:
        frame = records.frame(entity)
        rows = _with_group(frame, own, of_line, of_amendment, of_estimate).join(copies, on="group_id", how="inner")
        late = numbered.filter(pl.col("entity") == entity).select(pl.col("key").alias(entity_spec(entity).keys[0]), "known_from")
        rows = rows.join(late, on=entity_spec(entity).keys[0], how="left").filter(
            pl.col("known_from").is_null() | (pl.col("known_from") <= pl.col("copy"))
        )
        if entity == "contract":
            ends = numbered.filter(pl.col("entity") == _END).select(contract_id="key", known_end="known_from")
            rows = not_ended(rows.join(ends, on="contract_id", how="left"), pl.col("known_end") > pl.col("copy"))
        names = frame.columns
        if entity in ACCRUED:
            rows, names = _with_rejected(rows, numbered, entity), [*names, RESTORED]
        held[entity] = rows.with_columns(
            pl.concat_str(pl.col("copy").cast(pl.String), pl.col(name), separator=COPY).alias(name)
            for name in _NAMES
            if name in frame.columns
        ).select(names)
    return Records(records.facts, records.as_of, records.known_on, held)


def _with_rejected(rows: pl.DataFrame, numbered: pl.DataFrame, entity: str) -> pl.DataFrame:
    """Let time or expenses count in copies that do not know of their rejection yet (`records.RESTORED`)."""
    later = numbered.filter(pl.col("entity") == REJECTED.format(entity))
    later = later.select(pl.col("key").alias(entity_spec(entity).keys[0]), pl.col("known_from").alias("→rejected"))
    made = rows.join(later, on=entity_spec(entity).keys[0], how="left", maintain_order="left")
    restored = (pl.col("→rejected") > pl.col("copy")).fill_null(value=False)
    return not_rejected(made, restored).with_columns(restored.alias(RESTORED)).drop("→rejected")


def _with_group(
    frame: pl.DataFrame, own: pl.DataFrame, of_line: pl.DataFrame, of_amendment: pl.DataFrame, of_estimate: pl.DataFrame | None
) -> pl.DataFrame:
    """Add `group_id` by whichever reference a record has: its contract, line, amendment or estimate."""
    made = frame.with_columns(pl.lit(None, dtype=pl.String).alias("group_id"))
    sources = [("contract_id", own), ("contract_line_id", of_line), ("amendment_id", of_amendment)]
    if of_estimate is not None:
        sources.append(("estimate_id", of_estimate))
    for name, groups in sources:
        if name in frame.columns:
            unique = groups.unique(name, keep="first")
            made = (
                made.join(unique, on=name, how="left", maintain_order="left", suffix=".by")
                .with_columns(pl.coalesce("group_id", "group_id.by").alias("group_id"))
                .drop("group_id.by")
            )
    return made


def composed(
    final: pl.DataFrame, copies: pl.DataFrame, vintages: Vintages, contracts: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Return performance as posted: every period by what was known at its close, later knowledge in the period that took it in.

    `final` and `copies` are performance frames (`frames.PERFORMANCE`); ids of copies bear their number.
    """
    final, copies = in_words(final), in_words(copies)
    numbered = copies.with_columns(
        pl.col("group_id").str.split(COPY).list.first().cast(pl.Int64).alias("copy"),
        *(pl.col(name).str.split(COPY).list.last().alias(name) for name in ("contract_id", "contract_line_id")),
    )
    # A copy that does not know the first of combined contracts yet names their group by another.
    groups = contracts.select("contract_id", "group_id")
    numbered = numbered.drop("group_id").join(groups, on="contract_id", how="left", maintain_order="left")
    last = vintages.steps.group_by("group_id").agg(pl.col("number").max().alias("copy"))
    own = final.join(last, on="group_id", how="inner")
    every = pl.concat([numbered.select(own.columns), own])
    ends = periods.select("calendar", "period", pl.col("end_date").alias("→end"))
    calendars = contracts.select("contract_id", "calendar")
    every = every.join(calendars, on="contract_id", how="left").join(ends, on=["calendar", "period"], how="left")
    steps = vintages.steps.select("group_id", pl.col("number").alias("copy"), "taken_in", pl.col("nature").alias("→nature"))
    following = steps.select("group_id", (pl.col("copy") - 1).alias("copy"), pl.col("taken_in").alias("→until"))
    every = every.join(steps.drop("→nature"), on=["group_id", "copy"], how="left").join(following, on=["group_id", "copy"], how="left")
    from_here = pl.col("taken_in").is_null() | (pl.col("→end") >= pl.col("taken_in"))
    before_next = pl.col("→until").is_null() | (pl.col("→end") < pl.col("→until"))
    kept = every.filter(from_here & before_next)
    late = _differences(every, steps, ends, calendars, as_of)
    rest = final.join(last, on="group_id", how="anti")
    return pl.concat([rest, kept.select(final.columns), late.select(final.columns)])


def _differences(
    every: pl.DataFrame, steps: pl.DataFrame, ends: pl.DataFrame, calendars: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Return what each step of knowledge changes in periods before it, posted in the period that took it in."""
    names = ["contract_id", "group_id", "contract_line_id", "obligation_id", "timing", "role", "currency", "rule", "period", "→end"]
    names = [*names, "performed_on"]
    # What passes at a point in time has the rate of its day, however late it is posted.
    at_a_point = ~pl.col("timing").is_in(["over_time", "as_invoiced", "usage"])
    flows = every.filter(~pl.col("is_planned")).with_columns(pl.when(at_a_point).then("posting_date").alias("performed_on"))
    amounts = ["amount", "gross_amount"]
    after = flows.join(steps.drop("taken_in"), on=["group_id", "copy"], how="inner").select(
        *names, *amounts, "copy", "taken_in", "→nature", "evidence", pl.lit(1).alias("sign")
    )
    before = (
        flows.with_columns((pl.col("copy") + 1).alias("copy"))
        .drop("taken_in")
        .join(steps, on=["group_id", "copy"], how="inner")
        .select(*names, *amounts, "copy", "taken_in", "→nature", "evidence", pl.lit(-1).alias("sign"))
    )
    both = pl.concat([after, before]).filter(pl.col("→end") < pl.col("taken_in"))
    changes = (
        both.group_by(*names, "copy", "taken_in", "→nature")
        .agg(
            *((pl.col(name) * pl.col("sign").cast(MONEY)).sum() for name in amounts), pl.col("evidence").filter(pl.col("sign") == 1).first()
        )
        .filter(pl.col("amount") != 0)
        .sort("performed_on")
    )
    posted = ends.rename({"→end": "taken_in", "period": "→period"})
    made = (
        changes.join(calendars, on="contract_id", how="left")
        .join(posted, on=["calendar", "taken_in"], how="left")
    )
    return made.with_columns(
        pl.col("→nature").alias("nature"),
        pl.col("period").alias("relates_to_period"),
        pl.col("→period").alias("period"),
        pl.min_horizontal("taken_in", pl.lit(as_of)).alias("posting_date"),
        pl.col("amount").alias("catch_up_amount"),
        pl.lit("late_fact").alias("basis"),
        pl.lit(value=False).alias("is_planned"),
        pl.lit(None, dtype=pl.Decimal(38, 12)).alias("progress"),
    )
