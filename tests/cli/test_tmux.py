"""The command line typed into a shell of tmux: what is on the screen, whole, and the key Ctrl-C."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import time

import pytest

from tests.cli.processes import MAIN, SHOP

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here, and nothing to install it with (.ci/run)"),
]

COMMAND = shlex.join(MAIN)


class Screen:
    """A shell in a window of tmux."""

    def __init__(self, folder, columns, rows):
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        size = ["-x", str(columns), "-y", str(rows)]
        self.call(
            "new-session", "-d", *size, "-c", str(folder), "env", "-u", "NO_COLOR", "PS1=$ ", "PYTHONUTF8=1", "sh"
        )

    def call(self, *words):
        done = subprocess.run([*self._tmux, *words], capture_output=True, text=True, check=True, timeout=30)
        return done.stdout

    def type(self, text):
        self.call("send-keys", "-l", text)
        self.call("send-keys", "Enter")

    def press(self, key):
        self.call("send-keys", key)

    @property
    def text(self):
        return self.call("capture-pane", "-p", "-J", "-S", "-500")

    def wait_for(self, text, seconds=90):
        """Wait until *text* is on the screen, wherever its lines are broken: the name of a command may be long."""
        until = time.monotonic() + seconds
        while "".join(text.split()) not in "".join(self.text.split()):
            assert time.monotonic() < until, self.text
            time.sleep(0.1)
        return self.text


@pytest.fixture
def screen(tmp_path):
    opened = []

    def at(columns, rows=30):
        opened.append(Screen(tmp_path, columns, rows))
        return opened[-1]

    yield at
    for one in opened:
        one.call("kill-server")


def test_the_key_ctrl_c_says_how_to_go_on_and_what_it_says_can_be_typed(screen):
    window = screen(100)
    window.type(f"{COMMAND} run {SHOP}:handler --event '{{}}' --name typed --skip-time; echo code=$?")
    window.wait_for("callback approval succeed '{}'")
    window.press("C-c")
    text = window.wait_for("code=130")
    assert "nothing of typed is lost. Continue with:" in text
    assert "answer with" not in text.partition("nothing of typed")[2]
    assert "Traceback" not in text
    assert window.call("display-message", "-p", "#{cursor_flag}").strip() == "1"
    window.type("clear")
    window.type(f"{COMMAND} resume --answer 'approval={{}}'; echo code=$?")
    assert "SUCCEEDED" in window.wait_for("code=0")


def test_what_it_is_at_now_is_gone_when_it_ends(screen):
    window = screen(100)
    window.type(f"{COMMAND} run {SHOP}:handler --event '{{}}' --skip-time --answer 'approval={{}}'; echo code=$?")
    text = window.wait_for("code=0")
    assert "answer with:" not in text
    assert text.count("SUCCEEDED") == 1


FLOW = """
import json, logging, sys, time
from pydantic import BaseModel
from powertools_durable import Completion, Retry, durable

logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s")


class Approval(BaseModel):
    approved: bool
    by: str


def extract(number):
    time.sleep(0.002)
    logging.info(json.dumps({"number": number, "text": "x" * 150}))
    if number in {7, 99, 250}:
        raise ValueError(f"record {number} has no price")
    return number


@durable
def handler(event, ctx):
    ctx.map(
        lambda child, n: child.step(extract, n, name="extract", retry=Retry.none()),
        range(300),
        name="etl",
        max_concurrency=8,
        completion=Completion.all_completed(),
    )
    return ctx.wait_for_callback(lambda callback_id: None, name="approval", returns=Approval).by
"""


def test_a_map_of_300_with_3_failures_is_on_one_screen_and_the_command_on_it_works(screen, tmp_path):
    (tmp_path / "flow.py").write_text(FLOW)
    window = screen(120)
    window.type("unset COLUMNS LINES")
    window.type(f"{COMMAND} run flow.py:handler --name flow --quiet; echo code=$?")
    window.wait_for("callback approval succeed")
    seen = window.call("capture-pane", "-p", "-J")
    assert "map etl ██████████ 300/300  3 failed" in seen
    for number in (7, 99, 250):
        assert f"✗ map-item-{number} > extract failed: ValueError: record {number} has no price (flow.py:" in seen
    assert "x" * 50 not in seen
    (command,) = [line.partition("answer with: ")[2] for line in seen.splitlines() if "answer with" in line]
    done = subprocess.run(command.strip(), shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
    assert '"text"' in window.wait_for("code=0")


def test_the_lines_of_the_users_logs_are_whole(screen, tmp_path):
    (tmp_path / "flow.py").write_text(FLOW)
    window = screen(60, 50)
    window.type("unset COLUMNS LINES")
    window.type(f"{COMMAND} run flow.py:handler --name flow --no-wait; echo code=$?")
    window.wait_for("code=3")
    logged = [line for line in window.text.splitlines() if line.startswith('{"number"')]
    assert len(logged) > 100
    for line in logged[1:]:
        assert json.loads(line)["text"] == "x" * 150


@pytest.mark.parametrize("columns", [24, 40])
def test_a_narrow_window_shows_the_whole_reason(screen, columns):
    window = screen(columns, 60)
    window.type(f"{COMMAND} run {SHOP}:fails; echo code=$?")
    text = "".join(window.wait_for("code=1").split())
    assert "PermissionError:thecardwasdeclined(shop.py:31indeclined)" in text


def test_a_window_that_is_made_smaller_while_it_runs_is_drawn_on(screen):
    window = screen(100)
    window.type(f"{COMMAND} run {SHOP}:handler --event '{{}}' --name small --skip-time; echo code=$?")
    window.wait_for("callback approval succeed '{}'")
    window.call("resize-window", "-x", "40", "-y", "20")
    window.press("C-c")
    assert "nothing of small is lost" in window.wait_for("code=130")
