"""What hooks hand out: public objects that say what the official SDK's say."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from powertools_durable import Nesting, Polling, Retry, durable, plugins
from powertools_durable._runtime.records import Records
from powertools_durable.errors import OperationError
from powertools_durable.plugins import ChangeInfo, InvocationInfo, OperationEnd, OperationInfo, Plugin
from powertools_durable.testing import Simulator
from tests.kit import S, step_record

HOOKS = [name for name in vars(Plugin) if name.startswith(("on_", "provide_"))]
SECRET = "canary-8b21"


class Notes(Plugin):
    """Keeps what each hook is handed, as it is then."""

    def __init__(self):
        self.heard = []


def _noting(hook):
    def method(self, info):
        self.heard.append((hook, info))
        if hook != "on_replay_end":  # its `operations` is a number
            maps = [getattr(info, name, {}) for name in ("operations", "updated")]
            self.heard += [(hook, one) for found in maps for one in found.values()]

    return method


for _hook in HOOKS:
    setattr(Notes, _hook, _noting(_hook))


def fails():
    raise ValueError("no")


def handler(event, ctx):
    ctx.step(lambda: {"a": 1}, name="one")
    with pytest.raises(OperationError):
        ctx.step(fails, name="fails", retry=Retry.none())
    ctx.run_in_child_context(lambda child: child.step(lambda: 2, name="inner"), name="child")
    ctx.parallel([lambda child: child.step(lambda: 3, name="left")], name="both")
    ctx.wait(1, name="pause")
    return ctx.step(lambda: "z", name="last")


def _equal(text):
    return json.loads(text) if text is not None else None


@pytest.fixture(scope="module")
def official():
    """What the official SDK tells of the same program, by name; in a process of its own, for it leaves threads."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("official_infos.py"))],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told = json.loads(done.stdout)
    return {name: (*facts[:5], _equal(facts[5]), facts[6], tuple(facts[7])) for name, facts in told.items()}


def ours(infos):
    return {
        one.name: (
            *(one.type, one.sub_type, one.parent_id, one.status, one.attempt),
            _equal(one.result),
            one.error.error_type if one.error else None,
            (one.started_at is not None, one.ended_at is not None),
        )
        for one in infos
        if one.status in {"SUCCEEDED", "FAILED"}
    }


def heard_of(program=handler):
    notes = Notes()
    run = Simulator(durable(plugins=[notes])(program)).start({"secret": SECRET}).finish()
    return run, notes.heard


def test_ends_and_changes_say_what_the_official_ones_say(official):
    _, heard = heard_of()
    ends = ours(info for hook, info in heard if hook == "on_operation_end")
    assert set(ends) == {"one", "fails", "child", "inner", "both", "parallel-branch-0", "left", "pause", "last"}
    assert ends == official
    changes = ours(one for _, info in heard if isinstance(info, ChangeInfo) for one in info.updated.values())
    assert {name: changes[name] for name in official if name in changes} == {
        name: told for name, told in official.items() if name in changes
    }
    assert set(changes) >= set(official) - {"pause"}  # which ended between two invocations


@pytest.mark.parametrize("name", HOOKS)
def test_every_object_is_of_a_public_class(name):
    _, heard = heard_of()
    for hook, info in heard:
        if hook != name:
            continue
        assert type(info).__name__ in plugins.__all__
        for field in dataclasses.fields(info):
            value = getattr(info, field.name)
            if dataclasses.is_dataclass(value):
                assert type(value).__name__ in plugins.__all__, field.name


@pytest.mark.only("def", "of an async handler's responses each has a millisecond of its own, and times are compared")
def test_what_is_in_the_maps_is_an_operation_info_as_it_is_recorded():
    run, heard = heard_of()
    in_maps = [one for _, one in heard if type(one) is OperationInfo and one.status is not None]
    records = {record.id: record for record in run.operations}
    assert {one.type for one in in_maps} >= {"EXECUTION", "STEP", "CONTEXT", "WAIT"}
    for one in in_maps:
        if one.status not in {"SUCCEEDED", "FAILED"} or one.id not in records:
            continue
        record = records[one.id]
        assert (one.started_at, one.ended_at) == (record.start_timestamp, record.end_timestamp)
        assert (one.result, one.error, one.parent_id) == (record.result, record.error, record.parent_id)
        assert isinstance(one.started_at, datetime)


def test_what_the_service_changed_between_two_invocations_is_told_with_its_record():
    _, heard = heard_of()
    starts = [info for hook, info in heard if type(info) is InvocationInfo and hook == "on_invocation_start"]
    assert [[(key == one.id, one.name, one.status) for key, one in info.updated.items()] for info in starts] == [
        [],
        [(True, "pause", "SUCCEEDED")],
    ]
    (pause,) = starts[1].updated.values()
    assert (pause.is_replayed, pause.started_at < pause.ended_at) == (True, True)


def test_a_retry_tells_its_attempt_and_when_the_next_one_is():
    def polls(event, ctx):
        return ctx.wait_for_condition(
            lambda n: n + 1,
            initial=0,
            polling=Polling(lambda n: n == 2, jitter="none"),
            name="poll",
        )

    _, heard = heard_of(polls)
    pending = [one for _, one in heard if type(one) is OperationInfo and one.status == "PENDING"]
    assert pending
    assert all(one.attempt == 1 and one.next_attempt_at > one.started_at and one.result == "1" for one in pending)


@pytest.mark.parametrize(
    "program",
    [
        lambda event, ctx: ctx.run_in_child_context(lambda _: 1, name="bare", virtual=True),
        lambda event, ctx: ctx.map(lambda _, item: item, [1], nesting=Nesting.FLAT, name="m").results,
    ],
    ids=["virtual", "flat"],
)
def test_a_context_without_a_record_has_both_times_at_its_end(program):
    _, heard = heard_of(program)
    ends = [info for hook, info in heard if hook == "on_operation_end"]
    assert ends
    for info in ends:
        assert type(info) is OperationEnd
        assert info.started_at is not None
        assert info.ended_at >= info.started_at


def test_no_result_is_in_a_repr():
    _, heard = heard_of(lambda event, ctx: ctx.step(lambda: SECRET, name="s"))
    told = [info for hook, info in heard if hook == "on_operation_end"]
    assert told[0].result == json.dumps(SECRET)
    assert SECRET not in repr([info for _, info in heard])


def test_a_map_may_be_gone_through_while_records_come():
    records = {"a": step_record(S.STARTED, id="a")}
    view = Records(records, "arn", {"a"}.__contains__)
    seen = []
    for identifier in view:
        records[f"{identifier}-more"] = step_record(S.STARTED, id="b")
        seen.append(identifier)
    assert (seen, len(view), view["a"].is_replayed, view["a-more"].is_replayed) == (["a"], 2, True, False)
