"""The address of a page that shows a table: it carries what is asked of the table, so that a link opens the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard.views.tables import SIZES, Column, Query


def to_params(query: Query, prefix: str = "", usual: Query | None = None) -> dict[str, list[str]]:
    """Return the parts of an address that carry a query; what is as usual is left out."""
    usual = usual or Query()
    found: dict[str, list[str]] = {}
    if query.search:
        found["q"] = [query.search]
    if (query.sort, query.descending) != (usual.sort, usual.descending):
        found["sort"] = [("-" if query.descending else "") + query.sort]
    if query.page != 1:
        found["page"] = [str(query.page)]
    if query.size != usual.size:
        found["size"] = [str(query.size)]
    # An empty filter is said too, where usually there is one.
    names = sorted({*query.filters, *usual.filters})
    for name in names:
        values = query.filters.get(name, ())
        if values != usual.filters.get(name, ()):
            found[f"f.{name}"] = list(values) or [""]
    return {prefix + name: values for name, values in found.items()}


def from_params(params: Mapping[str, Sequence[str]], columns: Sequence[Column], prefix: str = "", usual: Query | None = None) -> Query:
    """Return the query an address carries; what cannot be is as usual, so that an old link still opens."""
    usual = usual or Query()
    names = {each.name for each in columns}

    def first(name: str) -> str | None:
        values = params.get(prefix + name)
        return values[0] if values else None

    sort, descending = usual.sort, usual.descending
    asked = first("sort")
    if asked is not None and asked.removeprefix("-") in {*names, ""}:
        sort, descending = asked.removeprefix("-"), asked.startswith("-")
    filters = {name: tuple(values) for name, values in usual.filters.items()}
    for name in (each.name for each in columns if each.filtered):
        values = params.get(f"{prefix}f.{name}")
        if values is not None:
            filters[name] = tuple(each for each in values if each)
    page, size = first("page"), first("size")
    return Query(
        search=first("q") or "", filters={name: values for name, values in filters.items() if values}, sort=sort, descending=descending,
        page=int(page) if page is not None and page.isdigit() and 0 < int(page) < 10**9 else 1,
        size=int(size) if size is not None and size in map(str, SIZES) else usual.size,
    )  # fmt: skip
