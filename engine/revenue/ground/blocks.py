"""Contracts in blocks: what concerns each contract alone is derived for so many rows at a time, so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Final, TypeVar

import polars as pl

from engine.revenue.ground.frames import Books

ROWS: Final = 600_000
"""So many rows of performance make a block."""

PROMISES: Final = 25_000
"""So many obligations make a block, where performance is still to be found."""

# Two blocks go through at a time: what one does alone leaves a processor to the other.
_AT_ONCE: Final = 2

# Frames of the books that stand in the order of contract_id.
_SORTED: Final = (
    "contracts", "obligations", "performance", "price", "observations", "modifications", "contract_balances", "translated", "moved",
    "standing",
)  # fmt: skip

Given = TypeVar("Given")
Made = TypeVar("Made")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Block:
    """Hold the contracts from one id (null: from the beginning) to before another (null: to the end)."""

    first: str | None = None
    after: str | None = None

    def of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the block's contracts."""
        if "contract_id" not in frame.columns or (self.first is None and self.after is None):
            return frame
        own = pl.lit(value=True) if self.first is None else pl.col("contract_id") >= self.first
        return frame.filter(own if self.after is None else own & (pl.col("contract_id") < self.after))

    def cut(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the block's contracts of a frame sorted by contract_id, without a copy."""
        ids = frame["contract_id"]
        begin = 0 if self.first is None else ids.search_sorted(self.first)
        end = frame.height if self.after is None else ids.search_sorted(self.after)
        return frame.slice(begin, end - begin)

    def books(self, books: Books) -> Books:
        """Return the books of the block's contracts alone."""
        own = {each.name: getattr(books, each.name) for each in fields(books) if each.name not in ("extra", "periods")}
        own, extra = (
            {name: (self.cut if name in _SORTED else self.of)(frame) for name, frame in frames.items()} for frames in (own, books.extra)
        )
        return replace(books, **own, extra=extra)


def blocks(contracts: pl.DataFrame, ids: pl.Series, rows: int) -> list[Block]:
    """Return all contracts in blocks, in the order of their ids; contracts that are combined stay together.

    `ids`: the contract of each row of what makes the blocks large, sorted; at most about so many `rows` make a block.
    """
    # As many blocks for each of those who work on them: nobody waits for the last one.
    turns = -(-len(ids) // (rows * _AT_ONCE))
    each = -(-len(ids) // (turns * _AT_ONCE)) if len(ids) > rows else max(len(ids), 1)
    begun = ids.gather_every(each)[1:].unique()
    spans = contracts.group_by("group_id").agg(pl.col("contract_id").min().alias("from"), pl.col("contract_id").max().alias("to"))
    torn = begun.to_frame("at").join_where(spans, pl.col("at") > pl.col("from"), pl.col("at") <= pl.col("to"))
    cuts: list[str] = begun.filter(~begun.is_in(torn["at"].implode())).sort().to_list()
    return [Block(first, after) for first, after in zip([None, *cuts], [*cuts, None], strict=True)]


def in_blocks(found: Sequence[Given], make: Callable[[Given], Made]) -> list[Made]:
    """Return what `make` gives for each block, or for what stands for it, in their order."""
    if len(found) == 1:
        return [make(found[0])]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(make, found))


def together(*makers: Callable[[], pl.DataFrame]) -> list[pl.DataFrame]:
    """Return what each maker gives, in their order; so many work at a time as blocks do."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda make: make(), makers))


def beside(make: Callable[[], Made], other: Callable[[], Other]) -> tuple[Made, Other]:
    """Return what two makers give that need nothing of each other, made at the same time."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(other)
        return make(), running.result()


def each_block(books: Books, make: Callable[[Block], Made]) -> list[Made]:
    """Return what `make` gives for every block of contracts of the books, in their order."""
    return in_blocks(_blocks_of(books), make)


def cut_in_blocks(books: Books, *frames: pl.DataFrame) -> list[tuple[pl.DataFrame, ...]]:
    """Return frames sorted by contract_id in the blocks of the books, without a copy."""
    return [tuple(block.cut(frame) for frame in frames) for block in _blocks_of(books)]


def used_up(parts: list[tuple[pl.DataFrame, ...]], make: Callable[..., Made]) -> list[Made]:
    """Return what `make` gives for each part, in their order; the list is emptied, so that a part's memory serves what is made next."""
    left = dict(enumerate(parts))
    parts.clear()
    return in_blocks(range(len(left)), lambda place: make(*left.pop(place)))


def _blocks_of(books: Books) -> list[Block]:
    return blocks(books.contracts, books.performance["contract_id"], ROWS)
