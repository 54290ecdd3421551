"""Powertools' other utilities in a durable execution: each row of docs/powertools/neighbours.md, in earnest.

What they ask of AWS is kept in memory. What a row warns of is shown too, so that the pages stay true.
"""

from __future__ import annotations

import io
import json
import threading
from base64 import b64encode

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.feature_flags import FeatureFlags
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent, idempotent_function
from aws_lambda_powertools.utilities.jmespath_utils import envelopes, query
from aws_lambda_powertools.utilities.kafka import kafka_consumer
from aws_lambda_powertools.utilities.kafka.schema_config import SchemaConfig
from aws_lambda_powertools.utilities.streaming import S3Object

from examples.powertools.in_memory import MemoryFlags, MemoryParameters, MemoryPersistence
from powertools_durable import Completion, Retry, durable
from powertools_durable._service.host import Killed
from powertools_durable.testing import Simulator
from tests.integrations.lines import DEF_BELOW, DEF_CALLS

ON_ID = IdempotencyConfig(event_key_jmespath="id")
PAYLOAD = "InitialExecutionState.Operations[0].ExecutionDetails.InputPayload | powertools_json(@)"


def ended(handler, event=None, **options):
    return Simulator(handler, **options).start(event).finish()


def sqs(*bodies):
    return {
        "Records": [
            {"messageId": f"m{n}", "body": json.dumps(body), "eventSource": "aws:sqs", "attributes": {}}
            for n, body in enumerate(bodies)
        ]
    }


# -- Idempotency -----------------------------------------------------------------------------------------------


@pytest.fixture
def unguarded(monkeypatch):
    """As if @durable did not refuse what stands above it."""
    monkeypatch.setattr("powertools_durable._contexts.decorators.refuse_idempotent", lambda event: None)


def two_invocations(paid):
    def handler(event, ctx):
        ctx.step(lambda: paid.append(event["id"]), name="pay")
        ctx.wait(5)
        ctx.step(lambda: paid.append("shipped"), name="ship")
        return "receipt"

    return handler


def test_idempotency_outside_on_the_whole_event_would_protect_from_nothing(unguarded):
    store, paid = MemoryPersistence(), []
    handler = idempotent(durable(two_invocations(paid)), persistence_store=store)
    assert [ended(handler, {"id": "1"}).result for _ in range(2)] == ["receipt"] * 2
    assert len(store.records) == 4  # one for each checkpoint token
    assert paid == ["1", "shipped"] * 2


def test_idempotency_outside_on_the_payload_would_never_let_the_execution_end(unguarded):
    store, paid = MemoryPersistence(), []
    config = IdempotencyConfig(event_key_jmespath=PAYLOAD)
    run = Simulator(idempotent(durable(two_invocations(paid)), persistence_store=store, config=config)).start(
        {"id": "1"}
    )
    run.step()
    assert [invocation.answer for invocation in run.invocations[:2]] == [{"Status": "PENDING"}] * 2
    assert paid == ["1"]  # what comes after the wait is never reached
    assert run.finish().status != "SUCCEEDED"


@pytest.mark.parametrize("config", [IdempotencyConfig(), IdempotencyConfig(event_key_jmespath=PAYLOAD)])
def test_idempotency_outside_is_refused(config):
    store, paid = MemoryPersistence(), []
    run = ended(idempotent(durable(two_invocations(paid)), persistence_store=store, config=config), {"id": "1"})
    assert {invocation.answer.error_type for invocation in run.invocations} == {"DecoratorOrderError"}
    assert (paid, store.records, run.operations) == ([], {}, [])


class FifteenMinutes:
    def get_remaining_time_in_millis(self):
        return 900_000


def timed():
    """A function that is no handler must be told how long its invocation may last."""
    config = IdempotencyConfig()
    config.register_lambda_context(FifteenMinutes())
    return config


def test_a_handler_called_by_an_idempotent_function_that_was_handed_something_else_is_not_refused():
    handler = durable(lambda event, ctx: "done")

    @idempotent_function(data_keyword_argument="order", persistence_store=MemoryPersistence(), config=timed())
    def nightly(order):
        return ended(handler, order).result

    assert nightly(order={"id": "1"}) == "done"


def guarded(store, paid, config=ON_ID, before=None):
    def handler(event, ctx):
        if before is not None:
            before()
        ctx.step(lambda: paid.append(event["id"]), name="pay")
        ctx.wait(5)
        return "receipt"

    return durable(idempotent(handler, persistence_store=store, config=config))


