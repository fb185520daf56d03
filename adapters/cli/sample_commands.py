"""`tieout sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from adapters.cli import app
from engine.errors import UsageError


@app.command("sample")
def sample(
    out: Annotated[Path, typer.Argument(help="Folder to write; it must be new or empty.")],
    contracts: Annotated[int, typer.Option(help="Contracts.")] = 40,
    months: Annotated[int, typer.Option(help="Months of history.")] = 12,
    entries: Annotated[int | None, typer.Option(help="Time entries, about; default: as many as the firm works.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another firm.")] = 2026,
    nights: Annotated[int, typer.Option(help="Nightly snapshots.")] = 3,
    clean: Annotated[bool, typer.Option(help="Plant no defects.")] = False,
    form: Annotated[str, typer.Option("--format", help="vendor: as the vendors export it; canonical: canonical names.")] = "vendor",
    files: Annotated[str, typer.Option("--canonical", help="How canonical files are written: parquet or csv.")] = "parquet",
) -> None:
    """Write a sample consultancy in five systems, with planted defects and the findings they must lead to."""
    from adapters.sampling import FirmOptions, simulate_firm, write_canonical, write_vendor

    if form not in ("vendor", "canonical"):
        raise UsageError(f"'{form}' is no format.", "The formats are vendor and canonical.")
    if files not in ("parquet", "csv"):
        raise UsageError(f"Canonical files cannot be written as '{files}'.", "Write them as parquet or csv.")
    written: Literal["parquet", "csv"] = "csv" if files == "csv" else "parquet"
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty.", "Give a new folder.")
    try:
        options = FirmOptions(contracts=contracts, months=months, entries=entries, seed=seed, nights=nights, clean=clean)
    except ValueError as error:
        raise UsageError(f"The firm cannot be made: {error}.", "Give other numbers.") from error
    firm = simulate_firm(options)
    write = write_vendor if form == "vendor" else write_canonical
    write(firm, out, written)
    typer.echo(f"{len(firm.nights)} nights with {firm.expected_findings.height} expected findings are in {out}.")
