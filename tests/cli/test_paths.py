"""Paths are those of the folder in which the command was typed, whatever the handler's module does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

WANDERER = """
import os
from powertools_durable import durable

os.chdir(os.environ["ELSEWHERE"])

@durable
def handler(event, ctx):
    paid = ctx.invoke("payments", event)
    return [paid, ctx.wait_for_callback(lambda callback_id: None, name="approval")]
"""
PAYMENTS = """
import os

os.chdir(os.environ["ELSEWHERE"])

def pay(event):
    return event["amount"] + 1
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here" / "wanderer.py").write_text(WANDERER)
    (tmp_path / "here" / "payments.py").write_text(PAYMENTS)
    (tmp_path / "here" / "event.json").write_text('{"amount": 4}')
    return tmp_path


def command(folder, *words, **environment):
    main = "from powertools_durable.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", main, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder / "here",
        env={**os.environ, "ELSEWHERE": str(folder / "elsewhere"), "HOME": str(folder), **environment},
        timeout=60,
    )


def last(done):
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("options", "environment", "where"),
    [
        ((), {}, "here/.powertools-durable/executions.sqlite"),
        (("--store", "mine.sqlite"), {}, "here/mine.sqlite"),
        (("--store", "~/mine.sqlite"), {}, "mine.sqlite"),
        ((), {"POWERTOOLS_DURABLE_STORE": "mine.sqlite"}, "here/mine.sqlite"),
        ((), {"POWERTOOLS_DURABLE_STORE": "~/mine.sqlite"}, "mine.sqlite"),
    ],
    ids=["default", "option", "option at home", "environment", "environment at home"],
)
def test_a_module_that_changes_the_directory_moves_nothing(folder, options, environment, where):
    """Failed with a store in the other folder, which `resume` did not find."""
    functions = ("--function", "payments=payments.py:pay")
    event = ("--event", "@event.json", "--name", "one", "--no-wait", "--skip-time")
    done = command(folder, "run", "wanderer.py:handler", *functions, *event, *options, **environment)
    assert done.returncode == 3, done
    assert (folder / where).exists()
    assert not list((folder / "elsewhere").iterdir())
    answered = command(folder, "callback", "approval", "succeed", "7", *options, **environment)
    assert answered.returncode == 0, answered
    done = command(folder, "resume", "one", *options, **environment)
    assert last(done)["result"] == [5, "7"], done


@pytest.mark.slow
def test_histories_are_read_where_the_command_was_typed(folder):
    functions = ("--function", "payments=payments.py:pay", "--answer", "approval=7", "--skip-time")
    command(folder, "run", "wanderer.py:handler", "--event", "@event.json", "--name", "one", *functions)
    (folder / "here" / "one.json").write_text(command(folder, "export", "one").stdout)
    done = command(folder, "replay", "wanderer.py:handler", "one.json")
    assert done.stdout.startswith("SAFE    one.json"), done
