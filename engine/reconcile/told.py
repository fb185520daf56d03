"""Findings of a reconciliation: breaks that nothing explains, totals that differ, residuals that lean one way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.policy.kinds.reconciliation import PER, SEVERITY_WORDS, BreakCase, ReconciliationPolicy, severity_condition
from engine.policy.loaded import LoadedPolicy
from engine.reconcile.breaks import DIFFERS, MISSING_LEFT, MISSING_RIGHT
from engine.reconcile.frames import LEFT
from engine.reconcile.passes import Matched
from engine.reconcile.sides import TwoSides
from engine.reconcile.tieouts import ALL, NOT_COMPARABLE, UNCOVERED, rounded
from engine.reconcile.tolerance import WIDE, Drift, biased
from engine.stage import Context

_KINDS: Final[Mapping[str, str]] = {DIFFERS: "amounts_differ", MISSING_RIGHT: "no_counterpart", MISSING_LEFT: "no_source_record"}
_SEVERITY: Final = "medium"
# Evidence of a part of a side names its first records, not thousands.
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Told:
    """Hold what every finding of a policy says: the policy, its systems and the period."""

    loaded: LoadedPolicy
    policy: ReconciliationPolicy
    systems: tuple[str, str]
    period: str
    context: Context

    def frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add what is the same in every finding of the policy."""
        names = [name for name in dict.fromkeys(self.systems) if name not in ("agreed",)]
        given = {
            "stage": pl.lit("reconciliation"), "rule": pl.lit(self.policy.id),
            "systems": pl.lit(names, dtype=pl.List(pl.String)), "policy_fingerprint": pl.lit(self.loaded.fingerprint),
        }  # fmt: skip
        return frame.with_columns(value.alias(name) for name, value in given.items())


def break_findings(breaks: pl.DataFrame, told: Told) -> list[pl.DataFrame]:
    """Return a finding for every break that is due and that no earlier finding explains."""
    if breaks.height == 0:
        return []
    due = ~pl.col("expectation").is_in(["expected", "waived"]).fill_null(value=False)
    standing = breaks.filter(due & pl.col("cause").is_null() & pl.col(UNCOVERED).is_null())
    found: list[pl.DataFrame] = []
    for sort in (DIFFERS, MISSING_RIGHT, MISSING_LEFT):
        case = told.policy.breaks.case(sort)
        for by_exchange in (False, True):
            rows = standing.filter((pl.col("break") == sort) & (pl.col("by_exchange") == by_exchange))
            if case is not None and rows.height:
                own = case if not by_exchange else case.model_copy(update=_OTHER_RATE)
                found.append(told.frame(_case_findings(rows, sort, own, told)))
    return found


# The amounts agree, so nothing is missing or wrong but the rate.
_OTHER_RATE: Final = {
    "kind": "exchange_differs", "severity": "low",
    "remedy": "Find which rate belongs to the day and post the difference to exchange gains and losses.",
}  # fmt: skip


def _case_findings(rows: pl.DataFrame, sort: str, case: BreakCase, told: Told) -> pl.DataFrame:
    named = "right" if sort == MISSING_LEFT else "left"
    if sort == DIFFERS and case.name is not None:
        named = case.name
    other = "right" if named == "left" else "left"
    has_other = f"{other}_id" in rows.columns
    severity = _severity(case, sort, told)
    judged = rows.with_columns(
        _age(told.context).alias("age_days"), pl.col("difference").alias("_signed"), pl.col("difference").abs().cast(MONEY),
        pl.col("difference").abs().cast(MONEY).alias("amount"),
    )
    stated = [
        plain(pl.col(f"{side}_amount") if f"{side}_amount" in rows.columns else pl.lit(None, dtype=WIDE)).alias(name)
        for side, name in (("left", "owner_value"), ("right", "consumer_value"))
    ]
    return judged.select(
        *stated, pl.lit(case.kind or _KINDS[sort]).alias("kind"), severity.alias("severity"),
        pl.col(f"{named}_entity").alias("entity"), pl.col(f"{named}_id").alias("entity_id"),
        (pl.col(f"{other}_entity") if has_other else pl.lit(None, dtype=pl.String)).alias("related_entity"),
        (pl.col(f"{other}_id") if has_other else pl.lit(None, dtype=pl.String)).alias("related_id"),
        "contract_id", "legal_entity_id", "currency", pl.col("date").alias("since"), pl.col("difference").alias("amount_at_risk"),
        _message(sort, named, rows.columns, told).alias("message"), pl.lit(case.remedy or _REMEDY[sort]).alias("remedy"),
        pl.lit(case.owner or told.policy.owner).alias("owner"), pl.col("evidence"),
    )  # fmt: skip


