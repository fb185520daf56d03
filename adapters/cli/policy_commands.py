"""`tieout policy check | show | schema | test`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.cli import policy_app
from adapters.cli.run_commands import mappings_beside, policies_folder
from adapters.processes import keep_to_one_processor

if TYPE_CHECKING:
    from adapters.policy_tests import Coverage, TestOutcome


@policy_app.command("check")
def check(
    folder: Annotated[Path | None, typer.Argument(help="Policy folder.")] = None,
    strict: Annotated[bool, typer.Option(help="Count warnings as errors.")] = False,
    snapshot: Annotated[Path | None, typer.Option(help="Weigh every rule, gap and overlap with the records of this snapshot.")] = None,
    mappings: Annotated[Path | None, typer.Option(help="Folder with your own adapter mappings.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Report every mistake in a policy folder at once, each with its line and a remedy."""
    from adapters.authoring.weighing import render_weights, weigh_folder, weights_as_json
    from adapters.policy_folder import check_policies
    from engine.diagnostics import Level, render_diagnostic

    chosen = policies_folder(folder)
    policies, diagnostics = check_policies(chosen)
    is_sound = not any(each.is_error for each in diagnostics)
    weights = weigh_folder(chosen, snapshot, mappings or mappings_beside(chosen)) if snapshot is not None and is_sound else None
    if as_json:
        body = [
            {"code": each.code.name, "level": str(each.code.level), "file": each.span.file, "line": each.span.line,
             "column": each.span.column, "message": each.message, "remedy": each.remedy or each.code.remedy}
            for each in diagnostics
        ]  # fmt: skip
        told = body if snapshot is None else {"diagnostics": body, "rules": weights_as_json(weights or [])}
        typer.echo(json.dumps(told, indent=2, default=str))
    else:
        for each in diagnostics:
            typer.echo(render_diagnostic(each))
        errors = sum(each.is_error for each in diagnostics)
        others = len(diagnostics) - errors
        count = f"{len(policies.policies)} polic{'y' if len(policies.policies) == 1 else 'ies'}, {errors} error{'' if errors == 1 else 's'}"
        typer.echo(f"{count}, {others} other remark{'' if others == 1 else 's'}.")
        if weights is not None:
            typer.echo("\n" + render_weights(weights))
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
def schema(
    kind: Annotated[str | None, typer.Argument(help="Kind of policy, as in `policy:`.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write the schemas of every kind into this folder.")] = None,
    editor: Annotated[Path | None, typer.Option(help="With --to: write a .vscode that leads to them into this folder.")] = None,
    policies: Annotated[Path | None, typer.Option(help="With --editor: the policy folder they are for.")] = None,
) -> None:
    """Print the JSON Schema of a kind of policy, or write those of every kind, for editors."""
    from adapters.authoring.editor import write_editor_setup, write_schemas
    from engine.errors import UsageError
    from engine.policy.kinds.registry import KINDS
    from engine.policy.schema import kind_schema

    if to is not None:
        names = write_schemas(to) if editor is None else write_editor_setup(editor, to, policies_folder(policies))
        typer.echo(f"{len(names)} files are written.")
    elif kind not in KINDS:
        wrong = "A kind of policy is missing." if kind is None else f"There is no kind of policy '{kind}'."
        raise UsageError(wrong, f"The kinds are {', '.join(KINDS)}; --to writes the schemas of all.")
    else:
        typer.echo(json.dumps(kind_schema(kind), indent=2))


