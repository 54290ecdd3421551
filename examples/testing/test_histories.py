"""A test that replays a history, for docs/testing/replaying-histories.md; run by tests/examples/test_testing.py."""

from __future__ import annotations

import json
from pathlib import Path

from examples.five_lines import handler
from powertools_durable.testing import Simulator, replay


# --8<-- [start:replay]
def test_a_recorded_order_goes_on_with_this_code(tmp_path: Path) -> None:
    run = Simulator(handler).start("order-42").finish()
    history = tmp_path / "order-42.json"
    history.write_text(json.dumps({"Events": run.history()}, default=str))

    verdict = replay(handler, str(history))
    verdict.assert_safe()


# --8<-- [end:replay]


# --8<-- [start:stop]
def stop_at_the_payment(history: str) -> None:
    replay(handler, history, stop_at="charge")


# --8<-- [end:stop]
