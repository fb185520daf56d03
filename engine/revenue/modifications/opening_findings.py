"""What is wrong with opening positions: they hold a change that is still to come, or a promise of the contract has none."""

from __future__ import annotations

import polars as pl

from engine.nothing import of_no
from engine.revenue.arithmetic.exact import GUARD, money_units, units_money
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.ground.finding_columns import amount_text, finding_columns
from engine.revenue.price.allocation import borne_lines


@of_no("openings", "amendments")
def held_change_findings(
    openings: pl.DataFrame, amendments: pl.DataFrame, lines: pl.DataFrame, terms: pl.DataFrame, levels: pl.DataFrame,
    contracts: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """Return a finding for every contract whose opening positions hold the price, or part of it, of a change that takes effect after them.

    Positions state the price that what was recognized rests on; a change still to come is added on its day, and would count twice.
    Told where the positions of all promises of the day are away from the price before it, estimates (`levels`) included, by more than
    a minor unit each, in the direction of the change and no further than it.
    """
    to_come = amendments.filter(pl.col("agreed_on").is_not_null() & (pl.col("event_date") > pl.col("opened_on")) & ~pl.col("is_apart"))
    to_come = to_come.filter(pl.col("agreed_on") <= pl.col("opened_on")).select("amendment_id", "opened_on")
    none = wide(0)
    step = pl.col("gross") - pl.when(pl.col("action") == "add").then(none).otherwise(pl.col("before.gross"))
    changed = terms.join(to_come, on="amendment_id", how="inner").group_by("group_id").agg(
        step.filter(step > 0).sum().alias("more"), step.filter(step < 0).sum().alias("less"), step.sum().alias("change"),
        pl.col("gross").is_not_null().all().alias("is_priced"), pl.col("amendment_id").min(), pl.col("opened_on").first(),
        pl.col("evidence").explode().drop_nulls().unique().sort(),
    )  # fmt: skip
    made = changed.filter("is_priced").join(_held(openings, lines, terms, changed, levels), on="group_id", how="inner")
    excess, rounding = pl.col("held") - pl.col("gross") - pl.col("estimated"), pl.col("positions") * GUARD
    more = (excess > rounding) & (excess <= pl.col("more") + rounding)
    less = (excess < rounding * -1) & (excess >= pl.col("less") - rounding)
    about = contracts.select(pl.col("contract_id").alias("group_id"), "currency", "minor_digits")
    hit = made.filter(more | less).with_columns(excess.alias("excess"), ((excess - pl.col("change")).abs() <= rounding).alias("is_all"))
    hit = hit.join(about, on="group_id", how="inner").with_columns(
        units_money(pl.col(name), pl.col("minor_digits")).alias(name) for name in ("change", "excess")
    )
    currency = pl.col("currency").fill_null("")
    whole = "The opening positions of {} hold the {} {} by which {} changes the price after them; it is added again on its day."
    part = "The opening positions of {} hold {} {} more than the price before {}; the change is added in full on its day."
    message = (
        pl.when("is_all").then(pl.format(whole, "group_id", amount_text(pl.col("change")), currency, "amendment_id"))
        .otherwise(pl.format(part, "group_id", amount_text(pl.col("excess")), currency, "amendment_id"))
    )  # fmt: skip
    remedy = "State the positions with the price that was recognized by until then; the change is added on the day it takes effect."
    return hit.sort("group_id").select(
        *finding_columns("opening_holds_change", "high", "contract", message, remedy),
        pl.col("group_id").alias("entity_id"), pl.col("group_id").alias("contract_id"), pl.lit("amendment").alias("related_entity"),
        pl.col("amendment_id").alias("related_id"), pl.col("excess").abs().alias("amount_at_risk"), "currency", "evidence",
    )  # fmt: skip


def _held(
    openings: pl.DataFrame, lines: pl.DataFrame, terms: pl.DataFrame, changed: pl.DataFrame, levels: pl.DataFrame
) -> pl.DataFrame:
    """Return what groups with a position of every promise hold: group_id, gross, held, positions (their number), estimated (in units).

    A line that others bear (a discount, a bonus of all the contract) is no promise and needs no position.
    """
    held = openings.select("contract_line_id", "allocated_amount")
    own = terms.filter(pl.col("place") == 0).join(changed.select("group_id", "opened_on"), on="group_id", how="inner")
    is_borne = pl.col("contract_line_id").is_in(borne_lines(lines, terms).implode())
    stated = pl.col("allocated_amount").is_not_null() & pl.col("gross").is_not_null()
    signed = own.join(held, on="contract_line_id", how="left").group_by("group_id").agg(
        pl.col("gross").sum(), money_units(pl.col("allocated_amount"), pl.col("minor_digits")).sum().alias("held"),
        (stated | is_borne).all().alias("is_whole"), pl.col("allocated_amount").count().cast(pl.Int128).alias("positions"),
    )  # fmt: skip
    keys = ["group_id", "contract_id", "contract_line_id", "component"]
    known = levels.join(changed.select("group_id", "opened_on"), on="group_id", how="inner").filter(pl.col("date") <= pl.col("opened_on"))
    latest = known.sort(*keys, "date").unique(keys, keep="last", maintain_order=True)
    estimated = latest.group_by("group_id").agg(pl.col("level").sum().alias("estimated"))
    made = signed.filter("is_whole").join(estimated, on="group_id", how="left")
    return made.with_columns(pl.col("estimated").fill_null(0))


@of_no("opened")
def unopened_findings(states: pl.DataFrame, opened: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every promise of a contract taken over that has no opening position, though it was promised by then.

    `states`: obligations as they begin (`opening.with_openings`). Its price is its share by standalone prices, as if nothing were taken
    over; what its measure shows by then is claimed and paid (`posting.taken_over.unopened_steps`).
    """
    signed = contracts.select("contract_id", "signed_date", "currency")
    rows = states.filter(pl.col("opened_on").is_null() & pl.col("is_pooled") & (pl.col("base") + pl.col("rem") != 0))
    rows = rows.drop("opened_on").join(opened, on="group_id", how="inner").join(signed, on="contract_id", how="inner")
    hit = rows.filter((pl.col("signed_date") <= pl.col("opened_on")) & pl.col("problem").is_null())
    evidence = lines.join(hit, on="okey", how="semi").group_by("okey").agg(pl.col("evidence").explode().drop_nulls().unique().sort())
    hit = hit.join(evidence, on="okey", how="left").with_columns(
        units_money(pl.col("base") + pl.col("rem"), pl.col("minor_digits")).alias("amount_at_risk")
    )
    text = "{} of {} has no opening position, and other promises of the contract have; its price is a share by standalone prices, {} {}."
    message = pl.format(text, "line_id", "contract_id", amount_text(pl.col("amount_at_risk")), pl.col("currency").fill_null(""))
    remedy = "State a position of it on the same day: what is allocated to it and recognized of it by then (0 where nothing is)."
    return hit.sort("contract_id", "line_id").select(
        *finding_columns("opening_position_missing", "high", "contract_line", message, remedy),
        pl.col("line_id").alias("entity_id"), "contract_id", "amount_at_risk", "currency", "evidence",
    )  # fmt: skip
