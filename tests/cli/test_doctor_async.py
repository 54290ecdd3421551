"""``doctor`` reads async handlers: what blocks their loop, what no replay repeats, what belongs in ``def`` handlers."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.cli.test_doctor import HERE, ROOT, told

SHOP = HERE / "async_shop.py"


def line(text):
    return f"async_shop.py:{SHOP.read_text().split(text)[0].count(chr(10)) + 1}"


FOUND = [
    ("error async", "'with ctx.saga()'", "with ctx.saga():"),
    ("error async", "'with ctx.batch()'", "with ctx.batch():"),
    ("error async", "asyncio.run()", "asyncio.run("),
    ("warning async", "ctx.wait()", 'ctx.wait(60, name="forgotten")'),
    ("warning code", "asyncio.sleep()", "await asyncio.sleep(5)"),
    ("warning code", "asyncio.sleep()", "await asyncio.sleep(1)"),  # of double(), which asyncio.run() calls
    ("warning code", "time.sleep()", "time.sleep(6)"),
    ("warning async", "time.sleep()", "time.sleep(1)"),
    ("warning async", "urllib3.request()", "urllib3.request("),
    ("warning async", "urllib.request.urlopen()", "urllib.request.urlopen("),
    ("warning async", "table.get_item()", "table.get_item("),
    ("warning async", "bucket.get_object()", "bucket.get_object("),
    ("warning async", "the loop", "while True:"),
    ("warning async", "the loop", "while not task.done()"),
    ("warning async", "asyncio.timeout()", "asyncio.timeout(5)"),
    ("warning async", "asyncio.wait_for()", "asyncio.wait_for(ctx"),
    ("warning async", "asyncio.wait()", "asyncio.wait([ctx"),
    ("warning code", "'except asyncio.CancelledError:'", "except asyncio.CancelledError:"),
    ("error calls", "ctx.stepp()", "ctx.stepp("),
    ("error calls", "ctx.get_remaining_time_in_millis()", "ctx.get_remaining"),
]


def bad(name):
    findings, _, _ = told(f"{SHOP}:{name}")
    subjects = ("async:", "code:", "calls:")
    return [one for one in findings if not one.startswith("ok") and one.split()[1] in subjects]


@pytest.fixture(scope="module")
def ill():
    return bad("ill")


@pytest.mark.parametrize(("subject", "what", "text"), FOUND, ids=[text for _, _, text in FOUND])
def test_it_finds_at_its_line(ill, subject, what, text):
    assert [one for one in ill if one.startswith(f"{subject}: {what}") and f"at {line(text)}" in one]


def test_it_finds_nothing_twice_and_nothing_else(ill):
    assert len(ill) == len(FOUND) == len(set(ill))


@pytest.mark.parametrize("target", ["well", "mixed"])
def test_correct_async_code_has_no_finding_and_a_def_handler_still_refuses_async_functions(target):
    found = bad(target)
    assert [one.partition(" at ")[0] for one in found] == ([] if target == "well" else ["error calls: ctx.step()"])


@pytest.mark.slow
def test_no_async_example_has_a_finding():
    for path in sorted((ROOT / "examples").rglob("*.py")):
        lines = path.read_text().splitlines()
        for before, text in pairwise(lines):
            if before.startswith("@durable") and text.startswith("async def "):
                name = text.removeprefix("async def ").partition("(")[0]
                findings, _, _ = told(f"{path}:{name}")
                assert [one for one in findings if one.split()[1] == "async:"] == []
