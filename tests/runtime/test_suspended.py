"""How a suspension reaches a driver: as an outcome of its own, and no flow is ever sent it."""

from __future__ import annotations

import pytest

from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._replay.effects import Call, Enter, Raised, Returned, Suspended
from powertools_durable.errors import SuspendExecution, ValidationError
from powertools_durable.testing import MockDurableContext


def passes(ctx):
    ctx.wait(60)


def swallows(ctx):
    try:
        ctx.wait(60)
    except BaseException:  # noqa: BLE001 - what is tried
        return 7


def raises_instead(ctx):
    try:
        ctx.wait(60)
    finally:
        raise KeyError("order")


def misuses_instead(ctx):
    try:
        ctx.wait(60)
    finally:
        raise ValidationError("wrong")


def run(body):
    core = MockDurableContext().build().ctx._core  # noqa: SLF001 - what a driver gets
    face = core.context_of(core.frame)
    outcome = core.session.driver.run(core.frame, lambda: body(face), core.session.scopes.of_context(core.frame))
    return core.frame, outcome


@pytest.mark.parametrize("body", [passes, swallows, raises_instead, misuses_instead])
def test_however_code_is_left_by_a_suspension_it_is_suspended(body):
    frame, outcome = run(body)
    assert outcome == Suspended(frame.suspension)
    assert isinstance(outcome.signal, SuspendExecution)


@pytest.mark.parametrize(("body", "kind"), [(lambda ctx: None, Returned), (lambda ctx: 1 / 0, Raised)])
def test_code_that_ends_is_not_suspended(body, kind):
    assert type(run(body)[1]) is kind


@pytest.mark.parametrize("body", [passes, swallows, raises_instead])
def test_a_flow_whose_code_is_suspended_is_closed_and_sent_nothing(body):
    core = MockDurableContext().build().ctx._core  # noqa: SLF001 - what a driver gets
    op = core.frame.begin(OperationType.CONTEXT, SubType.RUN_IN_CHILD_CONTEXT, "child")
    inside, seen = core.frame.child(op), []

    def flow():
        try:
            seen.append((yield Enter(inside, lambda frame: body(core.context_of(frame)))))
        except GeneratorExit:
            seen.append("closed")
            raise

    with pytest.raises(SuspendExecution):
        core.session.driver.drive(Call(core.frame, op, flow()))
    assert (seen, core.frame.suspension is inside.suspension) == (["closed"], True)