_REMEDY: Final[Mapping[str, str]] = {
    DIFFERS: "Find which of the two amounts is right and correct the other in its system.",
    MISSING_RIGHT: "Enter the record in the system that lacks it, or say why it does not belong there.",
    MISSING_LEFT: "Find what the record is based on, or reverse it.",
}


def _age(context: Context) -> pl.Expr:
    return (pl.lit(context.as_of) - pl.col("date")).dt.total_days()


def _severity(case: BreakCase, sort: str, told: Told) -> pl.Expr:
    text = case.severity or _SEVERITY
    if text in SEVERITY_WORDS:
        return pl.lit(text)
    place = ("breaks", sort, "severity") if ("breaks", sort, "severity") in told.loaded.document.values else ("breaks", "severity")
    compiled = severity_condition(text, told.loaded.document, place)
    return pl.coalesce(compiled.expression, pl.lit(_SEVERITY))


def shown(amount: pl.Expr) -> pl.Expr:
    """Write an amount with two decimals, or those its currency has beyond them, followed by its currency where that is known."""
    hundredths = amount.round(2, mode="half_away_from_zero").cast(pl.Decimal(38, 2)).cast(pl.String)
    text = pl.when(minor_digits(pl.col("currency")) > 2).then(plain(amount)).otherwise(hundredths)
    return pl.concat_str(text, pl.concat_str(pl.lit(" "), pl.col("currency")).fill_null(""))


def plain(amount: pl.Expr) -> pl.Expr:
    """Write an amount in the minor unit of the `currency` beside it; one that is missing is nothing at all on its side."""
    return rounded(amount.fill_null(0)).cast(pl.Decimal(38, 4)).cast(pl.String).str.replace(r"(\.\d\d\d*?)0+$", "${1}")


def _name(side: str) -> pl.Expr:
    more = pl.when(pl.col(f"{side}_lines") > 1).then(pl.format(" and {} more", pl.col(f"{side}_lines") - 1)).otherwise(pl.lit(""))
    return pl.concat_str(_words(pl.col(f"{side}_entity")), pl.lit(" "), pl.col(f"{side}_id"), more)


def _words(entity: pl.Expr) -> pl.Expr:
    """Write an entity as a sentence begins with it."""
    words = entity.str.replace_all("_", " ")
    return words.str.slice(0, 1).str.to_uppercase() + words.str.slice(1)


def _message(sort: str, named: str, columns: list[str], told: Told) -> pl.Expr:
    systems = {"left": told.systems[0], "right": told.systems[1]}
    if sort == DIFFERS:
        return pl.concat_str(
            _name(named), pl.lit(": "), shown(pl.col("left_amount")), pl.lit(f" in {systems['left']}, "), shown(pl.col("right_amount")),
            pl.lit(f" in {systems['right']}; the difference is "), shown(pl.col("_signed")),
            pl.when("by_exchange").then(pl.lit(", all of it exchange: in their own currency both are equal.")).otherwise(pl.lit(".")),
            pl.concat_str(pl.lit(" The match is "), "said", pl.lit("; no tolerance covers what is left over.")).fill_null(""),
        )  # fmt: skip
    other = systems["right" if named == "left" else "left"]
    why = pl.concat_str(pl.lit(" ("), pl.col("reason"), pl.lit(")")).fill_null("")
    late = pl.lit("")
    if "due" in columns and named == "left":
        late = pl.concat_str(pl.lit(" It was due by "), pl.col("due").cast(pl.String), pl.lit(".")).fill_null("")
    return pl.concat_str(
        _name(named), pl.lit(" of "), shown(pl.col(f"{named}_amount")), pl.lit(f" in {systems[named]} has no counterpart in {other}"),
        why, pl.lit("."), late,
    )  # fmt: skip


