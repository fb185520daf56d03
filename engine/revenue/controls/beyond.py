"""What was delivered, drawn or used beyond what is promised or committed to: the price takes no more."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.arithmetic.runs import without
from engine.revenue.ground.finding_columns import findings_of, plain_text
from engine.revenue.ground.records import Records
from engine.revenue.price.pricing import OUTSIDE
from engine.revenue.progress.commitments import priced_beyond

_KIND: Final = "delivered_beyond_promise"


def beyond_promise(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return promises of a quantity of which more was delivered than ever promised or expected: the price takes no more."""
    counted = lines.filter((pl.col("measure") == "units") & pl.col("quantity").is_not_null() & ~pl.col("pricing").is_in(list(OUTSIDE)))
    changed = records.frame("amendment_line").select("contract_line_id", pl.col("quantity").alias("promised"))
    reports = records.frame("progress")
    expected = reports.select("contract_line_id", pl.col("estimated_total_units").alias("promised"))
    most = pl.concat([counted.select("contract_line_id", pl.col("quantity").alias("promised")), changed, expected])
    most = most.group_by("contract_line_id").agg(pl.col("promised").max())
    done = reports.group_by("contract_line_id").agg(pl.col("units_delivered").max().alias("delivered"))
    hit = counted.join(done, on="contract_line_id", how="inner").join(most, on="contract_line_id", how="inner")
    hit = hit.filter(pl.col("delivered") > pl.col("promised"))
    plain = (pl.col(name).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".") for name in ("delivered", "promised"))
    said = pl.format("{} units of {} were delivered, and no more than {} promised: its price is earned in full.", next(plain),
                     "contract_line_id", next(plain))  # fmt: skip
    found = findings_of(hit, "contract_line", "amount", _KIND, "medium", said, "Correct the units delivered, or the quantity of the line.")
    idle = reports.group_by("contract_line_id").agg(pl.col("expected_breakage").max().alias("→idle"))
    hit = counted.join(idle, on="contract_line_id", how="inner").join(most, on="contract_line_id", how="inner")
    hit = hit.filter((pl.col("→idle") >= pl.col("promised")) & (pl.col("promised") > 0)).sort("contract_line_id")
    text = "{} units of {} are expected to lapse, all that are promised or more: what is drawn earns all of its price."
    said = pl.format(text, plain_text(pl.col("→idle")), "contract_line_id")
    return pl.concat([found, findings_of(hit, "contract_line", "amount", _KIND, "medium", said, "Correct the units expected to lapse.")])


def beyond_commitment(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return promises earned by use of what is committed to of which more was used, and nobody agreed what more of it costs."""
    key = "contract_line_id"
    own = lines.filter((pl.col("measure") == "usage") & ~pl.col("pricing").is_in(list(OUTSIDE)) & (pl.col("amount") > 0))
    own = without(own, priced_beyond(records, own, records.frame("amendment_line")), key)
    used = records.frame("usage").filter(pl.col("usage_date") <= records.as_of).join(own.select(key), on=key, how="semi")
    in_money = pl.col("amount").is_not_null().all()
    used = used.group_by(key).agg(
        pl.when(in_money).then(pl.col("amount").sum()).alias("→used"), pl.when(~in_money).then(pl.col("quantity").sum()).alias("→units")
    )
    changed = records.frame("amendment_line").group_by(key).agg(pl.col("amount", "quantity").max().name.prefix("→"))
    hit = own.join(used, on=key, how="inner").join(changed, on=key, how="left").with_columns(
        pl.max_horizontal("amount", "→amount").alias("→most"), pl.max_horizontal("quantity", "→quantity").alias("→units.most")
    )  # fmt: skip
    hit = hit.filter((pl.col("→used") > pl.col("→most")) | (pl.col("→units") > pl.col("→units.most"))).sort(key)
    text = "Use of {} comes to {}, and no more than {} is committed to: what is beyond it has no price and is not recognized."
    by_unit = pl.col("→units").is_not_null()
    done, most = (pl.when(by_unit).then(plain_text(pl.col(unit))).otherwise(plain_text(pl.col(money)))
                  for unit, money in (("→units", "→used"), ("→units.most", "→most")))  # fmt: skip
    said = pl.format(text, key, done, most)
    hit = hit.with_columns((pl.col("→used") - pl.col("→most")).alias("amount"))
    remedy = "State the price of a unit or a tier beyond the commitment, or correct the use."
    return findings_of(hit, "contract_line", "amount", _KIND, "high", said, remedy)
