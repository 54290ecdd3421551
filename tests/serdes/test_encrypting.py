"""Nothing that is to be encrypted is ever recorded in clear, and no record passes for another.

See docs/reliability.md#security-list, item 8.
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from aws_lambda_powertools.utilities.data_masking import DataMasking
from aws_lambda_powertools.utilities.data_masking.provider.kms import AWSEncryptionSDKProvider
from botocore.exceptions import ClientError, EndpointConnectionError
from pydantic import BaseModel

from powertools_durable import Nesting, Polling, durable
from powertools_durable.errors import DurableConfigError, RetryableSerDesError, SerDesError
from powertools_durable.serdes import EncryptingSerDes, ModelSerDes, SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove, read
from powertools_durable.testing import Simulator
from tests.serdes.vault import KEY_ARN, Vault, kms

HERE = SerDesContext("op", "arn")
SECRET = "5ecret"


class Customer(BaseModel):
    name: str
    card: str


def customer(*_) -> Customer:
    return Customer(name="Ann", card=SECRET)


def untyped(*_):
    return {"card": SECRET, "fee": Decimal(1)}


def wire(run):
    """Everything that the service ever saw or told."""
    return (
        json.dumps([[dict(i.event), str(i.answer)] for i in run.invocations]) + str(run.operations) + str(run.history())
    )


# -- every place where a value is recorded -----------------------------------------------------------------------


def at_step(ctx, **options):
    return ctx.step(customer, **options).card, ctx.step(untyped, **options)["card"]


def at_child(ctx, **options):
    return ctx.run_in_child_context(customer, **options).card, ctx.run_in_child_context(untyped, **options)["card"]


def at_large_child(ctx, **options):
    return (ctx.run_in_child_context(lambda child: SECRET * 50_000, **options)[: len(SECRET)],)


def at_virtual_child(ctx, **options):
    return (ctx.run_in_child_context(untyped, virtual=True, **options)["card"],)


def at_condition(ctx, **options):
    def check(state: Customer) -> Customer:
        return Customer(name=f"{state.name}!", card=state.card)

    polling = Polling(lambda state: state.name == "Ann!!", initial_delay=1)
    return (ctx.wait_for_condition(check, initial=customer(), polling=polling, **options).card,)


def at_map(ctx, nesting=Nesting.NESTED, **options):
    typed = ctx.map(customer, [1, 2], nesting=nesting, **options)
    tagged = ctx.map(untyped, [1, 2], nesting=nesting, **options)
    return typed.results[1].card, tagged.results[1]["card"], len(typed), typed[1].name == "map-item-1"


def at_flat_map(ctx, **options):
    return at_map(ctx, Nesting.FLAT, **options)


def at_large_map(ctx, **options):
    return (ctx.map(lambda child, n: SECRET * 30_000, [1, 2], **options).results[1][: len(SECRET)],)


def at_parallel(ctx, **options):
    result = ctx.parallel({"typed": customer, "tagged": untyped}, **options)
    return result.results[0].card, result.results[1]["card"], result[0].name == "typed"


OPERATIONS = [at_step, at_child, at_large_child, at_virtual_child, at_condition]
FAN_OUTS = [at_map, at_flat_map, at_large_map, at_parallel]


def shows_nothing(story, encrypts_all, **options):
    seen = []

    def handler(event, ctx):
        seen.append(story(ctx, **options))
        ctx.wait(5)

    run = Simulator(durable(serdes=encrypts_all)(handler)).start().finish()
    assert run.status == "SUCCEEDED", run.error
    assert set(seen[0]) <= {SECRET, 2, True}
    assert seen[-1] == seen[0]  # the last invocation only read
    return SECRET not in wire(run)


@pytest.mark.parametrize("story", OPERATIONS + FAN_OUTS)
def test_the_decorator_s_serdes_covers_every_record(story):
    assert shows_nothing(story, EncryptingSerDes(Vault()))
    assert not shows_nothing(story, None) or story in {at_large_child, at_virtual_child, at_flat_map}


@pytest.mark.parametrize("story", OPERATIONS + FAN_OUTS)
def test_an_operation_s_own_serdes_covers_its_record(story):
    assert shows_nothing(story, None, serdes=EncryptingSerDes(Vault()))


@pytest.mark.parametrize(("story", "inner"), [*((story, None) for story in FAN_OUTS), (at_large_map, TaggedJson())])
def test_an_item_serdes_covers_the_record_of_the_whole_too(story, inner):
    assert shows_nothing(story, None, item_serdes=EncryptingSerDes(Vault(), inner=inner))


def test_sagas_retried_blocks_deferred_calls_and_answers_are_covered():
    @durable(serdes=EncryptingSerDes(Vault()))
    def handler(event, ctx):
        def twice(child):
            return child.step(untyped)

        ctx.defer(untyped)
        ctx.with_retry(twice, retry=lambda error, attempt: None)
        with ctx.saga():
            ctx.step_with_compensation(untyped, compensate=lambda found: found)
        ctx.now()
        answer = ctx.wait_for_callback(lambda callback_id: None, name="ask", returns=Customer)
        ctx.run_compensations()
        ctx.wait(5)
        return len(answer.card)

    run = Simulator(handler).start()
    run.callback("ask").succeed({"name": "Ann", "card": "from outside"})
    run.finish()
    assert (run.status, run.result) == ("SUCCEEDED", 12)
    assert SECRET not in wire(run)
    # The answer stands where the service put it; what we record of it does not repeat it.
    assert [op.name for op in run.operations if "from outside" in str(op)] == ["ask create callback id"]


def test_a_step_runs_once_and_is_encrypted_once():
    vault, ran = Vault(), []

    @durable(serdes=EncryptingSerDes(vault))
    def handler(event, ctx):
        ctx.step(lambda: ran.append(1))
        ctx.wait(1)
        ctx.wait(1)

    run = Simulator(handler).start().finish()
    assert (len(ran), len(run.invocations)) == (1, 3)
    # One more decryption in a process: that it can be undone is seen before anything depends on it.
    assert vault.calls == {"encrypt": 1, "decrypt": 1 + 2}


# -- bound to its place ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("elsewhere", [SerDesContext("other", "arn"), SerDesContext("op", "other")])
def test_a_record_does_not_pass_for_that_of_another_operation_or_execution(elsewhere):
    serdes = EncryptingSerDes(Vault())
    text, seen = prove({"a": 1}, serdes, HERE)
    assert (read(text, serdes, HERE), seen) == ({"a": 1}, {"a": 1})
    with pytest.raises(SerDesError, match="could not be decrypted: InvalidTag"):
        read(text, serdes, elsewhere)


def test_a_text_in_clear_is_not_taken_for_a_record():
    with pytest.raises(SerDesError, match="could not be decrypted"):
        read(TaggedJson().serialize("forged", HERE), EncryptingSerDes(Vault()), HERE)


def test_the_context_names_execution_and_operation():
    vault = Vault()
    prove("x", EncryptingSerDes(vault), HERE)
    assert vault.contexts[0] == {"execution_arn": "arn", "operation_id": "op"}


# -- when the provider fails -----------------------------------------------------------------------------------


class DataMaskingError(Exception):
    """As the encryption SDK and Powertools have it: their own error in place of what AWS said."""


def said(code):
    try:
        try:
            raise ClientError({"Error": {"Code": code, "Message": SECRET}}, "Decrypt")
        except ClientError:
            raise DataMaskingError(SECRET)  # noqa: B904 - as they do
    except DataMaskingError as error:
        return error


AWAY = EndpointConnectionError(endpoint_url="https://kms")


@pytest.mark.parametrize(
    ("call", "error", "again"),
    [
        ("encrypt", said("ThrottlingException"), True),
        ("encrypt", said("KMSInternalException"), True),
        ("encrypt", AWAY, True),
        ("encrypt", TimeoutError(), True),
        ("encrypt", said("AccessDeniedException"), False),
        ("encrypt", ValueError(SECRET), False),
        ("decrypt", said("ThrottlingException"), True),
        ("decrypt", AWAY, True),
        ("decrypt", said("AccessDeniedException"), True),
        ("decrypt", said("DisabledException"), True),
        ("decrypt", said("InvalidCiphertextException"), False),
        ("decrypt", ValueError(SECRET), False),
        ("encrypt", RetryableSerDesError("mine"), True),
    ],
)
def test_what_may_pass_asks_for_another_invocation_and_nothing_repeats_the_value(call, error, again):
    vault = Vault()
    serdes = EncryptingSerDes(vault)
    text, _ = prove(SECRET, serdes, HERE)
    read(text, serdes, HERE)  # the first time it knows
    vault.fails[call] = error
    with pytest.raises(SerDesError) as caught:
        prove(SECRET, serdes, HERE) if call == "encrypt" else read(text, serdes, HERE)
    assert isinstance(caught.value, RetryableSerDesError) is again
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def test_an_error_that_was_being_handled_around_the_call_is_none_of_the_provider_s():
    vault = Vault()
    vault.fails["encrypt"] = ValueError()
    try:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "PutItem")
    except ClientError:
        with pytest.raises(SerDesError) as caught:
            prove("x", EncryptingSerDes(vault), HERE)
    assert not isinstance(caught.value, RetryableSerDesError)


def test_an_execution_survives_a_key_that_can_t_be_used_for_a_while():
    vault, ran = Vault(), []

    @durable(serdes=EncryptingSerDes(vault))
    def handler(event, ctx):
        ctx.step(lambda: ran.append(1) or "paid", name="pay")
        ctx.wait(5)
        return ctx.step(lambda: "shipped")

    run = Simulator(handler).start()
    vault.fails["decrypt"] = said("AccessDeniedException")
    run.step()
    assert run.invocations[-1].answer.error_type == "RetryableSerDesError"
    del vault.fails["decrypt"]
    assert (run.finish().result, len(ran)) == ("shipped", 1)


def test_a_provider_that_can_t_decrypt_is_found_before_anything_depends_on_it():
    vault = Vault()
    vault.fails["decrypt"] = ValueError()

    @durable(serdes=EncryptingSerDes(vault))
    def handler(event, ctx):
        ctx.step(untyped)

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "SerDesError")
    assert [op.status for op in run.operations] == ["FAILED"]


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"encrypt": b"x"}, "encrypt.. returned a bytes"),
        ({"encrypt": "x", "decrypt": "y"}, "does not return what"),
        ({"encrypt": "x", "decrypt": b"y"}, "decrypt.. returned a bytes"),
    ],
)
def test_a_provider_of_another_shape_is_told_so(answers, problem):
    class Odd:
        def encrypt(self, data, provider_options=None, **context):
            return answers["encrypt"]

        def decrypt(self, data, provider_options=None, **context):
            return answers["decrypt"]

    with pytest.raises(SerDesError, match=problem):
        prove("x", EncryptingSerDes(Odd()), HERE)


@pytest.mark.parametrize("wrong", [object(), Vault, None])
def test_what_can_t_encrypt_is_refused_when_the_serdes_is_made(wrong):
    with pytest.raises(DurableConfigError, match="takes a provider with encrypt"):
        EncryptingSerDes(wrong)


def test_two_encryptions_are_one_too_many():
    with pytest.raises(DurableConfigError, match="one EncryptingSerDes is enough"):
        EncryptingSerDes(Vault(), inner=EncryptingSerDes(Vault()))


# -- where it can't help ---------------------------------------------------------------------------------------

SERDES = EncryptingSerDes(Vault())
MISUSES = {
    "create_callback": lambda ctx: ctx.create_callback(serdes=SERDES),
    "wait_for_callback": lambda ctx: ctx.wait_for_callback(print, serdes=SERDES),
    "invoke's answer": lambda ctx: ctx.invoke("f", serdes=SERDES),
    "invoke's payload": lambda ctx: ctx.invoke("f", payload_serdes=SERDES),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_what_others_write_or_read_is_refused_before_anything_is_recorded(misuse):
    run = Simulator(durable(lambda event, ctx: MISUSES[misuse](ctx)), functions={"f": print}).start()
    assert (run.status, run.error.error_type, run.operations) == ("FAILED", "ValidationError", [])
    assert "EncryptingSerDes" in run.error.error_message


# -- which format is inside ------------------------------------------------------------------------------------


def test_the_format_inside_is_the_one_that_the_type_asks_for():
    vault = Vault()

    @durable
    def handler(event, ctx):
        ctx.step(customer, serdes=EncryptingSerDes(vault))
        ctx.step(untyped, returns=dict, serdes=EncryptingSerDes(vault))

    run = Simulator(handler).start()
    inside = [vault.decrypt(op.result, execution_arn=run.arn, operation_id=op.id) for op in run.operations]
    assert inside[0] == f'{{"name":"Ann","card":"{SECRET}"}}'
    assert inside[1].startswith('{"t":"m"')


def test_a_decorator_s_inner_serdes_stands_for_the_tagged_format_and_models_keep_theirs():
    class Shouting:
        def serialize(self, value, context):
            return json.dumps(value).upper()

        def deserialize(self, text, context):
            return json.loads(text)

    @durable(serdes=EncryptingSerDes(Vault(), inner=Shouting()))
    def handler(event, ctx):
        return [ctx.step(lambda: "hi"), ctx.step(customer).name, ctx.map(lambda child, n: "ho-ho-ho", [1]).results[0]]

    run = Simulator(handler).start()
    assert run.result == ["HI", "Ann", "HO-HO-HO"]
    assert "HO-HO-HO" not in str([op.result for op in run.operations])


# -- with the providers there are ------------------------------------------------------------------------------


def test_a_data_masking_around_a_provider_will_do():
    text, seen = prove({"a": SECRET}, EncryptingSerDes(DataMasking(provider=Wide())), HERE)
    assert (seen, SECRET in text) == ({"a": SECRET}, False)


class Wide(Vault):
    """What `DataMasking` asks of a provider besides the two methods."""

    json_serializer = staticmethod(json.dumps)
    json_deserializer = staticmethod(json.loads)


def test_the_encryption_sdk_over_a_kms_is_asked_once_for_each_record_and_once_for_each_replay_of_it(monkeypatch):
    with kms() as (address, calls):
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", address)
        provider = AWSEncryptionSDKProvider(keys=[KEY_ARN])
        seen = []

        @durable(serdes=EncryptingSerDes(provider))
        def handler(event, ctx):
            seen.append([ctx.step(customer, name=f"step-{n}") for n in range(3)])
            ctx.wait(timedelta(days=1))
            return "done"

        run = Simulator(handler).start().finish()
        assert (run.result, seen) == ("done", [[customer()] * 3] * 2)
        assert SECRET not in wire(run)
        # No data key is used twice: the context, which differs, is a part of it. The first is tried at once.
        assert calls == ["GenerateDataKey", "Decrypt", "GenerateDataKey", "GenerateDataKey"] + 3 * ["Decrypt"]

        serdes = EncryptingSerDes(provider, inner=ModelSerDes(Customer))
        record = run.operation("step-0")
        place = SerDesContext(record.id, run.arn)
        assert read(record.result, serdes, place) == customer()
        with pytest.raises(SerDesError, match="DataMaskingContextMismatchError") as caught:
            read(record.result, serdes, SerDesContext(run.operation("step-1").id, run.arn))
        assert not isinstance(caught.value, RetryableSerDesError)
