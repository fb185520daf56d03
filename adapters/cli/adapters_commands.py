"""`tieout adapter list | show | check | read`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli import adapter_app

if TYPE_CHECKING:
    import polars as pl

    from adapters.snapshot import FileAccount


@adapter_app.command("list")
def list_adapters() -> None:
    """List the adapters with what each reads."""
    from adapters.mapping.library import adapter_names, load_mapping

    for name in adapter_names():
        loaded = load_mapping(name)
        entities = sorted({rule.entity for rule in loaded.mapping.entities})
        shown = "every canonical entity" if name == "canonical" else ", ".join(entities)
        typer.echo(f"{name}  {loaded.mapping.title}: {shown}")


@adapter_app.command("show")
def show(name: Annotated[str, typer.Argument(help="Name of the adapter.")]) -> None:
    """Show how an adapter makes each canonical field."""
    from adapters.mapping.library import load_mapping

    loaded = load_mapping(name)
    typer.echo(f"{loaded.mapping.adapter}: {loaded.mapping.title} (fingerprint {loaded.fingerprint[:16]})")
    if loaded.mapping.note:
        typer.echo(loaded.mapping.note)
    for rule in loaded.mapping.entities:
        typer.echo(f"\n{rule.entity} from {rule.stream}")
        for field, each in rule.fields.items():
            body = json.dumps(each.model_dump(exclude_defaults=True, by_alias=True), ensure_ascii=False)
            typer.echo(f"  {field}: {body}")


@adapter_app.command("check")
def check(file: Annotated[Path, typer.Argument(help="Mapping file.")]) -> None:
    """Report every mistake in a mapping file."""
    from adapters.mapping.library import read_mapping
    from engine.diagnostics import render_diagnostic, sort_diagnostics

    mapping, diagnostics, fingerprint = read_mapping(file)
    for each in sort_diagnostics(diagnostics):
        typer.echo(render_diagnostic(each))
    if mapping is None or any(each.is_error for each in diagnostics):
        raise typer.Exit(2)
    typer.echo(f"{mapping.adapter}: {len(mapping.entities)} entity rules, fingerprint {fingerprint[:16]}.")


@adapter_app.command("read")
def read(
    snapshot: Annotated[Path, typer.Argument(help="Folder with snapshot.yaml.")],
    entity: Annotated[str | None, typer.Option(help="Print the rows of this entity.")] = None,
    mappings: Annotated[Path | None, typer.Option(help="Folder with your own adapter mappings.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 20,
) -> None:
    """Read a snapshot and print canonical rows and held rows, without running policies."""
    import polars as pl

    from adapters.snapshot import read_snapshot
    from engine.canonical.schema import ENTITIES
    from engine.errors import UsageError
    from engine.policy.names import near

    result = read_snapshot(snapshot, mappings)
    if entity is not None:
        if entity not in ENTITIES:
            raise UsageError(f"'{entity}' is no canonical entity{near(entity, ENTITIES)}", "See docs/canonical.md.")
        frame = result.facts.records.get(entity)
        rows = pl.DataFrame() if frame is None else frame.collect()
        filled = [name for name in rows.columns if rows[name].null_count() < rows.height]
        typer.echo(_as_csv(rows.select(filled).head(limit)) if rows.height else f"no {entity} records")
        if rows.height > limit:
            typer.echo(f"… {rows.height - limit:,} more; --limit prints them")
    else:
        for name, lazy in result.facts.records.items():
            typer.echo(f"{name}: {lazy.select(pl.len()).collect().item():,}")
    held = result.held if entity is None else result.held.filter(pl.col("entity").eq_missing(entity) | pl.col("entity").is_null())
    typer.echo(f"held: {held.height:,}")
    if held.height:
        typer.echo(_as_csv(held.head(limit)))
    typer.echo(_accounted(result.files))
    for system, path in result.empty_sources:
        typer.echo(f"not read: {system}: there is no file its adapter reads at '{path}'; correct it in snapshot.yaml", err=True)
    for each in result.files:
        for strange in each.unknown:
            name = "in a folder the path does not read" if strange.is_deeper else "no entity's name"
            what = f"no field of {strange.entity}" if strange.entity else name
            hint = f"; '{strange.near}' is near" if strange.near else ""
            typer.echo(f"not read: {each.path}: '{strange.name}' is {what}{hint}", err=True)
        if each.failure:
            typer.echo(f"not read: {each.path}: {each.message} {each.remedy}", err=True)


def _as_csv(rows: pl.DataFrame) -> str:
    """Return rows as CSV; amounts without the zeros that only fill their scale."""
    import polars as pl
    import polars.selectors as cs

    plain = cs.decimal().cast(pl.String).str.replace(r"\.?0+$", "")
    whole = cs.decimal().cast(pl.String).str.contains(".", literal=True)
    return rows.with_columns(pl.when(whole).then(plain).otherwise(cs.decimal().cast(pl.String))).write_csv().rstrip("\n")


def _accounted(files: list[FileAccount]) -> str:
    """Return one line that says what became of the rows read."""
    reasons = Counter[str]()
    for each in files:
        reasons.update(each.set_aside)
    named = ", ".join(f"{reason} {rows:,}" for reason, rows in sorted(reasons.items()))
    read, used, held = (sum(getattr(each, name) for each in files) for name in ("rows_read", "rows_used", "rows_held"))
    aside = f"set aside {reasons.total():,}" + (f" ({named})" if named else "")
    return f"rows read {read:,} = used {used:,} + held {held:,} + {aside}"