@DEF_BELOW
def test_idempotency_inside_gives_a_duplicate_the_stored_result():
    store, paid = MemoryPersistence(), []
    handler = guarded(store, paid)
    first = ended(handler, {"id": "1"})
    second = ended(handler, {"id": "1"})
    assert (first.result, second.result) == ("receipt", "receipt")
    assert (paid, len(first.invocations), len(second.invocations)) == (["1"], 2, 1)


@DEF_BELOW
def test_idempotency_inside_fails_a_concurrent_duplicate_and_lets_the_owner_go_on():
    store, paid = MemoryPersistence(), []
    handler = guarded(store, paid)
    first = Simulator(handler).start({"id": "1"})
    second = ended(handler, {"id": "1"})
    assert (second.status, second.error.error_type.rpartition(".")[2]) == (
        "FAILED",
        "IdempotencyAlreadyInProgressError",
    )
    assert (first.finish().result, paid) == ("receipt", ["1"])


def dying_once():
    died = []

    def die():
        if not died:
            died.append(1)
            raise Killed

    return die


@DEF_BELOW
def test_idempotency_inside_fails_an_execution_that_died_before_its_first_checkpoint():
    run = ended(guarded(MemoryPersistence(), [], before=dying_once()), {"id": "1"})
    assert (run.status, run.error.error_type.rpartition(".")[2]) == ("FAILED", "IdempotencyAlreadyInProgressError")
    assert len(run.invocations) == 2


def begins_with_a_step(store, paid, before=None):
    def body(event, ctx):
        if before is not None:
            before()
        ctx.step(lambda: paid.append(event["id"]), name="pay")
        ctx.wait(5)
        return "receipt"

    inner = idempotent(body, persistence_store=store, config=ON_ID)

    @durable
    def handler(event, ctx):
        ctx.step(lambda: None, name="begin")
        return inner(event, ctx)

    return handler


@DEF_BELOW
def test_a_first_step_before_idempotency_lets_the_owner_go_on_and_concurrent_duplicates_too():
    """With a record before it, Powertools takes every invocation for a replay: the one price for the other."""
    store, paid = MemoryPersistence(), []
    assert ended(begins_with_a_step(store, paid, dying_once()), {"id": "1"}).result == "receipt"
    assert paid == ["1"]

    store, paid = MemoryPersistence(), []
    first = Simulator(begins_with_a_step(store, paid)).start({"id": "1"})
    assert ended(begins_with_a_step(store, paid), {"id": "1"}).status == "SUCCEEDED"
    assert (first.finish().status, paid) == ("SUCCEEDED", ["1", "1"])


@DEF_BELOW
def test_the_window_of_idempotency_is_the_lambda_timeout_however_long_the_execution_lasts():
    store, paid = MemoryPersistence(), []
    handler = guarded(store, paid)
    first = Simulator(handler).start({"id": "1"})
    (record,) = store.records.values()
    record.in_progress_expiry_timestamp -= 900_000  # as time does
    assert ended(handler, {"id": "1"}).result == "receipt"
    assert (first.finish().result, paid) == ("receipt", ["1", "1"])


def test_idempotent_function_belongs_in_a_step_s_body():
    store, charged = MemoryPersistence(), []

    config = IdempotencyConfig()

    @idempotent_function(data_keyword_argument="order", persistence_store=store, config=config)
    def charge(order):
        charged.append(order)
        return {"payment": f"pay-{order}"}

    @durable
    def handler(event, ctx):
        config.register_lambda_context(ctx.lambda_context)
        payment = ctx.step(lambda: charge(order=event), name="charge")
        ctx.wait(5)
        return payment

    assert [ended(handler, "42").result for _ in range(2)] == [{"payment": "pay-42"}] * 2
    assert charged == ["42"]


@DEF_CALLS
def test_idempotent_function_around_code_that_suspends_fails_when_it_is_resumed():
    @durable
    def handler(event, ctx):
        @idempotent_function(data_keyword_argument="order", persistence_store=store, config=timed())
        def process(order):
            ctx.wait(5)
            return "done"

        return process(order=event)

    store = MemoryPersistence()
    run = ended(handler, "42")
    assert (run.status, run.error.error_type.rpartition(".")[2]) == ("FAILED", "IdempotencyAlreadyInProgressError")
    assert len(run.invocations) == 2


# -- Batch -----------------------------------------------------------------------------------------------------


@DEF_CALLS
def test_the_sequential_processor_works_and_done_records_come_from_history():
    stored, seen = [], []

    @durable
    def handler(event, ctx):
        def record_handler(record):
            number = json.loads(record.body)
            seen.append(number)
            if number == 2:
                raise ValueError(number)
            ctx.step(lambda: stored.append(number), name=f"store-{number}")
            ctx.wait(5)

        processor = BatchProcessor(event_type=EventType.SQS)
        return process_partial_response(event, record_handler, processor, ctx)

    run = ended(handler, sqs(1, 2, 3))
    assert run.result == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert stored == [1, 3]
    assert seen == [1, 1, 2, 3, 1, 2, 3]  # the code of each record runs again, its steps do not


