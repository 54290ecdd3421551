"""Handlers with one bug each: `explore` finds all of them, and says where."""

from __future__ import annotations

from importlib import import_module

import pytest

from powertools_durable.testing import Simulator
from tests.testing.corpus.table import BUGS, PAGE, explored, page


@pytest.mark.sampled(2)
@pytest.mark.parametrize("bug", BUGS)
def test_the_bug_is_found_and_its_place_is_named(bug):
    module, found = explored(bug)
    assert any(module.SAYS in failure.differed for failure in found.failures)
    for failure in found.failures:
        assert failure.crash_point
        assert failure.operation
        assert failure.location.rpartition(":")[0] == module.__file__
        assert all(part in found.report() for part in failure)
    with pytest.raises(AssertionError, match="handler does not survive"):
        found.assert_survives()


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug != "names_that_change"])  # that one breaks each second
def test_an_ordinary_test_does_not_find_it(bug):
    module = import_module(f"tests.testing.corpus.{bug}")
    assert Simulator(module.handler).start(module.EVENT).finish().status == "SUCCEEDED"


def test_there_are_enough_of_them():
    assert len(BUGS) >= 15


@pytest.mark.slow
def test_the_documented_table_is_what_explore_says():
    assert PAGE.read_text() == page(), "python -m tests.testing.corpus.table writes it anew"
