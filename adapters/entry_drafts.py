"""Journal entries as the ledger's own columns: its mapping in reverse, with a note of what is not known.

An id that only the system gives is never invented. Where a column wants one, it is looked up in the export itself; what is
not there is left blank, the value that is known stands beside it, and the note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from adapters.mapping.model import EntityRule, FieldRule, Lookup, Mapping
from adapters.mapping.rows import column_text, holds, present
from adapters.mapping.vendor_cells import cell_text, is_reversible, plain_number
from engine.canonical.schema import ENTITIES
from engine.remedies.entries import entry_number

JOURNAL: Final = "journal_line"

_MEANS: Final = {
    "journal_number": "the number of the entry", "posting_date": "the day it posts", "legal_entity_id": "the company whose books it is in",
    "account": "the account", "currency": "the currency of the amounts", "contract_id": "the contract", "status": "draft",
}  # fmt: skip
"""The fields that an entry line states beside its amounts, and what their column holds."""

_SIDES: Final = ("debit", "credit", "functional_debit", "functional_credit")
# So many values are named of which the system's id is not known.
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Ledger:
    """Hold what is known of the system that entries go to.

    `rule` says how its journals are read, `columns` are the names its export has, `rows` gives the rows of one of its streams,
    `functional` the currency by legal entity (and of entities not named, by ""), `accounts` its chart of accounts; None where it
    exports none.
    """

    system: str
    mapping: Mapping
    rule: EntityRule
    columns: frozenset[str]
    rows: Callable[[str], pl.DataFrame | None]
    functional: dict[str, str]
    accounts: frozenset[str] | None = None


@dataclass(slots=True)
class OwnEntries:
    """Hold entries in the ledger's columns, the note that goes with them, and the keys of those its columns cannot say."""

    table: pl.DataFrame
    note: str
    left_out: list[str] = field(default_factory=list)


def entry_lines(rows: pl.DataFrame) -> pl.DataFrame:
    """Return each entry as two lines, debit and credit of one amount; its key is its number, so that it is posted once.

    One that is taken back has two more lines, of the day it is, under the number with an R behind it.
    """
    amount = pl.col("amount").cast(pl.Decimal(38, 3)).cast(pl.String).str.replace(r"(\.\d\d)0$", "${1}")
    none = pl.lit(None, dtype=pl.String)
    number = entry_number(pl.col("remedy_key"))
    back = rows.filter(pl.col("reversal_date").is_not_null())
    sides = [
        part.select(
            "remedy_key", (number + ("R" if is_back else "")).alias("journal_number"), pl.lit(line).alias("line"),
            pl.col("reversal_date" if is_back else "posting_date").alias("posting_date"), "legal_entity_id",
            pl.col(f"{name}_account").alias("account"),
            (amount if (name == "debit") != is_back else none).alias("debit"),
            (none if (name == "debit") != is_back else amount).alias("credit"), "currency",
            "contract_id", pl.col("instruction").alias("memo"), "finding_id", (number if is_back else none).alias("reverses"),
        )
        for part, is_back in ((rows, False), (back, True))
        for line, name in ((3 if is_back else 1, "debit"), (4 if is_back else 2, "credit"))
    ]  # fmt: skip
    return pl.concat(sides).sort("remedy_key", "line")


def own_entries(lines: pl.DataFrame, ledger: Ledger) -> OwnEntries | None:
    """Return entry lines in the ledger's own columns; None where its journals are read in a way that cannot be written.

    `lines`: the columns of `entry_lines`.
    """
    rule = ledger.rule
    if not {"account", "debit", "credit"} <= set(rule.fields):
        return None
    work = _typed(lines, ledger)
    strange = work.filter(_cannot_say(rule)).select("remedy_key").unique().sort("remedy_key")["remedy_key"].to_list()
    work = work.filter(~pl.col("remedy_key").is_in(strange))
    written = _Written(ledger, work)
    if work.height == 0:
        return OwnEntries(work.select("remedy_key"), _note(lines, work, written, strange), strange)
    for name in _MEANS:
        written.add(name)
    written.add_amounts()
    if not written.has_account or not written.amounts:
        return None
    table = pl.concat([work.select("remedy_key"), pl.DataFrame(written.columns)], how="horizontal")
    return OwnEntries(table, _note(lines, work, written, strange), strange)


