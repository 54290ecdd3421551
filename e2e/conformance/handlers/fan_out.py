"""Suites "map" and "parallel"."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from handlers.common import BrokenError, broken, same
from powertools_durable import BatchItem, BatchResult, Completion, DurableContext, Nesting, durable
from powertools_durable.serdes import SerDesContext

LARGE = 70 * 1024
COUNTS = {
    "completionReason": "completion_reason",
    "status": "status",
    "successCount": "success_count",
    "failureCount": "failure_count",
    "totalCount": "total_count",
}


def shown(result: BatchResult[Any], *keys: str) -> dict[str, Any]:
    return {key: getattr(result, COUNTS[key]) for key in keys or COUNTS}


def gives(value: Any) -> Any:
    """Make a branch that returns *value*."""
    return lambda child: value


def steps(value: str) -> Any:
    """Make a branch of one step."""
    return lambda child: child.step(same, value)


def fails(child: DurableContext, item: Any = None) -> Any:
    broken()


class Wrapped:
    """A serdes for items whose work is visible in the history."""

    def serialize(self, value: str, context: SerDesContext) -> str:
        return json.dumps({"wrapped": value})

    def deserialize(self, text: str, context: SerDesContext) -> str:
        return str(json.loads(text)["wrapped"])


class Prefixed:
    def serialize(self, value: str, context: SerDesContext) -> str:
        return f"wrapped:{value}"

    def deserialize(self, text: str, context: SerDesContext) -> str:
        return text.removeprefix("wrapped:")


class WholeResult:
    """A serdes for the result of a map; its items are texts."""

    def serialize(self, value: Any, context: SerDesContext) -> str:
        return f"OPSERDE:{','.join(value.results)}" if isinstance(value, BatchResult) else json.dumps(value)

    def deserialize(self, text: str, context: SerDesContext) -> Any:
        if not text.startswith("OPSERDE:"):
            return json.loads(text)
        results = text.removeprefix("OPSERDE:").split(",")
        items = (BatchItem(index, None, "SUCCEEDED", result) for index, result in enumerate(results))
        return BatchResult(tuple(items), "ALL_COMPLETED")


# -- map -------------------------------------------------------------------------------------------------------


@durable
def map_basic(items: list[str], ctx: DurableContext) -> list[str]:
    def greet(child: DurableContext, item: str) -> str:
        return child.step(lambda: f"Hello, {item}!", name="greet")

    return ctx.map(greet, items, name="map", max_concurrency=1).results


@durable
def map_items_only(items: list[int], ctx: DurableContext) -> list[int]:
    return ctx.map(lambda child, item: item * 2, items, max_concurrency=1).results


@durable
def map_with_index(items: list[int], ctx: DurableContext) -> list[int]:
    return ctx.map(lambda child, pair: pair[1] + pair[0], enumerate(items), max_concurrency=1).results


@durable
def map_empty(items: list[Any], ctx: DurableContext) -> list[Any]:
    return ctx.map(lambda child, item: item, items).results


def outcomes(ctx: DurableContext, pattern: str, **options: Any) -> BatchResult[str]:
    """Map over a text of '+' for success and '-' for failure."""

    def run(child: DurableContext, item: str) -> str:
        if item == "-":
            raise BrokenError("broken on purpose")
        return "ok"

    return ctx.map(run, list(pattern), max_concurrency=1, **options)


@durable
def map_fail_fast(event: Any, ctx: DurableContext) -> dict[str, Any]:
    return shown(outcomes(ctx, "+-+", completion=Completion(tolerated_failure_count=0)))


@durable
def map_raises(event: Any, ctx: DurableContext) -> None:
    outcomes(ctx, "-+", completion=Completion(tolerated_failure_count=0)).raise_if_failed()


@durable
def map_tolerates_one(event: Any, ctx: DurableContext) -> dict[str, Any]:
    return shown(outcomes(ctx, "+-+", completion=Completion(tolerated_failure_count=1)))


@durable
def map_tolerance_exceeded(event: Any, ctx: DurableContext) -> dict[str, Any]:
    result = outcomes(ctx, "--+", completion=Completion(tolerated_failure_count=1))
    return shown(result, "completionReason", "successCount", "failureCount", "totalCount")


@durable
def map_percentage_exceeded(event: Any, ctx: DurableContext) -> dict[str, Any]:
    result = outcomes(ctx, "--++", completion=Completion(tolerated_failure_percentage=25))
    return shown(result, "completionReason", "successCount", "failureCount", "totalCount")


@durable
def map_two_at_once(event: Any, ctx: DurableContext) -> list[str]:
    return ctx.map(lambda child, item: item, ["r0", "r1", "r2"], max_concurrency=2).results


@durable
def map_flat(event: Any, ctx: DurableContext) -> list[str]:
    def one_step(child: DurableContext, item: str) -> str:
        return child.step(same, item)

    return ctx.map(one_step, ["fa", "fb"], max_concurrency=1, nesting=Nesting.FLAT).results


@durable
def map_item_serdes(event: Any, ctx: DurableContext) -> list[str]:
    return ctx.map(lambda child, item: item.upper(), ["x", "y"], max_concurrency=1, item_serdes=Prefixed()).results


@durable
def map_suspends(event: Any, ctx: DurableContext) -> list[str]:
    def run(child: DurableContext, item: str) -> str:
        if item == "r1":
            child.wait(timedelta(seconds=1))
        return child.step(same, item)

    return ctx.map(run, ["r0", "r1"], max_concurrency=1).results


@durable
def map_large(event: Any, ctx: DurableContext) -> dict[str, Any]:
    result = ctx.map(lambda child, item: item * LARGE, ["a", "b", "c", "d"], max_concurrency=1)
    return shown(result, "successCount", "totalCount")


@durable
def map_skipped_on_replay(event: Any, ctx: DurableContext) -> list[str]:
    results = ctx.map(lambda child, item: item.upper(), ["a", "b"], max_concurrency=1).results
    ctx.wait(timedelta(seconds=1))
    return results


@durable
def map_serdes(event: Any, ctx: DurableContext) -> list[str]:
    return ctx.map(lambda child, item: item.upper(), ["x", "y"], max_concurrency=1, serdes=WholeResult()).results


# -- parallel --------------------------------------------------------------------------------------------------


@durable
def parallel_basic(event: Any, ctx: DurableContext) -> list[str]:
    return ctx.parallel([steps("task-1"), steps("task-2")], name="parallel", max_concurrency=1).results


@durable
def parallel_unnamed(event: Any, ctx: DurableContext) -> list[str]:
    return ctx.parallel([gives("alpha"), gives("beta")], max_concurrency=1).results


@durable
def parallel_named_branches(event: Any, ctx: DurableContext) -> list[str]:
    branches = {"first": gives("one"), "second": gives("two")}
    return ctx.parallel(branches, name="parallel", max_concurrency=1).results


@durable
def parallel_types(event: Any, ctx: DurableContext) -> list[Any]:
    return ctx.parallel([gives("hello"), gives(42), gives({"k": "v"})], max_concurrency=1).results


@durable
def parallel_empty(event: Any, ctx: DurableContext) -> list[Any]:
    return ctx.parallel([]).results


def branches_of(pattern: str) -> list[Any]:
    return [fails if sign == "-" else gives("ok") for sign in pattern]


@durable
def parallel_fail_fast(event: Any, ctx: DurableContext) -> dict[str, Any]:
    done = Completion(tolerated_failure_count=0)
    return shown(ctx.parallel(branches_of("+-+"), max_concurrency=1, completion=done))


@durable
def parallel_min_successful(event: Any, ctx: DurableContext) -> dict[str, Any]:
    result = ctx.parallel(branches_of("++++"), max_concurrency=1, completion=Completion(min_successful=2))
    return shown(result, "completionReason", "successCount", "totalCount")


@durable
def parallel_tolerates_one(event: Any, ctx: DurableContext) -> dict[str, Any]:
    done = Completion(tolerated_failure_count=1)
    return shown(ctx.parallel(branches_of("+-+"), max_concurrency=1, completion=done))


@durable
def parallel_tolerance_exceeded(event: Any, ctx: DurableContext) -> dict[str, Any]:
    done = Completion(tolerated_failure_count=1)
    result = ctx.parallel(branches_of("--+"), max_concurrency=1, completion=done)
    return shown(result, "completionReason", "successCount", "failureCount", "totalCount")


@durable
def parallel_two_at_once(event: Any, ctx: DurableContext) -> list[str]:
    return ctx.parallel([gives("r0"), gives("r1"), gives("r2")], max_concurrency=2).results


@durable
def parallel_flat(event: Any, ctx: DurableContext) -> list[str]:
    return ctx.parallel([steps("fa"), steps("fb")], max_concurrency=1, nesting=Nesting.FLAT).results


@durable
def parallel_percentage_exceeded(event: Any, ctx: DurableContext) -> dict[str, Any]:
    done = Completion(tolerated_failure_percentage=25)
    result = ctx.parallel(branches_of("--++"), max_concurrency=1, completion=done)
    return shown(result, "completionReason", "successCount", "failureCount", "totalCount")


@durable
def parallel_item_serdes(event: Any, ctx: DurableContext) -> list[str]:
    return ctx.parallel([gives("x"), gives("y")], max_concurrency=1, item_serdes=Wrapped()).results


@durable
def parallel_all_fail(event: Any, ctx: DurableContext) -> dict[str, Any]:
    done = Completion(tolerated_failure_count=3)
    return shown(ctx.parallel(branches_of("---"), max_concurrency=1, completion=done))


@durable
def parallel_min_not_reached(event: Any, ctx: DurableContext) -> dict[str, Any]:
    return shown(ctx.parallel(branches_of("+-+"), max_concurrency=1, completion=Completion(min_successful=3)))


@durable
def parallel_no_concurrency(event: Any, ctx: DurableContext) -> None:
    ctx.parallel(branches_of("++"), max_concurrency=0)


@durable
def parallel_accessors(event: Any, ctx: DurableContext) -> dict[str, Any]:
    result = ctx.parallel(branches_of("+-+"), max_concurrency=1, completion=Completion(tolerated_failure_count=1))
    return {
        "hasFailure": result.has_failure,
        "successCount": len(result.succeeded),
        "failureCount": len(result.failed),
        "errorCount": len(result.errors),
    }


@durable
def parallel_nested(event: Any, ctx: DurableContext) -> list[list[str]]:
    def inner(child: DurableContext) -> list[str]:
        return child.parallel([steps("i1"), steps("i2")], max_concurrency=1).results

    return ctx.parallel([inner], max_concurrency=1).results
