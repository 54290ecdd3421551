"""Writes the timelines that docs/operations/ shows: what `powertools-durable show` prints of each example.

Run ``python -m tests.examples.timelines`` after a change of an example or of the timeline. The examples run in the
simulator, so time is virtual and each run prints the same.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

from rich.console import Console

from examples.operations.with_retry import ExpiredError
from powertools_durable.cli.describe import summarize_event
from powertools_durable.cli.timeline import EventLines, render_outcome
from powertools_durable.testing import Simulator

FOLDER = Path(__file__).parents[2] / "examples" / "operations" / "timelines"
WIDTH = 84


class Shown(NamedTuple):
    """One execution: the example, its input, the answer to its callback two hours later, and a function that fails."""

    example: str
    event: Any
    name: str
    callback: str | None = None
    answer: Any = None
    fails_once: str | None = None
    error: Exception | None = None


SHOWN = {
    "batch": Shown("batch.py:total", ["1", "2", "3"], "total"),
    "callback": Shown("callback.py:approve", "42", "approve-42", "approval", {"approved": True, "by": "ada"}),
    "child-context": Shown("child_context.py:ship_all", ["teapot", "cup"], "parcels"),
    "invoke": Shown("invoke.py:place_order", {"id": "42", "total": "51.00"}, "order-42"),
    "map": Shown("complete/map.py:check", ["a.example/1", "a.example/404", "b.example/2"], "links"),
    "parallel": Shown("parallel.py:accept", {"id": "42", "sku": "teapot"}, "checks-42"),
    "patches": Shown("patches.py:welcome_with_gift", "ada", "welcome-ada"),
    "saga": Shown("compensation.py:travel", "venice", "trip-to-venice"),
    "step": Shown("step.py:convert", "USD", "rate-usd"),
    "wait": Shown("wait.py:welcome", "ada", "welcome-ada"),
    "wait-for-callback": Shown(
        "wait_for_callback.py:receive", "a.pdf", "a-pdf", "scan", {"clean": True, "engine": "clam"}
    ),
    "wait-for-condition": Shown("wait_for_condition.py:create", "shop", "create-shop"),
    "with-retry": Shown(
        "with_retry.py:travel",
        "LH1",
        "flight-lh1",
        fails_once="book",
        error=ExpiredError("the offer is no longer valid"),
    ),
}


def timeline(shown: Shown) -> str:
    """Return what ``show`` prints of an execution, with the command in front."""
    file, _, handler_name = shown.example.partition(".py:")
    example = import_module(f"examples.operations.{file.replace('/', '.')}")
    functions = {"payments:1": import_module("examples.operations.invoke").payments}
    with _failing_once(example, shown):
        run = Simulator(getattr(example, handler_name), functions=functions).start(shown.event, name=shown.name)
        if shown.callback:
            run.advance(timedelta(hours=2)).callback(shown.callback).succeed(shown.answer)
        run.finish()
    page = Console(file=io.StringIO(), width=WIDTH, highlight=False, color_system=None)
    page.print(f"$ powertools-durable show {shown.name}")
    page.print(shown.name)
    lines = EventLines(page)
    history = run.history()
    for event in history:
        lines.add(summarize_event(event))
    began, last = (summarize_event(history[index]).time for index in (0, -1))
    page.print(
        render_outcome(
            SimpleNamespace(
                status=run.status,
                started=began,
                ended=last,
                invocations=len(run.invocations),
                result=run.result,
                error=run.error,
                operations=run.operations,
            )
        )
    )
    return "\n".join(line.rstrip() for line in page.file.getvalue().splitlines()) + "\n"


@contextmanager
def _failing_once(example: ModuleType, shown: Shown) -> Iterator[None]:
    """Let a function of the example raise at its first call."""
    if shown.fails_once is None or shown.error is None:
        yield
        return
    function, outcomes = getattr(example, shown.fails_once), iter([shown.error])

    @wraps(function)
    def failing_once(*args: Any) -> Any:
        for error in outcomes:
            raise error
        return function(*args)

    setattr(example, shown.fails_once, failing_once)
    try:
        yield
    finally:
        setattr(example, shown.fails_once, function)


if __name__ == "__main__":
    for page_name, execution in SHOWN.items():
        (FOLDER / f"{page_name}.txt").write_text(timeline(execution))
