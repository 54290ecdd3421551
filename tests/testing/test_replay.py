"""replay(): code that has changed, against the history of the code before."""

from __future__ import annotations

import inspect
import json
import sys

import pytest

from powertools_durable import Nesting, durable
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Simulator, replay


def charge():
    raise AssertionError("no body runs")


def recorded(act=lambda run: run.finish()):
    @durable
    def handler(event, ctx):
        ctx.step(lambda: "pay-1", name="charge")
        ctx.wait(60, name="pause")
        ctx.invoke("stock:1", {"a": 1}, name="stock")
        return ctx.step(lambda: "sent", name="ship")

    run = Simulator(handler, functions={"stock:1": lambda event: 3}).start()
    act(run)
    return {"Events": json.loads(json.dumps(run.history(), default=str))}


def unchanged(event, ctx):
    ctx.step(charge, name="charge")
    ctx.wait(60, name="pause")
    ctx.invoke("stock:1", {"a": 1}, name="stock")
    return ctx.step(charge, name="ship")


def renamed(event, ctx):
    ctx.step(charge, name="collect")  # here


def retyped(event, ctx):
    ctx.wait(5, name="charge")  # here


def inserted(event, ctx):
    ctx.step(charge, name="charge")
    ctx.step(charge, name="check")  # here
    ctx.wait(60, name="pause")


def removed(event, ctx):
    ctx.step(charge, name="charge")
    ctx.invoke("stock:1", {"a": 1}, name="stock")  # here


def retargeted(event, ctx):
    ctx.step(charge, name="charge")
    ctx.wait(60, name="pause")
    ctx.invoke("depot:1", {"a": 1}, name="stock")  # here


def shortened(event, ctx):
    ctx.step(charge, name="charge")
    ctx.wait(60, name="pause")
    ctx.invoke("stock:1", {"a": 1}, name="stock")  # here
    return "sent"


def line_of(function):
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if "# here" in line)


def test_the_same_code_is_safe_and_no_body_of_it_runs():
    verdict = replay(durable(unchanged), recorded())
    verdict.assert_safe()
    assert (bool(verdict), verdict.status, verdict.replayed, verdict.stopped_at) == (True, "SAFE", 4, "")


def test_of_an_execution_that_still_runs_the_code_is_followed_to_where_history_ends():
    verdict = replay(durable(unchanged), recorded(act=lambda run: None))
    assert (verdict.status, verdict.replayed) == ("SAFE", 2)