def total_findings(tieouts: pl.DataFrame, told: Told) -> list[pl.DataFrame]:
    """Return a finding for each scope whose totals differ where only totals are compared."""
    case = told.policy.breaks.case("total") or BreakCase()
    open_rows = tieouts.filter(pl.col("status") == "open")
    if told.policy.passes or open_rows.height == 0:
        return []
    severity = case.severity if case.severity in SEVERITY_WORDS else "high"
    frame = open_rows.select(
        pl.lit(case.kind or "totals_differ").alias("kind"), pl.lit(severity).alias("severity"), pl.lit("tie_out").alias("entity"),
        pl.concat_str(
            pl.lit(f"{told.policy.id}|"), pl.col("scope"), pl.concat_str(pl.lit("|"), "currency").fill_null("")
        ).alias("entity_id"),
        "period", "currency", pl.col("unexplained").abs().alias("amount_at_risk"), _of_entity(told.policy).alias("legal_entity_id"),
        pl.concat_str(
            pl.lit(f"{told.policy.title}: "), shown(pl.col("left_total")), pl.lit(" against "), shown(pl.col("right_total")),
            pl.lit("; the difference is "), shown(pl.col("difference")), pl.lit(", of which nothing explains "),
            shown(pl.col("unexplained")), pl.lit("."),
        ).alias("message"),
        pl.lit(case.remedy or "Find the entries that stand on one side only.").alias("remedy"),
        pl.lit(case.owner or told.policy.owner).alias("owner"),
    )  # fmt: skip
    return [told.frame(frame)]


def _of_entity(policy: ReconciliationPolicy) -> pl.Expr:
    """Return the legal entity of a tie-out's row, where that is what its totals are told by."""
    if any(side.scope is not None for side in (*policy.left, *policy.right)):
        return pl.lit(None, dtype=pl.String)
    return pl.when(pl.col("scope") != ALL).then("scope")


def uncovered_findings(tieouts: pl.DataFrame, told: Told) -> list[pl.DataFrame]:
    """Return a finding for each scope and currency of which one side supplies nothing: no difference, and no tie either."""
    rows = tieouts.filter(pl.col("status") == NOT_COMPARABLE)
    if rows.height == 0:
        return []
    case = told.policy.breaks.case("total") or BreakCase()
    severity = case.severity if case.severity in SEVERITY_WORDS else "high"
    of_scope = pl.when(pl.col("scope") == ALL).then(pl.lit("")).otherwise(pl.concat_str(pl.lit(" of "), "scope"))
    empty, full = (
        pl.when((pl.col("left_lines") == 0) == is_left).then(pl.lit(told.systems[0])).otherwise(pl.lit(told.systems[1]))
        for is_left in (True, False)
    )
    there = pl.when(pl.col("left_lines") == 0).then("right_total").otherwise("left_total")
    frame = rows.select(
        pl.lit("not_comparable").alias("kind"), pl.lit(severity).alias("severity"), pl.lit("tie_out").alias("entity"),
        pl.concat_str(
            pl.lit(f"{told.policy.id}|"), pl.col("scope"), pl.concat_str(pl.lit("|"), "currency").fill_null("")
        ).alias("entity_id"),
        "period", "currency", there.abs().alias("amount_at_risk"),
        pl.concat_str(
            pl.lit(f"{told.policy.title}: "), empty, pl.lit(" supplies nothing"), of_scope, pl.lit(" that could be compared with the "),
            shown(there), pl.lit(" in "), full, pl.lit("."),
        ).alias("message"),
        pl.lit("Have the missing side exported, or say in the policy that it does not belong there.").alias("remedy"),
        pl.lit(case.owner or told.policy.owner).alias("owner"),
    )  # fmt: skip
    return [told.frame(frame)]


def coverage_findings(breaks: pl.DataFrame, told: Told) -> list[pl.DataFrame]:
    """Return a finding for each part of a side that lies beyond the days of the other: how many lines, and how much."""
    rows = breaks.filter(pl.col(UNCOVERED).is_not_null())
    if rows.height == 0:
        return []
    parts = rows.group_by("break", UNCOVERED, "reach", "currency").agg(
        pl.len().alias("n"), pl.col("difference").sum().abs().alias("total"), pl.col("date").min().alias("since"),
        pl.col("date").max().alias("until"), pl.col("evidence").explode().drop_nulls().head(_SHOWN),
    )  # fmt: skip
    of_left = pl.col("break") == MISSING_RIGHT
    full, empty = (
        pl.when(of_left == is_left).then(pl.lit(told.systems[0])).otherwise(pl.lit(told.systems[1])) for is_left in (True, False)
    )
    # Figures of the day of the export: neither side lacks anything, one of them is older.
    early = pl.lit("one side") if told.policy.as_exported else empty
    full = pl.lit(" and ".join(told.systems)) if told.policy.as_exported else full
    day = pl.col("reach").cast(pl.String)
    span = pl.format(" from {} to {}", pl.col("since").cast(pl.String), pl.col("until").cast(pl.String)).fill_null("")
    words = {"exported": " was exported on ", "after": " supplies nothing after ", "before": " supplies nothing before "}
    frame = parts.sort("break", UNCOVERED, "currency", nulls_last=True).select(
        pl.lit("not_comparable").alias("kind"),
        pl.when(pl.col(UNCOVERED) == "exported").then(pl.lit("medium")).otherwise(pl.lit("high")).alias("severity"),
        pl.lit("tie_out").alias("entity"), "since", "evidence", pl.col("total").alias("amount_at_risk"), "currency",
        pl.concat_str(pl.lit(told.policy.id), "break", UNCOVERED, pl.col("currency").fill_null(""), separator="|").alias("entity_id"),
        pl.concat_str(
            pl.lit(f"{told.policy.title}: "), early, pl.col(UNCOVERED).replace_strict(words, return_dtype=pl.String), day,
            pl.lit(", so that "), pl.col("n").cast(pl.String), pl.lit(" lines of "), full, span, pl.lit(", "), shown(pl.col("total")),
            pl.lit(" in all, cannot be compared."),
        ).alias("message"),
        pl.lit("Have both sides exported for the same days.").alias("remedy"), pl.lit(told.policy.owner).alias("owner"),
    )  # fmt: skip
    return [told.frame(frame)]


