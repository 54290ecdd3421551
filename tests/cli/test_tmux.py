"""The command line typed into a shell of tmux: what is on the screen, whole, and the key Ctrl-C."""

from __future__ import annotations

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
