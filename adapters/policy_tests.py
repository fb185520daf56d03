"""Running the author's tests: find the files, run the stages over each test, compare, count rules hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import polars as pl

from adapters.policy_folder import check_policies
from adapters.processes import in_processes
from engine.diagnostics import Diagnostic
from engine.errors import PolicyError, UsageError
from engine.findings import finish_findings
from engine.ownership import decide_ownership
from engine.pipeline import DECISIONS, GOLDEN, run_decisions
from engine.policy import codes
from engine.policy.kinds.registry import KINDS
from engine.policy.loaded import PolicySet
from engine.policy.names import near
from engine.policy.source import Document, SourceText, parse_document
from engine.policy.testing import Difference, PolicyTest, differences, last_stage, read_reasons, read_tests
from engine.stage import Context, Facts, StageResult


@dataclass(slots=True)
class TestOutcome:
    """Hold what came of one test: its differences, or the mistakes that kept it from running."""

    file: str
    name: str
    differences: list[Difference] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    rules: set[str] = field(default_factory=set)
    failure: str = ""

    @property
    def is_broken(self) -> bool:
        """Say whether the test could not be run at all."""
        return bool(self.failure) or any(each.is_error for each in self.diagnostics)

    @property
    def passed(self) -> bool:
        """Say whether the test ran and every expectation was met."""
        return not self.is_broken and not self.differences


@dataclass(frozen=True, slots=True)
class Coverage:
    """Hold which rules of a policy folder's tables the tests made decide, and which none did."""

    hit: tuple[str, ...]
    missed: tuple[tuple[str, str], ...]
    folders: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By folder, how many of how many rules were hit."""

    def below(self, minimum: Mapping[str, int]) -> list[str]:
        """Return a sentence for each folder whose rules are hit less than the percentage asked for."""
        told = []
        for folder, percent in sorted(minimum.items()):
            within = [each for name, each in self.folders.items() if folder in (".", name) or name.startswith(f"{folder}/")]
            hit, total = sum(each[0] for each in within), sum(each[1] for each in within)
            if hit * 100 < percent * total:
                told.append(f"In {folder} tests reach {hit} of {total} rules; the run policy asks for {percent} %.")
        return told


def find_test_files(paths: Sequence[Path]) -> list[Path]:
    """Return the test files among files and folders; raises UsageError when there are none.

    In a folder these are the files named `*_test.yaml` and those that begin a test by `test:`.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += [each for each in sorted(path.rglob("*.yaml")) if _is_test(each)]
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"There is no file or folder {path}.", "Give test files, or a folder that holds them.")
    if not found:
        raise UsageError("There is no test to run.", "Name test files *_test.yaml, or begin them with `test:`.")
    return found


def _is_test(path: Path) -> bool:
    if path.stem.endswith("_test"):
        return True
    with path.open(encoding="utf-8", errors="replace") as handle:
        return any(line.startswith(("test:", "tests:")) for line in handle)


def run_tests(files: Sequence[Path], policies: Path, *, at_once: bool = False) -> tuple[list[TestOutcome], PolicySet]:
    """Run test files against a policy folder; raises PolicyError when the policies have mistakes.

    `at_once`: as many processes as there are processors run them (`processes.in_processes`), for a command that does nothing else.
    """
    base, diagnostics = check_policies(policies)
    if any(each.is_error for each in diagnostics):
        raise PolicyError(f"The policies in {policies} have mistakes.", diagnostics, "Correct them and test again.")
    found = outcomes_of(files, policies, base.fingerprint) if at_once else (_run_file(path, policies, base) for path in files)
    return [outcome for each in found for outcome in each], base


def outcomes_of(files: Sequence[Path], policies: Path, fingerprint: str = "") -> list[list[TestOutcome]]:
    """Return what came of the tests of each file against a folder without mistakes, run by several processes.

    `fingerprint`: of the folder as it is now; without one a process that has read it does not look again.
    """
    return in_processes(partial(_outcomes, policies, fingerprint), files)


def _outcomes(policies: Path, fingerprint: str, path: Path) -> list[TestOutcome]:
    return _run_file(path, policies, _checked(policies, fingerprint))


@lru_cache(maxsize=1)
def _checked(policies: Path, _: str) -> PolicySet:
    """Return the folder's policies, read once in each process that runs tests of it."""
    return check_policies(policies)[0]


def read_test_file(path: Path) -> tuple[list[PolicyTest], list[Diagnostic]]:
    """Return the tests of a file and what is wrong with it; raises UsageError when it is no UTF-8 text."""
    document, mistakes = read_document(path)
    if document.value is None and mistakes:
        return [], mistakes
    tests, found = read_tests(document)
    return tests, [*mistakes, *found, *read_reasons(document)[1]]