@policy_app.command("test")
def test(
    paths: Annotated[list[Path] | None, typer.Argument(help="Test files or folders; default: the policy folder's own tests.")] = None,
    policies: Annotated[Path | None, typer.Option(help="Policy folder the tests run against.")] = None,
    mutate: Annotated[bool, typer.Option("--mutate", help="Change every table a little; name each change no test notices.")] = False,
    conditions: Annotated[
        bool, typer.Option("--conditions", help="With --mutate: change conditions and limits outside tables instead.")
    ] = False,
    only: Annotated[str | None, typer.Option(help="With --mutate: the one policy to change.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Run test files: records given inline, rows expected in the outputs; prints expected beside actual."""
    from adapters.policy_tests import coverage, find_test_files, run_tests
    from engine.errors import UsageError

    folder = policies_folder(policies)
    if policies is None and paths and len(paths) == 1 and _holds_policies(paths[0]):
        folder = paths[0]
    if conditions and not mutate:
        raise UsageError("`--conditions` says what `--mutate` changes.", "Give both.")
    if mutate:
        keep_to_one_processor()
        mutated = _mutate_conditions if conditions else _mutate
        raise typer.Exit(mutated(find_test_files(paths or [folder]), folder, only, as_json=as_json))
    outcomes, loaded = run_tests(find_test_files(paths or [folder]), folder, at_once=True)
    covered = coverage(outcomes, loaded) if not paths or paths == [folder] else None
    run_policy = loaded.run_policy()
    below = [] if covered is None or run_policy is None else covered.below(run_policy.minimum_coverage)
    if as_json:
        _print_outcomes_as_json(outcomes, covered)
    else:
        _print_outcomes(outcomes, covered)
        typer.echo("\n".join(below), nl=bool(below))
    broken, failed = any(each.is_broken for each in outcomes), any(each.differences for each in outcomes) or bool(below)
    raise typer.Exit(2 if broken else 1 if failed else 0)


def _mutate(files: list[Path], folder: Path, only: str | None, *, as_json: bool) -> int:
    """Print the changes that no test notices; return 1 when one has no written reason, or a reason no such change."""
    from adapters.authoring.mutation import mutate_folder, mutation_as_json, render_mutation

    mutation = mutate_folder(files, folder, progress=lambda text: typer.echo(f"{text} …", err=True), only=only)
    typer.echo(json.dumps(mutation_as_json(mutation), indent=2) if as_json else render_mutation(mutation))
    return 0 if mutation.is_clean else 1


def _mutate_conditions(files: list[Path], folder: Path, only: str | None, *, as_json: bool) -> int:
    """Print the changes of conditions and limits that no test notices; return 1 when one has no written reason."""
    from adapters.authoring.condition_mutation import conditions_as_json, mutate_conditions, render_conditions

    tried = mutate_conditions(files, folder, progress=lambda text: typer.echo(f"{text} …", err=True), only=only)
    typer.echo(json.dumps(conditions_as_json(tried), indent=2) if as_json else render_conditions(tried))
    return 0 if all(each.is_clean for each in tried) else 1


@policy_app.command("suggest-tests")
def suggest_tests(
    folder: Annotated[Path | None, typer.Argument(help="Policy folder with its tests.")] = None,
    only: Annotated[str | None, typer.Option(help="The one policy to look at.")] = None,
) -> None:
    """Propose the cases that would notice what the tests do not, in plain words, for the author to accept."""
    from adapters.authoring.mutation import mutate_folder
    from adapters.policy_tests import find_test_files

    keep_to_one_processor()
    chosen = policies_folder(folder)
    mutation = mutate_folder(find_test_files([chosen]), chosen, progress=lambda text: typer.echo(f"{text} …", err=True), only=only)
    for each in dict.fromkeys(survivor.suggestion() for survivor in mutation.survivors):
        typer.echo(each)
    if not mutation.survivors:
        typer.echo("The tests notice every small change of the tables; there is nothing to suggest.")


def _holds_policies(folder: Path) -> bool:
    from adapters.policy_folder import read_policy_texts

    return folder.is_dir() and any(each.text.startswith("policy:") or "\npolicy:" in each.text for each in read_policy_texts(folder))


def _print_outcomes(outcomes: list[TestOutcome], covered: Coverage | None) -> None:
    from engine.diagnostics import render_diagnostic

    for each in outcomes:
        if each.passed:
            continue
        typer.echo(f"FAILED  {each.file}: {each.name}")
        if each.failure:
            typer.echo(f"  {each.failure}")
        for diagnostic in each.diagnostics:
            typer.echo("  " + render_diagnostic(diagnostic).replace("\n", "\n  "))
        for difference in each.differences:
            typer.echo(f"  line {difference.line}, {difference.output}")
            typer.echo(f"    expected  {difference.expected}")
            typer.echo(f"    actual    {difference.actual}")
    passed = sum(each.passed for each in outcomes)
    typer.echo(f"{passed} passed, {len(outcomes) - passed} failed")
    if covered is not None:
        total = len(covered.hit) + len(covered.missed)
        typer.echo(f"{len(covered.hit)} of {total} table rules decided something in a test.")
        for rule, place in covered.missed:
            typer.echo(f"  no test for {rule}  {place}")


def _print_outcomes_as_json(outcomes: list[TestOutcome], covered: Coverage | None) -> None:
    body = {
        "tests": [
            {"file": each.file, "test": each.name, "passed": each.passed, "failure": each.failure or None,
             "diagnostics": [f"{item.span.file}:{item.span.line}: {item.message}" for item in each.diagnostics],
             "differences": [
                 {"line": item.line, "output": item.output, "expected": item.expected, "actual": item.actual} for item in each.differences
             ]}
            for each in outcomes
        ],
        "coverage": None if covered is None else {"hit": covered.hit, "missed": [rule for rule, _ in covered.missed]},
    }  # fmt: skip
    typer.echo(json.dumps(body, indent=2))
