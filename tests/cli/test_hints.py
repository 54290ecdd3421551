"""Commands that are named to be pasted have the form in which the command was started."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
APP = """
from powertools_durable import durable

@durable
def asks(event, ctx):
    return ctx.create_callback(name="go").result()

@durable
def interrupts(event, ctx):
    raise KeyboardInterrupt
"""
SCRIPT = f"""#!{sys.executable}
from powertools_durable.cli.main import main
main()
"""
MODULE = shlex.join([sys.executable, "-m", "powertools_durable"])


@pytest.fixture(params=["powertools-durable", MODULE], ids=["the console script", "python -m"])
def shell(request, tmp_path):
    """Runs a line that begins with the command, as a person types it; has that beginning."""
    (tmp_path / "app.py").write_text(APP)
    script = tmp_path / "bin" / "powertools-durable"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    script.chmod(0o755)
    environment = os.environ | {"PATH": f"{script.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    def run(line):
        return subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    run.command = request.param
    return run


def in_json(done, *path):
    value = [json.loads(line) for line in done.stdout.splitlines()]
    for key in path:
        value = next(one for one in value if key in one) if isinstance(value, list) and key != 0 else value
        value = value[key]
    return value


def after(done, words):
    """Return the rest of the line that begins with those words."""
    return next(line for line in done.stdout.splitlines() if words in line).partition(words)[2].strip()


def test_each_hint_is_in_the_form_that_was_used_and_can_be_pasted(shell):
    """Failed with `python -m`, whose hints named the console script."""
    begun = shell(f"{shell.command} run app.py:asks --name one --no-wait")
    answers = [
        in_json(begun, "callbacks", 0, "answer"),
        after(shell(f"{shell.command} show one"), "answer with:"),
    ]
    assert len(answers) == 2, begun
    assert all(answer.startswith(f"{shell.command} callback go succeed ") for answer in answers)
    answered = shell(answers[1].replace("'{}'", "7"))
    goes_on = after(answered, "continue with:")
    assert goes_on.startswith(f"{shell.command} resume "), answered
    assert in_json(shell(goes_on), "result") == "7"

    interrupted = shell(f"{shell.command} run app.py:interrupts")
    assert in_json(interrupted, "resume").startswith(f"{shell.command} resume ")
    assert f"\n  {shell.command} resume " in interrupted.stderr

    unreadable = shell(f'echo \'{{"Events": [], "NextMarker": "2"}}\' | {shell.command} replay app.py:asks -')
    assert unreadable.returncode == 2
    assert f"`{shell.command} export`" in unreadable.stderr, unreadable
