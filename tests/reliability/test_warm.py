"""A thousand invocations of one warm sandbox, and what one leaves to the next.

See docs/reliability.md#fault-rows, row 71.
"""

from __future__ import annotations

import logging
from collections import Counter
from itertools import cycle

import pytest

from powertools_durable import DurableContext, Retry, current_step_or_none, durable
from powertools_durable.scope import current_scope
from powertools_durable.testing import Simulator
from tests.leaks import Objects, left_open, open_files, started_threads
from tests.reliability.rig import Run
from tests.reliability.wire import Fault, wired
from tests.size import tenth
from tests.waiting import eventually


class Crash(Exception):  # noqa: N818
    """A failure of the user's."""


def suspends(ctx):
    ctx.wait(60)


def fails(ctx):
    raise Crash


def fails_in_a_step(ctx):
    ctx.step(lambda: {}["x"], retry=Retry.none())


def is_misused(ctx):
    ctx.step(lambda: ctx.step(lambda: 1))


def fans_out(ctx):
    return ctx.map(lambda child, n: child.step(lambda: n), list(range(5))).success_count


def waits_in_branches(ctx):
    ctx.parallel([lambda child: child.wait(5), lambda child: child.create_callback().result()])


def dies(ctx):
    raise SystemExit


def asks_for_a_result_too_large(ctx):
    return ctx.step(lambda: "x" * 1_100_000)


def is_batched(ctx):
    ctx.enable_batch_mode()
    return [ctx.step(lambda: 1) for _ in range(5)]


KINDS = [
    suspends,
    fails,
    fails_in_a_step,
    is_misused,
    fans_out,
    waits_in_branches,
    dies,
    asks_for_a_result_too_large,
    is_batched,
]


def invoked(number, kinds=KINDS):
    """Invoke one sandbox's handler so many times, each time something else happens."""

    @durable
    def handler(event, ctx: DurableContext):
        return kinds[event % len(kinds)](ctx)

    simulator = Simulator(handler)
    for n in range(number):
        simulator.start(n)
    return simulator


@pytest.mark.sized
def test_row_71_a_thousand_warm_invocations_with_exceptions_in_between_leave_nothing_behind():
    kept = [invoked(2 * len(KINDS))]  # what is made once is made
    objects, files = Objects(), open_files()
    with started_threads() as started:
        kept.append(invoked(tenth(1_000)))
    for handler_of_pytest in logging.getLogger().handlers:  # keep each record, with the tracebacks of failures
        getattr(handler_of_pytest, "records", []).clear()
    new = Counter(type(thing).__qualname__ for thing in objects.new())
    assert sum(new.values()) <= 50, new.most_common(10)  # the handler, its simulator and their parts
    assert started.alive == []
    assert left_open(files) == set()


@pytest.mark.slow
def test_row_71_over_http_no_socket_and_no_thread_is_left_either():
    before = open_files()
    with wired() as wire:

        @durable
        def handler(event, ctx):
            return ctx.step(lambda: 1, name="s")

        def one(fault=None):
            run = Run(handler, over=lambda host: (setattr(wire.server, "host", host), backend)[1])
            if fault:
                wire.server.fail("checkpoint", *[fault] * 4)
            run.settle()

        host = Run(handler).host
        backend = wire(host)
        one()
        files = open_files()
        with started_threads() as started:  # the server's own, for connections, are not started from here
            for _, fault in zip(range(60), cycle([None, Fault(reset=True), Fault(503), Fault(403, "ExpiredToken")])):
                one(fault)
        assert started.alive == []
        # The two ends of the connection that is open now; the server closes its ends of the others by and by.
        assert eventually(lambda: len(left_open(files)) <= 2)
    assert left_open(before) == set()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_one_execution_leaves_no_scope_no_step_and_no_context_to_the_next(kind):
    contexts = []

    @durable
    def handler(event, ctx):
        contexts.append(ctx)
        return kind(ctx)

    Simulator(handler).start()
    assert current_scope() is None
    assert current_step_or_none() is None
    with pytest.raises(BaseException, match=r"context has ended|suspends"):
        contexts[0].step(lambda: 1)
