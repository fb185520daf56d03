"""What was billed against the policies, and what should have been billed and was not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from engine.billing.duplicates import duplicate_invoices, duplicate_time_entries
from engine.billing.eligibility import in_force
from engine.billing.invoiced import billed_too_much, not_accepted, over_cap, rates_below_card
from engine.billing.ledger import last_invoices, names_items, not_told
from engine.billing.marked import can_tell_marks, marked_items, tell_marked
from engine.billing.money import HOURS, product
from engine.billing.references import frame_of
from engine.billing.telling import hours_text, item_words, money_text, per_item, plain
from engine.canonical.kinds import MONEY
from engine.caps import UNKNOWN
from engine.policy.kinds.billing import BillingCheck, BillingPolicy
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.stage import Context, StageResult
from engine.workdays import elapsed, first_beyond

Frames = Mapping[str, pl.LazyFrame]

_OPEN = ("billable", "partially_billed")
_UNBILLED = ("not_billed", "stale_unbilled", "marked_billed")


@dataclass(frozen=True, slots=True)
class Checked:
    """Hold what a check looks at: its policy's rows with decisions, the agreed records, the run's context."""

    rows: pl.DataFrame
    policy: BillingPolicy
    check: BillingCheck
    frames: Frames
    context: Context

    @property
    def mine(self) -> pl.DataFrame:
        """Return the rows that the check's condition admits; earlier versions of the policy may not know the check."""
        return self.mine_where(pl.lit(value=True))

    def mine_where(self, condition: pl.Expr) -> pl.DataFrame:
        """Return the rows that the check's condition admits and that meet another, without copying those that do not."""
        return self.rows.filter(pl.col(f"check.{self.check.id}").fill_null(value=True) & condition)


def billing_findings(rows: pl.DataFrame, policies: PolicySet, frames: Frames, context: Context, result: StageResult) -> list[pl.DataFrame]:
    """Return the findings of every check the billing policies ask for, and of items their tables leave undecided."""
    found: list[pl.DataFrame] = []
    for policy_id, versions in policies.versions(BillingPolicy).items():
        loaded, policy = in_force(versions, context)
        own = rows.filter(pl.col("policy") == policy_id)
        if not own.height:
            continue
        linked = names_items(frames, policy.item)
        marked = _marked(own, policy, frames, linked)
        for check in policy.checks:
            telling = marked is not None if check.check == "marked_billed" else linked
            if check.check in _UNBILLED and not telling:
                result.not_applicable.append((check.id, _unlinked(policy, linked)))
                continue
            unsure = not_told(frames) if check.check in _UNBILLED and policy.item == "time_entry" else None
            mine = marked if check.check == "marked_billed" and marked is not None else own
            if unsure is not None:
                mine = mine.filter(~pl.col("item.id").is_in(unsure["entries"].explode(empty_as_null=False).implode()))
            if check.check in ("not_billed", "stale_unbilled") and marked is not None:
                # What is marked as billed is told by that check: the mark is why nobody bills it.
                mine = mine.filter(~pl.col("item.id").is_in(marked["item.id"].implode()))
            made = _CHECKS[check.check](Checked(mine, policy, check, frames, context))
            found.append(_with_rule(made, check, loaded))
            if unsure is not None and check.check == "not_billed":
                found.append(_with_rule(_billed_in_sum(unsure), check, loaded))
        found.append(_undecided(own, policy, loaded))
        found.append(_without_cap(own, policy, loaded))
        found.append(_untranslated(own, policy, loaded))
    found.append(_uncovered(rows))
    return [each for each in found if each.height]


def _marked(own: pl.DataFrame, policy: BillingPolicy, frames: Frames, linked: bool | None) -> pl.DataFrame | None:
    """Return what is marked as billed and on no invoice, if the policy asks for it and it can be told; else None."""
    check = next((each for each in policy.checks if each.check == "marked_billed"), None)
    if check is None or not can_tell_marks(own, linked, frames):
        return None
    return marked_items(own.filter(pl.col(f"check.{check.id}").fill_null(value=True)), policy.item, frames)


