"""A suspension that code catches is named with its file and line."""

from __future__ import annotations

import contextlib
import inspect
import logging

import pytest

from powertools_durable import durable
from powertools_durable.testing import Simulator


def bare_except(ctx):
    try:
        ctx.wait(5)
    except:  # noqa: E722
        pass


def base_exception(ctx):
    try:
        ctx.wait(5)
    except BaseException:  # noqa: BLE001
        pass


def suppressed(ctx):
    with contextlib.suppress(BaseException):
        ctx.wait(5)


def returned_in_finally(ctx):
    try:
        ctx.wait(5)
    finally:
        return  # noqa: B012


def around_a_child(ctx):
    try:
        ctx.run_in_child_context(lambda child: child.wait(5), name="below")
    except:  # noqa: E722
        pass


def followed_by_a_call(ctx):
    try:
        ctx.wait(5)
    except:  # noqa: E722
        pass
    ctx.step(lambda: 1, name="next")


def with_a_call_inside(ctx):
    try:
        ctx.wait(5)
    except:
        ctx.step(lambda: 1, name="refund")
        raise


def followed_in_a_loop(ctx):
    for _ in range(3):
        try:
            ctx.wait(5)
        except:  # noqa: E722
            continue


def followed_by_another_error(ctx):
    try:
        ctx.wait(5)
    except:  # noqa: E722
        pass
    try:
        raise KeyError
    except KeyError:
        ctx.step(lambda: 1, name="next")


SWALLOWING = [bare_except, base_exception, suppressed, returned_in_finally, around_a_child, followed_by_a_call]
SWALLOWING += [with_a_call_inside, followed_in_a_loop, followed_by_another_error]


def warnings_of(caplog, code):
    @durable
    def handler(event, ctx):
        code(ctx)

    caplog.set_level(logging.WARNING)
    Simulator(handler).start({})
    return [r.getMessage() for r in caplog.records if r.name.startswith("powertools_durable")]


@pytest.mark.parametrize("code", SWALLOWING, ids=lambda code: code.__name__)
def test_where_it_was_caught_is_named_once(code, caplog):
    (text,) = warnings_of(caplog, code)
    lines, first = inspect.getsourcelines(code)
    word = "refund" if code is with_a_call_inside else ("run_in" if code is around_a_child else ".wait(5)")
    line = first + next(number for number, line in enumerate(lines) if word in line)
    assert f"at test_swallowed.py:{line} in {code.__name__}" in text
    assert "except Exception:" in text


def cleans_up(ctx):
    try:
        ctx.wait(5)
    finally:
        ctx.step(lambda: 1, name="clean up")


def cleans_up_elsewhere(ctx):
    def clean_up(ctx):
        ctx.step(lambda: 1, name="clean up")

    try:
        ctx.wait(5)
    finally:
        clean_up(ctx)


def lets_it_pass(ctx):
    try:
        ctx.wait(5)
    except Exception:  # noqa: BLE001
        pass


def raises_it_again(ctx):
    try:
        ctx.wait(5)
    except BaseException:
        raise


@pytest.mark.parametrize(
    "code", [cleans_up, cleans_up_elsewhere, lets_it_pass, raises_it_again], ids=lambda code: code.__name__
)
def test_code_that_lets_it_pass_is_not_warned_of(code, caplog):
    assert warnings_of(caplog, code) == []
