"""What the queue is searched and filtered by, kept beside the cases so that both are fast with a million of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.store.tables import Case, CaseText, CaseValue

OFFERED: Final = ("severity", "rule", "contract_id", "owner", "stage", "kind", "entity", "period", "currency", "systems")
"""What a finding says of a case and its filters offer; what people say of it is asked of the cases themselves."""

_SEARCHED: Final = ("message", "rule", "contract_id", "assignee", "entity_id", "case_id")
_MOST: Final = 1_000


def text_of(case: Mapping[str, Any]) -> str:
    """Return what a case is searched by."""
    return " ".join(str(case.get(name) or "") for name in _SEARCHED).lower()


def write_texts(session: Session, cases: Sequence[Mapping[str, Any]], *, known: bool) -> None:
    """Write what cases are searched by: of new ones, or of such that are `known`."""
    rows = [{"b_case_id": each["case_id"], "b_text": text_of(each)} for each in cases]
    if not rows:
        return
    table = CaseText.__table__
    assert isinstance(table, sa.Table)
    values: dict[str, sa.BindParameter[str]] = {"text": sa.bindparam("b_text")}
    if known:
        session.execute(sa.update(table).where(table.c.case_id == sa.bindparam("b_case_id")).values(**values), rows)
    else:
        session.execute(sa.insert(table).values(case_id=sa.bindparam("b_case_id"), **values), rows)


def write_text(session: Session, case: Case) -> None:
    """Write what one case is searched by, after a person changed it."""
    write_texts(session, [{name: getattr(case, name) for name in _SEARCHED}], known=True)


def count_values(session: Session, scope: str, told: pl.DataFrame) -> None:
    """Keep the values that tonight's findings have, with their count; values of earlier nights stay, last."""
    found: dict[tuple[str, str], int] = {}
    for name in OFFERED:
        of = pl.col("systems_text" if name == "systems" else name).fill_null("").alias(name)
        counted = told.select(of).group_by(name).len().sort("len", name, descending=[True, False]).head(_MOST)
        found |= {(name, value): count for value, count in counted.rows()}
    before = session.execute(sa.select(CaseValue.name, CaseValue.value).where(CaseValue.scope == scope)).all()
    found |= {(name, value): 0 for name, value in before if (name, value) not in found}
    session.execute(sa.delete(CaseValue).where(CaseValue.scope == scope))
    rows = [{"scope": scope, "name": name, "value": value, "count": count} for (name, value), count in found.items()]
    if rows:
        session.execute(sa.insert(CaseValue), rows)


def values_of(session: Session, scope: str, name: str, most: int) -> list[str]:
    """Return the values of a column that a filter offers, the most frequent first; a blank is empty."""
    query = sa.select(CaseValue.value).where(CaseValue.scope == scope, CaseValue.name == name)
    return list(session.execute(query.order_by(CaseValue.count.desc(), CaseValue.value).limit(most)).scalars())
