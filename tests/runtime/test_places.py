"""A library's frame is never shown as the place of a user's mistake, nor a folder of this machine."""

from __future__ import annotations

import concurrent.futures
import functools
import inspect
import json
import logging
import runpy
import warnings

import pytest
from aws_lambda_powertools import Tracer
from aws_lambda_powertools.metrics.provider.datadog import DatadogMetrics
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.context import Context
from pydantic import BaseModel, Field

from powertools_durable import DurableConfig, Nesting, Retry, durable
from powertools_durable._timeline.failure import innermost_place as place_on_the_command_line
from powertools_durable.cli.targets import load_target, resolve_target
from powertools_durable.cli.usage import UsageError
from powertools_durable.errors.places import users_location
from powertools_durable.plugins import Plugin
from powertools_durable.testing import Simulator

ONCE = Retry.none()
MODULE = logging.getLogger(__name__)


def line_of(function):
    """Return the number of the line that says ``# here``."""
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if "# here" in line)


# -- messages that are recorded ------------------------------------------------------------------------------------


def in_a_step(ctx):
    def body():
        ctx.wait(5)  # here

    ctx.step(body, name="charge", retry=ONCE)


def in_a_step_by_way_of_the_standard_library(ctx):
    def body():
        return list(concurrent.futures.ThreadPoolExecutor(1).map(lambda _: ctx.wait(5), [1]))  # here

    ctx.step(body, name="charge", retry=ONCE)


def on_the_outer_context(ctx):
    ctx.map(lambda child, item: ctx.wait(5), [1])  # here


def no_text(ctx):
    ctx.step(object, name="charge", retry=ONCE)  # here


def changed(ctx):
    RUNS.append(1)
    ctx.step(lambda: 1, name=f"run-{len(RUNS)}")  # here
    ctx.wait(5)


RUNS = []
MESSAGES = [in_a_step, in_a_step_by_way_of_the_standard_library, on_the_outer_context, no_text, changed]


@pytest.mark.parametrize("code", MESSAGES, ids=lambda code: code.__name__)
def test_a_recorded_message_names_the_user_s_line_without_its_folder(code):
    RUNS.clear()
    run = Simulator(durable(lambda event, ctx: code(ctx))).start({})
    run = run if run.status == "FAILED" else run.advance(6).finish()
    assert run.status == "FAILED"
    assert f"at test_places.py:{line_of(code)}" in run.error.error_message
    assert "/" not in run.error.error_message


# -- warnings ------------------------------------------------------------------------------------------------------


def unstable_default():
    import uuid

    class Order(BaseModel):
        id: uuid.UUID = Field(default_factory=uuid.uuid4)

    return {"model": Order}


def plugin_twice():
    plugin = Plugin()
    return {"plugins": [plugin, plugin]}


def metrics_without_a_namespace():
    return {"config": DurableConfig(engine_metrics=True)}


def metrics_elsewhere():
    metrics = DatadogMetrics(namespace="Shop", flush_to_log=True)
    return {"metrics": metrics, "config": DurableConfig(engine_metrics=True)}


def another_x_ray_context():
    xray_recorder.configure(context=Context())
    return {"tracer": Tracer(service="orders", auto_patch=False)}


WARNED = [unstable_default, plugin_twice, metrics_without_a_namespace, metrics_elsewhere, another_x_ray_context]


def by_a_call(options):
    durable(**options)(lambda event, ctx: 1)  # here


def by_a_decorator(options):
    @durable(**options)  # here
    def handler(event, ctx):
        return 1


def without_a_call_between(options):
    durable(lambda event, ctx: 1, **options)  # here


def by_way_of_the_standard_library(options):
    functools.reduce(lambda made, one: durable(made, **one), [options], lambda event, ctx: 1)  # here


FORMS = [by_a_call, by_a_decorator, without_a_call_between, by_way_of_the_standard_library]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("problem", WARNED, ids=lambda problem: problem.__name__)
def test_a_warning_stands_at_the_line_that_decorates(problem, form, xray_segments):
    options = problem()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        form(options)
    (warning,) = [one for one in caught if issubclass(one.category, UserWarning)]
    assert (warning.filename, warning.lineno) == (__file__, line_of(form))


# -- log lines -----------------------------------------------------------------------------------------------------


def fails(*_):
    raise KeyError("sku")  # here


def fails_in_a_library(*_):
    json.loads("{")  # here


def of_a_branch(ctx, code):
    ctx.parallel({"it": code, "other": code}).raise_if_failed()


def of_an_item(ctx, code):
    ctx.map(code, [1, 2]).raise_if_failed()