def test_a_map_over_the_records_is_the_recipe():
    @durable
    def handler(event: SQSEvent, ctx):
        records = list(event.records)

        def process(child, record):
            number = child.step(json.loads, record.body)
            child.wait(5)
            if number == 2:
                raise ValueError(number)

        done = ctx.map(process, records, completion=Completion.all_completed())
        return {"batchItemFailures": [{"itemIdentifier": records[item.index].message_id} for item in done.failed]}

    run = ended(handler, sqs(1, 2, 3))
    assert run.result == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert len(run.invocations) == 2  # all records wait at once


# -- Event Handler ---------------------------------------------------------------------------------------------


def http(method, path):
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {},
        "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
    }


@DEF_CALLS
def test_a_route_runs_again_at_each_replay_and_its_catch_all_does_not_swallow_a_suspension():
    app, runs, caught = APIGatewayHttpResolver(), [], []

    @app.exception_handler(Exception)
    def catch_all(error):
        caught.append(error)
        return Response(status_code=500, body="caught")

    @app.get("/orders/<order_id>")
    def order(order_id):
        runs.append(order_id)
        ctx = app.lambda_context
        paid = ctx.step(lambda: f"paid {order_id}", name="pay")
        ctx.wait(5)
        return {"order": paid}

    @durable
    def handler(event, ctx):
        return app.resolve(event, ctx)

    run = ended(handler, http("GET", "/orders/7"))
    assert (run.result["statusCode"], json.loads(run.result["body"])) == (200, {"order": "paid 7"})
    assert (runs, caught, len(run.invocations)) == (["7", "7"], [], 2)


@DEF_CALLS
def test_a_resolver_is_one_for_the_whole_process_so_it_is_not_for_branches():
    app, other_came, seen = APIGatewayHttpResolver(), threading.Event(), {}

    @app.get("/orders/<order_id>")
    def order(order_id):
        if order_id == "1":
            assert other_came.wait(60)
        seen[order_id] = app.current_event.path
        other_came.set()

    @durable
    def handler(event, ctx):
        ctx.map(lambda child, n: int(app.resolve(http("GET", f"/orders/{n}"), child)["statusCode"]), [1, 2])

    assert ended(handler).status == "SUCCEEDED"
    assert seen == {"2": "/orders/2", "1": "/orders/2"}  # branch 1 sees the event of branch 2


# -- values that change by themselves ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["parameter", "flag"])
def test_what_is_configured_elsewhere_changes_between_replays_unless_a_step_reads_it(kind):
    parameters, flags = MemoryParameters(discount="old"), MemoryFlags(discount={"default": False})

    def read():
        if kind == "parameter":
            return parameters.get("discount", force_fetch=True)
        return FeatureFlags(store=flags).evaluate(name="discount", default=False)

    told = []

    @durable
    def handler(event, ctx):
        told.append((read(), ctx.step(read)))
        ctx.wait(5)

    run = Simulator(handler).start()
    parameters.values["discount"] = "new"
    flags.features["discount"] = {"default": True}
    run.finish()
    (before, recorded), (after, replayed) = told
    assert before != after
    assert recorded == replayed == before


def test_the_cache_of_parameters_hides_that_on_a_warm_sandbox_only():
    parameters, told = MemoryParameters(discount="old"), []

    @durable
    def handler(event, ctx):
        told.append(parameters.get("discount"))
        ctx.wait(5)
        ctx.wait(5)

    run = Simulator(handler).start()
    parameters.values["discount"] = "new"
    run.step()
    parameters.clear_cache()  # another sandbox
    run.finish()
    assert told == ["old", "old", "new"]


def test_a_secret_is_read_in_the_step_that_uses_it_and_is_in_no_record():
    secrets = MemoryParameters(api_key="s3cret")

    def charge(order):
        return f"{order} charged with {len(secrets.get('api_key'))} letters"

    @durable
    def handler(event, ctx):
        return ctx.step(charge, event)

    run = ended(handler, "42")
    assert (run.result, "s3cret" in str(run.operations)) == ("42 charged with 6 letters", False)


# -- Circuit breaker -------------------------------------------------------------------------------------------