def earlier_period_findings(told: Told, period: str | None) -> list[pl.DataFrame]:
    """Return a finding where the figures of an earlier period are compared: a system was exported before the last one ended."""
    if period is None:
        return []
    day = told.context.covered
    text = f"{told.policy.title}: a system was exported on {day}, before the as-of date; the figures of {period} are compared."
    frame = pl.DataFrame({"entity_id": [f"{told.policy.id}|exported"]}).select(
        pl.lit("not_comparable").alias("kind"), pl.lit("medium").alias("severity"), pl.lit("tie_out").alias("entity"), "entity_id",
        pl.lit(told.period).alias("period"), pl.lit(Decimal(0), dtype=MONEY).alias("amount_at_risk"), pl.lit(text).alias("message"),
        pl.lit("Have both sides exported for the same days.").alias("remedy"), pl.lit(told.policy.owner).alias("owner"),
    )  # fmt: skip
    return [told.frame(frame)]


def bias_findings(sides: TwoSides, matched: Matched, told: Told) -> list[pl.DataFrame]:
    """Return a finding for each group whose tolerated residuals lean to one side."""
    limit = told.policy.drift
    if limit is None or matched.matches.height == 0:
        return []
    per = tuple(PER[name] for name in limit.per)
    first = matched.members.filter(pl.col("side") == LEFT).group_by("match").agg(pl.col("row").min())
    confirmed = matched.matches.filter(pl.col("status") == "confirmed").select("match", "residual").join(first, on="match", how="inner")
    judged = confirmed.join(sides.left.select("row", "currency", *per), on="row", how="left")
    found = biased(judged, Drift(limit.items, limit.share, limit.amount), ("currency", *per))
    if found.height == 0:
        return []
    group = pl.concat_str([pl.col(name).fill_null("") for name in ("currency", *per)], separator="|")
    frame = found.select(
        pl.lit("tolerance_bias").alias("kind"), pl.lit(limit.severity).alias("severity"), pl.lit("tie_out").alias("entity"),
        pl.concat_str(pl.lit(f"{told.policy.id}|"), group).alias("entity_id"), pl.lit(told.period).alias("period"), "currency",
        pl.col("total").abs().cast(MONEY).alias("amount_at_risk"),
        pl.format(
            "{} of {} residuals within tolerance lean to one side; together they are {}.", "leaning", "items", shown(pl.col("total"))
        ).alias("message"),
        pl.lit("Look for a rate, a rounding rule or a fee that one of the systems applies and the other does not.").alias("remedy"),
        pl.lit(told.policy.owner).alias("owner"),
    )  # fmt: skip
    return [told.frame(frame)]


def unknown_findings(sides: TwoSides, told: Told) -> list[pl.DataFrame]:
    """Return a finding for each line whose amount is not known: it ties to nothing and is not nothing."""
    if sides.unknown.height == 0:
        return []
    system = pl.when(pl.col("side") == 0).then(pl.lit(told.systems[0])).otherwise(pl.lit(told.systems[1]))
    frame = sides.unknown.select(
        pl.lit("amount_unknown").alias("kind"), pl.lit("medium").alias("severity"), "entity", pl.col("id").alias("entity_id"),
        "contract_id", pl.col("date").alias("since"), "evidence", pl.lit(Decimal(0), dtype=MONEY).alias("amount_at_risk"),
        pl.format("{} {} in {} states no amount that could be compared.", _words(pl.col("entity")), "id", system).alias("message"),
        pl.lit("State the amount, or the rate that converts it.").alias("remedy"), pl.lit(told.policy.owner).alias("owner"),
    )  # fmt: skip
    return [told.frame(frame)]
