"""What was delivered, drawn or used beyond what is promised or committed to: the price takes no more."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.revenue.ground.finding_columns import findings_of, plain_text
from engine.revenue.ground.records import Records
from engine.revenue.price.pricing import OUTSIDE

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
    """Return promises earned by use of an amount committed to of which more was used: what is bought beyond it has no price here."""
    key = "contract_line_id"
    own = lines.filter((pl.col("measure") == "usage") & ~pl.col("pricing").is_in(list(OUTSIDE)) & (pl.col("amount") > 0))
    used = records.frame("usage").filter(pl.col("usage_date") <= records.as_of).join(own, on=key, how="semi")
    used = used.group_by(key).agg(pl.when(pl.col("amount").is_not_null().all()).then(pl.col("amount").sum()).alias("→used"))
    changed = records.frame("amendment_line").group_by(key).agg(pl.col("amount").max().alias("→changed"))
    hit = own.join(used, on=key, how="inner").join(changed, on=key, how="left")
    hit = hit.with_columns(pl.max_horizontal("amount", "→changed").alias("→most")).filter(pl.col("→used") > pl.col("→most")).sort(key)
    text = "Use of {} comes to {}, and no more than {} is committed to: what is beyond it is not recognized."
    said = pl.format(text, key, plain_text(pl.col("→used")), plain_text(pl.col("→most")))
    hit = hit.with_columns((pl.col("→used") - pl.col("→most")).alias("amount"))
    remedy = "Enter what is bought beyond the commitment as a line of its own, or correct the use."
    return findings_of(hit, "contract_line", "amount", _KIND, "high", said, remedy)
