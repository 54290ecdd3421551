"""Test tools that put something in the place of classes and clocks: what is used first under one is used without it."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import freezegun
import pytest
import time_machine
from pydantic import BaseModel

from powertools_durable import durable
from powertools_durable.testing import MockDurableContext, Simulator, explore, replay

IGNORED = ["aws_lambda_powertools"]  # its models can't be loaded while a clock is frozen so
TOOLS = {
    "freezegun": "freezegun.freeze_time('2024-05-05')",
    "time-machine": "time_machine.travel('2024-05-05', tick=False)",
    "a patch": "patch('datetime.datetime', type('Fake', (datetime.datetime,), {}))",
}

SCRIPT = """
import datetime, sys
import freezegun, time_machine
from unittest.mock import patch
from decimal import Decimal
from uuid import UUID
{first_import}
VALUES = [
    datetime.datetime(2020, 2, 29, 12, tzinfo=datetime.UTC), datetime.date(2020, 2, 29), datetime.time(12, 30),
    datetime.timedelta(days=1), UUID(int=7), Decimal("0.1"),
]

def run():
    from powertools_durable import durable
    from powertools_durable.testing import Simulator

    @durable
    def handler(event, ctx):
        seen = ctx.step(lambda: [VALUES, {{"in": tuple(VALUES)}}, [datetime.datetime.now(datetime.UTC)]], name="all")
        now = ctx.now()
        ctx.wait(datetime.timedelta(seconds=1))
        ctx.wait_until(now + datetime.timedelta(days=1))
        return [type(value).__name__ for value in seen[0]] + [str(seen[0] == VALUES), seen[2][0].isoformat()[:1]]

    done = Simulator(handler).start().finish()
    assert done.status == "SUCCEEDED", done.error
    return done.result

with {tool}:
    run()
print(run())
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("tool", "imported"),
    [
        ("freezegun", True),
        ("freezegun", False),  # imported while it holds the clock
        ("time-machine", True),
        ("time-machine", False),
        ("a patch", True),  # nobody takes a patch out of what was imported under it
    ],
)
def test_the_first_use_under_a_tool_spoils_none_without_it(tool, imported):
    script = SCRIPT.format(
        first_import="import powertools_durable.testing.simulation.simulator, powertools_durable.decorator" * imported,
        tool=TOOLS[tool],
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == str(["datetime", "date", "time", "timedelta", "UUID", "Decimal", "True", "2"])


# -- in one process, in both orders ---------------------------------------------------------------------------


class Stamp(BaseModel):
    at: dt.datetime
    day: dt.date


@dataclass
class Span:
    begins: dt.datetime
    lasts: dt.timedelta


MOMENT = dt.datetime(2020, 2, 29, 12, tzinfo=dt.UTC)


def stamped() -> Stamp:
    return Stamp(at=MOMENT, day=dt.date(2020, 2, 29))


def spanned() -> Span:
    return Span(MOMENT, dt.timedelta(1))


def now():
    return dt.datetime.now(dt.UTC)


def today():
    return [dt.datetime.now(dt.UTC).date(), {"at": MOMENT}, UUID(int=1), Decimal(1)]


def annotated() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def nested() -> list[dt.date]:
    return [dt.datetime.now(dt.UTC).date()]


@durable
def takes_stamps(event: Stamp, ctx) -> list[Stamp]:
    return [event, ctx.step(stamped)]


@durable
def takes_any(event, ctx):
    steps = [stamped, spanned, now, today, annotated, nested]
    seen = [ctx.step(step) for step in steps]
    ctx.wait(1)
    assert ctx.create_callback(name="when", returns=dt.datetime, timeout=60).result() == MOMENT
    ctx.wait_until(ctx.now() + dt.timedelta(days=1))
    return [str(one) for one in seen]


def use_all():
    run = Simulator(takes_any).start()
    run = run.finish().callback("when").succeed(MOMENT).finish()
    assert (run.status, run.error) == ("SUCCEEDED", None)
    assert replay(takes_any, {"Events": run.history()})
    stamp = {"at": "2020-02-29T12:00:00Z", "day": "2020-02-29"}
    assert Simulator(takes_stamps).start(stamp).finish().result == [stamp, stamp]
    mocked = MockDurableContext().with_step_result("now", MOMENT).build()
    assert mocked.ctx.step(now) == MOMENT


@pytest.mark.sampled(3)
@pytest.mark.parametrize("order", [(True, False, True), (False, True, False)], ids=["first with", "first without"])
@pytest.mark.parametrize(
    "tool",
    [
        lambda: freezegun.freeze_time("2024-05-05", ignore=IGNORED),
        lambda: freezegun.freeze_time("2024-05-05", tick=True, ignore=IGNORED),
        lambda: time_machine.travel("2024-05-05", tick=False),
        lambda: time_machine.travel("2024-05-05"),
    ],
    ids=["freezegun", "freezegun that ticks", "time-machine", "time-machine that ticks"],
)
def test_with_and_without_a_held_clock_all_goes_alike(tool, order):
    for held in order:
        if held:
            with tool():
                use_all()
        else:
            use_all()


def test_an_exploration_under_a_held_clock_finds_what_it_finds_without():
    with freezegun.freeze_time("2024-05-05", ignore=IGNORED):
        explore(takes_stamps, {"at": "2020-02-29T12:00:00Z", "day": "2020-02-29"}).assert_survives()
    explore(takes_stamps, {"at": "2020-02-29T12:00:00Z", "day": "2020-02-29"}).assert_survives()


# -- a class that a test puts in the place of another ---------------------------------------------------------


class Order(BaseModel):
    id: int


class FakeOrder(BaseModel):
    id: int
    is_fake: bool = True


def order_of() -> Order:
    return Order(id=1)


def orders_of() -> list[Order] | None:
    return [Order(id=1)]


@durable
def handler(event, ctx):
    return [type(ctx.step(order_of)).__name__, type(ctx.step(orders_of)[0]).__name__]


@pytest.mark.parametrize("order", [(True, False, True), (False, True, False)], ids=["first with", "first without"])
def test_an_annotation_means_what_its_names_mean_now(order):
    for is_patched in order:
        cls = FakeOrder if is_patched else Order
        with patch(f"{__name__}.Order", cls) if __name__ in sys.modules else patch.dict(globals(), Order=cls):
            assert Simulator(handler).start().finish().result == [cls.__name__] * 2


# -- what looks at everything ---------------------------------------------------------------------------------


def test_a_tool_that_looks_at_each_attribute_of_each_module_loads_nothing():
    script = (
        "import sys, powertools_durable, powertools_durable.testing\n"
        "before = set(sys.modules)\n"
        "for module in (powertools_durable, powertools_durable.testing):\n"
        "    for name in dir(module): getattr(module, name)\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_table_of_the_package_is_made_of_moments():
    """Whatever is keyed by a class of ``datetime``, or bound to one, takes it from `_protocol/genuine.py`."""
    package = Path(sys.modules["powertools_durable"].__file__).parent
    for file in package.rglob("*.py"):
        if file.stem == "genuine":
            continue
        text = file.read_text()
        if bound := re.search(r"^    (\S+: )?(datetime|date)(: |\.fromisoformat,)", text, re.MULTILINE):
            pytest.fail(f"{file}: {bound[0]!r} belongs to the test in which the table is made; take it from GENUINE")
