"""What each night's export knows: only what was recorded by then, in the state it had by then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from adapters.sampling.claims import CLAIMS, COPY_LAG_HOURS, SYSTEMS
from adapters.sampling.records import stated
from engine.canonical.schema import entity_spec

Frames = Mapping[str, pl.DataFrame]
_View = Callable[[pl.DataFrame, "Moment", Frames], pl.DataFrame]

_COPIED: Final = frozenset({"customer", "contract"})


@dataclass(frozen=True, slots=True)
class Moment:
    """Name the evening an export is taken: the day and the instant."""

    day: dt.date

    @property
    def instant(self) -> dt.datetime:
        """Return the instant of the export, 23:30 UTC."""
        return dt.datetime(self.day.year, self.day.month, self.day.day, 23, 30, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Edit:
    """Describe a slip in one system's copy: values that its export shows from a night on.

    `key` is the record's key (composite keys joined by `|`); without `values` the record is absent.
    """

    system: str
    entity: str
    key: str
    values: Mapping[str, object] | None = None
    first_night: int = 0


def _after(column: str, moment: Moment) -> pl.Expr:
    return pl.col(column) > moment.instant


def _cleared(condition: pl.Expr, *columns: str) -> list[pl.Expr]:
    """Return the columns with null where the condition holds."""
    return [pl.when(~condition.fill_null(value=False)).then(pl.col(name)).alias(name) for name in columns]


def _approval(frame: pl.DataFrame, moment: Moment, _: Frames) -> pl.DataFrame:
    """Cut what is not yet submitted or decided out of time entries and expenses."""
    is_draft, is_open = _after("submitted_at", moment), _after("decided_at", moment)
    approved = (pl.col("status") == "approved") & ~is_open & pl.col("decided_at").is_not_null()
    return frame.with_columns(
        pl.when(is_draft).then(pl.lit("draft")).when(is_open).then(pl.lit("submitted")).otherwise("status").alias("status"),
        *_cleared(is_draft, "submitted_at"), *_cleared(~approved, "approved_by"),
        pl.when(approved).then("decided_at").alias("approved_at"),
    )  # fmt: skip


def _time(frame: pl.DataFrame, moment: Moment, frames: Frames) -> pl.DataFrame:
    named = frame.with_columns(_entry_id().alias("time_entry_id"))
    return _approval(named, moment, frames)


def _entry_id() -> pl.Expr:
    return pl.format("TE-{}", pl.col("number").cast(pl.String).str.zfill(7))


def _settled(frame: pl.DataFrame, _: Moment, __: Frames) -> pl.DataFrame:
    return frame.with_columns(_entry_id().alias("time_entry_id"))


def _opportunity(frame: pl.DataFrame, moment: Moment, _: Frames) -> pl.DataFrame:
    is_open = pl.col("close_date") > moment.day
    return frame.with_columns(
        pl.when(is_open).then(pl.lit("Proposal")).otherwise("stage").alias("stage"),
        (pl.col("is_won") & ~is_open).alias("is_won"), *_cleared(is_open, "contract_id"),
    )  # fmt: skip


def _contract(frame: pl.DataFrame, moment: Moment, _: Frames) -> pl.DataFrame:
    status = (
        pl.when(pl.col("start_date") > moment.day).then(pl.lit("signed"))
        .when(pl.col("end_date") >= moment.day).then(pl.lit("active")).otherwise(pl.lit("completed"))
    )  # fmt: skip
    return frame.with_columns(status.alias("status"))


def _project(frame: pl.DataFrame, moment: Moment, _: Frames) -> pl.DataFrame:
    is_idle = pl.col("activated_date") > moment.day
    status = (
        pl.when(is_idle).then(pl.lit("planned"))
        .when(pl.col("end_date") < moment.day).then(pl.lit("completed")).otherwise(pl.lit("active"))
    )  # fmt: skip
    return frame.with_columns(status.alias("status"), *_cleared(is_idle, "activated_date"))


def _milestone(frame: pl.DataFrame, moment: Moment, _: Frames) -> pl.DataFrame:
    is_open, is_unaccepted = pl.col("completed_date") > moment.day, pl.col("accepted_date") > moment.day
    cut = frame.with_columns(*_cleared(is_open, "completed_date"), *_cleared(is_unaccepted, "accepted_date", "accepted_by"))
    status = (
        pl.when(pl.col("accepted_date").is_not_null()).then(pl.lit("accepted"))
        .when(pl.col("completed_date").is_not_null()).then(pl.lit("completed")).otherwise(pl.lit("planned"))
    )  # fmt: skip
    return cut.with_columns(status.alias("status"))


def _paid(frame: pl.DataFrame, applications: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    """Add status, open amount and the day of the last payment as the payments known say."""
    known = applications.filter(pl.col("recorded_at") <= moment.instant).group_by("invoice_id").agg(
        pl.col("amount").sum().alias("applied"), pl.col("paid_date").max().alias("last_paid")
    )  # fmt: skip
    is_draft = _after("posted_at", moment) | ~pl.col("is_posted")
    joined = frame.join(known, on="invoice_id", how="left", maintain_order="left").with_columns(
        (pl.col("gross_amount") - pl.col("applied").fill_null(0)).alias("amount_due")
    )
    is_paid = pl.col("amount_due") <= 0
    return joined.with_columns(
        pl.when(is_draft).then(pl.lit("draft")).when(is_paid).then(pl.lit("paid")).otherwise(pl.lit("posted")).alias("status"),
        pl.when(is_paid & ~is_draft).then("last_paid").alias("fully_paid_date"),
        *_cleared(is_draft, "posted_at", "posted_by", "approved_by"),
    )  # fmt: skip


def _invoice(frame: pl.DataFrame, moment: Moment, frames: Frames) -> pl.DataFrame:
    return _paid(frame.with_columns(pl.lit(value=True).alias("is_posted")), frames["payment_application"], moment)


def _erp_invoice(frame: pl.DataFrame, moment: Moment, frames: Frames) -> pl.DataFrame:
    booked = frame.with_columns(
        (pl.col("posted_at") + pl.duration(minutes=30)).alias("posted_at"), pl.lit("erp.interface").alias("posted_by"),
        pl.lit("erp.controller").alias("approved_by"),
    )  # fmt: skip
    return _paid(booked, frames["payment_application"].filter(~pl.col("is_repeated")), moment)


def _bill(frame: pl.DataFrame, moment: Moment, _: Frames) -> pl.DataFrame:
    is_paid = pl.col("paid_date") <= moment.day
    return frame.with_columns(
        pl.when(is_paid).then(pl.lit("paid")).otherwise(pl.lit("posted")).alias("status"),
        pl.when(is_paid).then(0).otherwise("gross_amount").alias("amount_due"),
        pl.when(is_paid).then("paid_date").alias("fully_paid_date"),
    )


def _schedule(frame: pl.DataFrame, moment: Moment, _: Frames) -> pl.DataFrame:
    is_due = pl.col("period_end") <= moment.day
    return frame.with_columns(
        pl.when(is_due).then(pl.lit("recognized")).otherwise(pl.lit("planned")).alias("status"),
        pl.when(is_due).then("period_end").alias("recognized_date"),
        pl.when(is_due).then("journal_id").alias("journal_id"),
    )


def _period(frame: pl.DataFrame, moment: Moment, _: Frames) -> pl.DataFrame:
    is_open = _after("closed_at", moment)
    return frame.with_columns(
        pl.when(is_open).then(pl.lit("open")).otherwise(pl.lit("closed")).alias("status"), *_cleared(is_open, "closed_at")
    )


_VIEWS: Final[dict[str, _View]] = {
    "opportunity": _opportunity, "contract": _contract, "project": _project, "time_entry": _time, "expense": _approval,
    "milestone": _milestone, "invoice": _invoice, "erp_invoice": _erp_invoice, "invoice_line_time": _settled,
    "bill": _bill, "revenue_schedule_line": _schedule, "fiscal_period": _period,
}  # fmt: skip


class SystemRecords(Mapping[str, pl.DataFrame]):
    """Give one system's canonical records of one night by entity, made when asked for."""

    def __init__(self, system: str, moment: Moment, frames: Frames, edits: tuple[Edit, ...]) -> None:
        """Hold what the records are made from; nothing is computed yet."""
        self._system = system
        self._moment = moment
        self._frames = frames
        self._edits = edits

    def __getitem__(self, entity: str) -> pl.DataFrame:
        """Return the system's records of an entity; KeyError when it holds none."""
        columns = CLAIMS[self._system][entity]
        name = "erp_invoice" if (self._system, entity) == ("erp", "invoice") else entity
        frame = self._frames[name]
        if entity in _COPIED:
            lag = pl.duration(hours=COPY_LAG_HOURS[self._system])
            frame = frame.with_columns(pl.col("recorded_at") + lag, pl.col("modified_at") + lag)
        known = frame.filter(pl.col("recorded_at") <= self._moment.instant)
        view = _VIEWS.get(name)
        shown = known if view is None else view(known, self._moment, self._frames)
        result = stated(entity, shown, columns)
        for edit in self._edits:
            if edit.entity == entity:
                result = _edited(result, edit)
        return result

    def __iter__(self) -> Iterator[str]:
        """Iterate over the entities the system holds."""
        return iter(CLAIMS[self._system])

    def __len__(self) -> int:
        """Return how many entities the system holds."""
        return len(CLAIMS[self._system])


def _edited(frame: pl.DataFrame, edit: Edit) -> pl.DataFrame:
    is_meant = entity_spec(edit.entity).display_key() == edit.key
    if edit.values is None:
        return frame.filter(~is_meant)
    return frame.with_columns(
        pl.when(is_meant).then(pl.lit(value).cast(frame.schema[name])).otherwise(name).alias(name) for name, value in edit.values.items()
    )


@dataclass(frozen=True, slots=True)
class Night:
    """Hold one night's exports: `systems[system][entity]` is a frame of canonical records."""

    date: dt.date
    extracted_at: dt.datetime
    systems: Mapping[str, Mapping[str, pl.DataFrame]]


def make_night(day: dt.date, place: int, frames: Frames, edits: list[Edit]) -> Night:
    """Return the exports of a day; `place` counts the nights from 0 and decides which slips show."""
    moment = Moment(day)
    systems = {
        name: SystemRecords(name, moment, frames, tuple(each for each in edits if each.system == name and each.first_night <= place))
        for name in SYSTEMS
    }
    return Night(day, moment.instant, systems)
