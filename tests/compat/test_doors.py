"""The two doors: the command that changes a file's imports, and the redirection of other people's imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from powertools_durable.compat.__main__ import main
from powertools_durable.compat.rewriting import rewrite
from powertools_durable.testing import Simulator

OFFICIAL, OURS = "aws_durable_execution_sdk_python", "powertools_durable.compat.aws"
ROOT = Path(__file__).parents[2]
HANDLERS = [ROOT / "tests" / "histories" / "official_handlers.py", ROOT / "tests" / "compat" / "handlers.py"]


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"from {OFFICIAL} import durable_execution\n", f"from {OURS} import durable_execution\n"),
        (f"from {OFFICIAL} import *  # all\n", f"from {OURS} import *  # all\n"),
        (f"from {OFFICIAL} import config\n", f"from {OURS} import config\n"),
        (f"from {OFFICIAL}.context import StepConfig\n", f"from {OURS}.context import StepConfig\n"),
        (f"import {OFFICIAL}\n", f"import {OURS} as {OFFICIAL}\n"),
        (f"import os, {OFFICIAL} as sdk, sys\n", f"import os, {OURS} as sdk, sys\n"),
        (f"import {OFFICIAL}.config as c\n", f"import {OURS}.config as c\n"),
        (
            f"from {OFFICIAL}.concurrency.models import (  # two\r\n    BatchItem as Item,\r\n    BatchResult,)\r\n",
            f"from {OURS}.concurrency.models import (  # two\r\n    BatchItem as Item,\r\n    BatchResult,)\r\n",
        ),
        (f"from {OFFICIAL} . config import Duration\n", f"from {OURS}.config import Duration\n"),
        (
            f"from \\\n    {OFFICIAL}.config \\\n    import Duration\n",
            f"from \\\n    {OURS}.config \\\n    import Duration\n",
        ),
        (
            f'x = "ü\x0c"; from {OFFICIAL} import StepError; y = 1\n',
            f'x = "ü\x0c"; from {OURS} import StepError; y = 1\n',
        ),
        (
            f"def f():\n\tfrom {OFFICIAL}.waits import create_wait_strategy\n",
            f"def f():\n\tfrom {OURS}.waits import create_wait_strategy\n",
        ),
        (f"import {OFFICIAL} . config as c\n", f"import {OURS}.config as c\n"),
        (f"import os, {OFFICIAL}. \\\n    config as c, sys\n", f"import os, {OURS}.config as c, sys\n"),
        (f"import os, \\\n    {OFFICIAL} \\\n    as c\n", f"import os, \\\n    {OURS} \\\n    as c\n"),
        (f"from {OFFICIAL} import __version__\n", f"from {OURS} import __version__\n"),
        (
            f"import {OFFICIAL} as sdk\nsdk.config.Duration(1), sdk.__version__\n",
            f"import {OURS} as sdk\nsdk.config.Duration(1), sdk.__version__\n",
        ),
        (
            f"from {OFFICIAL} import config\ndef f(config):\n    return config.timeout\n",
            f"from {OURS} import config\ndef f(config):\n    return config.timeout\n",
        ),
        (
            f"from {OFFICIAL} import execution as e\nself.e.handle_checkpoint_error\n",
            f"from {OURS} import execution as e\nself.e.handle_checkpoint_error\n",
        ),
        (
            f"from .{OFFICIAL} import mine\nfrom {OFFICIAL}x import other\n",
            f"from .{OFFICIAL} import mine\nfrom {OFFICIAL}x import other\n",
        ),
        (f'"""{OFFICIAL} is what this uses."""\n', f'"""{OFFICIAL} is what this uses."""\n'),
    ],
)
@pytest.mark.sampled(20)
def test_imports_are_changed_and_nothing_else(before, after):
    changed = rewrite(before)
    assert (changed.source, changed.problems) == (after, ())


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        (f"\nfrom {OFFICIAL}.state import ExecutionState\n", 2, f"module {OFFICIAL}.state is not offered"),
        (
            f"from {OFFICIAL}.config import (\n    Duration,\n    Nothing,\n)\n",
            3,
            f"{OFFICIAL}.config.Nothing is not offered",
        ),
        (f"import {OFFICIAL}.config\n", 1, f"write 'from {OFFICIAL} import config'"),
        (f"import {OFFICIAL}_testing.runner\n", 1, "write the test with powertools_durable.testing"),
        (f"from {OFFICIAL}_otel import plugin\n", 1, "is another package"),
        (f"x = 1\ny = import_module('{OFFICIAL}.config')\n", 2, "names the official SDK"),
        (f"patch('{OFFICIAL}.context.DurableContext.step')\n", 1, "names the official SDK"),
        (f"import {OFFICIAL[:-1]}\uff4e as sdk\n", 1, f"the name {OFFICIAL} is written in an unusual way"),
    ],
)
@pytest.mark.sampled(20)
def test_what_cannot_be_moved_is_named_with_its_line_and_left(source, line, words):
    changed = rewrite(source)
    assert changed.source == source
    assert changed.problems[0].line == line
    assert words in changed.problems[0].message


@pytest.mark.parametrize(
    ("source", "line", "name"),
    [
        (f"import {OFFICIAL} as sdk\n\nsdk.state.ExecutionState\n", 3, f"{OFFICIAL}.state"),
        (f"import {OFFICIAL}\ndef f():\n    {OFFICIAL}.state.ExecutionState\n", 3, f"{OFFICIAL}.state"),
        (f"import {OFFICIAL} as sdk\nsdk.config.Nothing()\n", 2, f"{OFFICIAL}.config.Nothing"),
        (
            f"from {OFFICIAL} import execution as ex\nex.DurableExecutionInvocationInput\n",
            2,
            f"{OFFICIAL}.execution.DurableExecutionInvocationInput",
        ),
        (f"import {OFFICIAL}.serdes as s\nx: s.TypeCodec = 1\n", 2, f"{OFFICIAL}.serdes.TypeCodec"),
        (f"from {OFFICIAL} import concurrency\nconcurrency.executor\n", 2, f"{OFFICIAL}.concurrency.executor"),
    ],
)
@pytest.mark.sampled(20)
def test_what_a_moved_module_does_not_have_is_named_with_its_line(source, line, name):
    problems = rewrite(source).problems
    assert [problem.line for problem in problems] == [line]
    assert problems[0].message.startswith(f"{name} is not offered by powertools_durable.compat")


@pytest.mark.parametrize(
    "source",
    [
        f"# \x0c\n# \x1c \u2028\nfrom {OFFICIAL} import StepError\nx = '\x0b'\n",
        f"x = 1\nfrom {OFFICIAL} import StepError",
        f"from {OFFICIAL} import StepError\r\nx = 1\r\n",
        f"x = 1\nfrom {OFFICIAL} import StepError\n" + "y = 2\n" * 9 + f"import {OFFICIAL} as s",
    ],
)
def test_the_diff_can_be_applied(tmp_path, monkeypatch, capsysbinary, source):
    monkeypatch.chdir(tmp_path)
    Path("app.py").write_bytes(source.encode())
    assert main(["app.py"]) == 0
    diff = capsysbinary.readouterr().out
    subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], input=diff, cwd=tmp_path, check=True)
    assert Path("app.py").read_bytes().decode() == rewrite(source).source


def test_the_diff_of_an_absolute_path_has_one_slash_after_the_prefix(tmp_path, capsys):
    file = tmp_path / "app.py"
    file.write_text(f"from {OFFICIAL} import StepError\n")
    assert main([str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [f"--- a{file.as_posix()}", f"+++ b{file.as_posix()}"]


def test_a_folder_of_official_handlers_is_shown_then_changed_and_runs(tmp_path, capsys):
    for file in HANDLERS:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert main([str(tmp_path)]) == 0
    diff = capsys.readouterr().out
    changed = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed
    assert all(line[1:].startswith(("from ", "import ")) for line in changed)
    assert [file.read_bytes() for file in HANDLERS] == [(tmp_path / file.name).read_bytes() for file in HANDLERS]
    assert main([str(tmp_path), "--write"]) == 0
    assert main([str(tmp_path)]) == 0
    assert "changed" in capsys.readouterr().out
    namespace = {"__name__": "moved"}
    exec(compile((tmp_path / "official_handlers.py").read_text(), "moved.py", "exec"), namespace)
    assert Simulator(namespace["waits"]).start().finish().result == "done"


def test_exit_codes(tmp_path, capsys):
    bad, left = tmp_path / "bad.py", tmp_path / "left.py"
    bad.write_text("def (:\n")
    left.write_text(f"import {OFFICIAL}.state\n")
    assert main([str(left)]) == 1
    assert f"{left}:1: module" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 2
    assert f"{bad}:1: " in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "nothing.py")])


def test_a_file_in_another_encoding_keeps_it(tmp_path):
    file = tmp_path / "app.py"
    file.write_bytes(f"# coding: latin-1\n# \xe9\nfrom {OFFICIAL} import StepError\n".encode("latin-1"))
    assert main([str(file), "--write"]) == 0
    assert file.read_bytes() == f"# coding: latin-1\n# \xe9\nfrom {OURS} import StepError\n".encode("latin-1")


# -- the redirection ---------------------------------------------------------------------------------------------------


def python(source, **environment):
    run = subprocess.run(
        [sys.executable, "-c", source],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr


LIBRARY = f"""
from {OFFICIAL} import DurableContext, durable_execution
from {OFFICIAL}.config import Duration
import {OFFICIAL}.retries
import {OFFICIAL} as sdk
import powertools_durable.compat.aws.config
assert {OFFICIAL}.retries.RetryPresets and sdk.config is powertools_durable.compat.aws.config
assert Duration is powertools_durable.compat.aws.config.Duration
assert Duration.__module__ == powertools_durable.compat.aws.config.__spec__.name == "{OURS}.config"
print("redirected")
"""


def test_install_redirects_imports_of_others():
    assert python(f"import powertools_durable.compat as c\nc.install()\nc.install()\n{LIBRARY}") == "redirected\n"


def test_the_environment_does_the_same():
    assert python(f"import powertools_durable\n{LIBRARY}", POWERTOOLS_DURABLE_COMPAT="aws") == "redirected\n"


def test_an_unknown_name_in_the_environment_is_refused():
    words = python("import powertools_durable", POWERTOOLS_DURABLE_COMPAT="azure")
    assert "DurableConfigError: POWERTOOLS_DURABLE_COMPAT='azure' names no SDK; set it to 'aws', or not at all" in words


def test_it_is_refused_after_the_official_sdk_was_imported(tmp_path):
    (tmp_path / f"{OFFICIAL}.py").write_text("")
    source = f"import {OFFICIAL}\nfrom powertools_durable.compat import install\ninstall()"
    words = python(source, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert f"DurableConfigError: {OFFICIAL} was imported before powertools_durable.compat.install()" in words
    assert "call install() first" in words


def test_a_module_that_is_not_offered_says_so():
    source = f"from powertools_durable.compat import install\ninstall()\nimport {OFFICIAL}.state"
    assert f"ModuleNotFoundError: {OFFICIAL}.state is not offered by powertools_durable.compat" in python(source)
