"""A clock that stands still is said, not waited for; ids do not come from names that tests patch."""

from __future__ import annotations

import os
import random
import secrets
import time
import uuid
from datetime import UTC, datetime

import pytest
import time_machine

from powertools_durable import durable
from powertools_durable.errors import ValidationError
from powertools_durable.local import LocalRunner

STILL = "the clock does not move: it is 2026-01-01 12:00:00"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


@durable
def waits(event, ctx):
    ctx.wait(3600, name="pause")
    return "done"


@durable
def asks(event, ctx):
    return ctx.create_callback(name="approval", timeout=3600).result()


@durable
def fails(event, ctx):
    ctx.step(lambda: 1 / 0, name="divides")


@pytest.mark.parametrize("handler", [waits, asks, fails])
def test_a_frozen_clock_is_said_and_the_execution_can_go_on_later(path, handler):
    """Failed with a wait that never ended."""
    runner = LocalRunner(handler, path)
    frozen = time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False)
    with frozen, pytest.raises(ValidationError, match=STILL):
        runner.run(name="frozen")
    one = runner.executions.find("frozen")
    assert (one.status, one.is_running) == ("RUNNING", False)


def test_with_time_skipped_a_frozen_clock_is_no_matter(path):
    with time_machine.travel(datetime(2026, 1, 1, 12, tzinfo=UTC), tick=False):
        assert LocalRunner(waits, path, skip_time=True).run().result == "done"


def test_a_sleep_that_a_test_has_patched_away_is_no_frozen_clock(path, monkeypatch):
    @durable
    def pauses(event, ctx):
        ctx.wait(1)
        return "done"

    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    assert LocalRunner(pauses, path).run().result == "done"


def test_executions_have_ids_of_their_own_when_a_test_patches_where_ids_come_from(path, monkeypatch):
    """Failed with two executions of one id."""
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=7))
    monkeypatch.setattr(secrets, "token_hex", lambda _length=None: "7")
    monkeypatch.setattr(os, "urandom", bytes)
    random.seed(7)
    runner = LocalRunner(asks, path)
    ones = [runner.run(wait=False) for _ in range(3)]
    assert len({one.id for one in ones}) == len({one.name for one in ones}) == 3
    assert len({one.operation("approval").callback_details.callback_id for one in ones}) == 3
