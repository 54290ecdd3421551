"""Large values in S3, over HTTP; pointers that nobody trusts; what S3 may say, and what follows.

See docs/reliability.md#security-list, item 4.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from hashlib import sha256

import boto3
import pytest
from botocore.config import Config
from pydantic import BaseModel

from powertools_durable import Nesting, durable
from powertools_durable.errors import DurableConfigError, RetryableSerDesError, SerDesError, ValidationError
from powertools_durable.serdes import S3SerDes, SerDesContext
from powertools_durable.serdes.base import prove, read
from powertools_durable.testing import Simulator, explore

HERE = SerDesContext("op", "arn:aws:lambda:x:1:function:f:1/durable-execution/../../etc")
SECRET = "5ecret"
LARGE = SECRET * 50_000
TEXT = json.dumps(LARGE)


class Report(BaseModel):
    title: str
    text: str


@pytest.fixture
def serdes(s3):
    return S3SerDes(s3.bucket)


def test_a_small_value_is_recorded_itself_and_nothing_is_requested(serdes, s3):
    text, seen = prove({"a": 1}, serdes, HERE)
    assert json.loads(text) == {"data": '{"t":"m","v":{"a":{"t":"i","v":1}}}'}
    assert (read(text, serdes, HERE), seen, s3.requests) == ({"a": 1}, {"a": 1}, [])


def test_a_large_one_is_an_object_and_the_record_a_pointer(serdes, s3):
    text, seen = prove(LARGE, serdes, HERE)
    digest = sha256(TEXT.encode()).hexdigest()
    pointer = json.loads(text)
    assert len(text) < 400
    assert set(pointer) == {"s3", "bucket", "key", "sha256", "bytes"}
    assert (pointer["s3"], pointer["bucket"], pointer["bytes"]) == (1, s3.bucket, len(TEXT))
    assert pointer["key"].startswith("powertools-durable/")
    assert pointer["key"].endswith(digest)
    assert not {"arn", "op", "etc", ".."} & set(pointer["key"].replace("-", "/").split("/"))
    assert (read(text, serdes, HERE), seen) == (LARGE, LARGE)
    assert s3.objects() == {pointer["key"]: TEXT.encode()}
    tags = s3.client.get_object_tagging(Bucket=s3.bucket, Key=pointer["key"])["TagSet"]
    assert tags == [{"Key": "powertools-durable", "Value": "value"}]


def test_s3_compares_what_arrives_with_the_digest(serdes, s3):
    prove(LARGE, serdes, HERE)
    (put,) = s3.sent("PUT")
    assert put.headers["x_amz_checksum_sha256"]
    assert put.headers["x_amz_tagging"] == "powertools-durable=value"


def test_written_again_it_is_the_same_object_and_another_value_is_another(serdes, s3):
    first = prove(LARGE, serdes, HERE)[0]
    assert prove(LARGE, S3SerDes(s3.bucket), HERE)[0] == first
    prove(f"{LARGE}y", serdes, HERE)
    assert len(s3.objects()) == 2


def test_the_first_object_of_a_process_is_read_before_anything_depends_on_it(serdes, s3):
    s3.faults["GET"] = [(403, "AccessDenied")]
    with pytest.raises(SerDesError, match="could not be read from .*AccessDenied"):
        prove(LARGE, serdes, HERE)
    prove(LARGE, serdes, HERE)
    prove(f"{LARGE}y", serdes, HERE)
    assert [request.method for request in s3.requests] == ["PUT", "GET", "PUT", "GET", "PUT"]


def test_a_prefix_and_a_client_of_one_s_own(s3, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    client = boto3.client("s3", endpoint_url=s3.url, region_name="eu-west-1")
    serdes = S3SerDes(s3.bucket, prefix="orders/", client=client, over=10)
    text, _ = prove("x" * 11, serdes, HERE)
    assert json.loads(text)["key"].startswith("orders/")
    assert read(text, serdes, HERE) == "x" * 11


def test_a_preview_stands_beside_the_pointer(s3):
    serdes = S3SerDes(s3.bucket, preview=lambda report: {"title": report["title"]})
    text, _ = prove({"title": "Q1", "text": LARGE}, serdes, HERE)
    assert json.loads(text)["preview"] == {"title": "Q1"}
    assert read(text, serdes, HERE) == {"title": "Q1", "text": LARGE}


# -- pointers that are not ours ----------------------------------------------------------------------------------


def pointer(serdes, **changed):
    return json.dumps({**json.loads(prove(LARGE, serdes, HERE)[0]), **changed})


POINTERS = {
    "of another bucket": ({"bucket": "another"}, "names another bucket than"),
    "of another prefix": ({"key": "elsewhere/a/b-c"}, "names a key outside of 'powertools-durable/'"),
    "of another key": ({"key": "powertools-durable/../secret"}, "is not one of this operation's"),
    "of another digest": ({"sha256": "0" * 64}, "is not one of this operation's"),
    "of another version": ({"s3": 2}, "has version 2, and only 1 is known"),
}


@pytest.mark.parametrize(("changed", "problem"), POINTERS.values(), ids=POINTERS)
def test_a_pointer_that_is_not_this_operation_s_is_refused_without_a_request(serdes, s3, changed, problem):
    text = pointer(serdes, **changed)
    s3.requests.clear()
    with pytest.raises(SerDesError, match=problem) as caught:
        read(text, serdes, HERE)
    assert changed.get("bucket", s3.bucket) in str(caught.value)
    assert changed.get("key", "powertools-durable/") in str(caught.value)
    assert not isinstance(caught.value, RetryableSerDesError)
    assert s3.requests == []


@pytest.mark.parametrize("elsewhere", [SerDesContext("other", HERE.execution_arn), SerDesContext("op", "other")])
def test_a_pointer_of_another_operation_or_execution_is_refused_without_a_request(serdes, s3, elsewhere):
    text = pointer(serdes)
    s3.requests.clear()
    with pytest.raises(SerDesError, match="not one of this operation's"):
        read(text, serdes, elsewhere)
    assert s3.requests == []


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", "{}", '{"data":1}', '{"data":"1","s3":1}', "[" * 9_999),
        *('{"s3":"1","bucket":"a","key":"b","sha256":"c","bytes":1}', '{"s3":1,"sha256":"c","bytes":1}'),
        *('{"file":"a","sha256":"c","bytes":1}', '{"s3":1,"bucket":1,"key":"b","sha256":"c","bytes":1}'),
    ],
)
def test_what_is_no_envelope_is_refused(serdes, s3, text):
    with pytest.raises(SerDesError, match="no envelope of S3SerDes"):
        read(text, serdes, HERE)
    assert s3.requests == []


@pytest.mark.parametrize("content", [json.dumps("y" * len(LARGE)), TEXT + " ", TEXT[:-1], ""])
def test_an_object_that_was_altered_is_refused(serdes, s3, content):
    text = pointer(serdes)
    key = json.loads(text)["key"]
    s3.client.put_object(Bucket=s3.bucket, Key=key, Body=content.encode())
    with pytest.raises(SerDesError, match="is not what was recorded of it") as caught:
        read(text, serdes, HERE)
    assert f"s3://{s3.bucket}/{key}" in str(caught.value)
    assert not isinstance(caught.value, RetryableSerDesError)


# -- what S3 says ------------------------------------------------------------------------------------------------


def test_an_object_that_is_gone_is_gone(serdes, s3):
    text = pointer(serdes)
    key = json.loads(text)["key"]
    s3.client.delete_object(Bucket=s3.bucket, Key=key)
    with pytest.raises(SerDesError, match="NoSuchKey.*must outlast") as caught:
        read(text, serdes, HERE)
    assert key in str(caught.value)
    assert not isinstance(caught.value, RetryableSerDesError)


FOR_GOOD = [(403, "AccessDenied"), (404, "NoSuchBucket"), (301, "PermanentRedirect"), (400, "InvalidRequest")]
FOR_GOOD += [(400, "KMS.DisabledException")]
PASSING = [(503, "SlowDown"), (500, "InternalError"), (503, "ServiceUnavailable"), (429, "TooManyRequests")]
PASSING += [(400, "RequestTimeout"), (400, "ExpiredToken"), (400, "KMS.ThrottlingException")]


@pytest.mark.parametrize("call", ["GET", "PUT"])
@pytest.mark.parametrize(("status", "code"), FOR_GOOD + PASSING)
def test_what_may_pass_asks_for_another_invocation_and_nothing_repeats_the_value(s3, call, status, code):
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    serdes = S3SerDes(s3.bucket, client=boto3.client("s3", config=once))
    text = pointer(serdes)
    s3.faults[call] = [(status, code)] * 2  # 301: botocore asks once more, elsewhere
    with pytest.raises(SerDesError, match=code) as caught:
        prove(LARGE, serdes, HERE) if call == "PUT" else read(text, serdes, HERE)
    assert isinstance(caught.value, RetryableSerDesError) is ((status, code) in PASSING)
    assert f"s3://{s3.bucket}/powertools-durable/" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "words of S3" not in str(caught.value)
    assert caught.value.__context__ is None


def test_botocore_tries_again(serdes, s3):
    text = pointer(serdes)
    s3.faults = {"GET": [(503, "SlowDown")], "PUT": [(500, "InternalError")]}
    assert read(text, serdes, HERE) == LARGE
    prove(f"{LARGE}y", serdes, HERE)
    assert [request.method for request in s3.requests] == ["PUT", "GET", "GET", "GET", "PUT", "PUT"]


def test_a_bucket_that_is_missing_names_it(s3):
    with pytest.raises(SerDesError, match="s3://nowhere/powertools-durable/.*: NoSuchBucket") as caught:
        prove(LARGE, S3SerDes("nowhere"), HERE)
    assert not isinstance(caught.value, RetryableSerDesError)


def test_no_connection_asks_for_another_invocation(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    serdes = S3SerDes("bucket", client=boto3.client("s3", config=once))
    with pytest.raises(RetryableSerDesError, match="EndpointConnectionError"):
        prove(LARGE, serdes, HERE)


def test_a_client_of_another_shape_and_wrong_credentials_are_no_passing_fault(s3, monkeypatch):
    with pytest.raises(SerDesError, match="AttributeError"):
        prove(LARGE, S3SerDes("bucket", client=object()), HERE)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SerDesError, match="NoCredentialsError"):
        prove(LARGE, S3SerDes(s3.bucket), HERE)


@pytest.mark.parametrize("wrong", ["", "a", "Has Spaces", "s3://bucket", None, "a/b"])
def test_what_can_be_no_bucket_is_refused_when_it_is_made(wrong):
    with pytest.raises(DurableConfigError, match="takes the name of a bucket"):
        S3SerDes(wrong)


def test_nothing_is_loaded_or_requested_before_the_first_large_value():
    code = """
