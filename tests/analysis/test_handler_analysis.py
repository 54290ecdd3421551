"""The analysis of a handler's code: what it finds in small pieces of code, and that it finds nothing in right ones."""

from __future__ import annotations

import linecache
import os
import random
import sys
import time
from importlib import import_module
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

from powertools_durable._analysis.handler_analysis import analyze
from powertools_durable._hosting import durable_inside, program_of
from powertools_durable.cli.diagnosis.coroutines import coroutines
from powertools_durable.cli.diagnosis.durable_calls import calls
from powertools_durable.cli.diagnosis.source import Source

ROOT = Path(__file__).parents[2]
CORRECT = Path(__file__).parent / "correct"
NUMBERS = count()
KNOWN = {"examples.troubleshooting.parcels": {"environment"}}  # docs/troubleshooting/debugging.md looks for its bug


def module_with(source):
    """Return a module with that source, which belongs to no file."""
    name = f"read_{next(NUMBERS)}"
    module = ModuleType(name)
    file = f"/project/{name}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module.__dict__.update(os=os, time=time, random=random, __file__=file)
    exec(compile(source, file, "exec"), module.__dict__)
    return module


def rules(body, before="", header="def handler(event, ctx):"):
    """Return rule and line of what is found in a handler with this body; its first line is 1."""
    lines = [*before.splitlines(), header, *(f"    {line}" for line in body.splitlines())]
    module = module_with("\n".join(lines) + "\n")
    start = len(before.splitlines()) + 1
    return [(one.rule, one.line - start) for one in analyze(module.handler)]


