"""Handlers with one bug each: `explore` finds all of them, and says where."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from powertools_durable.testing import explore

CORPUS = Path(__file__).parent / "corpus"
BUGS = sorted(path.stem for path in CORPUS.glob("*.py") if path.stem != "table")


def explored(bug):
    module = import_module(f"tests.testing.corpus.{bug}")
    found = explore(module.handler, module.EVENT, ledger=getattr(module, "ledger", None))
    return module, found


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
