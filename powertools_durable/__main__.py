"""``python -m powertools_durable`` is the command ``powertools-durable``."""

from __future__ import annotations

from powertools_durable.cli.main import main

if __name__ == "__main__":
    main()