@pytest.mark.parametrize(
    ("changed", "operation", "was", "now"),
    [
        (renamed, "step 'collect' (#1)", {"name": "charge"}, {"name": "collect"}),
        (retyped, "wait 'charge' (#1)", {"type": "STEP", "sub type": "Step"}, {"type": "WAIT", "sub type": "Wait"}),
        (
            inserted,
            "step 'check' (#2)",
            {"type": "WAIT", "sub type": "Wait", "name": "pause"},
            {"type": "STEP", "sub type": "Step", "name": "check"},
        ),
        (
            removed,
            "invoke 'stock' (#2)",
            {"type": "WAIT", "sub type": "Wait", "name": "pause"},
            {"type": "CHAINED_INVOKE", "sub type": "ChainedInvoke", "name": "stock"},
        ),
        (retargeted, "invoke 'stock' (#3)", {"function": "stock:1"}, {"function": "depot:1"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_change_breaks_and_is_named_with_its_line(changed, operation, was, now):
    verdict = replay(durable(changed), recorded())
    assert (verdict.status, verdict.operation) == ("BREAKS", operation)
    assert (dict(verdict.recorded), dict(verdict.asked)) == (was, now)
    file, _, line = verdict.location.rpartition(":")
    assert (file, int(line)) == (__file__, line_of(changed))
    with pytest.raises(AssertionError, match="BREAKS"):
        verdict.assert_safe()


def test_what_is_recorded_and_never_asked_for_breaks_too():
    verdict = replay(durable(shortened), recorded())
    assert verdict.status == "BREAKS"
    assert "ship" in f"{verdict.operation} {verdict.reason} {verdict.recorded}"


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("error", [KeyError, ValidationError, RecursionError])
def test_code_that_raises_before_it_has_asked_for_all_breaks(error, running, inside):
    """Also with an error that no context records, and of an execution that still runs."""

    def body(ctx):
        ctx.step(lambda: 1, name="charge")
        ctx.wait(60, name="pause")

    def raising(ctx):
        ctx.step(charge, name="charge")
        raise error("broken")  # here

    def entered(function):
        def handler(event, ctx):
            return ctx.run_in_child_context(function, name="inner") if inside else function(ctx)

        return durable(handler)

    run = Simulator(entered(body)).start()
    events = (run if running else run.finish()).history()
    assert replay(entered(body), events)
    verdict = replay(entered(raising), events)
    of_its_context = inside and error is KeyError  # which a context would record
    operation = "context 'inner'" if of_its_context and not running else "wait 'pause'"
    assert (verdict.status, verdict.operation) == ("BREAKS", operation)
    last_call_instead = of_its_context and running
    assert verdict.location == f"{__file__}:{line_of(raising) - last_call_instead}"


def test_a_patch_makes_a_change_safe():
    def handler(event, ctx):
        ctx.step(charge, name="charge")
        if ctx.patched("check-first"):
            ctx.step(charge, name="check")
        ctx.wait(60, name="pause")
        ctx.invoke("stock:1", {"a": 1}, name="stock")
        return ctx.step(charge, name="ship")

    assert replay(durable(handler), recorded())


@pytest.mark.parametrize("nesting", list(Nesting))
def test_a_branch_may_have_recorded_nothing_but_a_patch(nesting):
    def handler(event, ctx):
        def branch(child, n):
            if child.patched(f"new {n}"):
                child.wait(n, name="new")
            return n

        ctx.map(branch, [1, 5, 500], name="all", nesting=nesting)

    events = Simulator(durable(handler)).start().advance(6).history()
    for length in range(1, len(events) + 1):
        assert replay(durable(handler), events[:length]), length


@pytest.mark.parametrize("shape", ["events", "text", "path"])
def test_a_history_comes_as_events_text_or_a_file(shape, tmp_path):
    history = recorded()
    file = tmp_path / "history.json"
    file.write_text(json.dumps(history))
    shown = {"events": history["Events"], "text": json.dumps(history), "path": file}[shape]
    assert replay(durable(unchanged), shown)


def test_a_handler_that_is_not_durable_and_a_history_that_is_none_are_refused():
    with pytest.raises(ValidationError, match="decorated with @durable"):
        replay(unchanged, recorded())
    with pytest.raises(ValidationError):
        replay(durable(unchanged), {"Events": [{"EventType": "Surprise"}]})


# -- too deep to judge ----------------------------------------------------------------------------------------


def test_contexts_that_lie_too_deep_for_a_replay_are_a_verdict_of_their_own():
    @durable
    def handler(event, ctx):
        def down(child, levels):
            if not levels:
                return child.step(int, 1, name="bottom")
            return child.run_in_child_context(down, levels - 1, name=f"level-{levels}")

        return down(ctx, event)

    run = Simulator(handler).start(60).finish()
    assert run.status == "SUCCEEDED"
    assert replay(handler, {"Events": run.history()}).status == "SAFE"
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 250)
    try:
        deep = replay(handler, {"Events": run.history()})
    finally:
        sys.setrecursionlimit(before)
    assert (deep.status, deep.breaks, deep.too_deep, bool(deep)) == ("TOO DEEP", False, True, False)
    assert "too deep" in deep.summary
    with pytest.raises(AssertionError, match="TOO DEEP to judge"):
        deep.assert_safe()
