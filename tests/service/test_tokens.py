"""Who may checkpoint, and what becomes of a request that is sent twice.

See docs/contributing/protocol.md#request-and-response to #responses-without-a-token.
"""

from __future__ import annotations

import pytest

from powertools_durable._service.update_validation import ServiceRefusal
from tests.service.bench import A, Bench, S, T, callback, update, wait

START = update(T.STEP, A.START)
PENDING = {"Status": "PENDING"}


@pytest.fixture
def bench():
    return Bench()


def is_stale(bench, token, client_token="", updates=()):
    before = bench.everything()
    for call in (
        lambda: bench.execution.checkpoint(token, updates, client_token, bench.now),
        lambda: bench.execution.state_page(token, "", 0),
    ):
        with pytest.raises(ServiceRefusal) as caught:
            call()
        assert (str(caught.value), caught.value.status) == ("Invalid checkpoint token", 400)
    assert bench.everything() == before
    return True


# -- the chain ----------------------------------------------------------------------------------------------------


def test_every_checkpoint_uses_up_its_token_and_gives_the_next(bench):
    tokens = [bench.token]
    for key in "abc":
        bench.send(update(T.STEP, A.START, key))
        tokens.append(bench.token)
    assert len(set(tokens)) == 4
    assert all(is_stale(bench, token) for token in tokens[:-1])
    bench.send()


def test_looking_at_the_state_uses_up_nothing(bench):
    for _ in range(2):
        (record,) = bench.execution.state_page(bench.token, "", 0).operations
        assert record.type is T.EXECUTION
    bench.send(START)


@pytest.mark.parametrize("token", ["", "unknown", "00000001token "])
def test_a_token_that_was_never_given_out_is_refused(bench, token):
    assert is_stale(bench, token)


def test_a_refused_checkpoint_does_not_use_up_its_token(bench):
    bench.refused(update(T.WAIT, A.CANCEL))
    assert [record.id for record in bench.send(START)] == ["op"]


# -- the invocation -----------------------------------------------------------------------------------------------


def test_a_token_ends_with_its_invocation(bench):
    bench.send(wait())
    last = bench.token
    bench.answer(PENDING)
    assert is_stale(bench, last)
    assert is_stale(bench, "")
    bench.wait(10)
    bench.invoke()
    assert is_stale(bench, last)


def test_a_token_of_a_superseded_invocation_is_refused(bench):
    first = bench.token
    bench.invoke()
    assert is_stale(bench, first)
    bench.send(START)


@pytest.mark.parametrize("end", ["stop", "time_out"])
def test_the_end_of_the_execution_ends_the_token(bench, end):
    getattr(bench.execution, end)(bench.now)
    assert is_stale(bench, bench.token)


def test_the_response_to_the_end_of_the_execution_has_no_token(bench):
    last = bench.token
    response = bench.execution.checkpoint(last, [update(T.EXECUTION, A.SUCCEED, "execution-result-1")], "", bench.now)
    assert response.checkpoint_token is None
    assert is_stale(bench, last)
    assert is_stale(bench, "")


# -- the same request again ---------------------------------------------------------------------------------------


def test_the_same_request_again_is_answered_alike_and_done_once(bench):
    token, one = bench.token, bench.execution
    first = one.checkpoint(token, [callback("c")], "client-1", bench.now)
    before = bench.everything()
    bench.now = bench.now.replace(hour=13)
    assert one.checkpoint(token, [callback("c")], "client-1", bench.now) == first
    assert bench.everything() == before
    bench.token = first.checkpoint_token
    bench.send(START)


@pytest.mark.parametrize("client_token", ["client-2", ""])
def test_the_same_token_with_another_client_token_is_stale(bench, client_token):
    token = bench.token
    bench.send(START, client_token="client-1")
    assert is_stale(bench, token, client_token, [START])


def test_nothing_is_repeated_for_a_request_without_a_client_token(bench):
    token = bench.token
    bench.send(START)
    assert is_stale(bench, token, "", [START])


def test_a_client_token_repeats_nothing_with_another_token(bench):
    bench.send(START, client_token="client-1")
    assert bench.refused(START) == "Invalid current STEP state to start."
    response = bench.execution.checkpoint(bench.token, [], "client-1", bench.now)
    assert response.new_execution_state.operations == ()


def test_only_the_last_request_is_remembered(bench):
    token = bench.token
    bench.send(START, client_token="client-1")
    bench.send(client_token="client-2")
    assert is_stale(bench, token, "client-1", [START])


def test_a_refused_request_is_not_remembered(bench):
    bad = update(T.WAIT, A.CANCEL)
    for _ in range(2):
        with pytest.raises(ServiceRefusal, match="Cannot cancel"):
            bench.send(bad, client_token="client-1")
    bench.send(START, client_token="client-1")


def test_the_next_invocation_remembers_nothing(bench):
    token = bench.token
    bench.send(wait(seconds=10), client_token="client-1")
    bench.answer(PENDING)
    bench.wait(10)
    bench.invoke()
    assert is_stale(bench, token, "client-1")


# -- what a response tells ----------------------------------------------------------------------------------------


def test_a_response_has_what_changed_since_the_handler_last_looked(bench):
    assert [record.id for record in bench.send(START, wait("w"))] == ["op", "w"]
    assert bench.send() == []
    bench.wait(10)
    (record,) = bench.send(update(T.STEP, A.SUCCEED))[1:]
    assert (record.id, record.status) == ("w", S.SUCCEEDED)


def test_an_empty_checkpoint_polls(bench):
    bench.send(wait("w", 10))
    bench.now = bench.now.replace(minute=1)  # nobody else has looked at the clock
    (record,) = bench.send()
    assert (record.id, record.status) == ("w", S.SUCCEEDED)


def test_what_the_event_showed_is_not_told_again(bench):
    bench.send(wait("w", 10))
    bench.answer(PENDING)
    bench.wait(10)
    event = bench.invoke()
    assert [record["Id"] for record in event["InitialExecutionState"]["Operations"]][1:] == ["w"]
    assert bench.send() == []


# -- what the event tells -----------------------------------------------------------------------------------------


def test_an_event_names_what_the_service_changed(bench):
    bench.send(wait("w", 10), update(T.STEP, A.START, "s"), callback("c"), update(T.CHAINED_INVOKE, A.START, "i"))
    bench.send(update(T.STEP, A.RETRY, "s"), update(T.CONTEXT, A.START, "x"))
    bench.answer(PENDING)
    bench.wait(10)
    bench.execution.complete_callback("cb-1", bench.now)
    bench.execution.complete_invoke("i", S.SUCCEEDED, bench.now, result="1", error=None)
    assert bench.invoke()["UpdatedOperationIds"] == ["c", "i", "s", "w"]


def test_an_event_names_nothing_that_the_handler_has_seen(bench):
    assert Bench().invoke()["UpdatedOperationIds"] == []
    bench.send(wait("w", 10), wait("v", 20))
    bench.wait(10)
    bench.send()
    bench.answer(PENDING)
    bench.wait(10)
    assert bench.invoke()["UpdatedOperationIds"] == ["v"]
    bench.answer(PENDING)
    assert bench.invoke()["UpdatedOperationIds"] == []