def _typed(lines: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    money = ENTITIES[JOURNAL].fields["debit"].dtype
    home = pl.col("legal_entity_id").replace_strict(ledger.functional, default=ledger.functional.get(""), return_dtype=pl.String)
    sides = [pl.col(name).cast(money, strict=False) for name in ("debit", "credit")]
    is_home = (pl.col("currency") == home).fill_null(value=False)
    known = lines.with_columns(*sides, pl.lit("draft").alias("status"), is_home.alias("is_home"))
    return known.with_columns(pl.when("is_home").then(pl.col(name)).alias(f"functional_{name}") for name in ("debit", "credit"))


def _cannot_say(rule: EntityRule) -> pl.Expr:
    """Say which lines the ledger's columns would misstate: in a currency they do not name, where they hold functional amounts."""
    return pl.lit(value=False) if "currency" in rule.fields else ~pl.col("is_home")


class _Written:
    """Gather the ledger's columns of some entry lines, and what there is to say of them."""

    def __init__(self, ledger: Ledger, lines: pl.DataFrame) -> None:
        self.rule, self.ledger, self.lines = ledger.rule, ledger, lines
        self.columns: dict[str, pl.Series] = {}
        self.meaning: dict[str, str] = {}
        self.unknown: list[str] = []
        self.amounts: list[str] = []
        self.has_account = False
        # The columns that a document's header and lines meet by: what leads over them is of the same document.
        keys = [self.rule.fields[name] for name in ("journal_line_id", "journal_id") if name in self.rule.fields]
        self.of_document = {alias for each in keys for names in (each.source, each.first_of, each.join) for alias in names or ()}

    def add(self, name: str) -> None:
        """Write a field that has a value on some line."""
        if name == "status" and "status" in self.rule.fields and self.rule.fields["status"].map is None:
            return
        if self.lines[name].null_count() == self.lines.height:
            if name == "legal_entity_id" and name in self.rule.fields:
                self.unknown.append("The legal entity of the entries is not known; name it before the upload.")
            return
        each = self.rule.fields.get(name)
        if each is None or not is_reversible(each) or each.const is not None or each.pattern is not None:
            self._say_left_out(name)
            return
        spec = ENTITIES[JOURNAL].fields[name]
        text = self.lines.select(cell_text(pl.col(name), spec, each, self.ledger.mapping).cast(pl.String).alias(name)).to_series()
        if each.lookup is not None:
            self._through(name, text, each.lookup)
        else:
            self._put(self._named(each.source or each.first_of or ()), text, _MEANS[name])
        self.has_account |= name == "account"

    def add_amounts(self) -> None:
        """Write the amounts: on their side, or as one column with a sign or with a word for the side."""
        parts: dict[str, list[pl.Expr]] = {}
        words: dict[str, list[pl.Expr]] = {}
        for name in _SIDES:
            each = self.rule.fields.get(name)
            if each is None or self.lines[name].null_count() == self.lines.height:
                continue
            source = each.source or each.first_of or ((each.lookup.take if each.lookup is not None else None) or ())
            column = self._named(source)
            if column is None or each.unit is not None or each.divide_by or each.plus or each.minus or each.negate_when:
                continue
            signed = pl.col(name) * (-1 if each.sign == "negative" else 1)
            parts.setdefault(column, []).append(signed)
            for condition, test in (each.only_when or {}).items():
                if test.any_of is not None:
                    word = pl.when(pl.col(name).is_not_null()).then(pl.lit(test.any_of[0]))
                    words.setdefault(self._named((condition,)) or condition, []).append(word)
        for column, values in parts.items():
            text = self.lines.select(plain_number(pl.coalesce(values)).alias(column)).to_series()
            is_signed = (text.drop_nulls().str.starts_with("-")).any()
            both = "the amount, credits negative" if is_signed else "the amount"
            self._put(column, text, both if len(values) > 1 else f"the amount of lines on this side{self._books(column)}")
            self.amounts.append(column)
        for column, tests in words.items():
            self._put(column, self.lines.select(pl.coalesce(tests).alias(column)).to_series(), "the side: debit or credit")

    def _books(self, column: str) -> str:
        is_own = any(self._named(self.rule.fields[name].source or ()) == column for name in _SIDES[2:] if name in self.rule.fields)
        return ", in the books' own currency" if is_own else ""

    def _say_left_out(self, name: str) -> None:
        if name == "journal_number":
            self.unknown.append(
                "The export names no number of a journal: put `remedy_key` where the system keeps an external id, so that it takes an "
                "entry once."
            )
        elif name == "contract_id":
            self.unknown.append("The export names no contract on journal lines, so the entries name none.")

    def _named(self, names: Iterable[str]) -> str | None:
        """Return the column that the export has of these aliases, else the first."""
        aliases = [each.strip() for name in names for each in name.split(" | ")]
        exact = next((each for each in aliases if each in self.ledger.columns), None)
        return exact or present(self.ledger.columns, aliases) or next(iter(aliases), None)

    def _put(self, column: str | None, text: pl.Series, meaning: str) -> None:
        if column is None:
            return
        before = self.columns.get(column)
        if before is not None:
            text = pl.DataFrame({"one": before, "other": text}).select(pl.coalesce("one", "other").alias(column)).to_series()
            meaning = f"{self.meaning[column]}; {meaning}" if meaning not in self.meaning[column] else self.meaning[column]
        self.columns[column], self.meaning[column] = text.alias(column), meaning

    def _through(self, name: str, text: pl.Series, lookup: Lookup) -> None:
        """Write what reading looks up: of the document's own header or line as it is, of a list by the id the list gives it."""
        aliases = [alias for ours in lookup.on for alias in ours.split(" | ")]
        of_document = all(any(alias in each.split(" | ") for each in self.of_document) for alias in aliases)
        last, holder = lookup, aliases[:1]
        if of_document:
            if lookup.then is None:
                self._put(self._named(lookup.take), text, _MEANS[name])
                return
            last, holder = lookup.then, list(lookup.take)
        ids, missing = self._ids(text, last)
        column = self._named(holder)
        shown = self._named(last.take)
        self._put(column, ids, f"{_MEANS[name]}: the system's id, found in {last.stream} of the export")
        self._put(shown if shown != column else f"{last.stream}.{shown}", text, f"{_MEANS[name]}, as it is known here")
        if missing:
            which = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")
            self.unknown.append(
                f"`{column}` wants the system's own id of the {_plain(name)}; the export does not tell that of {which}. It is left blank; "
                f"the value stands in `{shown}`."
            )

    def _ids(self, text: pl.Series, lookup: Lookup) -> tuple[pl.Series, list[str]]:
        """Return the ids that a list of the export gives to values, blank where it gives none or several, and those values."""
        known = _list_ids(self.ledger, lookup)
        ids = text.replace_strict(known, default=None, return_dtype=pl.String)
        missing = sorted(set(text.drop_nulls()) - known.keys())
        return ids, missing


def _list_ids(ledger: Ledger, lookup: Lookup) -> dict[str, str]:
    rows = ledger.rows(lookup.stream)
    if rows is None or len(lookup.on) != 1:
        return {}
    theirs = next(iter(lookup.on.values()))
    for each in ledger.mapping.set_aside:
        if all(present(rows.columns, name.split(" | ")) for name in each.when):
            rows = rows.filter(~holds(rows.columns, each.when))
    pairs = rows.select(column_text(rows.columns, lookup.take).alias("value"), column_text(rows.columns, theirs.split(" | ")).alias("id"))
    pairs = pairs.drop_nulls().unique().filter(pl.len().over("value") == 1)
    return dict(pairs.iter_rows())


def _plain(name: str) -> str:
    return name.removesuffix("_id").replace("_", " ")


def _note(lines: pl.DataFrame, work: pl.DataFrame, written: _Written, strange: list[str]) -> str:
    """Return the page beside the file: what its columns hold, and exactly what is not known."""
    ledger = written.ledger
    unknown = list(written.unknown)
    if ledger.accounts is not None:
        missing = sorted(set(work["account"].drop_nulls()) - ledger.accounts)
        unknown += [f"The chart of accounts that {ledger.system} exports has no account {each}." for each in missing]
    foreign = work.filter(~pl.col("is_home"))["remedy_key"].n_unique()
    if foreign and "functional_debit" in written.rule.fields:
        unknown.append(
            f"{_counted(foreign)} in a currency that is not, or not known to be, the books' own: amounts in the books' currency are "
            "the system's to make."
        )
    if strange:
        unknown.append(
            f"{_counted(len(strange))} in a currency that these columns cannot say; they stand in journal_entry-other_currency.csv."
        )
    back = lines.filter(pl.col("reverses").is_not_null())["remedy_key"].n_unique()
    table = [f"| `{column}` | {meaning} |" for column, meaning in written.meaning.items()]
    number = written.rule.fields.get("journal_number")
    once = "`remedy_key`" if number is None else f"`{_first(number, written)}`"
    return "\n".join([
        f"# Journal entries for {ledger.system} ({ledger.mapping.title})", "",
        f"{_counted(work['remedy_key'].n_unique())} of two lines each, {back} of them taken back in the next period. "
        "Nothing here is posted or released: `tieout remedy release` asks for that.", "",
        f"An entry is taken once by its number in {once}. Where the system numbers journals itself, put it where the system keeps an "
        "external id or reference.", "",
        "| column | holds |", "|---|---|", "| `remedy_key` | the key of the remedy |", *table, "",
        "Not known:", *(f"- {each}" for each in unknown), "- The ids of the journals and their lines: they are the system's to give.", "",
    ])  # fmt: skip


def _first(rule: FieldRule, written: _Written) -> str:
    names = rule.source or rule.first_of or (rule.lookup.take if rule.lookup is not None else ())
    return written._named(names) or "remedy_key"


def _counted(count: int) -> str:
    return f"{count} entry" if count == 1 else f"{count} entries"
