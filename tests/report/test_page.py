"""The report is one file: what is in it, what is not, and what a browser lets it do."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import pytest

from powertools_durable import Completion, Retry, durable
from powertools_durable._report.page import render_report
from powertools_durable._timeline import read_events, read_execution
from powertools_durable.testing import Simulator
from tests.histories import programs as written
from tests.histories.programs import PROGRAMS
from tests.report.pages import GOLDEN, HOSTILE, data_of, events_of, hostile_page, timeline_of
from tests.twins import twin_module

ASYNC_PROGRAMS = twin_module(written).PROGRAMS
LOADING = {"src", "href", "srcset", "action", "data", "poster", "background", "style", "xlink:href"}


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the texts of scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.cdata_elem is not None:  # inside a script or a style
            self.texts.append((*self.found[-1], data))


def policy_of(page):
    elements = Elements(page).found
    (policy,) = (at["content"] for tag, at in elements if at.get("http-equiv") == "Content-Security-Policy")
    return dict(part.strip().split(" ", 1) for part in policy.split(";"))


def hash_of(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("name", GOLDEN)
def test_a_page_has_its_own_script_and_style_and_loads_nothing(name):
    page = render_report(timeline_of(name))
    elements = Elements(page)
    assert [tag for tag, _ in elements.found].count("script") == 2
    assert not [
        (tag, at) for tag, at in elements.found if LOADING & at.keys() or any(key.startswith("on") for key in at)
    ]
    policy = policy_of(page)
    scripts = [text for tag, at, text in elements.texts if tag == "script" and "type" not in at]
    styles = [text for tag, _, text in elements.texts if tag == "style"]
    assert policy == {
        "default-src": "'none'",
        "script-src": hash_of("".join(scripts)),
        "style-src": hash_of("".join(styles)),
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_script_parses_no_markup():
    page = render_report(timeline_of("ours/steps"))
    (script,) = (text for tag, at, text in Elements(page).texts if tag == "script" and "type" not in at)
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|DOMParser|setTimeout", script
    )
    assert not re.findall(r"fetch\(|XMLHttp|WebSocket|EventSource|sendBeacon|import\(|https?://", script)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_data_and_not_markup(text):
    page, clean = hostile_page(text), hostile_page("harmless")
    assert [tag for tag, _ in Elements(page).found] == [tag for tag, _ in Elements(clean).found]
    (title,) = re.findall("<title>(.*?)</title>", page, re.DOTALL)
    assert html.unescape(title) == "".join(
        character if character.isprintable() or character in "\u2028\u2029" else f"\\u{ord(character):04x}"
        for character in f"{text} (FAILED)"
    )
    (run,) = data_of(page)["runs"]
    assert (run["name"], run["arn"], run["operations"][0]["label"]) == (text, text, text)
    assert page.encode()  # it can be written


@pytest.mark.parametrize("name", [*GOLDEN, "ours/callback", "ours/step_values", "official/invoke", "official/asked"])
def test_without_values_no_payload_and_no_callback_id_is_in_the_page(name):
    secret = "s3cr3t-payload"

    def hide(part, key=""):
        if isinstance(part, dict):
            return {inner: hide(value, inner) for inner, value in part.items()}
        if isinstance(part, list):
            return [hide(value) for value in part]
        return secret if key in {"Payload", "CallbackId", "ErrorData"} else part

    events = hide(events_of(name))
    assert secret in json.dumps(events)
    assert secret not in render_report(read_events(events))
    assert secret not in render_report(read_events(events, values=True))


def test_with_values_the_payloads_are_in_the_page():
    (run,) = data_of(render_report(timeline_of("ours/steps", values=True), values=True))["runs"]
    assert json.loads(run["input"]) == {"id": 7, "total": 30}
    assert json.loads(run["result"]) == ["pay-7", "parcel-7"]
    assert run["operations"][1]["result"] == '"parcel-7"'


@pytest.mark.parametrize("programs", [PROGRAMS, ASYNC_PROGRAMS], ids=["def", "async def"])
@pytest.mark.parametrize("name", ["order_flow", "map_with_failures", "retried_step", "with_retry"])
def test_either_kind_of_handler_has_the_same_report(name, programs):
    (run,) = data_of(render_report(read_execution(programs[name].run())))["runs"]
    (golden,) = data_of(render_report(timeline_of(f"ours/{name}")))["runs"]

    def shape(report):
        return [(one["up"], one["kind"], one["label"], one["status"]) for one in report["operations"]]

    assert sorted(shape(run)) == sorted(shape(golden))
    assert run["usage"]["operations"] == golden["usage"]["operations"]


@pytest.mark.parametrize("name", GOLDEN)
def test_every_moment_is_in_order_and_every_operation_has_its_moments(name):
    (run,) = data_of(render_report(timeline_of(name)))["runs"]
    times = [moment[0] for moment in run["moments"]]
    assert times == sorted(times)
    for operation in run["operations"]:
        assert operation.get("to", len(times)) >= operation["from"]
        above = run["operations"][operation["up"]] if operation["up"] >= 0 else None
        assert above is None or above["from"] <= operation["from"]
    for one in run["invocations"]:
        begun = [operation["from"] for operation in run["operations"] if operation["in"] == one["n"]]
        assert all(one["from"] < moment < one.get("to", len(times)) for moment in begun)


def charge(n):
    if n % 97 == 5:
        message = f"row {n} has no price"
        raise ValueError(message)
    return n


@durable
def large(rows, ctx):
    def load(child, n):
        price = child.step(charge, n, retry=Retry.none())
        return child.step(lambda: price, name="store")

    return ctx.map(load, range(rows), name="rows", completion=Completion.all_completed()).success_count


@pytest.fixture(scope="module")
def large_report():
    return render_report(read_execution(Simulator(large).start(1_000).finish()))


@pytest.mark.slow
def test_a_report_of_3000_operations_is_small(large_report):
    (run,) = data_of(large_report)["runs"]
    assert len(run["operations"]) > 2_980
    assert len(large_report.encode()) < 2_000_000


def test_what_a_fan_out_left_open_ends_with_it():
    @durable
    def handler(event, ctx):
        ctx.map(
            lambda child, item: child.wait(200_000) if item else None,
            [0, 1, 2],
            name="pages",
            completion=Completion.first_successful(),
        )
        ctx.wait(86_400, name="day")

    run = Simulator(handler).start().finish()
    (report,) = data_of(render_report(read_events(run.history())))["runs"]
    rows = {row["path"]: row for row in report["operations"]}
    assert "branches" not in rows["pages"]  # a history does not say how many had not started
    pages, branch, wait = rows["pages"], rows["pages > map-item-1"], rows["pages > map-item-1 > wait #1"]
    assert (pages["status"], pages["counts"]) == ("SUCCEEDED", [1, 0, 0, 0, 2])
    assert (branch["status"], branch["to"]) == (wait["status"], wait["to"]) == ("ABANDONED", pages["to"])


@durable
def ends_with_much_open(event, ctx):
    def never():
        raise OSError("not yet")

    ctx.parallel(
        {
            "wait": lambda child: child.wait(200_000, name="rest"),
            "answer": lambda child: child.wait_for_callback(lambda callback_id: None, name="approval"),
            "retry": lambda child: child.step(never, retry=Retry(max_attempts=3, initial_delay=90_000, jitter="none")),
        },
        name="all",
    )


@durable
async def ends_with_much_open_async(event, ctx):
    def never():
        raise OSError("not yet")

    async def rest(child):
        await child.wait(200_000, name="rest")

    async def ask(child):
        await child.wait_for_callback(lambda callback_id: None, name="approval")

    async def retry(child):
        await child.step(never, retry=Retry(max_attempts=3, initial_delay=90_000, jitter="none"))

    await ctx.parallel({"wait": rest, "answer": ask, "retry": retry}, name="all")


@durable
def ends_with_a_wait(event, ctx):
    ctx.wait(200_000, name="all")


@durable
async def ends_with_a_wait_async(event, ctx):
    await ctx.wait(200_000, name="all")


@pytest.mark.parametrize(
    "handler", [ends_with_much_open, ends_with_much_open_async, ends_with_a_wait, ends_with_a_wait_async]
)
def test_what_is_open_when_the_execution_ends_ends_with_it(handler):
    """Failed: it ran for ever."""
    events = Simulator(handler).start().history()
    when = events[-1]["EventTimestamp"]
    stopped = {"EventType": "ExecutionStopped", "EventId": len(events) + 1, "EventTimestamp": when}
    (report,) = data_of(render_report(read_events([*events, stopped])))["runs"]
    end = len(report["moments"]) - 1
    rows = report["operations"]
    assert rows[0]["path"] == "all"
    assert {(row["status"], row["to"]) for row in rows} == {("ABANDONED", end)}
    assert all("to" in attempt for row in rows for attempt in row.get("attempts", ()))
    if "counts" in rows[0]:
        assert rows[0]["counts"] == [0, 0, 0, 0, 3]
