"""``powertools-durable ... --aws`` against the official emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from e2e.local.function import DUMMY_ACCOUNT, ROOT
from e2e.order_story import APPROVAL, EXAMPLES, ORDER, RECEIPT

COMMAND = "from powertools_durable.cli.main import main; main()"


@pytest.fixture
def command(emulator, tmp_path):
    environment = DUMMY_ACCOUNT | {
        "AWS_ENDPOINT_URL_LAMBDA": emulator.url,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
    }

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_an_order_is_found_answered_exported_and_replayed(emulator, deploy, command, tmp_path):
    deployed = ("--aws", "--function", "order")
    arn = emulator.start(deploy("order.handler"), ORDER, name="order-cli")
    deadline = time.monotonic() + 30
    while "answer with" not in (shown := command("show", "order-cli", *deployed)):
        assert time.monotonic() < deadline, shown
        time.sleep(0.2)
    assert "waits for approval" in shown

    listed = [json.loads(line) for line in command("list", *deployed, "--json").splitlines()]
    assert [one["status"] for one in listed if one["name"] == "order-cli"] == ["RUNNING"]
    command("callback", "approval", "heartbeat", *deployed, "--execution", "order-cli")
    said = command("callback", "approval", "succeed", APPROVAL, *deployed, "--execution", "order-cli")
    assert said == "approval of order-cli: succeed sent\n"

    emulator.executions.end(arn)
    told = json.loads(command("show", "order-cli", *deployed, "--json"))
    assert (told["status"], told["result"]) == ("SUCCEEDED", RECEIPT)
    history = tmp_path / "history.json"
    history.write_text(command("export", "order-cli", *deployed), encoding="utf-8")
    assert command("replay", f"{EXAMPLES}/order.py:handler", str(history)).startswith("SAFE")


def test_an_order_is_stopped(emulator, deploy, command):
    arn = emulator.start(deploy("order.handler"), ORDER, name="order-stopped")
    assert command("stop", "order-stopped", "--aws", "--function", "order") == "order-stopped is stopped\n"
    assert emulator.executions.end(arn)["Status"] == "STOPPED"
