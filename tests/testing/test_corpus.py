"""Handlers with one bug each: `doctor`, `explore` or both find it, and say where."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from powertools_durable.testing import Simulator
from tests.testing.corpus.table import BUGS, CORPUS, PAGE, diagnosed, explored, module_of, of_doctor, page

EXPLORED = [bug for bug in BUGS if module_of(bug).SAYS is not None]
SHOWS_AT_ONCE = {  # the bug needs no crash: another hash, another process or the next second is enough
    "names_that_change",
    "replaying_in_a_branch",
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("bug", EXPLORED)
def test_the_bug_is_found_and_its_place_is_named(bug):
    module, found = explored(bug)
    assert any(module.SAYS in failure.differed for failure in found.failures)
    for failure in found.failures:
        assert failure.crash_point
        assert failure.operation
        assert failure.location.rpartition(":")[0].startswith(module.__file__.rpartition("/")[0])
        assert all(part in found.report() for part in failure)
    with pytest.raises(AssertionError, match="handler does not survive"):
        found.assert_survives()


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug not in SHOWS_AT_ONCE])
def test_an_ordinary_test_does_not_find_it(bug):
    module = import_module(f"tests.testing.corpus.{bug}")
    assert Simulator(module.handler).start(module.EVENT).finish().status == "SUCCEEDED"


@pytest.mark.parametrize("bug", BUGS)
def test_doctor_finds_what_its_rules_cover_and_nothing_else(bug):
    module, findings = module_of(bug), diagnosed(bug)
    assert {finding.rule for finding in findings} == ({module.DOCTOR} if module.DOCTOR else set())
    for finding in findings:
        assert Path(finding.file).is_relative_to(CORPUS)
        assert f"{Path(finding.file).name}:{finding.line}" in finding.message
        assert finding.advice


def test_each_bug_is_found_by_doctor_or_explore_and_most_by_doctor():
    assert [bug for bug in BUGS if of_doctor(bug) is None and bug not in EXPLORED] == []
    assert len(BUGS) >= 55
    assert sum(of_doctor(bug) is not None for bug in BUGS) >= 45


@pytest.mark.slow
def test_the_documented_table_is_what_explore_says():
    assert PAGE.read_text() == page(), "python -m tests.testing.corpus.table writes it anew"
