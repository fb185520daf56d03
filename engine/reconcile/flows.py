"""Integrations: events that failed, came twice or late, still wait, or were never sent."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.schema import entity_spec, file_and_row
from engine.policy.kinds.flow import Flow, FlowPolicy
from engine.policy.loaded import LoadedPolicy
from engine.stage import Context, Facts, StageResult

FLOW_SCHEMA: Final[dict[str, pl.DataType]] = {
    "flow": pl.String(), "from_system": pl.String(), "to_system": pl.String(), "entity": pl.String(), "events": pl.Int64(),
    "processed": pl.Int64(), "failed": pl.Int64(), "dead_lettered": pl.Int64(), "pending": pl.Int64(), "duplicated": pl.Int64(),
    "late": pl.Int64(), "not_sent": pl.Int64(), "latency_median_seconds": pl.Int64(), "latency_longest_seconds": pl.Int64(),
    "permitted_seconds": pl.Int64(),
}  # fmt: skip
"""Columns of `flows.parquet`: what became of the events of each integration, and how long they took."""

# One fact: the same thing happened to the same record at the same moment, told to the same system.
_FACT: Final = ("from_system", "to_system", "entity", "entity_id", "event_type", "occurred_at")

_REMEDY: Final = {
    "failed_event": "Clear the reason of the failure and send the event again.",
    "dead_letter_event": "Clear the reason, take the event out of the dead letters and send it again.",
    "duplicate_event": "See that the receiver took the fact once only, and find why it was sent twice.",
    "late_event": "Look at the queue of the integration, or permit a longer latency.",
    "waiting_event": "Look at the queue of the integration.",
    "event_not_sent": "Send the record's event, and find why the sender did not.",
    "flow_without_policy": "Write the integration into the flow policy, or switch it off.",
}


def run_flow_policy(loaded: LoadedPolicy, policy: FlowPolicy, facts: Facts, context: Context, result: StageResult) -> pl.DataFrame:
    """Judge the integration log by a flow policy; findings go to the result. Returns FLOW_SCHEMA rows."""
    log = facts.frame("integration_event")
    if log is None:
        result.not_applicable.append((policy.id, "no source of the snapshot supplies integration event records"))
        return pl.DataFrame(schema=FLOW_SCHEMA)
    end = dt.datetime.combine(context.as_of + dt.timedelta(days=1), dt.time(), dt.UTC)
    events = log.filter(pl.col("occurred_at") < end).collect().sort("occurred_at", "received_at", "event_id", nulls_last=True)
    events = _judged(events)
    rows: list[pl.DataFrame] = []
    for flow in policy.flows:
        of_flow = events.filter(
            (pl.col("from_system") == flow.sender) & (pl.col("to_system") == flow.receiver) & (pl.col("entity") == flow.entity)
        )
        rows.append(_flow_row(of_flow, flow, policy, loaded, facts, end, result))
    known = pl.DataFrame(
        [(each.sender, each.receiver, each.entity) for each in policy.flows], schema=["from_system", "to_system", "entity"], orient="row"
    ).cast(pl.String)
    _tell_unlisted(events.join(known, on=["from_system", "to_system", "entity"], how="anti"), policy, loaded, result)
    return pl.concat(rows) if rows else pl.DataFrame(schema=FLOW_SCHEMA)


def _judged(events: pl.DataFrame) -> pl.DataFrame:
    """Add whether an event repeats a fact already processed, or was made good by a later one."""
    done = pl.col("status") == "processed"
    before = done.cast(pl.Int64).cum_sum().over(_FACT) - done.cast(pl.Int64)
    return events.with_columns(
        (done & (before > 0)).fill_null(value=False).alias("is_repeated"),
        (~done & done.any().over(_FACT)).fill_null(value=False).alias("is_made_good"),
        (pl.col("processed_at") - pl.col("occurred_at")).dt.total_seconds().alias("seconds"),
    )  # fmt: skip


def _flow_row(
    events: pl.DataFrame, flow: Flow, policy: FlowPolicy, loaded: LoadedPolicy, facts: Facts, end: dt.datetime, result: StageResult
) -> pl.DataFrame:
    open_events = events.filter(~pl.col("is_made_good"))
    failed, dead = (open_events.filter(pl.col("status") == status) for status in ("failed", "dead_letter"))
    repeated = events.filter("is_repeated")
    late = events.filter((pl.col("status") == "processed") & ~pl.col("is_repeated") & (pl.col("seconds") > flow.within.seconds))
    overdue = pl.col("occurred_at") < end - dt.timedelta(seconds=flow.within.seconds)
    waiting = open_events.filter((pl.col("status") == "pending") & overdue)
    not_sent = _not_sent(events, flow, facts, end)
    minor = "low" if flow.criticality == "low" else "medium"
    for kind, rows, severity in (
        ("failed_event", failed, flow.criticality), ("dead_letter_event", dead, flow.criticality), ("duplicate_event", repeated, minor),
        ("late_event", late, minor), ("waiting_event", waiting, minor),
    ):  # fmt: skip
        if rows.height:
            result.findings.append(_event_findings(rows, kind, severity, flow, policy, loaded))
    if not_sent.height:
        result.findings.append(_not_sent_findings(not_sent, flow, policy, loaded))
    processed = events.filter(pl.col("status") == "processed")
    # The lower of the two middle values: a latency that some event really had.
    middle = processed["seconds"].drop_nulls().sort()
    median = middle[(middle.len() - 1) // 2] if middle.len() else None
    row = (
        flow.id, flow.sender, flow.receiver, flow.entity, events.height, processed.height, failed.height, dead.height,
        events.filter(pl.col("status") == "pending").height, repeated.height, late.height, not_sent.height, median,
        middle[-1] if middle.len() else None, flow.within.seconds,
    )  # fmt: skip
    return pl.DataFrame([row], schema=FLOW_SCHEMA, orient="row")


def _not_sent(events: pl.DataFrame, flow: Flow, facts: Facts, end: dt.datetime) -> pl.DataFrame:
    """Return the sender's records, new since the log began, of which the receiver was never told.

    With `expects: changed` also those that changed after the last event about them.
    """
    source = facts.sources.get(flow.entity)
    if flow.expects == "nothing" or source is None or events.height == 0:
        return pl.DataFrame(schema={"id": pl.String(), "moment": pl.Datetime("us", "UTC"), "evidence": pl.List(pl.String())})
    permitted = dt.timedelta(seconds=flow.within.seconds)
    begin = events["occurred_at"].min()
    moment = pl.col("recorded_at")
    if flow.expects == "changed":
        moment = pl.max_horizontal("recorded_at", "modified_at")
    place = file_and_row()
    told = events.group_by("entity_id").agg(pl.col("occurred_at").max().alias("told_at"))
    records = (
        source.filter(pl.col("source_system") == flow.sender)
        .select(
            entity_spec(flow.entity).display_key().alias("id"), moment.alias("moment"),
            pl.concat_list(place).list.drop_nulls().alias("evidence"),
        )
        .filter((pl.col("moment") >= begin) & (pl.col("moment") < end - permitted))
        .collect().join(told, left_on="id", right_on="entity_id", how="left")
    )  # fmt: skip
    silent = pl.col("told_at").is_null()
    if flow.expects == "changed":
        silent = silent | (pl.col("told_at") + permitted < pl.col("moment"))
    return records.filter(silent).select("id", "moment", "evidence").sort("id")


def _common(flow: Flow, policy: FlowPolicy, loaded: LoadedPolicy) -> list[pl.Expr]:
    return [
        pl.lit("reconciliation").alias("stage"), pl.lit(flow.id).alias("rule"),
        pl.lit([flow.sender, flow.receiver], dtype=pl.List(pl.String)).alias("systems"),
        pl.lit(flow.owner or policy.owner).alias("owner"), pl.lit(loaded.fingerprint).alias("policy_fingerprint"),
    ]  # fmt: skip


def _event_findings(
    rows: pl.DataFrame, kind: str, severity: str, flow: Flow, policy: FlowPolicy, loaded: LoadedPolicy
) -> pl.DataFrame:
    what = pl.format("Event {} ({} {} {}, {} to {})", "event_id", "entity", "entity_id", "event_type", "from_system", "to_system")
    why = pl.concat_str(pl.lit(": "), pl.col("error")).fill_null("")
    attempts = pl.col("attempts").cast(pl.String).fill_null("some")
    moment = pl.col("occurred_at").dt.strftime("%Y-%m-%d %H:%M")
    permitted = f"{flow.within.seconds:,} seconds are permitted"
    told = {
        "failed_event": pl.concat_str(pl.lit(" failed after "), attempts, pl.lit(" attempts"), why),
        "dead_letter_event": pl.concat_str(pl.lit(" is among the dead letters"), why),
        "duplicate_event": pl.lit(" tells a fact that was processed before"),
        "late_event": pl.concat_str(pl.lit(" took "), pl.col("seconds").cast(pl.String), pl.lit(f" seconds; {permitted}")),
        "waiting_event": pl.concat_str(pl.lit(" has waited since "), moment, pl.lit(f"; {permitted}")),
    }[kind]  # fmt: skip
    return rows.select(
        pl.lit(kind).alias("kind"), pl.lit(severity).alias("severity"), pl.lit("integration_event").alias("entity"),
        pl.col("event_id").alias("entity_id"), pl.col("entity").alias("related_entity"), pl.col("entity_id").alias("related_id"),
        pl.col("occurred_at").dt.date().alias("since"), pl.concat_str(what, told, pl.lit(".")).alias("message"),
        pl.lit(_REMEDY[kind]).alias("remedy"), pl.col("evidence"), *_common(flow, policy, loaded),
    )  # fmt: skip


def _not_sent_findings(rows: pl.DataFrame, flow: Flow, policy: FlowPolicy, loaded: LoadedPolicy) -> pl.DataFrame:
    name = flow.entity.replace("_", " ").capitalize()
    moment = pl.col("moment").dt.strftime("%Y-%m-%d %H:%M")
    return rows.select(
        pl.lit("event_not_sent").alias("kind"), pl.lit(flow.criticality).alias("severity"), pl.lit(flow.entity).alias("entity"),
        pl.col("id").alias("entity_id"), pl.col("moment").dt.date().alias("since"),
        pl.format(f"{name} {{}} of {{}} in {flow.sender}: no event told {flow.receiver} of it.", "id", moment).alias("message"),
        pl.lit(_REMEDY["event_not_sent"]).alias("remedy"), pl.col("evidence"), *_common(flow, policy, loaded),
    )  # fmt: skip


def _tell_unlisted(events: pl.DataFrame, policy: FlowPolicy, loaded: LoadedPolicy, result: StageResult) -> None:
    if events.height == 0:
        return
    ways = events.group_by("from_system", "to_system", "entity").agg(pl.len().alias("n"), pl.col("evidence").explode().head(1))
    remedy = _REMEDY["flow_without_policy"]
    result.findings.append(
        ways.select(
            pl.lit("reconciliation").alias("stage"), pl.lit("flow_without_policy").alias("kind"), pl.lit(policy.id).alias("rule"),
            pl.lit("low").alias("severity"), pl.lit("integration").alias("entity"),
            pl.concat_str("from_system", "to_system", "entity", separator="|").alias("entity_id"),
            pl.format("{} events of {} go from {} to {}, and no flow policy speaks of them.", "n", "entity", "from_system", "to_system")
            .alias("message"),
            pl.lit(remedy).alias("remedy"), pl.lit(policy.owner).alias("owner"), pl.col("evidence"),
            pl.lit(loaded.fingerprint).alias("policy_fingerprint"),
        )
    )  # fmt: skip
