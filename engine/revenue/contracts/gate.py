"""The contract step: which agreements are contracts, since when, combined with which, for how long (606-10-25-1 to 25-9)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.minor_units import minor_digits
from engine.nothing import of_nothing
from engine.revenue.contracts.leaving import free_to_leave, notice_end
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.frames import CONTRACTS, setting, shaped
from engine.revenue.ground.records import Records
from engine.revenue.ground.settings import Versions, version_of, with_settings

RULE: Final = "606-10-25-1"

_YES: Final = (
    "yes", "true", "met", "probable", "enforceable", "collectible", "y", "distinct", "principal", "over time", "over_time",
)  # fmt: skip
_NO: Final = (
    "no", "false", "not met", "not probable", "unenforceable", "n", "not enforceable", "not collectible", "uncollectible", "not distinct",
    "agent", "not principal", "not over time", "point in time", "point_in_time", "at a point in time",
)  # fmt: skip


def contract_frame(records: Records, versions: Versions, as_of: dt.date) -> pl.DataFrame:
    """Return one row per contract that is signed, with gate, group, term and settings (`frames.CONTRACTS` and `version`).

    One that is not (`is_signed`) has a row where its customer paid: what was paid is a deposit, and nothing else of it counts.
    """
    signed = pl.coalesce("signed_date", "start_date", "criteria_met_date")
    is_signed = (pl.col("status").is_null() | (pl.col("status") != "draft")) & (signed.is_null() | (signed <= as_of))
    found = records.frame("contract").with_columns(is_signed.alias("is_signed"))
    found = found.filter(pl.col("is_signed") | _is_paid(found, records, as_of))
    day = pl.when("is_signed").then(pl.coalesce(signed, pl.lit(as_of))).otherwise(pl.lit(as_of))
    found = found.with_columns(day.alias("signed_date"))
    found = _grouped(_with_entity(_with_end_known(found, records), records))
    # Combined contracts are one, signed when the last of them was (25-9): one version of the policy is for all of it.
    found = found.with_columns(version_of(versions, pl.col("signed_date").max().over("group_id")).alias("version"))
    found = with_settings(found, versions, "contract_id")
    judged = _with_loss(_judged(found, records.frame("judgement"), as_of), records.frame("judgement"), as_of)
    judged = judged.with_columns(
        pl.when("is_signed").then("gate").otherwise(pl.lit("not_met")).alias("gate"),
        *(pl.when("is_signed").then(name).alias(name) for name in ("gate_date", "lost_date")),
    )
    kept = [name for name in judged.columns if name.startswith("setting.")]
    made = judged.with_columns(
        pl.coalesce(minor_digits(pl.col("currency")), pl.lit(2)).alias("minor_digits"),
        _term_end(as_of).alias("term_end"),
    )
    extra = [
        "version",
        "total_value",
        "ceiling_amount",
        "financing_rate",
        "financing_exclusion",
        "exit_penalty",
        "notice_days",
        "cancellable_by",
        "end_known_at",
        "terminated_recorded_at",
        "is_signed",
    ]
    return shaped(made, CONTRACTS, keep=[*kept, *extra]).sort("contract_id")


def _is_paid(contracts: pl.DataFrame, records: Records, as_of: dt.date) -> pl.Expr:
    """Tell whether money came in for a contract that stands by itself: on one to be combined with another both wait."""
    if contracts["is_signed"].all():
        return pl.lit(value=False)
    paid = records.frame("payment").filter(pl.col("paid_date") <= as_of)
    invoiced = records.frame("invoice").join(paid, on="invoice_id", how="semi")
    ids = pl.concat([paid["contract_id"], invoiced["contract_id"]]).drop_nulls().unique()
    named = contracts["combined_with_contract_id"].drop_nulls().unique()
    alone = pl.col("combined_with_contract_id").is_null() & ~pl.col("contract_id").is_in(named.implode())
    return alone & pl.col("contract_id").is_in(ids.implode())


def _with_end_known(contracts: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Add `end_known_at`: when its end was first known, as stated, else with the amendment that tells it; null: by its day."""
    told = records.frame("amendment").filter(pl.col("status") == "approved")
    stops = records.frame("amendment_line").group_by("amendment_id").agg(pl.col("end_date").max().alias("→stops"))
    told = told.join(stops, on="amendment_id", how="left").join(
        contracts.select("contract_id", pl.col("terminated_date").alias("→end")), on="contract_id", how="inner"
    )
    of_end = told.filter((pl.col("effective_date") == pl.col("→end")) | (pl.col("→stops") == pl.col("→end")))
    first = of_end.group_by("contract_id").agg(pl.col("known_at").min().alias("→told"))
    made = contracts.join(first, on="contract_id", how="left", maintain_order="left")
    return made.with_columns(pl.coalesce("terminated_recorded_at", "→told").alias("end_known_at")).drop("→told")