FOUND = [
    # what decides
    ("name = f'a-{time.time()}'\nctx.step(str, 1, name=name)", [("clock", 1)]),
    ("if random.random() > 0.5:\n    ctx.step(str, 1)", [("random", 1)]),
    ("x = 1 if os.getenv('A') else 2\nctx.step(str, x, name=str(x))", [("environment", 1)]),
    ("import os as system\nif system.environ['A']:\n    ctx.wait(1)", [("environment", 2)]),
    ("if os.getenv('A'):\n    return 1\nctx.wait(1)", [("environment", 1)]),
    ("os.getenv('A') and ctx.wait(1)", [("environment", 1)]),
    ("ctx.wait(1) if os.getenv('A') else None", [("environment", 1)]),
    ("match os.getenv('A'):\n    case 'x':\n        ctx.wait(1)", [("environment", 1)]),
    ("while os.getenv('A'):\n    ctx.wait(1)", [("environment", 1)]),
    ("for one in os.environ['A'].split():\n    ctx.step(str, one)", [("environment", 1)]),
    ("assert os.getenv('A')\nctx.wait(1)", [("environment", 1)]),
    ("total = 0\nif os.getenv('A'):\n    total = 5\nif total:\n    ctx.wait(1)", [("environment", 2)]),
    ("if ctx.lambda_context.aws_request_id[0] == 'a':\n    ctx.wait(1)", [("invocation", 1)]),
    ("ctx.map(lambda child, x: child.step(str, x), [1], item_name=lambda x, i: str(time.time()))", [("clock", 1)]),
    ("ctx.invoke(f'payments:{os.environ[\"STAGE\"]}', {})", [("environment", 1)]),
    # what is used
    ("return time.time()", [("clock", 1)]),
    ("now = time.time()\nreturn {'at': [now]}", [("clock", 1)]),
    ("made = []\nmade.append(random.random())\nreturn made", [("random", 2)]),
    ("from uuid import uuid4\nkey = uuid4()\nctx.step(lambda: str(key), name='a')", [("random", 2)]),
    ("from datetime import datetime, UTC\nstamp = datetime.now(UTC)\nctx.step(str, stamp)", [("clock", 2)]),
    ("import secrets\nreturn secrets.choice('ab')", [("random", 2)]),
    # sets
    ("for one in {1, 2}:\n    ctx.step(str, one)", [("set-order", 1)]),
    ("names = set('ab')\nctx.step(str, list(names))", [("set-order", 2)]),
    ("names = frozenset('ab') | {'c'}\nctx.step(str, ','.join(names))", [("set-order", 2)]),
    ("names = {x for x in 'ab'}\nctx.map(lambda child, x: child.step(str, x), names)", [("set-order", 2)]),
    ("names = set('ab')\nctx.step(str, names.pop())", [("set-order", 2)]),
    ("first, *rest = {1, 2}\nreturn [ctx.step(str, x, name=str(x)) for x in [*{1, 2}]]", [("set-order", 2)]),
    # effects
    ("time.sleep(1)", [("sleep", 1)]),
    ("print(1)", [("print", 1)]),
    ("open('x').read()", [("io", 1)]),
    ("import requests\nrequests.get('https://example.com')", [("io", 2)]),
    ("import httpx as http\nhttp.get('https://example.com')", [("io", 2)]),
    ("import boto3\nboto3.client('s3', region_name='eu-west-1').list_buckets()", [("io", 2)]),
    ("import subprocess\nsubprocess.run(['ls'])", [("io", 2)]),
    ("from pathlib import Path\nPath('x').write_text('')", [("io", 2)]),
    ("os.listdir('.')", [("io", 1)]),
    # writes
    ("found = []\nctx.step(lambda: found.append(1), name='a')\nreturn found", [("step-write", 2)]),
    ("n = 0\ndef body():\n    nonlocal n\n    n += 1\nctx.step(body)\nreturn n", [("step-write", 4)]),
    ("def body():\n    event['x'] = 1\nctx.step(body)\nreturn event", [("step-write", 2)]),
    ("items = iter('ab')\nctx.step(lambda: next(items), name='a')", [("step-write", 2)]),
]
RIGHT = [
    "ctx.step(lambda: time.time(), name='a')",
    "begin = time.time()\nctx.logger.info('took %s', time.time() - begin)",
    "if os.getenv('DEBUG'):\n    ctx.logger.info('x')\nctx.wait(1)",
    "bucket = os.environ['BUCKET']\nctx.step(str, bucket)",
    "for one in sorted({1, 2}):\n    ctx.step(str, one)",
    "names = set('ab')\nif 'a' in names:\n    ctx.wait(1)\nctx.step(str, len(names))",
    "total = 0\nfor one in {1, 2}:\n    total += one\nif total > 2:\n    ctx.wait(1)",
    "found = []\nfor x in 'ab':\n    found.append(ctx.step(str, x, name=x))\nreturn found",
    "def body(order):\n    order['x'] = 1\n    return order\nevent = ctx.step(body, event)\nreturn event",
    "def body():\n    found = []\n    found.append(1)\n    return found\nreturn ctx.step(body)",
    "number = ctx.random.random()\nctx.step(str, number, name=str(ctx.uuid4()))",
    "now = ctx.now()\nif now.hour > 12:\n    ctx.wait(1)",
    "rng = random.Random(7)\nctx.step(str, rng.random())",
    "return time.gmtime(0).tm_year",
    "stamp = time.time()  # durable: ignore[clock]\nreturn stamp",
    "stamp = time.time()  # durable: ignore\nreturn stamp",
    "stamp = time.time()  # durable: ignore[io, clock]\nreturn stamp",
]


@pytest.mark.parametrize(("body", "expected"), FOUND, ids=[body for body, _ in FOUND])
def test_it_finds_what_a_replay_does_not_repeat(body, expected):
    assert rules(body) == expected


@pytest.mark.parametrize(("body", "expected"), FOUND, ids=[body for body, _ in FOUND])
def test_it_finds_the_same_in_a_called_function_and_in_async_code(body, expected):
    before = "async def work(event, ctx):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    source = f"{before}async def handler(event, ctx):\n    value = await work(event, ctx)\n    return value\n"
    assert [(one.rule, one.line - 1) for one in analyze(module_with(source).handler)] == expected