def of_a_flat_item(ctx, code):
    ctx.map(code, [1, 2], nesting=Nesting.FLAT).raise_if_failed()


def of_a_step_in_a_branch(ctx, code):
    ctx.parallel({"it": lambda child: child.step(code, retry=ONCE), "other": lambda child: 1}).raise_if_failed()


def of_a_compensation(ctx, code):
    ctx.step_with_compensation(lambda: 1, compensate=code, name="it")
    ctx.run_compensations()


LINES = [of_a_branch, of_an_item, of_a_flat_item, of_a_step_in_a_branch, of_a_compensation]


@pytest.mark.parametrize("code", [fails, fails_in_a_library])
@pytest.mark.parametrize("place", LINES, ids=lambda place: place.__name__)
def test_the_line_of_a_failure_is_the_user_s(place, code, caplog):
    Simulator(durable(logger=MODULE)(lambda event, ctx: place(ctx, code))).start({}).finish()
    records = [one for one in caplog.records if one.name == __name__]
    assert records
    assert {one.pathname for one in records} == {__file__}


def test_a_branch_on_a_thread_of_ours_is_placed_where_it_failed(caplog):
    Simulator(durable(logger=MODULE)(lambda event, ctx: of_a_branch(ctx, fails_in_a_library))).start({}).finish()
    lines = {one.lineno for one in caplog.records if one.name == __name__ and one.levelname == "WARNING"}
    assert lines == {line_of(fails_in_a_library)}


class Breaks(Plugin):
    def on_operation_start(self, info):
        json.loads("{")  # here


def deferred(ctx):
    ctx.defer(json.loads, "{")
    ctx.defer(json.loads, "{")


def on_the_way_out(ctx):
    try:
        ctx.wait(5)
    finally:
        json.loads("{")  # here


@pytest.mark.parametrize(
    ("code", "plugins", "place"),
    [
        (lambda ctx: ctx.step(lambda: 1), [Breaks()], Breaks.on_operation_start),
        (on_the_way_out, [], on_the_way_out),
    ],
)
def test_what_is_told_of_an_error_that_counts_for_nothing_begins_with_the_user_s_line(code, plugins, place, caplog):
    Simulator(durable(plugins=plugins)(lambda event, ctx: code(ctx))).start({})
    texts = [one.getMessage() for one in caplog.records if "JSONDecodeError" in one.getMessage()]
    assert texts
    assert all(f"JSONDecodeError at test_places.py:{line_of(place)} in {place.__name__}" in text for text in texts)
    assert not any("decoder.py" in text for text in texts)


# -- what tools show -----------------------------------------------------------------------------------------------


def test_of_a_whole_stack_the_user_s_line_is_shown_though_its_file_is_called_as_one_of_ours(tmp_path):
    (tmp_path / "step.py").write_text("import json\n\ndef load():\n    json.loads('{')\n")
    load = runpy.run_path(str(tmp_path / "step.py"))["load"]
    config = DurableConfig(stack_traces=True)
    run = Simulator(durable(config=config)(lambda event, ctx: ctx.step(load, retry=ONCE))).start({}).finish()
    stack = run.operations[0].step_details.error.stack_trace
    assert place_on_the_command_line(stack) == "step.py:4 in load"
    assert not any(line.startswith("/") for line in stack)
    assert [line for line in stack if line.startswith("powertools_durable/")]
    assert stack[-1].partition("/")[2].startswith("json/decoder.py:")


@pytest.mark.parametrize("folder", ["", "site-packages/"])
def test_of_a_stack_without_the_user_s_code_no_line_of_ours_is_shown(folder):
    config = DurableConfig(stack_traces=True)
    run = Simulator(durable(config=config)(lambda event, ctx: {"result": object()})).start({}).finish()
    stack = [f"{folder}{line}" for line in run.error.stack_trace]
    assert stack
    assert place_on_the_command_line(stack) is None
    library = "site-packages/boto3/session.py:7 in client"
    assert place_on_the_command_line([library, *stack]) == library


def test_an_import_that_fails_in_a_library_is_placed_in_the_user_s_file(tmp_path):
    (tmp_path / "orders.py").write_text("import json\njson.loads('{')\n")
    with pytest.raises(UsageError, match=r"orders\.py:2\)"):
        load_target(resolve_target(f"{tmp_path / 'orders.py'}:handler"))


def test_an_error_without_a_line_of_the_user_s_has_no_place():
    with pytest.raises(KeyError) as caught:
        fails()
    assert users_location(caught.value) == f"{__file__}:{line_of(fails)}"
    assert users_location(KeyError()) == ""
