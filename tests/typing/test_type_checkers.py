"""What type checkers say of users' code; `make types` runs pyright over the same files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = ("right.py", "right_async.py", "wrong.py", "wrong_async.py")
OPTIONS = {"strict": ["--strict"], "as it comes": ["--warn-unused-ignores"]}


@pytest.mark.slow
@pytest.mark.parametrize("mode", OPTIONS)
def test_mypy_understands_right_code_and_finds_each_mistake_in_wrong_code(mode: str, tmp_path: Path) -> None:
    """A mistake that is not found would be an ignore that is not used, which both modes report."""
    for file in FILES:
        shutil.copy(HERE / file, tmp_path)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file=",
        "--cache-dir=cache",
        *OPTIONS[mode],
        *FILES,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Success: no issues found in 4 source files\n", "")