def read_document(path: Path) -> tuple[Document, list[Diagnostic]]:
    """Return a test file as a document with its places; raises UsageError when it is no UTF-8 text."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The test file {path} cannot be read as UTF-8 text.", "Save it as UTF-8.") from error
    return parse_document(SourceText(str(path), text))


def _run_file(path: Path, policies: Path, base: PolicySet) -> list[TestOutcome]:
    try:
        tests, mistakes = read_test_file(path)
    except UsageError:
        return [TestOutcome(str(path), path.stem, failure="the file cannot be read as UTF-8 text")]
    outcomes = [_run_test(each, policies, base) for each in tests]
    if any(each.is_error for each in mistakes):
        outcomes.append(TestOutcome(str(path), path.stem, diagnostics=mistakes))
    return outcomes


def _run_test(test: PolicyTest, policies: Path, base: PolicySet) -> TestOutcome:
    outcome = TestOutcome(test.file, test.name)
    known = {each.policy.id for each in base.policies}
    for name in test.policies:
        if name not in known:
            message = f"there is no policy '{name}'{near(name, known)}"
            outcome.diagnostics.append(_at(test.document, ("policies", name), message))
    if outcome.diagnostics:
        return outcome
    chosen = base
    if test.policies:
        chosen, outcome.diagnostics = check_policies(policies, test.policies)
        outcome.diagnostics = [each for each in outcome.diagnostics if each.is_error]
    if outcome.is_broken:
        return outcome
    last = last_stage(test, [*DECISIONS])
    frames, findings = run_given(test, chosen, last)
    outcome.differences = differences(test, frames, findings)
    if outcome.differences and last is not None:
        # A finding of a later stage, or its cause, may be what is missing.
        frames, findings = run_given(test, chosen)
        outcome.differences = differences(test, frames, findings)
    outcome.rules = _rules_hit(frames, findings)
    return outcome


def _at(document: Document, place: tuple[str | int, ...], message: str) -> Diagnostic:
    return document.diagnostic(codes.INVALID_VALUE, place, message, prefer_key=True)


def run_given(test: PolicyTest, policies: PolicySet, last: str | None = None) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Run the stages, to the `last`, over a test's records; return every output by name (KPIs where it expects some) and the findings."""
    agreed, context, result = given_facts(test, policies)
    decided = run_decisions(agreed, policies, context, result.findings, with_kpis="kpis" in test.expect, last=last)
    result.findings = []
    result.add(decided)
    return {name: frame.collect() for name, frame in result.frames.items()}, finish_findings(*result.findings)


def given_facts(test: PolicyTest, policies: PolicySet) -> tuple[Facts, Context, StageResult]:
    """Return a test's agreed records, the context they are decided in, and what ownership said of those that name their system."""
    context = Context(test.as_of, test.known_on, policies.holidays())
    result = StageResult()
    agreed = test.agreed()
    claimed = test.claimed()
    if claimed is not None:
        result.add(decide_ownership(claimed, policies, context))
        agreed = agreed.with_outputs({name.removeprefix(GOLDEN): frame for name, frame in result.frames.items()})
        agreed = replace(agreed, stated=claimed.stated, sources=result.sources)
    return agreed, context, result


def _rules_hit(frames: dict[str, pl.DataFrame], findings: pl.DataFrame) -> set[str]:
    hit: set[str] = set(findings["rule"].drop_nulls().to_list())
    for frame in frames.values():
        if "rule" in frame.columns:
            hit |= set(frame["rule"].drop_nulls().unique().to_list())
    return hit


def coverage(outcomes: Sequence[TestOutcome], policies: PolicySet) -> Coverage:
    """Return which rules of the folder's decision tables any test made decide."""
    hit = {rule for each in outcomes for rule in each.rules}
    rules: list[tuple[str, str]] = []
    for loaded in policies.policies:
        if hasattr(loaded.policy, "hit"):
            places = KINDS[loaded.policy.policy].rules(loaded.policy, loaded.document, loaded.sheet)
            rules += [(each.rule, f"{each.span.file}:{each.span.line}") for each in places]
    folders: dict[str, tuple[int, int]] = {}
    for rule, place in rules:
        folder = place.rpartition("/")[0] or "."
        done, total = folders.get(folder, (0, 0))
        folders[folder] = done + (rule in hit), total + 1
    missed = tuple(sorted(each for each in rules if each[0] not in hit))
    return Coverage(tuple(sorted(rule for rule, _ in rules if rule in hit)), missed, folders)
