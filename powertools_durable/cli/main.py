"""Types a command: ``powertools-durable run TARGET``, and what follows from it."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; the entry point of the console script."""
    try:
        import rich  # noqa: F401 - asked here, so that a missing extra is one clear line
        import typer  # noqa: F401
    except ModuleNotFoundError as missing:
        sys.exit(f"powertools-durable needs {missing.name}: pip install 'powertools-durable[cli]'")
    from powertools_durable.cli.app import app

    app()
