"""The entry point of ``powertools-durable``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

__all__ = ["INTERRUPTED", "main"]

INTERRUPTED = 130
"""The exit code after Ctrl-C that shells expect."""


def main() -> None:
    """Run the command line; the entry point of the console script."""
    try:
        _run()
    except KeyboardInterrupt:  # before a command ran
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        # Python would wait for the handler's threads that are not daemons, such as those of an executor.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(INTERRUPTED)


def _run() -> None:
    try:
        import rich  # noqa: F401 - imported here, so that a missing extra is reported in one line
        import typer  # noqa: F401
    except ModuleNotFoundError as missing:
        sys.exit(f"powertools-durable needs {missing.name}: pip install 'powertools-durable[cli]'")
    from powertools_durable.cli.app import app

    app()