import sys
from powertools_durable.serdes import CompressingSerDes, S3SerDes, SerDesContext
serdes = S3SerDes("a-bucket", inner=CompressingSerDes())
assert serdes.serialize("small", SerDesContext("op", "arn"))
assert not {"boto3", "botocore", "zstandard"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# -- in an execution ---------------------------------------------------------------------------------------------


def render(n) -> Report:
    return Report(title=f"report {n}", text=LARGE)


def test_an_object_is_read_once_for_each_invocation_that_reaches_it(serdes, s3):
    seen = []

    @durable(serdes=serdes)
    def handler(event, ctx):
        report = ctx.step(render, 3, name="one")
        reports = ctx.map(lambda child, n: child.step(render, n), [1, 2], returns=Report, name="two")
        seen.append([report, *reports.results])
        ctx.wait(5)
        return [report.title for report in seen[-1]]

    run = Simulator(handler).start()
    puts = len(s3.sent("PUT"))
    assert puts == len(s3.objects()) == 6  # the step; in the map two steps, two branches, and the whole
    assert len(s3.sent("GET")) == 1  # the trial: what was just written is not read
    s3.requests.clear()
    run.finish()
    assert run.result == ["report 3", "report 1", "report 2"]
    assert seen[0] == seen[1]
    assert SECRET not in str(run.operations)
    assert [request.method for request in s3.requests] == ["GET", "GET"]  # the step's, and the whole map's


@pytest.mark.parametrize(("nesting", "writes"), [(Nesting.NESTED, 3), (Nesting.FLAT, 1)])
def test_a_context_without_a_record_stores_nothing(s3, nesting, writes):
    @durable(serdes=S3SerDes(s3.bucket, over=100))
    def handler(event, ctx):
        return len(ctx.map(lambda child, n: "x" * 200, [1, 2], nesting=nesting).results)

    assert Simulator(handler).start().result == 2
    assert len(s3.sent("PUT")) == writes


def test_what_is_read_again_in_an_invocation_is_kept_up_to_half_a_megabyte_and_for_one_execution(s3):
    serdes = S3SerDes(s3.bucket, over=100)
    small, large, elsewhere = "x" * 1000, "y" * 512 * 1024, SerDesContext("op", "another execution")
    texts = {value: prove(value, serdes, HERE)[0] for value in (small, large)}
    theirs = prove(small, serdes, elsewhere)[0]
    s3.requests.clear()
    for text, value, place, reads in (
        (texts[small], small, HERE, 1),
        (texts[small], small, HERE, 1),
        (texts[large], large, HERE, 2),
        (texts[large], large, HERE, 3),
        (theirs, small, elsewhere, 4),
        (texts[small], small, HERE, 5),
    ):
        assert read(text, serdes, place) == value
        assert len(s3.requests) == reads


def blocking_map(serdes, items):
    def handler(event, ctx):
        return len(ctx.map(lambda child, n: f"{n:0200}", range(items), item_serdes=serdes, name="map").results)

    return durable(handler)


def async_map(serdes, items):
    async def item(child, n):
        return f"{n:0200}"

    @durable
    async def handler(event, ctx):
        return len((await ctx.map(item, range(items), item_serdes=serdes, name="map")).results)

    return handler


@pytest.mark.parametrize(("items", "at_once"), [(8, 4), pytest.param(96, 16, marks=pytest.mark.slow)])
@pytest.mark.parametrize("handler_of", [blocking_map, async_map])
def test_the_items_of_a_fan_out_are_written_side_by_side(s3, handler_of, items, at_once):
    """So many requests wait for each other: if they came one after the other, the first would fail."""
    serdes = S3SerDes(s3.bucket, over=100)
    prove("x" * 200, serdes, HERE)  # the trial
    together = threading.Barrier(at_once)
    s3.gate = lambda request: together.wait(60) if len(request.body) == 202 else None  # not the record of the whole
    run = Simulator(handler_of(serdes, items)).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", items)
    assert len(s3.sent("PUT")) == 1 + items + 1


def test_an_upload_blocks_no_event_loop(s3):
    serdes = S3SerDes(s3.bucket, over=100)
    prove("x" * 200, serdes, HERE)  # the trial
    ticked = threading.Event()
    gates = []

    @durable
    async def handler(event, ctx):
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        gates.append(lambda: loop.call_soon_threadsafe(arrived.set))
        call = ctx.step(lambda: "y" * 200, serdes=serdes, name="render")
        await arrived.wait()
        ticked.set()  # by the loop, while the request is in flight
        return len(await call)

    def gate(request):
        gates[0]()
        assert ticked.wait(60)

    s3.gate = gate
    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", 200)


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_an_upload_is_not_awaited_past_the_end_of_the_invocation(s3, is_async):
    serdes = S3SerDes(s3.bucket, over=100)
    prove("x" * 200, serdes, HERE)  # the trial
    release = threading.Event()
    s3.gate = lambda request: release.wait(60)

    def body():
        return "y" * 200

    def blocking(event, ctx):
        return len(ctx.step(body, serdes=serdes, name="render"))

    async def on_the_loop(event, ctx):
        return len(await ctx.step(body, serdes=serdes, name="render"))

    run = Simulator(durable(on_the_loop if is_async else blocking), invocation_timeout=1).start()
    answer = run.invocations[0].answer
    release.set()
    s3.gate = None
    assert answer.error_type == "RetryableSerDesError"
    assert "the invocation ends while a value is being written" in answer.error_message
    assert run.finish().result == 200


@pytest.mark.slow
def test_killed_anywhere_nothing_is_lost_and_at_most_objects_are_left(s3):
    @durable(serdes=S3SerDes(s3.bucket, over=100))
    def handler(event, ctx):
        first = ctx.step(lambda: "x" * 200, name="first")
        ctx.wait(5)
        batch = ctx.map(lambda child, n: child.step(lambda: f"{n}" * 300, name="item"), [1, 2], name="map")
        return len(first) + sum(len(result) for result in batch.results)

    exploration = explore(handler, {})
    exploration.assert_survives()
    keys = set(s3.objects())
    calm = Simulator(handler).start().finish()
    assert calm.result == 800
    # An execution of its own has keys of its own, as many as it records values.
    assert len(set(s3.objects()) - keys) <= 6


def test_killed_between_put_and_checkpoint_the_next_invocation_writes_the_same_object(s3):
    bodies = []

    @durable(serdes=S3SerDes(s3.bucket, over=100))
    def handler(event, ctx):
        return len(ctx.step(lambda: bodies.append(1) or "x" * 200, name="render"))

    exploration = explore(handler, {})
    exploration.assert_survives()
    executions = {key.split("/")[1] for key in s3.objects()}
    assert len(s3.objects()) == len(executions)  # never two objects for the one value of an execution


def test_an_execution_survives_an_s3_that_is_away_for_a_while(s3):
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    ran = []

    @durable(serdes=S3SerDes(s3.bucket, over=100, client=boto3.client("s3", config=once)))
    def handler(event, ctx):
        value = ctx.step(lambda: ran.append(1) or "x" * 200, name="render")
        ctx.wait(5)
        return len(value)

    run = Simulator(handler).start()
    s3.faults["GET"] = [(503, "SlowDown")]
    run.step()
    answer = run.invocations[-1].answer
    assert answer.error_type == "RetryableSerDesError"
    assert answer.error_message.startswith("step 'render'")
    assert (run.finish().result, len(ran)) == (200, 1)


BROKEN = {
    "deleted": lambda s3, key: s3.client.delete_object(Bucket=s3.bucket, Key=key),
    "altered": lambda s3, key: s3.client.put_object(Bucket=s3.bucket, Key=key, Body=b"x"),
    "denied": lambda s3, key: s3.faults.update(GET=[(403, "AccessDenied")]),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_the_error_names_operation_bucket_and_key_and_never_the_content(s3, broken):
    @durable(serdes=S3SerDes(s3.bucket, over=100))
    def handler(event, ctx):
        value = ctx.step(lambda: SECRET * 100, name="render")
        ctx.wait(5)
        return len(value)

    run = Simulator(handler).start()
    (key,) = s3.objects()
    broken(s3, key)
    run.finish()
    assert (run.status, run.error.error_type) == ("FAILED", "SerDesError")
    assert run.error.error_message.startswith("step 'render'")
    assert f"s3://{s3.bucket}/{key}" in run.error.error_message
    assert SECRET not in str(run.history())


def test_it_reads_no_answers_from_outside_and_writes_no_payloads(serdes):
    @durable
    def handler(event, ctx):
        for call in (ctx.create_callback, lambda serdes: ctx.invoke("f", serdes=serdes)):
            with pytest.raises(ValidationError, match="an answer comes from outside"):
                call(serdes=serdes)
        with pytest.raises(ValidationError, match="no other function can read it"):
            ctx.invoke("f", payload_serdes=serdes)

    assert Simulator(handler).start().status == "SUCCEEDED"
