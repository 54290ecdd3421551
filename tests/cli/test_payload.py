"""``payload``: what an operation recorded, through the handler's serdes, here and in an account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app
from powertools_durable.local import LocalExecutions, SqliteStore
from tests.cli.account import LambdaAccount

ROOT = Path(__file__).parents[2]
HANDLERS = """
from decimal import Decimal
from pydantic import BaseModel
from powertools_durable import durable
from powertools_durable.serdes import CompressingSerDes, EncryptingSerDes, FileSystemSerDes, MaskingSerDes, S3SerDes
from tests.serdes.vault import Vault

VAULT = Vault(bytes(32))
CHAIN = S3SerDes(BUCKET, over=500, inner=EncryptingSerDes(VAULT, inner=CompressingSerDes(over=100)))
OF_A_CALL = S3SerDes(BUCKET, prefix="of-a-call/", over=10)
MASKED = MaskingSerDes(["card"])

class Page(BaseModel):
    title: str

def page() -> Page:
    return Page(title="Q1")

@durable(serdes=CHAIN, result_serdes=CHAIN)
def handler(event, ctx):
    ctx.step(lambda: {"fee": Decimal(1), "words": "word " * 5000}, name="untyped")
    ctx.step(page, name="typed")
    ctx.step(lambda: "x" * 20, name="own", serdes=OF_A_CALL)
    ctx.step(lambda: "y" * 20, name="hidden", serdes=S3SerDes(BUCKET, prefix="hidden/", over=10))
    ctx.map(lambda child, n: child.step(lambda: n, name="item"), [1, 2], name="items")
    ctx.wait_for_callback(lambda callback_id: None, name="ask")
    return {"done": True}

@durable
def plain(event, ctx):
    return ctx.step(lambda: (1, 2), name="pair")
"""


def cli(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def store(s3, tmp_path, monkeypatch):
    """A store with one execution of each handler."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    (tmp_path / "secretive.py").write_text(f"BUCKET = {s3.bucket!r}\n{HANDLERS}")
    assert cli("run", "secretive.py:handler", "--name", "secret", "--no-wait").exit_code in {0, 3}
    assert cli("callback", "ask", "succeed", '"from outside"').exit_code == 0
    assert cli("resume", "secret").exit_code == 0
    assert cli("run", "secretive.py:plain", "--name", "plain").exit_code == 0
    return tmp_path / ".powertools-durable" / "executions.sqlite"


CASES = {
    ("secret", "untyped"): {"fee": "1", "words": "word " * 5000},
    ("secret", "typed"): {"title": "Q1"},
    ("secret", "own"): "x" * 20,
    ("secret", "ask create callback id"): "from outside",
    ("secret", None): {"done": True},
    ("plain", "pair"): [1, 2],
    ("plain", None): [1, 2],
}


def test_what_an_operation_recorded_is_printed_as_json(store):
    for (execution, operation), value in CASES.items():
        done = cli("payload", execution, *([operation] if operation else []))
        assert done.exit_code == 0, (operation, done.output)
        assert json.loads(done.stdout) == value
    batch = json.loads(cli("payload", "secret", "items").stdout)
    assert [item["result"] for item in batch["all"]] == [1, 2]


def test_an_operation_is_found_by_name_or_the_beginning_of_its_id(store):
    one = LocalExecutions(SqliteStore(store)).find("secret")
    for text in (one.operation("typed").id, one.operation("typed").id[:8]):
        assert json.loads(cli("payload", "secret", text).stdout) == {"title": "Q1"}
    done = cli("payload", "secret", "item")
    assert (done.exit_code, "2 operations are named 'item'; use one of: " in done.stderr) == (2, True)
    done = cli("payload", "secret", "nothing")
    assert (done.exit_code, "no operation has the name or id 'nothing'" in done.stderr) == (2, True)


def test_a_serdes_without_a_name_in_the_module_is_not_found_and_the_message_says_so(store, s3):
    s3.requests.clear()
    done = cli("payload", "secret", "hidden")
    assert done.exit_code == 2
    assert "names a key outside of 'powertools-durable/'" in done.stderr
    assert "A serdes of a call is found if it has a name in the handler's module" in done.stderr
    assert s3.requests == []


def test_of_an_account_the_target_says_what_to_read_with(store, s3, tmp_path, monkeypatch):
    far = tmp_path / "far-away"
    store.parent.rename(far)
    with LambdaAccount(LocalExecutions(SqliteStore(far / "executions.sqlite"))) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        there = ("--aws", "--function", "orders")
        for (execution, operation), value in CASES.items():
            words = [operation] if operation else []
            done = cli("payload", execution, *words, *there, "--target", "secretive.py:handler")
            assert done.exit_code == 0, (operation, done.output)
            assert json.loads(done.stdout) == value
        assert json.loads(cli("payload", "plain", "pair", *there).stdout) == [1, 2]
        done = cli("payload", "secret", "untyped", *there)
        assert (done.exit_code, "name the handler, --target TARGET" in done.stderr) == (2, True)


def test_what_has_no_result_says_so(store):
    one = LocalExecutions(SqliteStore(store)).find("secret")
    context = next(record for record in one.operations if record.type == "CALLBACK" or record.result is None)
    if context.result is None:
        done = cli("payload", "secret", context.id)
        assert (done.exit_code, "has recorded no result" in done.stderr) == (2, True)


def test_doctor_prints_the_permissions_that_the_serdes_need(store, s3):
    done = cli("doctor", "secretive.py:handler", "--json")
    policy = json.loads(done.stdout.splitlines()[-1])["policy"]
    statements = {tuple(one["Action"]): one["Resource"] for one in policy["Statement"]}
    assert statements["s3:PutObject", "s3:PutObjectTagging", "s3:GetObject"] == [
        f"arn:aws:s3:::{s3.bucket}/of-a-call/*",
        f"arn:aws:s3:::{s3.bucket}/powertools-durable/*",
    ]
    assert statements["kms:GenerateDataKey", "kms:Decrypt"] == ["arn:aws:kms:REGION:ACCOUNT:key/KEY"]
    assert "If the bucket encrypts with a key of KMS" in cli("doctor", "secretive.py:handler").stdout
