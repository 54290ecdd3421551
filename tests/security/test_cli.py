"""What the command prints: a result where somebody asked for it, and no other payload, token or callback id."""

from __future__ import annotations

import itertools
import json
import textwrap

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app
from powertools_durable.local import LocalExecutions, SqliteStore

INPUT, STEP, RESULT, ANSWER = "CANARY-IN", "CANARY-STEP", "CANARY-OUT", "CANARY-ANSWER"
PAYLOADS = (INPUT, STEP, ANSWER)
CODE = f"""
from powertools_durable import durable

@durable
def handler(event, ctx):
    ctx.step(lambda: "{STEP}", name="s")
    ctx.map(lambda child, item: item, ["{STEP}"], name="m")
    ctx.wait_for_callback(lambda callback_id: callback_id, name="approval")
    return "{RESULT}"

@durable
def fails(event, ctx):
    ctx.step(lambda: object(), name="unwritable")

@durable
def rejects(event: int, ctx):
    return 1
"""


@pytest.fixture
def cli(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(textwrap.dedent(CODE))

    def call(*words):
        return CliRunner().invoke(app, [*words])

    return call


def started(cli, *words):
    return cli("run", "shop.py:handler", "--event", json.dumps({"card": INPUT}), "--name", "one", "--no-wait", *words)


def secrets(tmp_path):
    """Tokens and callback ids, as the store has them."""
    one = LocalExecutions(SqliteStore(next(tmp_path.rglob("*.sqlite")))).find("one")
    yield from (r.callback_details.callback_id for r in one.operations if r.callback_details)
    yield from [token for token in [one._execution.header.token] if token]  # noqa: SLF001


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["lines", "JSON"])
def test_while_it_runs_and_waits_nothing_of_it_is_printed(cli, tmp_path, flags):
    commands = [
        lambda: started(cli, *flags),
        lambda: cli("list", *flags),
        lambda: cli("resume", "one", "--no-wait", *flags),
        lambda: cli("callback", "no-such", "succeed", json.dumps(ANSWER)),
        lambda: cli("callback", "approval", "succeed", f"{{{ANSWER}"),  # no JSON
        lambda: cli("callback", "approval", "heartbeat", json.dumps(ANSWER)),
        lambda: cli("show", "nobody"),
        *([] if flags else [lambda: cli("show", "one")]),  # as JSON it shows the records: that is what it is for
    ]
    told = "".join(done.output for done in (command() for command in commands))
    assert "approval" in told
    for secret in (*PAYLOADS, RESULT, *secrets(tmp_path)):
        assert secret not in told


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["lines", "JSON"])
def test_the_result_is_what_it_prints_at_the_end_and_nothing_else(cli, tmp_path, flags):
    started(cli)
    hidden = list(secrets(tmp_path))
    told = cli("callback", "approval", "succeed", json.dumps(ANSWER)).output
    ended = cli("resume", "one", *flags).output
    assert ended.count(RESULT) == 1
    assert RESULT in ended.splitlines()[-1]
    for secret in (*PAYLOADS, *hidden):
        assert secret not in told + ended
    assert RESULT not in cli("list", *flags).output


@pytest.mark.parametrize("target", ["fails", "rejects"])
def test_an_execution_that_failed_is_told_without_what_it_was_given(cli, target):
    done = cli("run", f"shop.py:{target}", "--event", json.dumps(INPUT), "--name", "one")
    assert done.exit_code == 1
    assert "Error" in done.output
    assert INPUT not in "".join(itertools.chain([done.output], [cli("show", "one").output, cli("list").output]))
