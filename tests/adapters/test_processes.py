"""Processes on processors of their own: what they make is what one process alone makes."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from adapters import processes
from adapters.policy_folder import SHIPPED
from adapters.policy_tests import find_test_files, run_tests
from adapters.processes import in_processes, keep_to_one_processor


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "processors", lambda: 2)


@pytest.mark.usefixtures("two")
def test_what_is_made_stands_in_the_order_of_what_was_given() -> None:
    assert in_processes(abs, [-3, 2, -1]) == [3, 2, 1]


@pytest.mark.usefixtures("two")
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no process to a processor")
def test_each_process_keeps_to_one_processor() -> None:
    assert [len(own) for own in in_processes(os.sched_getaffinity, [0, 0, 0])] == [1, 1, 1]


@pytest.mark.usefixtures("two")
def test_what_goes_wrong_in_a_process_is_told_as_it_is() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        in_processes(int, ["1", "one"])


def test_one_alone_is_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    monkeypatch.setattr(processes, "keep_to_one_processor", lambda: kept.append(1))
    made: list[int] = []
    in_processes(made.append, [1])
    assert (made, kept) == ([1], [1])


@pytest.mark.usefixtures("two")
def test_a_system_that_gives_processes_nothing_to_share_does_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(multiprocessing.get_context("spawn"), "Value", refused)
    made: list[int] = []
    in_processes(made.append, [1, 2])
    assert made == [1, 2]


def test_a_place_beyond_the_processors_is_one_of_them() -> None:
    keep_to_one_processor(5)
    assert len(os.sched_getaffinity(0)) == 1


@pytest.mark.usefixtures("two")
def test_tests_of_policies_come_to_the_same_at_once() -> None:
    files: list[Path] = [each for each in find_test_files([SHIPPED]) if each.stem in ("chk-journals_test", "rec-payment-invoice_test")]
    assert len(files) == 2
    alone, at_once = (run_tests(files, SHIPPED, at_once=way)[0] for way in (False, True))
    assert [(each.file, each.name, each.passed, each.rules) for each in at_once] == [
        (each.file, each.name, each.passed, each.rules) for each in alone
    ]
    assert all(each.passed for each in alone)