def _with_entity(contracts: pl.DataFrame, records: Records) -> pl.DataFrame:
    entities = records.frame("legal_entity").select("legal_entity_id", "functional_currency").unique("legal_entity_id", keep="first")
    own = records.frame("fiscal_period").select(pl.col("legal_entity_id"), pl.col("legal_entity_id").alias("calendar")).unique()
    companies = pl.concat([entities["legal_entity_id"], own["legal_entity_id"]]).drop_nulls().unique()
    if companies.len() == 1:
        # A contract that names no company is of the only one there is.
        contracts = contracts.with_columns(pl.col("legal_entity_id").fill_null(companies.item()))
    made = contracts.join(entities, on="legal_entity_id", how="left", maintain_order="left")
    made = made.join(own, on="legal_entity_id", how="left", maintain_order="left")
    return made.with_columns(pl.col("calendar").fill_null(""), pl.coalesce("functional_currency", "currency").alias("functional_currency"))


def _grouped(contracts: pl.DataFrame) -> pl.DataFrame:
    """Add `group_id`, the first contract of those that are one: contracts that one names, or several name each other, along chains.

    One price has one currency: a contract in another one stands by itself (`agreements.combination_findings`).
    """
    pairs = combined_pairs(contracts).filter("is_one").select(pl.col("contract_id").alias("one"), pl.col("other").alias("two"))
    pairs = pl.concat([pairs, pairs.select(pl.col("two").alias("one"), pl.col("one").alias("two"))])
    groups = pairs.select(pl.col("one").alias("contract_id"), pl.col("one").alias("group_id")).unique()
    while groups.height:
        heads = groups.rename({"contract_id": "two", "group_id": "head"})
        near = pairs.join(heads, on="two", how="inner").group_by(pl.col("one").alias("contract_id")).agg(pl.col("head").min())
        found = groups.join(near, on="contract_id", how="left").with_columns(pl.min_horizontal("group_id", "head").alias("→first"))
        if (found["→first"] == found["group_id"]).all():
            break
        groups = found.select("contract_id", pl.col("→first").alias("group_id"))
    made = contracts.join(groups, on="contract_id", how="left", maintain_order="left")
    return made.with_columns(pl.coalesce("group_id", "contract_id").alias("group_id"))


def combined_pairs(contracts: pl.DataFrame) -> pl.DataFrame:
    """Return the contracts that name another one to be combined with: contract_id, other, is_known, is_one (known and in one currency)."""
    named = contracts.select("contract_id", "currency", pl.col("combined_with_contract_id").alias("other"))
    named = named.filter(pl.col("other") != pl.col("contract_id"))
    others = contracts.select(pl.col("contract_id").alias("other"), pl.col("currency").alias("→currency"))
    pairs = named.join(others.with_columns(pl.lit(value=True).alias("is_known")), on="other", how="left")
    return pairs.with_columns(
        pl.col("is_known").fill_null(value=False),
        (pl.col("is_known").fill_null(value=False) & pl.col("currency").eq_missing(pl.col("→currency"))).alias("is_one"),
    ).drop("→currency")


