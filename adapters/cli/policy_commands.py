"""`tieout policy check | show | schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli import policy_app
from adapters.cli.run_commands import policies_folder


@policy_app.command("check")
def check(
    folder: Annotated[Path | None, typer.Argument(help="Policy folder.")] = None,
    strict: Annotated[bool, typer.Option(help="Count warnings as errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Report every mistake in a policy folder at once, each with its line and a remedy."""
    from adapters.policy_folder import check_policies
    from engine.diagnostics import Level, render_diagnostic

    policies, diagnostics = check_policies(policies_folder(folder))
    if as_json:
        body = [
            {"code": each.code.name, "level": str(each.code.level), "file": each.span.file, "line": each.span.line,
             "column": each.span.column, "message": each.message, "remedy": each.remedy or each.code.remedy}
            for each in diagnostics
        ]  # fmt: skip
        typer.echo(json.dumps(body, indent=2))
    else:
        for each in diagnostics:
            typer.echo(render_diagnostic(each))
        errors = sum(each.is_error for each in diagnostics)
        typer.echo(f"{len(policies.policies)} policies, {errors} errors, {len(diagnostics) - errors} other remarks.")
    warned = strict and any(each.code.level is Level.WARNING for each in diagnostics)
    raise typer.Exit(2 if warned or any(each.is_error for each in diagnostics) else 0)


@policy_app.command("show")
def show(
    folder: Annotated[Path | None, typer.Argument(help="Policy folder.")] = None,
    policy_id: Annotated[str | None, typer.Option("--id", help="Show one policy's rules.")] = None,
) -> None:
    """List the policies of a folder, or the rules of one as sentences."""
    from adapters.policy_folder import require_policies
    from engine.errors import UsageError
    from engine.policy.kinds.registry import KINDS

    policies = require_policies(policies_folder(folder))
    chosen = [each for each in policies.policies if policy_id in (None, each.policy.id)]
    if not chosen:
        raise UsageError(f"There is no policy '{policy_id}'.", "`tieout policy show` lists them.")
    for each in chosen:
        policy = each.policy
        until = f" until {policy.effective_to}" if policy.effective_to else ""
        typer.echo(f"{policy.id}  {policy.policy}  from {policy.effective_from}{until}  {policy.title} ({policy.owner})")
        if policy_id is not None:
            for rule in KINDS[policy.policy].rules(policy, each.document, each.sheet):
                typer.echo(f"  {rule.rule}  {rule.span.file}:{rule.span.line}  {rule.says}")


@policy_app.command("schema")
def schema(kind: Annotated[str, typer.Argument(help="Kind of policy, as in `policy:`.")] = "ownership") -> None:
    """Print the JSON Schema of a kind of policy, for editors."""
    from engine.errors import UsageError
    from engine.policy.kinds.registry import KINDS

    if kind not in KINDS:
        raise UsageError(f"There is no kind of policy '{kind}'.", f"The kinds are {', '.join(KINDS)}.")
    typer.echo(json.dumps(KINDS[kind].model.model_json_schema(), indent=2))
