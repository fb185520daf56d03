"""The promises: every line of a contract, as signed or added, with its obligation and its treatment (606-10-25-14 to 25-22)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

import polars as pl
import polars.selectors as cs

from engine.canonical.schema import entity_spec
from engine.revenue.arithmetic.exact import minor_money, money_units, units_to_minor
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.arithmetic.runs import without
from engine.revenue.contracts.gate import conclusions
from engine.revenue.contracts.not_agreed import without_not_agreed
from engine.revenue.ground.frames import setting
from engine.revenue.ground.records import Records, original_id
from engine.revenue.ground.settings import Versions, assignments, with_settings, with_treatment

_MONEY_FIELDS: Final = (
    "amount",
    "standalone_selling_price",
    "cap_amount",
    "estimated_cost",
    "variable_amount",
    "cash_selling_price",
    "list_price",
    "ssp_low",
    "ssp_high",
    "repurchase_price",
)

_PRICE: Final = pl.Decimal(38, 10)

KEY: Final = "\x1f"
"""Joins a group and an obligation's name to a key that is unique over all contracts."""


def line_frame(records: Records, contracts: pl.DataFrame, changes: pl.DataFrame, versions: Versions, as_of: dt.date) -> pl.DataFrame:
    """Return every promise with its contract's columns it needs, `obligation_id`, `okey`, treatment and role.

    A line that an amendment adds has `added_place` > 0 and `from_date`; its record, where there is one beside
    the amendment, gives what the amendment leaves open.
    """
    asked = asked_lines(records, contracts, changes, versions, as_of)
    return _treated(asked, records, versions, as_of).sort("group_id", "contract_id", "contract_line_id")


def asked_lines(records: Records, contracts: pl.DataFrame, changes: pl.DataFrame, versions: Versions, as_of: dt.date) -> pl.DataFrame:
    """Return every promise as the treatment table reads it: with its dates, its licence's nature and the choices of its version."""
    schema = entity_spec("contract_line").polars_schema()
    added = changes.filter(pl.col("action") == "add").unique("contract_line_id", keep="first", maintain_order=True)
    own = records.frame("contract_line").with_columns(pl.lit(0, dtype=pl.Int32).alias("added_place"))
    stated = added.select(
        "contract_line_id",
        "contract_id",
        "evidence",
        pl.col("amendment_id").alias("added_by"),
        pl.col("event_date").alias("from_date"),
        "takes_effect",
        pl.col("place").alias("added_place"),
        *(pl.col(name) for name in added.columns if name in schema and name not in ("contract_line_id", "contract_id", "evidence")),
    )
    both = stated.join(own.drop("added_place"), on="contract_line_id", how="left", maintain_order="left", suffix=".own")
    merged = both.with_columns(
        pl.coalesce(name, f"{name}.own").alias(name) for name in stated.columns if f"{name}.own" in both.columns and name != "evidence"
    ).select(pl.exclude("^.*\\.own$"))
    signed = without_not_agreed(without(own, added, "contract_line_id"), records, contracts, as_of)
    lines = pl.concat([signed, merged], how="diagonal")
    extra = ["group_id", "currency", "minor_digits", "signed_date", "version", "legal_entity_id", "calendar", "gate"]
    # What nobody signed is no promise yet.
    promised = contracts.filter("is_signed")
    head = promised.select("contract_id", *extra, pl.col("start_date").alias("contract.start"), pl.col("end_date").alias("contract.end"))
    made = lines.join(head, on="contract_id", how="inner", suffix=".contract")
    made = _in_contract_currency(made, records)
    return _asked(_dated(made), contracts, versions, as_of)


def _dated(lines: pl.DataFrame) -> pl.DataFrame:
    obligation = pl.coalesce("obligation_key", original_id("contract_line_id"))
    return lines.with_columns(
        obligation.alias("obligation_id"),
        pl.concat_str("group_id", obligation, separator=KEY).alias("okey"),
        pl.coalesce("start_date", "takes_effect", "contract.start", "signed_date").alias("begins"),
        pl.coalesce("end_date", "contract.end").alias("ends"),
    )


