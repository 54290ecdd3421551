"""What `explore` found, as a report: the run with the crash beside the one without."""

from __future__ import annotations

import random

import pytest

from powertools_durable import durable
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Ledger, explore
from tests.report.pages import data_of

ledger = Ledger()


def charge(order):
    ledger.record("charge", order=order)
    return f"s3cr3t-{order}"


@durable
def by_chance(order, ctx):
    ctx.step(str, "s3cr3t", name="charge")
    ctx.wait(3600, name="cool")
    name = "ship" if random.random() < 0.5 else "ship-express"
    return ctx.step(str, "s3cr3t", name=name)


@durable
async def async_by_chance(order, ctx):
    await ctx.step(str, "s3cr3t", name="charge")
    await ctx.wait(3600, name="cool")
    name = "ship" if random.random() < 0.5 else "ship-express"
    return await ctx.step(str, "s3cr3t", name=name)


@durable
def charges_twice(order, ctx):
    return ctx.step(charge, order)


@durable
def survives(order, ctx):
    return ctx.step(str, order)


@pytest.mark.parametrize("handler", [by_chance, async_by_chance], ids=["def", "async def"])
def test_a_failure_is_saved_with_the_run_that_shows_it(handler, tmp_path):
    exploration = explore(handler, 7)
    file = exploration.save_report(tmp_path / "crash.html")
    page = data_of(file.read_text(encoding="utf-8"))
    clean, crashed = page["runs"]
    assert [run["heading"] for run in page["runs"]] == ["Without a crash", "With the crash"]
    assert page["crash"]["title"] == exploration.name
    failure = exploration.failures[0]
    assert page["crash"]["where"] == f"Crash: {failure.crash_point}"
    assert failure.operation in page["crash"]["differences"][0]
    assert len([one for one in crashed["invocations"] if "failure" in one]) >= 1
    assert not [one for one in clean["invocations"] if "failure" in one]
    differs = {one["label"] for run in page["runs"] for one in run["operations"] if one["id"] in page["differs"]}
    assert differs == {"ship", "ship-express"}
    assert "s3cr3t" not in file.read_text(encoding="utf-8")


def test_a_step_that_ran_twice_differs_by_its_attempts(tmp_path):
    exploration = explore(charges_twice, 7, ledger=ledger)
    page = data_of(exploration.save_report(tmp_path / "crash.html").read_text(encoding="utf-8"))
    assert "effect 'charge' happens 2 times" in page["crash"]["differences"][0]
    assert len(page["runs"]) == 2
    assert [one["label"] for one in page["runs"][1]["operations"]] == ["charge"]


def test_every_failure_has_its_own_report(tmp_path):
    exploration = explore(by_chance, 7)
    for number, failure in enumerate(exploration.failures, 1):
        page = data_of(exploration.save_report(tmp_path / "crash.html", number).read_text(encoding="utf-8"))
        assert failure.operation in page["crash"]["differences"][0]


@pytest.mark.parametrize("number", [0, -1, 99])
def test_a_failure_that_is_not_there_is_refused(number, tmp_path):
    exploration = explore(by_chance, 7)
    with pytest.raises(ValidationError, match=rf"save_report\(failure={number}\): no such failure; there are \d"):
        exploration.save_report(tmp_path / "crash.html", number)
    assert not list(tmp_path.iterdir())


def test_there_is_nothing_to_report_of_a_handler_that_survives(tmp_path):
    with pytest.raises(ValidationError, match="no such failure; survives survives"):
        explore(survives, 7).save_report(tmp_path / "crash.html")
