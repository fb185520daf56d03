"""Expected rows beside actual ones: which of a test's expectations the outputs do not meet.

Text, yes-or-no, date and period columns of an expected row are keys, numbers are compared; a row
holds when a matching row does, so what is looked for is one row, or a sum where the row says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import polars as pl

from engine.policy.source import Location
from engine.policy.testing.case import PolicyTest

STAGE_OF: Final[dict[str, str]] = {
    "billing_decisions": "billing", "matches": "reconciliation", "reconciliations": "reconciliation",
    **dict.fromkeys(
        ("obligations", "modifications", "revenue_schedule", "contract_balances", "contract_costs", "disclosures", "journal",
         "financing", "time_revenue", "out_of_period", "intercompany_charges"), "revenue"),
}  # fmt: skip
"""The stage that makes an output; `findings: none | exactly` looks at these only."""

ROLE_NAMES: Final = {"cost_asset": "contract_cost_asset"}
"""Other names that tests may use for an account role."""

_SHOWN: Final = 6
_NO_ROW: Final = "no such row"


@dataclass(frozen=True, slots=True)
class Difference:
    """Say where a test stands that is not met, what it expected and what there was."""

    file: str
    line: int
    output: str
    expected: str
    actual: str


def differences(test: PolicyTest, outputs: Mapping[str, pl.DataFrame], findings: pl.DataFrame) -> list[Difference]:
    """Return every expectation of a test that the outputs and findings of its run do not meet."""
    found: list[Difference] = []
    for output, rows in test.expect.items():
        place = (*test.place, output)
        if output == "findings":
            found += _findings(test, rows, place, findings)
        elif output not in outputs:
            found.append(_difference(test, place, output, "the output", f"no stage made an output '{output}'"))
        else:
            for index, row in enumerate(rows if isinstance(rows, list) else [rows]):
                problem = _problem(output, dict(row), outputs[output])
                if problem is not None:
                    found.append(_difference(test, (*place, index), output, _told(row), problem))
    return found


def last_stage(test: PolicyTest, stages: Sequence[str]) -> str | None:
    """Return the stage after which every expectation that is met by then stays met; None where that is not known before the end.

    `stages`: in the order in which they run. A finding that is expected is there or may still come, as a cause of it may. What is
    excluded may come of any stage; `none` and `exactly` look at the stages of the outputs that are expected.
    """
    needed = {STAGE_OF.get(output) for output in test.expect if output != "findings"}
    findings = test.expect.get("findings")
    if not needed or None in needed or (isinstance(findings, dict) and "excludes" in findings):
        return None
    return [stage for stage in stages if stage in needed][-1]


def _difference(test: PolicyTest, place: Location, output: str, expected: str, actual: str) -> Difference:
    return Difference(test.file, test.document.span_of(place).line, output, expected, actual)


def _told(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in row.items())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "/".join(_text(each) for each in value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "null" if value is None else str(value)


def _problem(output: str, row: dict[str, Any], frame: pl.DataFrame) -> str | None:
    """Return what is wrong with an expected row, or None when it holds."""
    tolerance = Decimal(str(row.pop("tolerance", 0)))
    is_sum = bool(row.pop("sum", False)) or output == "journal"
    span = _span(row, frame)
    is_sum = is_sum or span is not None
    unknown = [name for name in row if name not in frame.columns]
    if unknown:
        return f"'{output}' has no column '{unknown[0]}'"
    compared = {name: value for name, value in row.items() if frame.schema[name].is_numeric() and not isinstance(value, list)}
    keys = {name: value for name, value in row.items() if name not in compared}
    matching = frame.filter(pl.lit(value=True), *(_meets(name, value, frame, output) for name, value in keys.items()))
    if span is not None:
        matching = matching.filter(pl.col("period").is_between(pl.lit(span[0]), pl.lit(span[1])))
    problem = _compare_sum(matching, compared, tolerance) if is_sum else _compare_rows(matching, keys, compared, tolerance)
    return f"{problem}{_nearest(output, keys, compared, frame)}" if problem == _NO_ROW else problem


def _nearest(output: str, keys: Mapping[str, Any], compared: Mapping[str, Any], frame: pl.DataFrame) -> str:
    """Tell the row that agrees with most of the keys; nothing where none agrees with any."""
    if not keys or frame.is_empty():
        return ""
    # What is named first, an id as a rule, says most.
    weights = enumerate(reversed([*keys]), 1)
    met = pl.sum_horizontal(_meets(name, keys[name], frame, output).cast(pl.Int32) * weight for weight, name in weights)
    shown = list(dict.fromkeys([*keys, *compared]))
    scored = frame.select(*shown, met.alias("→met"))
    best = scored.filter(pl.col("→met") == pl.col("→met").max()).row(0, named=True)
    return f"; the nearest: {_told({name: best[name] for name in shown})}" if best["→met"] else ""


def _span(row: dict[str, Any], frame: pl.DataFrame) -> tuple[str, str] | None:
    """Take a range of periods out of a row: a year, or from and to."""
    if "from" in row or "to" in row:
        return str(row.pop("from", "0000-00")), str(row.pop("to", "9999-99"))
    year = str(row.get("period", ""))
    if year.isdigit() and len(year) == 4 and "period" in frame.columns:
        del row["period"]
        return f"{year}-00", f"{year}-99"
    return None


def _meets(name: str, value: Any, frame: pl.DataFrame, output: str) -> pl.Expr:
    values = value if isinstance(value, list) else [value]
    if output == "journal" and name == "account" and "account_role" in frame.columns:
        names = [ROLE_NAMES.get(str(each), str(each)) for each in values]
        return pl.col("account_role").is_in(names) | pl.col("account").is_in([str(each) for each in values])
    dtype = frame.schema[name]
    if isinstance(dtype, pl.List):
        return pl.any_horizontal([pl.col(name).list.contains(str(each)) for each in values])
    tests = [pl.col(name).is_null() if each is None else pl.col(name).eq_missing(pl.lit(_typed(each, dtype))) for each in values]
    return pl.any_horizontal(tests)


def _typed(value: Any, dtype: pl.DataType) -> Any:
    if dtype == pl.Date:
        return dt.date.fromisoformat(str(value))
    if dtype == pl.Boolean:
        return value
    if dtype.is_numeric():
        return Decimal(str(value))
    return str(value)


def _compare_sum(matching: pl.DataFrame, compared: Mapping[str, Any], tolerance: Decimal) -> str | None:
    if not compared:
        return None if matching.height else _NO_ROW
    sums = {name: Decimal(str(matching[name].sum() or 0)) for name in compared}
    wrong = [name for name, value in compared.items() if not _near(sums[name], value, tolerance)]
    if not wrong:
        return None
    return f"{_told(sums)} over {matching.height} rows"


def _compare_rows(
    matching: pl.DataFrame, keys: Mapping[str, Any], compared: Mapping[str, Any], tolerance: Decimal
) -> str | None:  # fmt: skip
    rows = matching.select(list(compared) or list(keys) or matching.columns[:1]).to_dicts()
    if not rows:
        # A row of zeros says that there is nothing.
        is_nothing = bool(compared) and all(value is not None and Decimal(str(value)) == 0 for value in compared.values())
        return None if is_nothing else _NO_ROW
    if any(all(_near(row[name], value, tolerance) for name, value in compared.items()) for row in rows):
        return None
    shown = "; ".join(_told({name: row[name] for name in compared}) for row in rows[:_SHOWN])
    return f"{shown}{' …' if len(rows) > _SHOWN else ''}"


def _near(actual: Any, expected: Any, tolerance: Decimal) -> bool:
    if actual is None or expected is None:
        return actual is None and expected is None
    return abs(Decimal(str(actual)) - Decimal(str(expected))) <= tolerance


def _findings(test: PolicyTest, expected: Any, place: Location, findings: pl.DataFrame) -> list[Difference]:
    stages = {STAGE_OF[output] for output in test.expect if output in STAGE_OF}
    seen = findings.filter(pl.col("stage").is_in(sorted(stages))) if stages else findings
    if expected in ("none", None):
        return [] if seen.height == 0 else [_difference(test, place, "findings", "none", _listed(seen))]
    found: list[Difference] = []
    for mode, wanted in expected.items():
        listed = wanted if isinstance(wanted, list) else [wanted]
        for index, each in enumerate(listed):
            met = _finding_matches(findings, each)
            if mode in ("contains", "exactly") and met.height == 0:
                found.append(_difference(test, (*place, mode, index), "findings", _wanted(each), _listed(seen)))
            if mode == "excludes" and met.height:
                found.append(_difference(test, (*place, mode, index), "findings", f"not {_wanted(each)}", _listed(met)))
        if mode == "exactly":
            rest = seen
            for each in listed:
                rest = rest.join(_finding_matches(rest, each).select("finding_id"), on="finding_id", how="anti")
            if rest.height:
                found.append(_difference(test, (*place, mode), "findings", "nothing else", _listed(rest)))
    return found


def _finding_matches(findings: pl.DataFrame, wanted: Any) -> pl.DataFrame:
    if not isinstance(wanted, dict):
        return findings.filter((pl.col("rule") == str(wanted)) | (pl.col("kind") == str(wanted)))
    tests = []
    for name, value in wanted.items():
        if name not in findings.columns:
            return findings.clear()
        if name == "rule":
            # A built-in check's code stands in `kind` too, where a policy rule names the check.
            tests.append((pl.col("rule") == str(value)) | (pl.col("kind") == str(value)))
        else:
            tests.append(_meets(name, value, findings, "findings"))
    return findings.filter(tests)


def _wanted(each: Any) -> str:
    return _told(each) if isinstance(each, dict) else str(each)


def _listed(findings: pl.DataFrame) -> str:
    rows = findings.select("rule", "entity", "entity_id").head(_SHOWN).to_dicts()
    shown = "; ".join(f"{row['rule']} on {row['entity']} {row['entity_id']}" for row in rows)
    more = findings.height - len(rows)
    return (shown or "no findings") + (f" and {more} more" if more > 0 else "")