def _in_contract_currency(lines: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Translate amounts of lines in another currency at the rate of the day of signing (or of the change)."""
    foreign = pl.col("currency") != pl.col("currency.contract")
    rates = records.frame("exchange_rate").filter((pl.col("rate_type") == "spot") & pl.col("rate").is_not_null())
    day = pl.coalesce("from_date", "signed_date") if "from_date" in lines.columns else pl.col("signed_date")
    if not lines.filter(foreign).height:
        return lines.with_columns(pl.col("currency.contract").alias("currency"), pl.lit(value=False).alias("lacks_rate"))
    turned = pl.concat(
        [
            rates.select(
                "from_currency",
                "to_currency",
                "rate_date",
                pl.col("rate").alias("line_rate"),
                pl.lit(value=False).alias("line_rate_inverse"),
            ),
            rates.select(
                pl.col("to_currency").alias("from_currency"),
                pl.col("from_currency").alias("to_currency"),
                "rate_date",
                pl.col("rate").alias("line_rate"),
                pl.lit(value=True).alias("line_rate_inverse"),
            ),
        ]
    ).sort("rate_date", "line_rate_inverse", descending=[False, True])
    asked = lines.with_row_index("→row").with_columns(day.alias("→day")).sort("→day")
    found = asked.join_asof(
        turned,
        left_on="→day",
        right_on="rate_date",
        by_left=["currency", "currency.contract"],
        by_right=["from_currency", "to_currency"],
        strategy="backward",
        check_sortedness=False,
    ).sort("→row")

    made = at_line_rate(found.with_columns(foreign.fill_null(value=False).alias("is_foreign")), (*_MONEY_FIELDS, "unit_price"))
    return made.with_columns(
        (pl.col("is_foreign") & pl.col("line_rate").is_null()).alias("lacks_rate"),
        pl.col("currency.contract").alias("currency"),
    ).drop("→row", "→day", "rate_date", strict=False)


def at_line_rate(rows: pl.DataFrame, fields: Iterable[str]) -> pl.DataFrame:
    """Return rows of lines in another currency with their amounts in the contract's, at the line's own rate.

    Columns needed: is_foreign, line_rate, line_rate_inverse, minor_digits. A price of one unit keeps its last decimals; only amounts
    are rounded to the minor unit. The rate of a line stays that of the day it was promised on, whatever changes later.
    """
    rate, whole = whole_number("line_rate", pl.Decimal(38, 12)), wide(10**12)

    def turned(count: pl.Expr) -> pl.Expr:
        return pl.when("line_rate_inverse").then(_divided(count, whole, rate)).otherwise(_divided(count, rate, whole))

    def translated(name: str) -> pl.Expr:
        if name == "unit_price":
            each = turned(whole_number(name, _PRICE))
            # An integer count of the last decimal, read as the decimal it is.
            return each.cast(pl.Decimal(38, 0)).cast(_PRICE) / pl.lit(10**10, dtype=_PRICE)
        return minor_money(units_to_minor(turned(money_units(pl.col(name), pl.col("minor_digits")))), pl.col("minor_digits"))

    return rows.with_columns(
        pl.when(pl.col("is_foreign").fill_null(value=False)).then(translated(name)).otherwise(pl.col(name)).alias(name) for name in fields
    )


def _divided(units: pl.Expr, numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    # A rate is a fraction above or below one: whole and rest apart keep the product within 128 bits.
    below = pl.when(denominator > 0).then(denominator)
    size = units.abs()
    return (size // below * numerator + (size % below * numerator + below // 2) // below) * units.sign()


def _asked(lines: pl.DataFrame, contracts: pl.DataFrame, versions: Versions, as_of: dt.date) -> pl.DataFrame:
    choices = with_settings(contracts.select("contract_id", "version"), versions, "contract_id").select(
        "contract_id", setting("licence.nature"), setting("as_invoiced"), setting("proration")
    )
    made = lines.join(choices, on="contract_id", how="left", maintain_order="left")
    own = assignments(versions).rename({"contract_line_id": "→line"})
    made = made.with_columns(original_id("contract_line_id").alias("→line"))
    made = made.join(own, on=["version", "→line"], how="left", maintain_order="left").drop("→line")
    return made.with_columns(
        pl.coalesce("own.nature", "setting.licence.nature").alias("licence_nature"),
        pl.col("setting.as_invoiced").alias("as_invoiced"),
        pl.lit(as_of).alias("as_of"),
        pl.col("signed_date").alias("decided_on"),
    )


def _treated(lines: pl.DataFrame, records: Records, versions: Versions, as_of: dt.date) -> pl.DataFrame:
    made = with_treatment(lines, versions, records)
    judged = conclusions(records.frame("judgement"), "principal", "contract_line_id", as_of)
    made = made.join(judged, on="contract_line_id", how="left", maintain_order="left")
    is_principal = pl.coalesce("own.principal", "conclusion", pl.col("commission_pct").is_null())
    over_time = conclusions(records.frame("judgement"), "over_time", "contract_line_id", as_of).rename({"conclusion": "→over_time"})
    made = made.join(over_time, on="contract_line_id", how="left", maintain_order="left")
    timing, measure = pl.coalesce("own.timing", _judged_timing(), "timing"), pl.coalesce("own.measure", "measure")
    # At a point in time a promise passes by the units delivered where somebody counts them, else on acceptance.
    told = records.frame("progress").filter(pl.col("units_delivered").is_not_null()).select("contract_line_id")
    # Units used are units delivered, unless use is what makes the price.
    used = records.frame("usage").filter(pl.col("quantity").is_not_null()).select("contract_line_id")
    by_units = made.filter((measure == "units") & (pl.col("variable_kind") != "usage").fill_null(value=True))
    used = used.join(by_units, on="contract_line_id", how="semi")
    counted = _with_companions(made, pl.concat([told, used]).unique(), records)
    made = made.join(counted.with_columns(pl.lit(value=True).alias("is_counted")), on="contract_line_id", how="left", maintain_order="left")
    passing = pl.when(pl.col("is_counted").fill_null(value=False)).then(pl.lit("units")).otherwise(pl.lit("milestones"))
    measure = pl.when((timing == "point_in_time") & (measure != "usage")).then(passing).otherwise(measure)
    made = made.with_columns(pl.coalesce("own.convention", "convention", "setting.proration").alias("convention"))
    by_time = pl.col("convention").is_in(["actual_seconds", "prorated_ends"])
    last_moment = (pl.col("service_end_at") - pl.duration(microseconds=1)).dt.date()
    made = made.with_columns(
        timing.alias("timing"),
        measure.alias("measure"),
        pl.when(by_time).then(pl.coalesce(pl.col("service_start_at").dt.date(), "begins")).otherwise(pl.col("begins")).alias("begins"),
        pl.when(by_time).then(pl.coalesce(last_moment, "ends")).otherwise(pl.col("ends")).alias("ends"),
        pl.when(is_principal).then(pl.lit("principal")).otherwise(pl.lit("agent")).alias("role"),
        pl.coalesce("own.loss_scope", pl.lit(value=False)).alias("loss_scope"),
        pl.any_horizontal(pl.col("own.timing", "own.measure", "own.convention").is_not_null()).alias("is_assigned"),
        pl.coalesce(_judged_rule(), "rule", pl.lit("606-10-25-23")).alias("rule"),
    ).drop("conclusion", "→over_time", "is_counted", cs.starts_with("own."), cs.starts_with("setting."), "as_of", "decided_on")
    return _until_options_lapse(made, records)


def _judged_timing() -> pl.Expr:
    """Return over time or not as the register of judgements has it of a line (606-10-25-27, 25-30); null where nobody judged."""
    return pl.when("→over_time").then(pl.lit("over_time")).when(~pl.col("→over_time")).then(pl.lit("point_in_time"))


def _judged_rule() -> pl.Expr:
    """Return the paragraph by which a judgement, and no assignment, moves a line from the timing of its class; else null."""
    moved = pl.col("own.timing").is_null() & (_judged_timing() != pl.col("timing"))
    return pl.when(moved.fill_null(value=False)).then(pl.when("→over_time").then(pl.lit("606-10-25-27")).otherwise(pl.lit("606-10-25-30")))


def _until_options_lapse(lines: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Return the lines with the last day of material rights not earned by time: that of their options, else the line's own.

    The end of the contract that gave them is none of rights drawn by units, as points, and of others only where nothing else is known.
    """
    never = pl.col("expires_date").is_null().any()
    last = records.frame("option").group_by("contract_line_id").agg(pl.when(~never).then(pl.col("expires_date").max()).alias("→lapse"))
    made = lines.join(last, on="contract_line_id", how="left", maintain_order="left")
    is_right = (pl.col("offering") == "material_right") & (pl.col("measure") != "time_elapsed")
    is_drawn = (pl.col("timing") == "over_time") & (pl.col("measure") == "units")
    ends = pl.coalesce("→lapse", pl.when(is_drawn).then("end_date").otherwise("ends"))
    return made.with_columns(pl.when(is_right).then(ends).otherwise("ends").alias("ends")).drop("→lapse")


def _with_companions(lines: pl.DataFrame, counted: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Return the lines whose units are counted with those of the same obligations: it has one measure, over all its units (25-32).

    A line that shows acceptance keeps its own way, so that the difference is told.
    """
    beside = lines.join(lines.join(counted, on="contract_line_id", how="semi").select("okey"), on="okey", how="semi")
    beside = beside.join(records.frame("milestone"), on="contract_line_id", how="anti").select("contract_line_id")
    return pl.concat([counted, beside]).unique()
