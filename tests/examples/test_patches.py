"""Each handler that docs/operations/patches.md quotes."""

from __future__ import annotations

from datetime import timedelta

from examples.operations import patches as example
from powertools_durable import DurableContext, durable
from powertools_durable.testing import Simulator

OLD = ["hello ada", "goodbye ada"]
NEW = ["hello ada", "a gift for ada", "goodbye ada"]


# --8<-- [start:deploy]
class Function:
    """A function as it is deployed: `code` is what its next invocation runs."""

    def __init__(self, code):
        self.code = code

    def start(self, event):
        @durable
        def handler(user: str, ctx: DurableContext):
            return self.code.__wrapped__(user, ctx)

        return Simulator(handler).start(event)


def test_a_deploy_leaves_a_waiting_execution_on_the_old_way():
    function = Function(example.welcome)
    run = function.start("ada")
    function.code = example.welcome_with_gift
    run.advance(timedelta(days=3))
    assert (run.status, run.result) == ("SUCCEEDED", ["hello ada", "goodbye ada"])


# --8<-- [end:deploy]


def test_welcome_says_hello_and_goodbye():
    assert Simulator(example.welcome).start("ada").finish().result == OLD


def test_a_new_execution_takes_the_new_way_to_its_end():
    run = Simulator(example.welcome_with_gift).start("ada").finish()
    assert (run.result, len(run.invocations)) == (NEW, 2)
    mark = run.operation("a-gift")
    assert (mark.type, mark.sub_type, mark.status) == ("STEP", "Patch", "SUCCEEDED")


def test_once_no_execution_is_on_the_old_way_the_question_is_no_longer_asked():
    function = Function(example.welcome_with_gift)
    run = function.start("ada")
    function.code = example.welcome_always_with_gift
    run.finish()
    assert (run.status, run.result) == ("SUCCEEDED", NEW)
    assert not [record for record in run.logs if "without asking" in record.getMessage()]


def test_an_execution_on_the_old_way_is_refused_by_code_that_has_forgotten_it():
    function = Function(example.welcome)
    run = function.start("ada")
    function.code = example.welcome_always_with_gift
    run.finish()
    assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")


def test_operations_that_the_new_code_never_asks_for_fail_the_execution_if_it_says_so(monkeypatch):
    assert Simulator(example.welcome_briefly).start("ada").finish().result == ["hello ada"]

    @durable(config=example.DurableConfig(on_unconsumed="fail"))
    def handler(user: str, ctx: DurableContext):
        return code[0].__wrapped__(user, ctx)

    code = [example.welcome]
    run = Simulator(handler).start("ada")
    code[0] = example.welcome_briefly
    run.finish()
    assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")
    assert "wait 'three-days'" in run.error.error_message
