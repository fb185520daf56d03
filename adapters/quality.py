"""Great Expectations' own validation results and Data Docs, made from the gate's exact counts.

The only module that imports great_expectations. Importing it takes seconds, so a process of its own does
it while the run works: started at the beginning, told the verdicts when they stand, asked for its pages at
the end. It makes no data context, so nothing is sent anywhere and no project folder is written.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from engine.errors import StoreError

DOCS: Final = "quality/docs"
"""Where the pages stand in a run's folder; they are left out of replay."""

_LOGO: Final = re.compile(r"https://great-expectations-web-assets[^\"' )]*")
_NOTHING: Final = "data:,"
_NICE: Final = 10

Suites = Sequence[Mapping[str, Any]]


class DocsWriter:
    """The process that makes the pages; use it as a context, so that it never outlives the run."""

    def __init__(self) -> None:
        environment = {**os.environ, "GX_ANALYTICS_ENABLED": "False", "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = [sys.executable, "-m", "adapters.quality"]
        pipe = subprocess.PIPE
        self._writer: threading.Thread | None = None
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment)

    def __enter__(self) -> DocsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._writer.join() if self._writer is not None else _close(self._process.stdin)
        _close(self._process.stdout)
        self._process.wait()

    def tell(self, suites: Suites) -> None:
        """Hand over the verdicts; the pages are made while the run goes on."""
        self._writer = threading.Thread(target=self._write, args=(json.dumps(list(suites)).encode(),), daemon=True)
        self._writer.start()

    def _write(self, content: bytes) -> None:
        assert self._process.stdin is not None
        # A process that has ended reads nothing; asking for its pages says so.
        with contextlib.suppress(OSError):
            self._process.stdin.write(content)
        _close(self._process.stdin)

    def pages(self) -> dict[str, bytes]:
        """Return every page by its path in the run's folder; raises StoreError when they cannot be made."""
        assert self._process.stdout is not None
        out = self._process.stdout.read()
        try:
            found = json.loads(out)
        except json.JSONDecodeError as error:
            remedy = "Check that great-expectations is installed as the lock file says, and run again."
            raise StoreError("The pages of the quality gate could not be made.", remedy) from error
        return {f"{DOCS}/{name}": text.encode() for name, text in found.items()}


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def suites_of(
    checks: Sequence[Mapping[str, Any]], suites: Mapping[str, Mapping[str, Any]], run_id: str, as_of: str
) -> list[dict[str, Any]]:  # fmt: skip
    """Return what the process needs of each suite: its expectations as written, each with its verdict.

    `checks` are rows of `quality_checks`; `suites` gives by policy the rule, type and settings of its expectations.
    """
    made: list[dict[str, Any]] = []
    for policy, suite in sorted(suites.items()):
        rows = {each["rule"]: each for each in checks if each["policy"] == policy}
        results = [{**part, "verdict": rows[part["rule"]]} for part in suite["expectations"] if part["rule"] in rows]
        if results:
            made.append({"policy": policy, "entity": suite["entity"], "run_id": run_id, "as_of": as_of, "results": results})
    return made


def validation_result(suite: Mapping[str, Any]) -> Any:
    """Return a suite's verdicts as Great Expectations' own ExpectationSuiteValidationResult."""
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult

    results = [_result(each) for each in suite["results"]]
    good = sum(bool(each.success) for each in results)
    statistics = {
        "evaluated_expectations": len(results), "successful_expectations": good, "unsuccessful_expectations": len(results) - good,
        "success_percent": 100 * good / len(results) if results else None,
    }  # fmt: skip
    # The library tries the name as a date: an id of digits alone is none, and would end it.
    name = f"run {suite['run_id']}"
    meta = {
        "run_id": {"run_name": name, "run_time": f"{suite['as_of']}T00:00:00+00:00"}, "batch_spec": {}, "batch_markers": {},
        "active_batch_definition": {"data_asset_name": suite["entity"]}, "validation_time": f"{suite['as_of']}T00:00:00+00:00",
    }  # fmt: skip
    return ExpectationSuiteValidationResult(
        success=good == len(results), results=results, suite_name=suite["policy"], statistics=statistics, meta=meta, suite_parameters={}
    )


def _result(each: Mapping[str, Any]) -> Any:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    verdict = each["verdict"]
    if verdict["observed"] is not None:
        result: dict[str, Any] = {"observed_value": verdict["observed"]}
    else:
        judged = verdict["elements"] - verdict["missing"]
        result = {
            "element_count": verdict["elements"], "unexpected_count": verdict["unexpected"], "missing_count": verdict["missing"],
            "unexpected_percent": 100 * verdict["unexpected"] / judged if judged else 0, "partial_unexpected_list": [],
            "missing_percent": 100 * verdict["missing"] / verdict["elements"] if verdict["elements"] else 0,
        }  # fmt: skip
    return ExpectationValidationResult(
        success=verdict["success"], result=result, meta={},
        expectation_config=ExpectationConfiguration(type=each["type"], kwargs=dict(each["kwargs"]), meta={"rule": each["rule"]}),
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
    )  # fmt: skip


def rendered(suites: Suites) -> dict[str, str]:
    """Return Great Expectations' page and its validation result for each suite, and an index."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    pages: dict[str, str] = {}
    lines: list[str] = []
    for suite in suites:
        validation = validation_result(suite)
        html = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(validation))
        # A page that is opened tells nobody: the vendor's pictures are left out.
        pages[f"{suite['policy']}.html"] = _LOGO.sub(_NOTHING, html)
        pages[f"{suite['policy']}.json"] = json.dumps(validation.to_json_dict(), indent=2, sort_keys=True, default=str) + "\n"
        count = validation.statistics["unsuccessful_expectations"]
        told = "every expectation is met" if not count else f"{count} of {len(suite['results'])} expectations are not met"
        lines.append(f'<li><a href="{suite["policy"]}.html">{suite["policy"]}</a>, {suite["entity"]}: {told}</li>')
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Quality gate</title><h1>Quality gate</h1><ul>'
    pages["index.html"] = head + "\n".join(lines) + "</ul></html>\n"
    return pages


def main() -> None:
    """Import the library, wait for the verdicts on standard input, write the pages as JSON on standard output."""
    # The pages are wanted last: until then the run itself comes first.
    os.nice(_NICE)
    answer = os.dup(1)
    # Whatever the library prints is not part of the answer.
    os.dup2(2, 1)
    import great_expectations.core
    import great_expectations.render.renderer
    import great_expectations.render.view  # noqa: F401 - the import is what takes long

    suites = json.loads(sys.stdin.buffer.read() or b"[]")
    with os.fdopen(answer, "wb") as handle:
        handle.write(json.dumps(rendered(suites)).encode())


if __name__ == "__main__":
    main()
