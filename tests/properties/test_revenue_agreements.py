"""Whatever is agreed, changed, taken away and estimated anew, the engine earns what plain arithmetic says, month by month."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.agreements import Change, Contract, Promised
from tests.oracle.conditions import round_exactly
from tests.properties.test_revenue import Rows
from tests.properties.test_revenue_oracle import CENT, MONTHS, START, contract, monthly

# One run decides many contracts at the price of a few; the seed says which.
TOGETHER = 24
SOME = max(hypothesis.settings().max_examples // 16, 2)
ENTITIES = ("contract", "contract_line", "amendment", "amendment_line", "progress", "variable_estimate", "milestone")
OFFERINGS = {"retainer": "", "fixed_fee": "hours", "cost_plus": "cost", "goods": "units", "outcome": "milestone"}
REPORTS = {
    "hours": ("hours_to_date", "estimated_total_hours", "estimated_hours"),
    "cost": ("cost_to_date", "estimated_total_cost", "estimated_cost"),
    "units": ("units_delivered", "", "quantity"),
}


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


@dataclass
class Draft:
    """Write one contract twice: as records (`rows`), and as the oracle reads it."""

    name: str
    chance: random.Random
    rows: Rows = field(default_factory=lambda: {entity: [] for entity in ENTITIES})
    promises: list[Promised] = field(default_factory=list)
    wholes: dict[str, list[tuple[dt.date, Fraction]]] = field(default_factory=dict)
    offerings: dict[str, str] = field(default_factory=dict)
    taken: set[dt.date] = field(default_factory=set)

    def written(self) -> Contract:
        chance = self.chance
        self.rows["contract"] = [contract(self.name)]
        for number in range(chance.randint(1, 3)):
            self.promises.append(self.promised(f"{self.name}L{number}", START))
            self.rows["contract_line"].append({"contract_id": self.name, **self.line(self.promises[-1])})
        shared = self.estimated({"contract_id": self.name}) if chance.random() < 0.4 else []
        named = chance.choice(self.promises).name
        own = {named: self.estimated({"contract_line_id": named})} if chance.random() < 0.4 else {}
        amendments = [each for each in (self.amended(day) for day in self.days(0, 3)) if each[1]]
        # An estimate that a change brings is read with those of reports, the day's report last.
        finished = {each.name: self.wholes[each.name] for each in self.promises}
        for steps in finished.values():
            steps.sort(key=lambda step: step[0])
        return Contract(START, self.promises[: len(self.rows["contract_line"])], shared, own, amendments)

    def cents(self) -> Fraction:
        return Fraction(self.chance.randint(100, 10**6), 100)

    def days(self, least: int, most: int) -> list[dt.date]:
        """Draw days on which nothing else of the contract happens."""
        found = {START + dt.timedelta(days=self.chance.randint(2, 420)) for _ in range(self.chance.randint(least, most))} - self.taken
        self.taken |= found
        return sorted(found)

    def promised(self, name: str, since: dt.date) -> Promised:
        chance = self.chance
        offering = self.offerings[name] = chance.choice(list(OFFERINGS))
        begins = max(since, START + dt.timedelta(days=chance.choice([0, 0, 45])))
        ends = begins + dt.timedelta(days=chance.randint(15, 400))
        amount = self.cents()
        standalone = max(Fraction(round(amount * chance.randint(70, 140))) / 100, Fraction(1, 100))
        whole = self.wholes[name] = [(dt.date.min, Fraction(1 if offering == "outcome" else chance.randint(20, 900)))]
        done: list[tuple[dt.date, Fraction]] = []
        so_far = 0
        for day in self.days(0, 1 if offering == "outcome" else 4) if OFFERINGS[offering] else []:
            if day > since:
                so_far = self.reported(name, day, so_far)
                done.append((day, Fraction(so_far)))
        return Promised(name, amount, standalone, not OFFERINGS[offering], begins, ends, done, whole)

    def reported(self, name: str, day: dt.date, so_far: int) -> int:
        """Write a report of progress (or the acceptance) of a day; return what is done so far."""
        chance, kind, whole = self.chance, OFFERINGS[self.offerings[name]], self.wholes[name]
        key = f"{name}-{day}"
        if kind == "milestone":
            self.rows["milestone"].append(
                {"milestone_id": key, "contract_line_id": name, "status": "accepted", "accepted_date": day, "completed_date": day}
            )
            return 1
        done, again, _ = REPORTS[kind]
        left = int(whole[-1][1]) - so_far
        so_far += chance.randint(0, max(left, 0) if kind == "units" else max(left // 2, 5))
        row = {"progress_id": key, "contract_line_id": name, "as_of_date": day, done: Decimal(so_far)}
        if again and chance.random() < 0.4:
            whole.append((day, Fraction(so_far + chance.randint(1, 300))))
            row[again] = decimal(whole[-1][1])
        self.rows["progress"].append(row)
        return so_far

    def line(self, each: Promised) -> dict[str, object]:
        offering = self.offerings[each.name]
        stated = REPORTS.get(OFFERINGS[offering], ("", "", ""))[2]
        return {
            "contract_line_id": each.name, "offering": offering, "amount": decimal(each.amount),
            "standalone_selling_price": decimal(each.standalone), "start_date": each.begins, "end_date": each.ends,
            **({stated: decimal(self.wholes[each.name][0][1])} if stated else {}),
        }  # fmt: skip

    def estimated(self, about: dict[str, object]) -> list[tuple[dt.date, Fraction]]:
        whole = sum(each.amount for each in self.promises)
        made = []
        for day in [START, *self.days(0, 2)]:
            included = Fraction(round(whole * self.chance.randint(-25, 35)), 100)
            key = f"{self.name}V{len(self.rows['variable_estimate'])}"
            self.rows["variable_estimate"].append(
                {"estimate_id": key, "as_of_date": day, "method": "expected_value", "amount": decimal(included), **about}
            )
            made.append((day, included))
        return made

    def amended(self, day: dt.date) -> tuple[dt.date, list[Change]]:
        """Draw an amendment: something added at its price or below, changes that are distinct or not, or a removal."""
        chance, changes = self.chance, []
        amendment = f"{self.name}A{len(self.rows['amendment'])}"
        kinds = chance.choice([["add"], ["own"], ["add", "ahead"], ["ahead", "ahead"], ["behind"], ["ahead", "behind"], ["remove"]])
        gone = {row["contract_line_id"] for row in self.rows["amendment_line"] if row["action"] == "remove"}
        open_ = [each for each in self.promises if each.name not in gone]
        chance.shuffle(open_)
        for kind in kinds:
            if kind in ("add", "own"):
                changes.append(self.addition(day, at_its_price=kind == "own", amendment=amendment))
            elif open_:
                changes.append(self.changed(open_.pop(), kind, amendment))
        if changes:
            self.rows["amendment"].append(
                {"amendment_id": amendment, "contract_id": self.name, "effective_date": day, "approved_date": day, "status": "approved"}
            )
        return day, changes

    def addition(self, day: dt.date, *, at_its_price: bool, amendment: str) -> Change:
        each = self.promised(f"{self.name}N{len(self.promises)}", day)
        standalone = each.amount if at_its_price else each.amount * Fraction(5, 4)
        standalone = Fraction(round(standalone * 100), 100)
        each = Promised(each.name, each.amount, standalone, each.is_timed, each.begins, each.ends, each.done, each.whole)
        self.promises.append(each)
        self.rows["amendment_line"].append(
            {**self.line(each), "amendment_line_id": f"{amendment}{each.name}", "amendment_id": amendment, "action": "add",
             "remaining_is_distinct": True}
        )  # fmt: skip
        return Change(each.name, each.amount, added=each)

    def changed(self, each: Promised, kind: str, amendment: str) -> Change:
        rows = [row for row in self.rows["amendment_line"] if row["contract_line_id"] == each.name]
        before = {"amount": decimal(each.amount), "standalone_selling_price": decimal(each.standalone)}
        for row in rows:
            before |= {name: row[name] for name in before if row.get(name) is not None}
        # A removal keeps less than all: an amount as before says nothing.
        after = Fraction(round(Fraction(before["amount"]) * self.chance.randint(10, 90 if kind == "remove" else 180)), 100)
        more = self.cents() if kind == "ahead" and self.chance.random() < 0.4 and after != before["amount"] else Fraction(0)
        if more == after - Fraction(before["amount"]):
            more += 1
        row = {
            "amendment_line_id": f"{amendment}{each.name}", "amendment_id": amendment, "contract_line_id": each.name,
            "action": "remove" if kind == "remove" else "change", "amount": decimal(after), "remaining_is_distinct": kind != "behind",
        }  # fmt: skip
        if more:
            row["standalone_selling_price"] = before["standalone_selling_price"] + decimal(more)
        self.rows["amendment_line"].append(row)
        return Change(each.name, after, more, is_distinct=kind != "behind", is_removal=kind == "remove")


@hypothesis.settings(max_examples=SOME)
@given(st.integers(0, 2**32 - 1))
def test_changes_of_every_kind_come_to_what_arithmetic_says(seed: int) -> None:
    chance = random.Random(seed)
    drafts = [Draft(f"C{number:02}", chance) for number in range(TOGETHER)]
    agreed = [draft.written() for draft in drafts]
    told = monthly([draft.rows for draft in drafts])
    for draft, each in zip(drafts, agreed, strict=True):
        # Prices are rounded when they are shared anew, which the fractions are not.
        near = CENT * (2 + len(each.amendments))
        for month in MONTHS:
            for name, amount in each.earned(month).items():
                found = told.get((name, month), Decimal(0))
                assert abs(found - round_exactly(amount, 2, half_even=False)) <= near, (draft.name, name, month, found, amount)