def _judged(contracts: pl.DataFrame, judgements: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Add gate, gate_date and gate_source."""
    made = contracts
    for question in ("enforceable", "collectible"):
        said = conclusions(judgements, question, "contract_id", as_of)
        made = (
            made.join(said, on="contract_id", how="left", maintain_order="left", suffix=".j")
            .with_columns(
                pl.coalesce(
                    pl.col(question),
                    pl.col("conclusion"),
                    pl.when(setting(f"gate.{question}") == "presumed").then(pl.lit(value=True)),
                ).alias(f"{question}.is"),
                pl.when(pl.col(question).is_not_null())
                .then(pl.lit("record"))
                .when(pl.col("conclusion").is_not_null())
                .then(pl.lit("judgement"))
                .when(setting(f"gate.{question}") == "presumed")
                .then(pl.lit("presumption"))
                .alias(f"{question}.by"),
            )
            .drop("conclusion")
        )
    both = pl.col("enforceable.is") & pl.col("collectible.is")
    met_on = pl.max_horizontal(pl.coalesce("criteria_met_date", "signed_date"), "signed_date")
    # What ended before it met them never was a contract.
    is_met = both & (met_on <= as_of) & (pl.col("terminated_date").is_null() | (pl.col("terminated_date") >= met_on))
    gate = pl.when(both.is_null()).then(pl.lit("held")).when(is_met).then(pl.lit("met")).otherwise(pl.lit("not_met"))
    weakest = (
        pl.when(both.is_null())
        .then(None)
        .when((pl.col("enforceable.by") == "presumption") | (pl.col("collectible.by") == "presumption"))
        .then(pl.lit("presumption"))
        .when((pl.col("enforceable.by") == "judgement") | (pl.col("collectible.by") == "judgement"))
        .then(pl.lit("judgement"))
        .otherwise(pl.lit("record"))
    )
    return made.with_columns(gate.alias("gate"), weakest.alias("gate_source")).with_columns(
        pl.when(pl.col("gate") == "met").then(met_on).alias("gate_date")
    )


def _with_loss(contracts: pl.DataFrame, judgements: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Add `lost_date`: the day a contract that met the criteria was judged not to meet them any more (606-10-25-5).

    What was earned until then stands, and nothing is earned after it. A later answer than the record's is the newer one.
    Where the first answer was no, the criteria are met on the day of the first yes (25-6).
    """
    key = ["contract_id", "question"]
    said = pl.col("conclusion").str.strip_chars().str.to_lowercase()
    told = (
        judgements.filter(pl.col("question").is_in(["enforceable", "collectible"]) & (pl.col("decided_on") <= as_of))
        .select(*key, "decided_on", "judgement_id", said.is_in(_YES).alias("yes"), said.is_in(_NO).alias("no"))
        .filter(pl.col("yes") | pl.col("no"))
        .sort(*key, "decided_on", "judgement_id")
    )
    last_yes = pl.when("yes").then(pl.col("decided_on")).max().over(key)
    answers = told.group_by(key, maintain_order=True).agg(
        pl.col("no").last().alias("is_no"),
        pl.col("yes").any().alias("was_yes"),
        pl.when(pl.col("no").first()).then(pl.col("decided_on").filter("yes").min()).alias("gained_date"),
        pl.col("decided_on").filter(pl.col("no") & (last_yes.is_null() | (pl.col("decided_on") > last_yes))).min().alias("lost_date"),
    )
    records = contracts.unpivot(["enforceable", "collectible"], index=["contract_id", "signed_date"], variable_name="question")
    lost = (
        answers.filter("is_no")
        .join(records, on=key, how="inner")
        .filter(pl.coalesce("value", "was_yes") & (pl.col("lost_date") > pl.col("signed_date")))
        .group_by("contract_id")
        .agg(pl.col("lost_date").min())
    )
    gained = (
        answers.join(records, on=key, how="inner")
        .filter(pl.col("value").is_null() & pl.col("gained_date").is_not_null())
        .group_by("contract_id")
        .agg(pl.col("gained_date").max())
    )
    made = contracts.join(lost, on="contract_id", how="left", maintain_order="left")
    made = made.join(gained, on="contract_id", how="left", maintain_order="left")
    # Judged, not by record: the criteria were met until then.
    denied = pl.any_horizontal(pl.col("enforceable", "collectible").eq(other=False).fill_null(value=False))
    was_met = pl.col("lost_date").is_not_null() & (pl.col("gate") == "not_met") & ~denied
    met_on = pl.max_horizontal(pl.coalesce("criteria_met_date", "gained_date"), "signed_date")
    return made.with_columns(
        pl.when(was_met).then(pl.lit("met")).otherwise("gate").alias("gate"),
        pl.when(was_met | (pl.col("gate") == "met")).then(met_on).otherwise("gate_date").alias("gate_date"),
        pl.when((pl.col("gate") == "met") | was_met).then("lost_date").alias("lost_date"),
    )


@of_nothing
def conclusions(judgements: pl.DataFrame, question: str, key: str, as_of: dt.date) -> pl.DataFrame:
    """Return the latest yes-or-no answer to a question by key: key, conclusion (Boolean, null where it is neither)."""
    said = pl.col("conclusion").str.strip_chars().str.to_lowercase()
    return (
        judgements.filter((pl.col("question") == question) & pl.col(key).is_not_null())
        .filter(pl.col("decided_on").is_null() | (pl.col("decided_on") <= as_of))
        .sort("decided_on", "judgement_id", nulls_last=False)
        .group_by(key, maintain_order=True)
        .agg(said.last().alias("said"))
        .select(
            key,
            pl.when(pl.col("said").is_in(_YES))
            .then(pl.lit(value=True))
            .when(pl.col("said").is_in(_NO))
            .then(pl.lit(value=False))
            .alias("conclusion"),
        )
    )


def _term_end(as_of: dt.date) -> pl.Expr:
    """Return the last day a customer free to leave is bound to (606-10-25-3); null where nobody may leave: what is promised binds."""
    return pl.when(free_to_leave()).then(notice_end(pl.lit(as_of)))


def gate_findings(contracts: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every contract whose criteria are not met, or that nobody judged."""
    is_held = pl.col("gate") == "held"
    message = (
        pl.when(is_held)
        .then(
            pl.format(
                "Nobody judged whether contract {} is enforceable and collection probable; nothing is recognized until then.", "contract_id"
            )
        )
        .otherwise(pl.format("Contract {} does not meet the criteria of a contract; what the customer paid is a liability.", "contract_id"))
    )
    lost = pl.col("lost_date").is_not_null()
    gone = pl.format("Contract {} does not meet the criteria any more since {}; nothing is recognized after.", "contract_id", "lost_date")
    open_yet = pl.format("Contract {} is not signed; what its customer paid is a deposit until it is.", "contract_id")
    message = pl.when(lost).then(gone).when(~pl.col("is_signed")).then(open_yet).otherwise(message)
    kind = pl.when(is_held).then(pl.lit("contract_not_judged")).otherwise(pl.lit("contract_criteria_not_met"))
    severity = pl.when(is_held).then(pl.lit("high")).otherwise(pl.lit("medium"))
    judge = "Judge the criteria (606-10-25-1) and enter the result on the contract or in the register of judgements."
    sign = "Enter the day it was signed and its status, or pay the money back."
    remedy = pl.when("is_signed").then(pl.lit(judge)).otherwise(pl.lit(sign))
    return contracts.filter((pl.col("gate") != "met") | lost).select(
        *finding_columns(kind, severity, "contract", message, remedy, "controller"),
        pl.col("contract_id").alias("entity_id"),
        "contract_id",
        pl.col("total_value").alias("amount_at_risk"),
        "currency",
        "evidence",
    )


def judgement_findings(judgements: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return a finding for every judgement whose conclusion answers a question of yes or no with neither: it decides nothing."""
    said = pl.col("conclusion").str.strip_chars().str.to_lowercase()
    decided = pl.col("decided_on").is_null() | (pl.col("decided_on") <= as_of)
    asked = judgements.filter(pl.col("question").is_in(["enforceable", "collectible", "distinct", "principal", "over_time"]) & decided)
    hit = asked.filter(~said.is_in([*_YES, *_NO]).fill_null(value=False))
    shown = pl.col("conclusion").fill_null("nothing")
    told = "Judgement {} on {} concludes {}, which is neither yes nor no; it decides nothing."
    message = pl.format(told, "judgement_id", "question", shown)
    remedy = "Enter yes or no as its conclusion, and the reasons as its basis."
    return hit.select(
        *finding_columns("judgement_not_understood", "medium", "judgement", message, remedy, "controller"),
        pl.col("judgement_id").alias("entity_id"),
        "contract_id",
        "evidence",
    )
