"""Revenue: what each promise earned, period by period, and what stands on the balance sheet for it.

From the ground up: `arithmetic` (exact numbers) and `ground` (records, settings, frames); `contracts` and their promises;
`price` and its allocation; `progress`; `modifications`; `recognition` (revenue by day, as it was posted). What follows from it:
`disclosures`, `posting` (positions, balances, entries), `costs` and losses, `controls` (findings). Beside them stands what
puts them together: `agreed`, `core`, `atoms`, `books`, and the rooms in `reports`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from engine.policy.loaded import PolicySet
from engine.revenue.atoms import performance, sorted_performance
from engine.revenue.books import Earlier, tell_books
from engine.revenue.contracts.gate import contract_frame
from engine.revenue.controls.bounds import bounded
from engine.revenue.controls.percents import sound_percents
from engine.revenue.controls.strays import stray_findings
from engine.revenue.core import Core, run_core
from engine.revenue.fired import revenue_fired, revenue_held
from engine.revenue.ground.blocks import cut_in_blocks, used_up
from engine.revenue.ground.frames import Books, in_words
from engine.revenue.ground.records import Records, read_records
from engine.revenue.ground.settings import Versions, revenue_versions
from engine.revenue.posting.intercompany import charged_between
from engine.revenue.posting.post import post
from engine.revenue.posting.reporting import told_to_the_group
from engine.revenue.progress.worked import dated_caps
from engine.revenue.pushdown import time_revenue
from engine.revenue.reached import decided_reach, revenue_reach
from engine.revenue.recognition.adopted import adopted, cost_conventions, earned, taken_over_before, worlds
from engine.revenue.recognition.late import composed, copied_records, late_facts
from engine.revenue.reports import controlled, costs_and_losses, disclosed, financed
from engine.revenue.schedule import obligations_output, revenue_schedule
from engine.revenue.second_book import KEPT, book_differences, second_versions
from engine.stage import Context, Facts, StageResult

__all__ = ["books_of", "decide_revenue", "decided_reach", "revenue_fired", "revenue_held", "revenue_reach"]

Room = Callable[[Books, Records, Context], tuple[Books, StageResult]]

ROOMS: Final[tuple[Room, ...]] = (financed, costs_and_losses, post, told_to_the_group, charged_between, disclosed, controlled)
"""The rooms after the core, in order: each may add frames to the books for those after it."""


def decide_revenue(facts: Facts, policies: PolicySet, context: Context) -> StageResult:
    """Recognize every contract's revenue (ASC 606, IFRS 15) and derive what follows from it.

    Frames: obligations, modifications, revenue_schedule, time_revenue and what the rooms add. Where the policy
    keeps a second book, its outputs stand under `second_book/`, the figures that differ in `book_differences`.
    Without a revenue policy in the folder the stage does not apply.
    """
    result = StageResult()
    versions = revenue_versions(policies)
    if not versions:
        result.not_applicable.append(("revenue", "the policy folder holds no revenue policy"))
        return result
    records, told = _held_back(read_records(facts, context))
    result.add(_book(records, versions, context))
    fingerprint = pl.lit(versions[-1][0].fingerprint).alias("policy_fingerprint")
    result.findings = [frame.with_columns(fingerprint) for frame in (*result.findings, *told)]
    other = second_versions(versions)
    if other is not None:
        # What was posted was posted from the first book.
        second = _book(records.without("approved_entries"), other, context).frames
        result.frames |= {f"second_book/{name}": second[name] for name in KEPT if name in second}
        result.frames["book_differences"] = book_differences(result.frames, second, _standards(records, versions, other)).lazy()
    return result


def _held_back(records: Records) -> tuple[Records, list[pl.DataFrame]]:
    """Return the records without what cannot be reckoned with, and what is found of them."""
    sound, unsound = sound_percents(records)
    kept, too_large = bounded(sound)
    return kept, [frame for frame in (stray_findings(records), unsound, too_large) if frame.height]


def _standards(records: Records, first: Versions, second: Versions) -> pl.DataFrame:
    """Return the standard that each book applies to each contract."""
    books = [contract_frame(records, versions, records.as_of).select("contract_id", "setting.standard") for versions in (first, second)]
    left, right = (book.rename({"setting.standard": name}) for book, name in zip(books, ("first_standard", "second_standard"), strict=True))
    return left.join(right, on="contract_id", how="left")


def _book(records: Records, versions: Versions, context: Context) -> StageResult:
    """Return one book's outputs and findings: the core, then every room."""
    books, result = books_of(records, versions, context)
    for room in ROOMS:
        books, made = room(books, records, context)
        result.add(made)
    parts = cut_in_blocks(books, earned(books.extra["translated"]), books.extra["moved"])
    del books
    result.frames["revenue_schedule"] = pl.concat(used_up(parts, revenue_schedule)).lazy()
    result.frames = {name: in_words(frame) for name, frame in result.frames.items()}
    return result


def books_of(records: Records, versions: Versions, context: Context) -> tuple[Books, StageResult]:
    """Return the books that the rooms are handed, with what the core puts out; what they were made of takes no memory any more."""
    core, posted, restated, versions, conventions, earlier = _adopted(records, versions, context)
    books = tell_books(core, posted, versions, context.as_of, earlier)
    if conventions:
        books = books.with_extra(cost_conventions=pl.concat(conventions))
    result = StageResult(findings=[frame for frame in core.findings if frame.height])
    result.frames = {
        "obligations": obligations_output(books).lazy(),
        "modifications": books.modifications.lazy(),
        "time_revenue": time_revenue(
            earned(books.performance), core.worked, core.lines, core.contracts, core.periods,
            dated_caps(core.terms).filter(pl.col("date") <= context.as_of), core.outside,
        ).lazy(),
    }
    if restated is not None:
        result.frames["restatements"] = restated.lazy()
    return books, result


def _adopted(
    records: Records, versions: Versions, context: Context
) -> tuple[Core, pl.DataFrame, pl.DataFrame | None, Versions, list[pl.DataFrame], Earlier | None]:
    """Return the core by the policy as it stands, performance with every change of the policy adopted, what they restate.

    Then the versions that decide now, what each change does to the way costs are spread, and what was known when periods closed.
    """
    known = worlds(versions, context.as_of)
    core = run_core(records, known[0].versions, context.as_of)
    (posted, known_then), restated, conventions = _posted(core, records, known[0].versions, context), [], []
    for world in known[1:]:
        verdicts = taken_over_before(core.obligations, world)
        earlier, core = core.contracts, run_core(records, world.versions, context.as_of, verdicts)
        conventions.append(cost_conventions(earlier, core.contracts, world))
        after, known_then = _posted(core, records, world.versions, context, verdicts)
        posted, told = adopted(posted, after, world, core.contracts, core.periods)
        restated.append(told)
    if not restated:
        return core, posted, None, versions, [], known_then
    return core, sorted_performance(posted), pl.concat(restated), known[-1].versions, conventions, known_then


def _posted(
    core: Core, records: Records, versions: Versions, context: Context, verdicts: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, Earlier | None]:
    """Return performance as it was posted: closed periods by what was known when they closed; and what that was."""
    final = performance(core)
    vintages = late_facts(records, core.contracts, core.lines, core.periods)
    if not vintages.steps.height:
        return final, None
    copies = run_core(copied_records(records, vintages, core.contracts, core.lines), versions, context.as_of, verdicts)
    posted = composed(final, performance(copies), vintages, core.contracts, core.periods, context.as_of)
    return sorted_performance(posted), Earlier(copies, vintages)
