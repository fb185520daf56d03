"""Records that name their contract through another record: chains of invoices, costs of a line."""

from __future__ import annotations

import polars as pl

from engine.revenue.ground.named import with_contract, with_root


def invoices(*rows: tuple[str, str | None, str | None, str | None]) -> pl.DataFrame:
    names = ("invoice_id", "contract_id", "corrects_invoice_id", "replaces_invoice_id")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


CHAIN = invoices(
    ("I1", "C1", None, None), ("N1", None, "I1", None), ("I2", None, None, "I1"), ("N2", None, "I2", None), ("I3", None, None, "I2"),
    ("I4", None, None, "I3"), ("I5", None, None, "I4"), ("N5", None, "I5", None), ("I9", "C2", None, None), ("N9", "C3", "I9", None),
)  # fmt: skip


def nothing(_: str) -> pl.DataFrame:
    return pl.DataFrame(schema={"contract_line_id": pl.String, "contract_id": pl.String, "amendment_id": pl.String})


def test_a_chain_of_corrections_and_re_issues_leads_to_its_first_invoice() -> None:
    assert with_root(CHAIN)["root"].to_list() == ["I1"] * 8 + ["I9"] * 2


def test_what_corrects_an_invoice_is_of_its_contract_and_keeps_one_it_names() -> None:
    assert with_contract(CHAIN, "invoice", nothing)["contract_id"].to_list() == ["C1"] * 8 + ["C2", "C3"]


def test_an_invoice_without_a_contract_is_not_given_that_of_its_credit_note() -> None:
    told = with_contract(invoices(("I1", None, None, None), ("N1", "C1", "I1", None), ("N2", None, "I1", None)), "invoice", nothing)
    assert told["contract_id"].to_list() == [None, "C1", "C1"]


def test_the_order_of_invoices_decides_nothing() -> None:
    told = with_contract(CHAIN.reverse(), "invoice", nothing)
    assert told.sort("invoice_id").equals(with_contract(CHAIN, "invoice", nothing).sort("invoice_id"))


def test_a_cost_is_of_the_contract_of_its_line_as_signed_or_as_added() -> None:
    known = {
        "contract_line": pl.DataFrame({"contract_line_id": ["L1"], "contract_id": ["C1"]}),
        "amendment": pl.DataFrame({"amendment_id": ["A1"], "contract_id": ["C2"]}),
        "amendment_line": pl.DataFrame({"amendment_id": ["A1"], "contract_line_id": ["L2"]}),
    }
    lines, contracts = ["L1", "L2", "L3", "L1", None], [None, None, None, "C9", None]
    costs = pl.DataFrame({"contract_line_id": lines, "contract_id": contracts}, schema_overrides={"contract_id": pl.String})
    assert with_contract(costs, "contract_cost", known.__getitem__)["contract_id"].to_list() == ["C1", "C2", None, "C9", None]