def _billed_in_sum(lines: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for the lines of a project and period whose hours are not those of the entries they may bill."""
    apart = (pl.col("billed") - pl.col("hours")).abs().cast(HOURS)
    price = pl.col("amount").cast(pl.Decimal(38, 18)) / pl.when(pl.col("billed") != 0).then(pl.col("billed")).cast(pl.Decimal(38, 18))
    more = pl.when(pl.col("lines") > 1).then(pl.format(" and {} more", pl.col("lines") - 1)).otherwise(pl.lit(""))
    message = pl.concat_str(
        pl.lit("Invoice line "), "entity_id", more, pl.lit(" of invoice "), "invoice_id", pl.lit(" bill "), plain(pl.col("billed")),
        pl.lit(" h of project "), "project_id", pl.lit(" from "), pl.col("from").cast(pl.String), pl.lit(" to "),
        pl.col("to").cast(pl.String), pl.lit(" in one sum and name no entry; the approved hours that no other line names are "),
        plain(pl.col("hours")), pl.lit(" in "), pl.col("entries").list.len().cast(pl.String),
        pl.lit(" entries, so which of them are billed cannot be told."),
    )  # fmt: skip
    return lines.select(
        pl.lit("billed_in_sum").alias("kind"), pl.lit("invoice_line").alias("entity"), "entity_id",
        pl.lit("invoice").alias("related_entity"), pl.col("invoice_id").alias("related_id"), "contract_id",
        pl.col("to").dt.strftime("%Y-%m").alias("period"), "currency", "evidence", pl.col("to").alias("since"),
        product(apart, price).round(2, mode="half_away_from_zero").cast(MONEY).alias("amount_at_risk"), message.alias("message"),
        pl.lit("Say on the line which entries it bills, or correct its hours or its period.").alias("remedy"),
    )  # fmt: skip


def _unlinked(policy: BillingPolicy, linked: bool | None) -> str:
    name = policy.item.replace("_", " ")
    if linked is None:
        return "no source of the snapshot supplies invoice lines, so what is unbilled cannot be told"
    return f"no invoice line names the {name} it bills, so what is unbilled cannot be told"


def _with_rule(found: pl.DataFrame, check: BillingCheck, loaded: LoadedPolicy) -> pl.DataFrame:
    kind = pl.col("kind") if "kind" in found.columns else pl.lit(check.check)
    return found.with_columns(
        kind.alias("kind"), pl.lit("billing").alias("stage"), pl.lit(check.id).alias("rule"), pl.lit(check.severity).alias("severity"),
        (pl.col("remedy") if "remedy" in found.columns else pl.lit(check.remedy, dtype=pl.String)).alias("remedy"),
        pl.lit(check.steward or loaded.policy.owner).alias("owner"),
        pl.lit(loaded.fingerprint).alias("policy_fingerprint"),
    )  # fmt: skip


def _undecided(rows: pl.DataFrame, policy: BillingPolicy, loaded: LoadedPolicy) -> pl.DataFrame:
    """Return a finding for each item on which the table is silent, or on which its rules disagree."""
    conflict = pl.col("table.status") == "conflict"
    open_items = per_item(rows.filter(pl.col("table.decision").is_null()))
    told = (
        pl.when(conflict)
        .then(pl.lit("several rules decide it differently"))
        .otherwise(pl.lit("no rule decides it, and the table states no default"))
    )
    return open_items.select(
        *_subject(), pl.when(conflict).then(pl.lit("rule_conflict")).otherwise(pl.lit("no_rule")).alias("kind"),
        pl.lit(policy.id).alias("rule"), pl.lit("billing").alias("stage"), pl.lit("high").alias("severity"),
        pl.concat_str(item_words(), pl.lit(" is held: "), told, pl.lit(".")).alias("message"),
        pl.lit("Add a rule or a default to the table.").alias("remedy"), pl.lit(policy.owner).alias("owner"),
        pl.lit(loaded.fingerprint).alias("policy_fingerprint"),
    )  # fmt: skip


def _without_cap(rows: pl.DataFrame, policy: BillingPolicy, loaded: LoadedPolicy) -> pl.DataFrame:
    """Return a finding for each line and cap of which the limit is stated and cannot be told."""
    held = rows.filter(pl.col("table.reason") == UNKNOWN)
    grouped = held.group_by("item.line_id", "item.contract_id", "item.currency", "table.rule").agg(
        pl.col("item.id").n_unique().alias("→count"), pl.col("item.amount").sum().alias("→amount"),
        pl.col("evidence").sort_by("item.id").first(),
    )  # fmt: skip
    message = pl.concat_str(
        pl.col("→count").cast(pl.String), pl.lit(" items of "), pl.col("item.line_id").fill_null("no line"), pl.lit(", "),
        money_text("→amount"), pl.lit(" in all, are held: their cap is stated and cannot be told, since it has more digits than can be"),
        pl.lit(" kept or divides by 0."),
        ignore_nulls=True,
    )  # fmt: skip
    return grouped.sort("item.line_id", "table.rule").select(
        pl.lit("contract_line").alias("entity"), pl.col("item.line_id").alias("entity_id"), pl.col("item.contract_id").alias("contract_id"),
        pl.col("item.currency").alias("currency"), pl.col("→amount").alias("amount_at_risk"), pl.col("evidence"),
        pl.lit("cap_unknown").alias("kind"), pl.col("table.rule").alias("rule"), pl.lit("billing").alias("stage"),
        pl.lit("high").alias("severity"), message.alias("message"), pl.lit(policy.owner).alias("owner"),
        pl.lit("Correct what the cap is made of.").alias("remedy"), pl.lit(loaded.fingerprint).alias("policy_fingerprint"),
    )  # fmt: skip


def _untranslated(rows: pl.DataFrame, policy: BillingPolicy, loaded: LoadedPolicy) -> pl.DataFrame:
    """Return a finding for each milestone and fee whose amount no exchange rate tells in its contract's currency.

    Time without a price is told by `rate_missing`, an expense where it is recognized.
    """
    told = pl.col("item.type").is_in(["milestone", "billing_plan_line", "fee"]) & pl.col("item.untranslated").is_not_null()
    held = per_item(rows.filter(told & (pl.col("eligibility") == "on_hold")))
    message = pl.concat_str(
        item_words(), pl.lit(" is held: it is in "), pl.col("item.untranslated"), pl.lit(", its contract in "), pl.col("item.currency"),
        pl.lit(f", and no {policy.settings.exchange_rate_type} rate between them is known of its day or the "),
        pl.lit(f"{policy.settings.exchange_rate_days} days before."),
    )  # fmt: skip
    return held.select(
        *_subject(), pl.lit("exchange_rate_missing").alias("kind"), pl.lit(policy.id).alias("rule"), pl.lit("billing").alias("stage"),
        pl.lit("high").alias("severity"), message.alias("message"),
        pl.lit("Load the rate of the day into `exchange_rate`.").alias("remedy"),
        pl.lit(policy.owner).alias("owner"), pl.lit(loaded.fingerprint).alias("policy_fingerprint"),
    )  # fmt: skip


def _uncovered(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for each kind of item of which some lie outside every policy."""
    grouped = rows.filter(pl.col("policy").is_null()).group_by("item.type").agg(
        pl.col("item.id").n_unique().alias("→count"), pl.col("item.date").min().alias("→from"), pl.col("item.date").max().alias("→to")
    )
    message = pl.concat_str(
        pl.col("→count").cast(pl.String), pl.lit(" items ("), pl.col("item.type").str.replace_all("_", " "), pl.lit(") from "),
        pl.col("→from").cast(pl.String), pl.lit(" to "), pl.col("→to").cast(pl.String),
        pl.lit(" are held: no billing policy is in force for them."),
        ignore_nulls=True,
    )  # fmt: skip
    return grouped.sort("item.type").select(
        pl.lit("item_type").alias("entity"), pl.col("item.type").alias("entity_id"), pl.lit("no_policy").alias("kind"),
        pl.lit("no_policy").alias("rule"), pl.lit("billing").alias("stage"), pl.lit("high").alias("severity"), message.alias("message"),
        pl.lit("Let a version of the policy begin earlier, or widen its condition.").alias("remedy"),
    )  # fmt: skip


def _subject(since: pl.Expr | None = None) -> list[pl.Expr]:
    """Return what every finding about an item has: entity, contract, period, evidence, and since when it stands (its day unless said)."""
    entity = pl.when(pl.col("item.type") == "fee").then(pl.lit("contract_line")).otherwise(pl.col("item.type"))
    identity = pl.when(pl.col("item.type") == "fee").then("item.line_id").otherwise("item.id")
    return [
        entity.alias("entity"), identity.alias("entity_id"), pl.col("item.contract_id").alias("contract_id"),
        pl.col("item.date").dt.strftime("%Y-%m").alias("period"), pl.col("item.currency").alias("currency"), pl.col("evidence"),
        (pl.col("item.date") if since is None else since).alias("since"),
    ]  # fmt: skip


def _age(checked: Checked, since: str) -> pl.Expr:
    after = checked.check.after
    assert after is not None
    return elapsed(pl.col(since), pl.lit(checked.context.as_of), after.unit, checked.context.holidays) > after.count


def _late_from(checked: Checked, since: str) -> pl.Expr:
    """Return the first day after the delay that the check permits."""
    after = checked.check.after
    if after is None:
        return pl.col(since)
    return first_beyond(pl.col(since), after.count, after.unit, checked.context.holidays)


def _too_old(checked: Checked) -> pl.Expr:
    """Return whether an item is stale already: then that check tells of it and not this one."""
    found = pl.lit(value=False)
    for each in checked.policy.checks:
        if each.check == "stale_unbilled" and each.after is not None:
            old = elapsed(pl.col("item.date"), pl.lit(checked.context.as_of), each.after.unit, checked.context.holidays) > each.after.count
            found = found | (old & pl.col(f"check.{each.id}"))
    return found


def _not_billed(checked: Checked) -> pl.DataFrame:
    unbilled = pl.col("item.amount") - pl.col("ledger.amount")
    late = checked.mine_where(
        pl.col("decision").is_in(_OPEN) & (_age(checked, "item.ready") if checked.check.after else pl.lit(value=True)) & ~_too_old(checked)
    )
    in_part = pl.col("ledger.amount") != 0
    where = pl.when(in_part).then(pl.lit(" and is billed in part: ")).otherwise(pl.lit(" and is on no invoice: "))
    return per_item(late, unbilled.alias("→open")).select(
        *_subject(_late_from(checked, "item.ready")), pl.col("→open").alias("amount_at_risk"),
        pl.concat_str(
            item_words(), pl.lit(" could be billed from "), pl.col("item.ready").cast(pl.String), where,
            money_text("→open"), pl.lit(" open."),
        ).alias("message"),
    )  # fmt: skip


def _stale(checked: Checked) -> pl.DataFrame:
    unbilled = pl.col("item.amount") - pl.col("ledger.amount")
    held = (pl.col("eligibility") == "on_hold") & (pl.col("decision") == "on_hold") & (pl.col("table.decision") == "on_hold")
    old = checked.mine_where((pl.col("decision").is_in(_OPEN) | held) & (unbilled.fill_null(1) > 0) & _age(checked, "item.date"))
    days = (pl.lit(checked.context.as_of) - pl.col("item.date")).dt.total_days()
    return per_item(old, unbilled.alias("→open")).select(
        *_subject(_late_from(checked, "item.date")), pl.col("→open").alias("amount_at_risk"),
        pl.concat_str(
            item_words(), pl.lit(" is unbilled after "), days.cast(pl.String), pl.lit(" days: "), money_text("→open"),
            pl.lit(" open ("), pl.col("table.reason"), pl.lit(")."),
        ).alias("message"),
    )  # fmt: skip


def _billed_against(checked: Checked, wrong: pl.Expr, words: pl.Expr) -> pl.DataFrame:
    rows = per_item(checked.mine_where((pl.col("billed") != "none") & wrong))
    return last_invoices(rows, checked.frames, checked.policy.item).select(
        *_subject(pl.col("invoice.last_date")), pl.col("ledger.amount").alias("amount_at_risk"), pl.lit("invoice").alias("related_entity"),
        pl.col("invoice.last").alias("related_id"),
        pl.concat_str(item_words(), pl.lit(" is billed on "), pl.col("invoice.last"), pl.lit(" and "), words, pl.lit("."))
        .alias("message"),
    )  # fmt: skip


def _unapproved(checked: Checked) -> pl.DataFrame:
    status = pl.col("field.status")
    told = pl.concat_str(pl.lit("is "), pl.coalesce(status, pl.lit("of unknown state")), pl.lit(", not approved"))
    return _billed_against(checked, status.is_null() | (status != "approved"), told)


def _not_billable(checked: Checked) -> pl.DataFrame:
    wrong = pl.col("table.decision").is_in(["not_billable", "billed_otherwise"]) & (pl.col("field.status") == "approved")
    return _billed_against(checked, wrong, pl.concat_str(pl.lit("the policy says "), pl.col("table.reason")))


def _no_receipt(checked: Checked) -> pl.DataFrame:
    if checked.rows["field.has_receipt"].null_count() == checked.rows.height:
        return checked.rows.head(0).select(*_subject())
    return _billed_against(checked, ~pl.col("field.has_receipt").fill_null(value=False), pl.lit("has no receipt"))


def _rate_missing(checked: Checked) -> pl.DataFrame:
    unpriced = checked.mine_where(
        pl.col("item.rate").is_null() & (pl.col("eligibility") == "on_hold") & (pl.col("field.status") == "approved")
        & (pl.col("table.reason") == "no rate")
    )  # fmt: skip
    # Work that names no project is told by its contract line, and by itself where it names neither.
    place = (
        pl.when(pl.col("item.project_id").is_not_null()).then(pl.lit("project"))
        .when(pl.col("item.line_id").is_not_null()).then(pl.lit("contract_line")).otherwise(pl.lit("time_entry"))
    )  # fmt: skip
    placed = unpriced.with_columns(place.alias("entity"), pl.coalesce("item.project_id", "item.line_id", "item.id").alias("entity_id"))
    grouped = placed.group_by("entity", "entity_id", "field.resource_id").agg(
        pl.len().alias("→count"), pl.col("item.quantity").sum(), pl.col("item.contract_id").drop_nulls().sort().first(),
        pl.col("item.date").min().alias("since"), pl.col("evidence").sort_by("item.id").first(),
        pl.col("item.untranslated").is_null().any().alias("→priceless"),
        pl.col("item.untranslated").drop_nulls().unique().sort().str.join(" and "),
        pl.col("item.currency").drop_nulls().sort().first(),
    )  # fmt: skip
    why = (
        pl.when("→priceless").then(pl.lit(" h) have no price: neither entry, assignment nor rate card gives one."))
        .otherwise(pl.concat_str(
            pl.lit(" h) are priced in "), "item.untranslated", pl.lit(", their contract is in "), "item.currency",
            pl.lit(", and no exchange rate of their days is known."),
        ))
    )  # fmt: skip
    message = pl.concat_str(
        pl.col("→count").cast(pl.String), pl.lit(" approved entries"), pl.concat_str(pl.lit(" of "), pl.col("field.resource_id")),
        pl.lit(" on "), pl.col("entity").str.replace_all("_", " "), pl.lit(" "), pl.col("entity_id"), pl.lit(" ("), hours_text(), why,
        ignore_nulls=True,
    )  # fmt: skip
    unrated = pl.lit("Load the rates of these days into `exchange_rate`.")
    return grouped.select(
        "entity", "entity_id", pl.when(pl.col("field.resource_id").is_not_null()).then(pl.lit("resource")).alias("related_entity"),
        pl.col("field.resource_id").alias("related_id"), pl.col("item.contract_id").alias("contract_id"), "evidence", "since",
        message.alias("message"),
        pl.when("→priceless").then(pl.lit(checked.check.remedy, dtype=pl.String)).otherwise(unrated).alias("remedy"),
    )  # fmt: skip


def _late_activation(checked: Checked) -> pl.DataFrame:
    contracts = frame_of(checked.frames, "contract").select("contract_id", pl.col("start_date").alias("→begun"))
    projects = frame_of(checked.frames, "project").join(contracts, on="contract_id", how="inner", maintain_order="left").collect()
    since = pl.max_horizontal("→begun", "start_date").alias("→since")
    opened = pl.coalesce(pl.col("activated_date"), pl.when(pl.col("status") == "planned").then(pl.lit(checked.context.as_of)))
    after = checked.check.after
    assert after is not None
    started = projects.with_columns(since, opened.alias("→opened"))
    late = started.filter(elapsed(pl.col("→since"), pl.col("→opened"), after.unit, checked.context.holidays) > after.count)
    days = (pl.col("→opened") - pl.col("→since")).dt.total_days().cast(pl.String)
    told = (
        pl.when(pl.col("activated_date").is_not_null()).then(pl.lit(" was opened for time ")).otherwise(pl.lit(" is not opened for time, "))
    )
    message = pl.concat_str(
        pl.lit("Project "),
        pl.col("project_id"),
        told,
        days,
        pl.lit(" days after the work began on "),
        pl.col("→since").cast(pl.String),
        pl.lit("."),
    )
    return late.sort("project_id").select(
        pl.lit("project").alias("entity"),
        pl.col("project_id").alias("entity_id"),
        "contract_id",
        _late_from(checked, "→since").alias("since"),
        message.alias("message"),
        "evidence",
    )


_CHECKS: dict[str, Callable[[Checked], pl.DataFrame]] = {
    "not_billed": _not_billed,
    "stale_unbilled": _stale,
    "marked_billed": lambda checked: tell_marked(checked.rows, _subject(pl.coalesce("item.ready", "item.date"))),
    "billed_twice": lambda checked: billed_too_much(checked.mine, checked.policy, checked.check, checked.frames).select(
        *_subject(pl.col("invoice.last_date")), "kind", "amount_at_risk", pl.lit("invoice").alias("related_entity"),
        pl.col("invoice.last").alias("related_id"), "message",
    ),
    "billed_unapproved": _unapproved,
    "billed_not_billable": _not_billable,
    "over_cap": lambda checked: over_cap(checked.mine, checked.policy, checked.check, checked.frames),
    "rate_below_card": lambda checked: rates_below_card(checked.mine, checked.frames, checked.check),
    "rate_missing": _rate_missing,
    "duplicate_time_entry": lambda checked: duplicate_time_entries(checked.mine, checked.check),
    "late_activation": _late_activation,
    "expense_without_receipt": _no_receipt,
    "milestone_not_accepted": lambda checked: _billed_against(checked, not_accepted(), pl.lit("was not accepted by then")),
    "duplicate_invoice": lambda checked: duplicate_invoices(checked.frames, checked.check),
}  # fmt: skip
