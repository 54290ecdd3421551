"""The faults of `mutants.py` fit the code as it is now, and the report is about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mutation import __main__ as command
from tests.mutation.mutants import MUTANTS

PACKAGE = Path(__file__).parents[2] / "powertools_durable"
REPORT = Path(__file__).with_name("REPORT.md")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_can_be_made_and_is_python(mutant):
    source = (PACKAGE / mutant.file).read_text()
    changed = mutant.applied(source)
    assert changed != source
    compile(changed, mutant.file, "exec")


def test_there_are_at_least_twenty_different_faults():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20


def test_the_report_is_about_these_faults_and_nearly_all_are_noticed():
    rows = re.findall(r"^\| (.+?) \| .+? \| (.+?) \|$", REPORT.read_text(), re.MULTILINE)
    told = dict(rows[2:]) if rows[0][0] == "Fault" and rows[1][0].startswith("-") else dict(rows[1:])
    assert set(told) == {mutant.name for mutant in MUTANTS}
    unnoticed = [name for name, by in told.items() if by == "**nobody**"]
    assert len(unnoticed) <= 0.05 * len(told), unnoticed


@pytest.mark.slow
def test_tests_that_fail_without_any_fault_are_told_and_judge_nothing(tmp_path, monkeypatch):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text("def test_it():\n    raise AssertionError\n")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "COPIED", ("tests",))
    with pytest.raises(SystemExit, match="test_it.py::test_it fails without any fault"):
        command.soundness([("these", ["tests"])])
