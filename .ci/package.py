"""Installs the wheel of a folder into empty environments, alone and with each extra, and uses what it promises.

Usage: package.py FOLDER PYTHON... . Each interpreter and each extra of pyproject.toml get a new environment. In it, all
modules import, except those whose extra is not installed; the handlers of the README run in the simulator; and the
command runs one of them, or names the extra that it needs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HANDLERS = ROOT / "examples" / "five_lines.py"
RESULT = "order-42 is on its way, paid by payment-of-order-42"
NO_CLI = "powertools-durable needs rich: pip install 'powertools-durable[cli]'"
PROVIDES = {
    "tracer": {"aws_xray_sdk"},
    "otel": {"opentelemetry"},
    "cli": {"typer", "rich", "yaml"},
    "testing": {"pytest", "time_machine"},
    "zstd": {"zstandard"},
}
EXTRAS = [[], *([extra] for extra in PROVIDES), ["all"]]

# Runs in the new environment, isolated from this folder: argument 1 is the file with the handlers.
USE = """
import importlib, pkgutil, runpy, sys
import powertools_durable as package
from powertools_durable.testing import Simulator

assert "site-packages" in package.__file__, package.__file__
handlers = runpy.run_path(sys.argv[1])
for name in ("handler", "async_handler"):
    assert "is on its way" in Simulator(handlers[name]).start("order-42").finish().result, name

for module in pkgutil.walk_packages(package.__path__, "powertools_durable."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            cause = error.__cause__ if isinstance(error.__cause__, ModuleNotFoundError) else error
            print(cause.name.partition(".")[0])
"""


def run(*command: str | Path, code: int = 0) -> str:
    """Run *command* away from the checkout; exit with its output unless it returns *code*."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)  # noqa: S603 - fixed
    if done.returncode != code:
        shown = " ".join(str(part) for part in command if part != USE)
        sys.exit(f"{shown}: exit code {done.returncode}, {code} was expected\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def check(wheel: Path, python: str, extras: list[str]) -> None:
    """Install *wheel* with *extras* for *python* and use it."""
    uv = Path(sys.executable).with_name("uv")
    installed = set(PROVIDES) if extras == ["all"] else set(extras)
    missing = set().union(*(PROVIDES[extra] for extra in PROVIDES.keys() - installed))
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder, "environment")
        run(uv, "venv", "--quiet", "--python", python, environment)
        binary = environment / "bin"
        requirement = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
        run(uv, "pip", "install", "--quiet", "--python", binary / "python", requirement)
        run(uv, "pip", "check", "--quiet", "--python", binary / "python")
        lacked = set(run(binary / "python", "-I", "-c", USE, HANDLERS).split())
        if not lacked <= missing:
            sys.exit(f"{python}, {extras}: no extra brings {', '.join(sorted(lacked - missing))}")
        command = [binary / "powertools-durable", "run", f"{HANDLERS}:handler", "--event", '"order-42"', "--skip-time"]
        output = run(*command, "--store", Path(folder, "store.sqlite"), code=0 if "cli" in installed else 1)
        if (RESULT if "cli" in installed else NO_CLI) not in output:
            sys.exit(f"{python}, {extras}: the command printed\n{output}")


def main(folder: Path, interpreters: list[str]) -> None:
    """Check the wheel of *folder* with each interpreter."""
    (wheel,) = folder.glob("*.whl")
    for python in interpreters:
        version = run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
        for extras in EXTRAS:
            check(wheel.resolve(), python, extras)
        print(f"{wheel.name}: Python {version}: installs alone and with each of {', '.join(PROVIDES)}, all", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
