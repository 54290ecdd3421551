"""The options of fan-outs, in the form in which this package takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from powertools_durable import Completion, Nesting
from powertools_durable.compat.aws.concurrency.models import batch_of
from powertools_durable.compat.aws.config import (
    BatchItemStatus,
    CompletionConfig,
    CompletionItemStatus,
    CompletionOutcome,
    CompletionStatus,
    MapConfig,
    NestingType,
    ParallelConfig,
)
from powertools_durable.compat.aws.exceptions import ValidationError
from powertools_durable.compat.aws.serdes import BATCHES, Adapter, adapted

__all__ = ["BranchKey", "arguments_of"]


def arguments_of(config: MapConfig[Any] | ParallelConfig, names: Sequence[str | None]) -> dict[str, Any]:
    """Return the keyword arguments of ``map`` and ``parallel``; *names* are those that the user gave the branches.

    Raises
    ------
    ValidationError
        There are fewer branches than must succeed.
    """
    summary = config.summary_generator
    return {
        "max_concurrency": config.max_concurrency,
        "completion": _completion(config.completion_config, names),
        "nesting": Nesting.FLAT if config.nesting_type is NestingType.FLAT else Nesting.NESTED,
        "item_serdes": adapted(config.item_serdes or config.serdes),
        "serdes": BATCHES if config.serdes is None else Adapter(config.serdes, of_batch=True),
        "summary": None if summary is None else lambda result: _text(summary(batch_of(result))),
    }


def _text(summary: object) -> str:
    return summary if isinstance(summary, str) else str(summary)


def _completion(config: CompletionConfig, names: Sequence[str | None]) -> Completion:
    if config.min_successful is not None and config.min_successful > len(names):
        message = f"min_successful cannot be greater than total items: {config.min_successful} > {len(names)}"
        raise ValidationError(message)
    if config.should_complete is not None:
        return Completion(when=_rule(config.should_complete, names))
    return Completion(
        min_successful=config.min_successful,
        tolerated_failure_count=config.tolerated_failure_count,
        tolerated_failure_percentage=config.tolerated_failure_percentage,
    )


def _rule(
    should_complete: Callable[[CompletionStatus], Any], names: Sequence[str | None]
) -> Callable[[Any], Literal["succeeded", "failed"] | None]:
    asked: tuple[int, int] | None = None

    def rule(status: Any) -> Literal["succeeded", "failed"] | None:
        nonlocal asked
        counts = status.succeeded, status.failed
        if counts == asked and any(state is not None for state in status.items.values()):
            return None  # an item has started: the official SDK does not ask then
        asked = counts
        items = tuple(
            CompletionItemStatus(index, name, _status(status.items.get(index))) for index, name in enumerate(names)
        )
        ended = status.succeeded + status.failed
        decision = should_complete(CompletionStatus(status.succeeded, status.failed, ended, status.total, items))
        if decision is None or not decision.complete:
            return None
        return "failed" if decision.outcome is CompletionOutcome.FAILED else "succeeded"

    return rule


def _status(state: object) -> BatchItemStatus | None:
    return None if state is None else BatchItemStatus(str(state))


class BranchKey(str):
    """The name of a branch, as a key: two branches may have the same name."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other
