"""Where a durable call stands in the user's code."""

from __future__ import annotations

import inspect

from powertools_durable import Retry, durable
from powertools_durable.errors.places import call_site
from powertools_durable.testing import explore


def test_it_is_the_line_that_calls():
    line = inspect.currentframe().f_lineno + 1
    assert call_site() == f"{__file__}:{line}"


def test_the_end_of_a_with_block_is_the_user_s_line_and_not_contextlib_s():
    @durable
    def handler(event, ctx):
        with ctx.saga():
            ctx.step_with_compensation(str, "a", compensate=len, name="a")
            ctx.step(int, "no number", name="b", retry=Retry.none())

    found = explore(handler)
    files = {point.location.rpartition(":")[0] for point in found.crash_points if point.location}
    assert files == {__file__}
