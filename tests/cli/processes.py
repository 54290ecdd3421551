"""The command in processes of its own: on real pipes, and on pseudo terminals."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path

SHOP = Path(__file__).parent / "shop.py"
MAIN = [sys.executable, "-m", "powertools_durable"]
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def command(folder, *words, **options):
    """Run the command to its end."""
    options = {"capture_output": True, "text": True, "timeout": 120} | options
    return subprocess.run([*MAIN, *map(str, words)], cwd=folder, check=False, **options)


def started(folder, *words, **options):
    """Start the command; its streams are pipes."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([*MAIN, *map(str, words)], cwd=folder, **options)


class Terminal:
    """A process on a pseudo terminal, and what it wrote."""

    def __init__(self, folder, *words, columns=100, **environment):
        self.end, end = pty.openpty()
        ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "PYTHONUTF8": "1"} | environment
        environment = {key: value for key, value in environment.items() if value is not None}
        self.process = subprocess.Popen(
            [*MAIN, *map(str, words)],
            cwd=folder,
            env=environment,
            stdin=end,
            stdout=end,
            stderr=end,
            start_new_session=True,
        )
        os.close(end)
        self.raw = b""

    @property
    def text(self):
        return CONTROL.sub("", self.raw.decode(errors="replace"))

    def read_until(self, text, seconds=120):
        until = time.monotonic() + seconds
        while text not in self.text and time.monotonic() < until:
            if not self._read(0.2):
                break
        assert text in self.text, self.text
        return self.text

    def read_to_the_end(self):
        while self._read(60):
            pass
        return self.text

    def _read(self, seconds):
        """Read a little; False when the process has closed the terminal."""
        if select.select([self.end], [], [], seconds)[0]:
            try:
                self.raw += os.read(self.end, 65_536)
            except OSError:
                return False
        return True

    def ended(self):
        code = self.process.wait(timeout=120)
        os.close(self.end)
        return code
