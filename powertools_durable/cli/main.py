"""Types a command: ``powertools-durable run TARGET``, and what follows from it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

__all__ = ["INTERRUPTED", "main"]

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


def main() -> None:
    """Run the command line; the entry point of the console script."""
    try:
        import rich  # noqa: F401 - asked here, so that a missing extra is one clear line
        import typer  # noqa: F401
    except ModuleNotFoundError as missing:
        sys.exit(f"powertools-durable needs {missing.name}: pip install 'powertools-durable[cli]'")
    try:
        from powertools_durable.cli.app import app

        app()
    except KeyboardInterrupt:  # before there was a command
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        # Python would wait for every thread of the handler's that is no daemon, such as those of an executor.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(INTERRUPTED)