@pytest.mark.parametrize("body", RIGHT)
def test_it_finds_nothing_in_right_code(body):
    assert rules(body) == []


BASKET = """
class Basket:
    def fill(self):
        self.goods = [1]
    def count(self):
        return len(self.goods)
    def name(self):
        return "basket"
ONE = Basket()
"""


@pytest.mark.parametrize(
    ("then", "is_read"),
    [
        ("return ONE.goods", True),
        ("return ctx.step(ONE.count, name='b')", True),
        ("return ctx.step(lambda: ONE.goods, name='b')", True),
        ("return ctx.step(ONE.name, name='b')", False),
        ("return ctx.step(ONE.fill, name='b')", False),
    ],
)
def test_what_a_method_changes_of_its_object_matters_if_something_else_reads_it(then, is_read):
    found = rules(f"ctx.step(ONE.fill, name='a')\n{then}", BASKET)
    assert found == ([("step-write", -6)] if is_read else [])


def test_another_rule_is_not_ignored():
    assert rules("return time.time()  # durable: ignore[random]") == [("clock", 1)]


def test_the_finding_names_what_the_value_decides():
    module = module_with("def handler(event, ctx):\n    ctx.step(str, 1, name=str(time.time()))\n")
    (found,) = analyze(module.handler)
    name = Path(module.__file__).name
    assert found.message == (
        f"time.time() at {name}:2 returns something else at each replay, and decides the name of ctx.step() at {name}:2"
    )
    assert found.advice == "use ctx.now(), ctx.uuid4(), ctx.random, or a step"


def test_functions_that_call_each_other_come_to_an_end():
    before = (
        "def one(n, ctx):\n    return two(n - 1, ctx) if n else time.time()\ndef two(n, ctx):\n    return one(n, ctx)\n"
    )
    assert rules("return one(3, ctx)", before) == [("clock", -3)]


def test_many_calls_in_calls_are_read_in_bounded_time():
    before = "def f0(ctx, a):\n    return time.time()\n" + "".join(
        f"def f{n}(ctx, a):\n    return [f{n - 1}(ctx, a), f{n - 1}(ctx, [a])]\n" for n in range(1, 25)
    )
    begin = time.process_time()
    rules("return f24(ctx, event)", before)
    assert time.process_time() - begin < 20  # doubling at each level would take hours


def handlers_of(name):
    module = import_module(name)
    for value in vars(module).values():
        is_handler = callable(value) and not isinstance(value, type) and durable_inside(value) is not None
        if is_handler and value.__module__ == name:
            yield value


def findings_of(handler):
    source = Source(program_of(handler).handler)
    found = [*calls(source), *source.findings(), *coroutines(source)]
    return [
        f"{one.rule}: {one.message}" for one in found if one.level != "ok" and "durable: ignore" not in line_of(one)
    ]


def line_of(finding):
    return linecache.getline(finding.file, finding.line)


HANDLERS = [
    (f"{path.stem}-{handler.__name__}", handler)
    for path in sorted(CORRECT.glob("*.py"))
    for handler in handlers_of(f"tests.analysis.correct.{path.stem}")
]


@pytest.mark.parametrize("handler", [handler for _, handler in HANDLERS], ids=[name for name, _ in HANDLERS])
def test_a_correct_handler_has_no_finding(handler):
    assert findings_of(handler) == []


def test_there_are_enough_correct_handlers():
    assert len(HANDLERS) >= 60


EXAMPLES = [
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for path in sorted((ROOT / "examples").rglob("*.py"))
    if "@durable" in path.read_text() and not path.name.startswith("test_") and "official_before" not in path.name
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_handler_of_an_example_has_a_finding(name, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    try:
        found = {one.rule for handler in handlers_of(name) for one in analyze(program_of(handler).handler)}
    finally:
        sys.modules.pop("refund", None)
    assert found == KNOWN.get(name, set())
