"""Under encryption no plaintext is in any byte that is sent, stored or logged; and nothing else is fetched.

See docs/reliability.md#security-list, items 1, 4 and 8. The Lambda API and S3 are real HTTP, for real botocore, whose
own debug lines, which hold each request, are searched too.
"""

from __future__ import annotations

import base64
import gzip
import json
import logging
import re

import pytest

from powertools_durable import Nesting, Polling, durable
from powertools_durable.serdes import (
    CompressingSerDes,
    EncryptingSerDes,
    FileSystemSerDes,
    S3SerDes,
)
from tests.reliability.rig import Run
from tests.reliability.wire import wired
from tests.serdes.vault import Vault

SECRET = "CANARY"
LARGE = {"card": f"{SECRET}-4111", "filling": "x" * 2000}


class Lines(logging.Handler):
    """Every line of every logger."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append(f"{record.getMessage()} {record.args!r} {record.exc_info!r}")


@pytest.fixture
def lines():
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


def forms(text):
    """Return *text* as it would look in clear, in base64 at any offset, or where it was compressed."""
    yield text
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + text.encode()).decode().rstrip("=")
        yield encoded[4 if shift else 0 : -4 if len(text) % 3 else None]


def readable(data):
    """Yield *data*, and what is compressed in it, so that compression hides nothing from the search."""
    text = data.decode(errors="replace")
    yield text
    for found in re.findall(r"H4sI[A-Za-z0-9+/]{20,}={0,2}", text):
        try:
            yield gzip.decompress(base64.b64decode(found)).decode(errors="replace")
        except (OSError, EOFError, ValueError):
            continue


def assert_hidden(*sources):
    for source in sources:
        data = source if isinstance(source, bytes) else source.encode()
        for text in readable(data):
            for form in forms(SECRET):
                assert form not in text, text[max(0, text.index(form) - 200) :][:400]


def story(event, ctx):
    ctx.step(lambda: LARGE, name="step")
    ctx.run_in_child_context(lambda child: child.step(lambda: LARGE), name="child")
    ctx.map(lambda child, n: {**LARGE, "n": n}, [1, 2], name="map")
    ctx.map(lambda child, n: child.step(lambda: LARGE), [1, 2], name="flat", nesting=Nesting.FLAT)
    ctx.wait_for_condition(lambda state: {**LARGE, "n": 1}, initial=LARGE, polling=Polling(until=lambda s: "n" in s))
    ctx.wait(5, name="wait")
    return LARGE


CHAINS = {
    "encrypt": lambda vault, bucket, mount: EncryptingSerDes(vault),
    "compress, encrypt": lambda vault, bucket, mount: EncryptingSerDes(vault, inner=CompressingSerDes(over=100)),
    "encrypt, S3": lambda vault, bucket, mount: S3SerDes(bucket, over=100, inner=EncryptingSerDes(vault)),
    "compress, encrypt, S3": lambda vault, bucket, mount: S3SerDes(
        bucket, over=10, inner=EncryptingSerDes(vault, inner=CompressingSerDes(over=100))
    ),
    "compress, encrypt, files": lambda vault, bucket, mount: FileSystemSerDes(
        mount, threshold=10, inner=EncryptingSerDes(vault, inner=CompressingSerDes(over=100))
    ),
}


@pytest.mark.parametrize("make", CHAINS.values(), ids=CHAINS)
def test_no_plaintext_is_sent_stored_or_logged(make, s3, tmp_path, lines, capsys):
    chain = make(Vault(), s3.bucket, tmp_path)
    with wired() as wire:
        run = Run(durable(serdes=chain, result_serdes=chain)(story), {}, over=wire)
        run.finish()
        assert run.status == "SUCCEEDED", run.error
        sent = json.dumps(wire.server.requests, default=str)
    printed = capsys.readouterr()
    requests = [f"{request.path} {request.headers}".encode() + request.body for request in s3.requests]
    files = [path.read_bytes() + str(path).encode() for path in tmp_path.rglob("*") if path.is_file()]
    records = [str(run.operations), str(run.history()), str(run.result)]
    assert_hidden(sent, *requests, *s3.objects().values(), *files, *records, *lines, printed.out, printed.err)
    assert len(lines) > 10  # it was listened to
    assert "step" in sent
    assert bool(s3.requests) is ("S3" in next(name for name, each in CHAINS.items() if each is make))


def test_the_search_finds_what_is_not_encrypted(s3, lines):
    """The search itself: without encryption it finds the secret, in clear and in what is compressed."""
    for chain in (None, CompressingSerDes(over=100), S3SerDes(s3.bucket, over=100)):
        run = Run(durable(serdes=chain)(lambda event, ctx: ctx.step(lambda: LARGE, name="step") and None), {})
        run.finish()
        found = [str(run.operations), *s3.objects().values()]
        with pytest.raises(AssertionError):
            assert_hidden(*found)


ELSEWHERE = [
    {"bucket": "another-bucket"},
    {"key": "another/key"},
    {"key": "powertools-durable/of/another-operation"},
    {"s3": 2},
]


@pytest.mark.parametrize("changed", ELSEWHERE, ids=json.dumps)
def test_nothing_is_fetched_because_of_data_of_another_place(s3, changed):
    """A record that names any other place, however it got there, fails the execution without a request."""

    @durable(serdes=S3SerDes(s3.bucket, over=10))
    def handler(event, ctx):
        value = ctx.step(lambda: "x" * 100, name="step")
        ctx.wait(5)
        return len(value)

    def forged(raw):
        for record in raw["InitialExecutionState"]["Operations"]:
            details = record.get("StepDetails") or {}
            if details.get("Result"):
                details["Result"] = json.dumps({**json.loads(details["Result"]), **changed})
        return raw

    run = Run(handler, {})
    run.step()
    run.event = forged
    s3.requests.clear()
    run.finish()
    assert (run.status, run.error.error_type) == ("FAILED", "SerDesError")
    assert "nothing was requested" in run.error.error_message
    assert s3.requests == []
