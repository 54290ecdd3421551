"""The table of docs/coming-from/compatibility.md, compared with the official package that is installed."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("aws_durable_execution_sdk_python") is None,
    reason="the official SDK is not installed (dependency group e2e)",
)
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coming-from" / "compatibility.md").read_text(encoding="utf-8")
names = importlib.import_module("tests.compat.names")


def test_the_table_says_of_each_public_name_how_it_is_offered():
    table = PAGE.partition("| Module | Same | Differs | Not offered |\n|---|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == names.rows()  # python -m tests.compat.names


def test_the_page_is_about_the_version_that_is_installed():
    official = importlib.import_module("aws_durable_execution_sdk_python")
    assert f"version {official.__version__} of the official SDK" in PAGE


def test_each_operation_takes_the_same_arguments():
    theirs, ours = names.both("context", "DurableContext")
    assert names.members(theirs) - names.members(ours) == {"from_lambda_context(state, lambda_context, replay_status)"}


@pytest.mark.parametrize("module", ["", "config", "retries", "waits", "filesystem_serdes", "preview", "types"])
def test_what_handlers_meet_is_offered_whole(module):
    assert [name for name in names.public_names(module) if names.both(module, name)[1] is None] == []


def test_what_a_module_passes_on_can_be_imported_from_it_too():
    """Handlers do: ``from ....context import StepContext, StepConfig``."""
    offered = {name for module in names.modules() for name in names.public_names(module) if names.both(module, name)[1]}
    missing = []
    for module in names.modules():
        try:
            ours = importlib.import_module(f"{names.OURS}.{module}".rstrip("."))
        except ModuleNotFoundError:
            continue
        theirs = vars(importlib.import_module(f"{names.OFFICIAL}.{module}".rstrip(".")))
        passed_on = {name for name, value in theirs.items() if str(getattr(value, "__module__", "")).startswith("aws_")}
        missing += [f"{module}.{name}" for name in passed_on & offered if not hasattr(ours, name)]
    assert missing == []
