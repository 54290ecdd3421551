"""What commands leave in the process of the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.s3 import s3, s3_of_the_session  # noqa: F401 - used by name


@pytest.fixture(autouse=True)
def no_module_of_a_test_outlives_it(tmp_path_factory):
    """Forget the modules that a command imported from a test's folder: another test's may have the same name."""
    before = set(sys.modules)
    yield
    base = tmp_path_factory.getbasetemp()
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and base in Path(file).parents:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def no_compiled_module_is_older_than_its_source(monkeypatch):
    """Compile modules anew: of two versions that are written within a second, of equal size, Python can't tell."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
