"""One (peer, scenario, case) in this process; prints one JSON object. The harness's own worker, with our peers too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run the harness's worker with ``benchmarks/peers`` and the scenarios of ``extras.py`` added."""
    harness = os.environ["BENCH_HARNESS"]
    sys.path[0] = harness  # scripts of the harness import one another by their bare names
    import peers  # type: ignore[import-not-found]

    peers.__path__.append(str(HERE / "peers"))
    import scenarios  # type: ignore[import-not-found]

    sys.path.append(str(HERE))
    import extras
    import extras_async

    added = extras.EXTRAS | extras_async.EXTRAS
    scenarios.SCENARIOS.update({name: (run, []) for name, run in added.items()})
    import worker  # type: ignore[import-not-found]

    worker.main()


if __name__ == "__main__":
    main()