@pytest.fixture
def circuits():
    """The utility's store in memory; older versions of Powertools have no circuit breaker."""
    pytest.importorskip("aws_lambda_powertools.utilities.circuit_breaker")
    from aws_lambda_powertools.utilities.circuit_breaker.persistence.base import CircuitBreakerPersistenceLayer

    class Memory(CircuitBreakerPersistenceLayer):
        def __init__(self):
            super().__init__()
            self.records = {}

        def _get_record(self, name):
            return self.records.get(name)

        def _put_record(self, record, condition=None, expected_opened_at=None):
            self.records[record.name] = record

        def _update_record(self, record):
            self.records[record.name] = record

    return Memory()


def test_a_circuit_breaker_inside_a_step_is_one_more_reason_to_try_again_later(circuits):
    from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig, circuit_breaker
    from aws_lambda_powertools.utilities.circuit_breaker.exceptions import CircuitBreakerOpenError

    reached, errors = [], []
    config = CircuitBreakerConfig(failure_threshold=2, local_cache_max_age=0)

    @circuit_breaker(name="payments", persistence_store=circuits, config=config)
    def charge():
        reached.append(1)
        if len(reached) <= 2:
            raise ConnectionError
        return "paid"

    def attempt():
        try:
            return charge()
        except Exception as error:
            errors.append(type(error))
            if isinstance(error, CircuitBreakerOpenError):
                circuits.records["payments"].opened_at = 0  # the recovery window is over, in real time
            raise

    @durable
    def handler(event, ctx):
        return ctx.step(attempt, retry=Retry(max_attempts=5, initial_delay=30, backoff_rate=1, jitter="none"))

    run = ended(handler)
    assert (run.result, len(reached)) == ("paid", 3)
    assert errors == [ConnectionError, ConnectionError, CircuitBreakerOpenError]
    assert run.operation("attempt").attempts == 4


# -- Streaming -------------------------------------------------------------------------------------------------


class Bucket:
    """The two calls of S3 that the utility makes."""

    def head_object(self, **_):
        return {"ContentLength": 11}

    def get_object(self, Range, **_):  # noqa: N803 - boto3's name
        start = int(Range.removeprefix("bytes=").split("-")[0])
        body = io.BufferedReader(io.BytesIO(b"line 1\nline"[start:]))
        return {"Body": body}


def test_a_streamed_object_is_used_within_one_step():
    @durable
    def handler(event, ctx):
        def first_line():
            with S3Object(bucket="b", key="k", boto3_client=Bucket()) as stream:
                return stream.readline().decode().strip()

        return ctx.step(first_line)

    assert ended(handler).result == "line 1"


def test_a_streamed_object_is_no_result():
    @durable
    def handler(event, ctx):
        ctx.step(lambda: S3Object(bucket="b", key="k", boto3_client=Bucket()))

    run = ended(handler)
    assert (run.status, run.error.error_type) == ("FAILED", "SerDesError")
    assert "S3Object" in run.error.error_message


# -- what is pure ----------------------------------------------------------------------------------------------


def test_kafka_records_are_the_same_on_each_replay():
    event = {
        "eventSource": "aws:kafka",
        "records": {
            "orders-0": [
                {"topic": "orders", "partition": 0, "offset": 1, "timestamp": 1, "timestampType": "CREATE_TIME",
                 "key": None, "value": b64encode(b'{"id": 7}').decode(), "headers": []}
            ]
        },
    }  # fmt: skip
    seen = []

    @durable
    @kafka_consumer(schema_config=SchemaConfig(value_schema_type="JSON"))
    def handler(records, ctx):
        seen.append([record.value for record in records.records])
        ctx.wait(5)

    assert ended(handler, event).status == "SUCCEEDED"
    assert seen == [[{"id": 7}]] * 2


def test_jmespath_functions_reach_into_the_payload_at_any_time():
    seen = []

    @durable
    def handler(event, ctx):
        seen.append(query(data=event, envelope=envelopes.SQS))
        ctx.wait(5)

    assert ended(handler, sqs({"id": 7})).status == "SUCCEEDED"
    assert seen == [[{"id": 7}]] * 2


def test_event_source_data_classes_are_the_same_on_each_replay():
    seen = []

    @durable
    def handler(event: SQSEvent, ctx):
        seen.append([(record.message_id, record.json_body) for record in event.records])
        ctx.wait(5)

    assert ended(handler, sqs(7)).status == "SUCCEEDED"
    assert seen == [[("m0", 7)]] * 2


# -- print -----------------------------------------------------------------------------------------------------


def test_what_is_printed_is_printed_at_each_replay(capsys):
    @durable
    def handler(event, ctx):
        print("accepted")  # noqa: T201 - it is what this is about
        ctx.wait(5)
        ctx.wait(5)

    ended(handler)
    assert capsys.readouterr().out.count("accepted") == 3
