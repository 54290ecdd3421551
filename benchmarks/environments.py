"""The peers' environments: one each, with pinned requirements, because they need different versions of botocore."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["python_of", "set_up"]

HERE = Path(__file__).parent


def python_of(environments: Path, name: str) -> Path:
    """Return the interpreter of an environment."""
    return environments / name / "bin" / "python"


def set_up(environments: Path, harness: Path, python: str, *, install_ours: bool) -> None:
    """Make what is missing, and install this project anew: as users do, so that its bytecode is compiled.

    Parameters
    ----------
    environments : Path
        The folder of all of them.
    harness : Path
        Whose ``requirements/`` say what peers are measured.
    python : str
        The interpreter to make them with.
    install_ours : bool
        Install the project; otherwise only what it needs.
    """
    pins = harness / "requirements"
    _install(environments / "official", pins / "official.txt", python)
    _install(environments / "async", pins / "async.txt", python)
    _install(environments / "ours", pins / "official.txt", python, without="aws-durable")
    if install_ours:
        _pip(environments / "ours", "--no-deps", "--force-reinstall", str(HERE.parent))


def _install(environment: Path, pins: Path, python: str, without: str = " ") -> None:
    wanted = "".join(line for line in pins.read_text().splitlines(keepends=True) if not line.startswith(without))
    stamp = environment / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"setting up {environment.name} ...")
    subprocess.run([python, "-m", "venv", str(environment)], check=True)
    asked = environment / "requirements.txt"
    asked.write_text(wanted)
    _pip(environment, "-r", str(asked))
    subprocess.run(
        [str(environment / "bin" / "python"), "-m", "compileall", "-q", str(environment)],
        check=False,
        capture_output=True,
    )
    stamp.write_text(wanted)


def _pip(environment: Path, *arguments: str) -> None:
    command = [str(environment / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*command, *arguments], check=True)
