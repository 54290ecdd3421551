"""Writes the timelines that docs/operations/ shows: what `powertools-durable show` prints of each example.

Run ``python -m tests.examples.timelines`` after a change of an example or of the timeline. The examples run in the
simulator, so time is virtual and each run prints the same.
"""

from __future__ import annotations

import io
import sys
from datetime import timedelta
from functools import wraps
from importlib.util import module_from_spec, spec_from_file_location
from itertools import chain, repeat
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

from rich.console import Console

from examples.operations import invoke
from powertools_durable._timeline import read_execution
from powertools_durable.cli.showing import Shown
from powertools_durable.testing import Simulator

OPERATIONS = Path(__file__).parents[2] / "examples" / "operations"
FOLDER = OPERATIONS / "timelines"
WIDTH = 84


class Example(NamedTuple):
    """One execution: its example, input and name, the answer after two hours, a function to replace once,
    and whether successes are unfolded, too.
    """

    example: str
    event: Any
    name: str
    callback: str | None = None
    answer: Any = None
    replaced: str | None = None
    replacement: str | None = None
    unfolds: bool = False


SHOWN = {
    "batch": Example("batch.py:total", ["1", "2", "3"], "total"),
    "callback": Example("callback.py:approve", "42", "approve-42", "approval", {"approved": True, "by": "ada"}),
    "child-context": Example("child_context.py:ship_all", ["teapot", "cup"], "parcels", unfolds=True),
    "invoke": Example("invoke.py:place_order", {"id": "42", "total": "51.00"}, "order-42"),
    "map": Example("complete/map.py:check", ["a.example/1", "a.example/404", "b.example/2"], "links"),
    "parallel": Example("parallel.py:accept", {"id": "42", "sku": "teapot"}, "checks-42", unfolds=True),
    "patches": Example("patches.py:welcome_with_gift", "ada", "welcome-ada"),
    "saga": Example("compensation.py:travel", "venice", "trip-to-venice", unfolds=True),
    "step": Example("step.py:convert", "USD", "rate-usd", unfolds=True),
    "wait": Example("wait.py:welcome", "ada", "welcome-ada"),
    "wait-for-callback": Example(
        "wait_for_callback.py:receive", "a.pdf", "a-pdf", "scan", {"clean": True, "engine": "clam"}
    ),
    "wait-for-condition": Example("wait_for_condition.py:create", "shop", "create-shop", unfolds=True),
    "with-retry": Example(
        "with_retry.py:travel",
        "LH1",
        "flight-lh1",
        replaced="book",
        replacement="book_too_late",
        unfolds=True,
    ),
}


def timeline(shown: Example) -> str:
    """Return what ``show`` prints of an execution, with the command in front."""
    file, _, handler_name = shown.example.partition(":")
    example = _loaded(OPERATIONS / file)
    functions = {"payments:1": invoke.payments}
    if shown.replaced and shown.replacement:
        _replace_once(example, shown.replaced, shown.replacement)
    run = Simulator(getattr(example, handler_name), functions=functions).start(shown.event, name=shown.name)
    if shown.callback:
        run.advance(timedelta(hours=2)).callback(shown.callback).succeed(shown.answer)
    run.finish()
    page = Console(file=io.StringIO(), width=WIDTH, highlight=False, color_system=None)
    page.print(f"$ powertools-durable show {shown.name}{' --all' if shown.unfolds else ''}")
    Shown(read_execution(run, values=True), run.status).print_to(page, unfolds=shown.unfolds)
    return "\n".join(line.rstrip() for line in page.file.getvalue().splitlines()) + "\n"


def _loaded(path: Path) -> ModuleType:
    """Import an example as the command line does: by the name of its file."""
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = module_from_spec(spec)
    with patch.dict(sys.modules, {path.stem: module}):  # pydantic looks for the module of a model
        spec.loader.exec_module(module)
    return module


def _replace_once(example: ModuleType, name: str, replacement: str) -> None:
    """Call another function of the example in place of the first call of *name*."""
    functions = chain([getattr(example, replacement)], repeat(getattr(example, name)))

    @wraps(getattr(example, name))
    def replaced(*args: Any) -> Any:
        return next(functions)(*args)

    setattr(example, name, replaced)


if __name__ == "__main__":
    for page_name, execution in SHOWN.items():
        (FOLDER / f"{page_name}.txt").write_text(timeline(execution))
