"""Which correlation path finds something where: above ``@durable`` the event is Lambda's, below it the customer's."""

from __future__ import annotations

from powertools_durable.integrations import correlation_paths

__all__ = ["is_through_the_event", "misses_the_input", "names_of", "through_the_event"]

_INPUT = correlation_paths.EVENT_BRIDGE.removesuffix("id")
_KEYS = ("DurableExecutionArn", "CheckpointToken", "InitialExecutionState", "UpdatedOperationIds")


def is_through_the_event(path: str) -> bool:
    """Tell whether *path* goes through Lambda's event to the execution's input, as our constants do."""
    return path.startswith(_INPUT)


def misses_the_input(path: str) -> bool:
    """Tell whether *path* gives None for Lambda's event, because it is one through the customer's."""
    return not path.lstrip(" (").startswith(_KEYS)


def through_the_event(path: str) -> str:
    """Return the path above ``@durable`` to what *path* finds in the customer's event."""
    return f"{_INPUT}{path}"


def names_of(path: str) -> list[str]:
    """Return our constants that find above ``@durable`` what *path*, one of Powertools', finds below."""
    ours = through_the_event(path)
    return [name for name in correlation_paths.__all__ if getattr(correlation_paths, name) == ours]
