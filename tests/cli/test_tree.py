"""The tree that `run` and `show` draw: its screens are kept in screens/.

Run ``python -m tests.cli.test_tree`` to write them again after a change of the tree.
"""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from powertools_durable import Completion, Nesting, Retry, durable
from powertools_durable._timeline import read_events, read_execution
from powertools_durable.cli.live import LiveTree
from powertools_durable.cli.showing import Shown
from powertools_durable.cli.tree import Tree
from powertools_durable.local import LocalRunner
from powertools_durable.testing import Simulator

SCREENS = Path(__file__).parent / "screens"
HISTORIES = Path(__file__).parents[1] / "histories"
WIDTH, HEIGHT = 100, 24


def extract(number):
    if number in {7, 99, 250}:
        raise ValueError(f"record {number} has no price")
    return number


@durable
def mapped(event, ctx):
    ctx.step(str, name="prepare")
    ctx.map(
        lambda child, n: child.step(extract, n, name="extract", retry=Retry.none()),
        range(300),
        name="etl",
        completion=Completion.all_completed(),
    )
    ctx.wait(5)


@durable
async def mapped_async(event, ctx):
    async def branch(child, n):
        return await child.step(extract, n, name="extract", retry=Retry.none())

    await ctx.step(str, name="prepare")
    await ctx.map(branch, range(300), name="etl", completion=Completion.all_completed())
    await ctx.wait(5)


@durable
def waits(event, ctx):
    def never():
        raise OSError("not yet")

    ctx.parallel(
        {
            "time": lambda child: child.wait(timedelta(days=2), name="rest"),
            "answer": lambda child: child.wait_for_callback(lambda callback_id: None, name="approval", timeout=3600),
            "retry": lambda child: child.step(never, retry=Retry(max_attempts=3, initial_delay=60, jitter="none")),
        },
        name="all",
    )


@durable
def many(event, ctx):
    for number in range(3000):
        ctx.step(int, number, name=f"s{number}")
    ctx.map(lambda child, n: child.step(extract, 7, retry=Retry.none()), range(40), name="bad",
            completion=Completion.all_completed(), nesting=Nesting.FLAT)  # fmt: skip


def drawn(timeline, *, unfolds=False):
    page = Console(file=io.StringIO(), width=WIDTH, highlight=False, color_system=None)
    Shown(timeline, timeline.status).print_to(page, unfolds=unfolds)
    return "\n".join(line.rstrip() for line in page.file.getvalue().splitlines()) + "\n"


def simulated(handler):
    return read_execution(Simulator(handler).start(name="it").finish())


def golden(name):
    found = json.loads((HISTORIES / f"{name}.json").read_text())
    return read_events(found["Events"], arn=found["DurableExecutionArn"])


DRAWN = {
    "map": lambda: drawn(simulated(mapped)),
    "map-async": lambda: drawn(simulated(mapped_async)),
    "many": lambda: drawn(simulated(many)),
    "official": lambda: drawn(golden("official/parallel_running")),
    "official-flat": lambda: drawn(golden("official/mapped_flat"), unfolds=True),
    "saga": lambda: drawn(golden("ours/saga"), unfolds=True),
    "early": lambda: drawn(golden("ours/parallel_early"), unfolds=True),
}


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize("name", DRAWN)
def test_a_screen_is_as_it_was(name):
    assert DRAWN[name]() == (SCREENS / f"{name}.txt").read_text(), "python -m tests.cli.test_tree"


@pytest.mark.parametrize("name", ["map", "map-async", "many"])
def test_a_large_execution_fits_a_screen_and_names_what_failed(name):
    screen = (SCREENS / f"{name}.txt").read_text()
    assert len(screen.splitlines()) <= HEIGHT
    if name != "many":
        for number in (7, 99, 250):
            assert f"✗ map-item-{number} > extract failed: ValueError: record {number} has no price" in screen
        assert "✗ map etl ██████████ 300/300  3 failed" in screen


def test_what_waits_says_until_when_and_what_it_waits_for():
    run = Simulator(waits).start(name="it")
    timeline = read_execution(run, now=run.now)
    lines = {
        row.label: row.text
        for row in Tree(timeline, run.now + timedelta(seconds=10), is_live=True, unfolds=True).rows()
    }
    assert lines["parallel all"] == "░░░░░░░░░░ 0/3  3 waiting"
    assert lines["rest"] == "waits until 2026-01-03 00:00:00, 1 d 23 h left"
    assert lines["approval"] == "waits for an answer until 01:00:00, 59 min 50 s left"
    assert lines["never"].startswith("retries until 00:01:00, 50 s left; attempt 1 failed: OSError: not yet")


def test_what_is_left_for_an_answer_is_counted_from_the_last_heartbeat(tmp_path):
    """Failed while it ran: `until ..., 0 s left`."""

    @durable
    def works(event, ctx):
        job = ctx.create_callback(name="job", timeout=90_000, heartbeat_timeout=60)
        ctx.wait(30)
        return job.result()

    path = tmp_path / "store.sqlite"
    one = LocalRunner(works, path, skip_time=True).run(wait=False)
    output = io.StringIO()
    with LiveTree(path, output) as tree:
        tree.begin(one)
        (callback,) = one.callbacks("job")
        callback.heartbeat()  # as another process does: nothing of it is in the history
        tree.end(one)
    until = one.expires(callback.record)
    assert f"job waits for an answer until {until:%H:%M:%S}, " in output.getvalue()


@pytest.mark.parametrize("unfolds", [False, True])
def test_without_the_signs_of_unicode_it_is_drawn_too(unfolds):
    page = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"), width=WIDTH, highlight=False)
    Shown(golden("ours/map_with_failures"), "SUCCEEDED").print_to(page, unfolds=unfolds)
    page.file.flush()
    assert b"x map all ########## 3/3  1 failed" in page.file.buffer.getvalue()


if __name__ == "__main__":
    SCREENS.mkdir(exist_ok=True)
    for screen_name, draw_it in DRAWN.items():
        (SCREENS / f"{screen_name}.txt").write_text(draw_it())
