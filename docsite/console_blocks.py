"""Runs the console blocks of the pages: ``python -m docsite.console_blocks [--check]``.

A block whose lines begin with ``$`` shows commands and what they print. A comment above it says where they run::

    <!-- console: refunds, examples/tutorial/first_step/ -->

``refunds`` is a folder that all blocks of this name share, from page to page. Before the commands run, the files are
copied into it: the contents of a path that ends with a slash, otherwise the file or folder itself. ``first: COMMAND``
after a semicolon runs a command whose output is not shown. ``<!-- console: not run: REASON -->`` is for what needs an
account.

The commands run in a terminal of 88 columns, by tmux. Without ``--check``, what they print is written into the pages.
Times, durations, IDs and versions differ in each run, so output that differs in nothing else stays as it is.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import yaml

ROOT = Path(__file__).parents[1]
WIDTH = 88
HEIGHT = 500

_BLOCK = re.compile(
    r"(?P<comment><!-- console: (?P<directive>[^\n]*?) -->\n+)?^(?P<fence>```console\n)(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_VARIES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,64}\b"), "ID"),
    (re.compile(r"\bpid \d+"), "PID"),
    (re.compile(r"\b\d+\.\d+\.\d+\b"), "VERSION"),
    (re.compile(r"\b\d+(?:\.\d+)? (?:ms|s)\b|\b\d+\.\d+s\b"), "DURATION"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True)
class Directive:
    """Where the commands of a block run, and what is needed before."""

    session: str
    files: tuple[str, ...]
    first: tuple[str, ...]

    @staticmethod
    def of(text: str) -> Directive:
        """Read it from the comment above a block."""
        place, *rest = (part.strip() for part in text.split(";"))
        session, *files = (part.strip() for part in place.split(","))
        return Directive(session, tuple(files), tuple(part.removeprefix("first:").strip() for part in rest))


class Sessions:
    """The folders in which commands run, one for each session."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def prepare(self, directive: Directive) -> Path:
        """Return the folder of a session with its files."""
        folder = self._home / directive.session
        folder.mkdir(exist_ok=True)
        for file in directive.files:
            source = ROOT / file
            if file.endswith("/"):
                shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.is_dir():
                shutil.copytree(
                    source, folder / source.name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(source, folder)
        for command in directive.first:
            self.run(command, folder)
        return folder

    def run(self, command: str, folder: Path) -> str:
        """Return what *command* prints, with the reader's folder in place of ours."""
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        environment = {
            **kept,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(self._home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTEST_ADDOPTS": "-p no:randomly -p no:xdist -p no:cacheprovider",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TZ": "UTC",
        }
        shown = _in_terminal(command, folder, environment)
        return shown.replace(str(self._home.resolve()), "/home/you").replace(str(self._home), "/home/you")


def _in_terminal(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Return what a terminal shows when *command* has ended."""
    tmux = ["tmux", "-L", f"console-blocks-{uuid4().hex}", "-f", "/dev/null"]
    script = folder.parent / "command.sh"
    script.write_text(f"{command}\n", encoding="utf-8")
    ends = f"{' '.join(tmux)} wait-for -S ended"
    inside = f"bash {script} </dev/null; {ends}; sleep infinity"

    def call(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - the commands of our own pages
            [*tmux, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    try:
        call("new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), "-c", str(folder), inside)
        call("wait-for", "ended")
        return call("capture-pane", "-p", "-J").strip("\n")
    finally:
        call("kill-server")


def commands_of(body: str) -> list[str]:
    """Return the commands of a block, each with the lines that continue it."""
    commands: list[str] = []
    continues = False
    for line in body.splitlines():
        if line.startswith("$ "):
            commands.append(line)
        elif continues:
            commands[-1] += f"\n{line}"
        continues = line.endswith("\\") and (line.startswith("$ ") or continues)
    return commands


def same(old: str, new: str) -> bool:
    """Return whether two outputs differ in nothing but times, durations, IDs and versions."""
    return _steady(old) == _steady(new)


def _steady(text: str) -> str:
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def run_page(page: Path, sessions: Sessions) -> str:
    """Return *page* with the output that its commands print now.

    Raises
    ------
    ValueError
        A block shows commands, and no comment says where they run.
    """

    def renewed(match: re.Match[str]) -> str:
        commands = commands_of(match["body"])
        directive = match["directive"] or ""
        if not commands or directive.startswith("not run"):
            return match[0]
        if not directive:
            raise ValueError(f"{page}: no comment says where this runs: {commands[0]}")
        folder = sessions.prepare(Directive.of(directive))
        printed, changes = "", "true"
        for command in commands:
            shell = command.removeprefix("$ ")
            output = sessions.run(f"{changes}; {shell}", folder)
            printed += f"{command}\n{output}\n" if output else f"{command}\n"
            changes = f"{changes}; {shell}" if shell.startswith("cd ") else changes
        printed = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
        if same(match["body"], printed):
            return match[0]
        return f"{match['comment']}{match['fence']}{printed}```"

    return _BLOCK.sub(renewed, page.read_text(encoding="utf-8"))


def pages() -> list[Path]:
    """Return the README and the pages, in the order in which a reader meets them."""
    navigation = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)["nav"]  # noqa: S506
    return [ROOT / "README.md", *(ROOT / "docs" / name for name in _names(navigation))]


def _names(entry: object) -> list[str]:
    if isinstance(entry, dict):
        entry = list(entry.values())
    if isinstance(entry, list):
        return [name for one in entry for name in _names(one)]
    return [str(entry)] if str(entry).endswith(".md") else []


def main(arguments: list[str]) -> int:
    """Renew the pages; with ``--check``, show the differences instead and return 1 if there are any."""
    failed = 0
    with tempfile.TemporaryDirectory() as home:
        sessions = Sessions(Path(home))
        for page in pages():
            old, new = page.read_text(encoding="utf-8"), run_page(page, sessions)
            if old == new:
                continue
            failed = 1
            if "--check" in arguments:
                name = str(page.relative_to(ROOT))
                before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
                sys.stdout.writelines(difflib.unified_diff(before, after, name, "printed"))
            else:
                page.write_text(new, encoding="utf-8")
    return failed if "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
