"""Which correlation path finds something where: above ``@durable`` the event is Lambda's, below it the customer's."""

from __future__ import annotations

from powertools_durable.integrations import correlation_paths

__all__ = ["advice_above", "advice_below"]

_INPUT = correlation_paths.EVENT_BRIDGE.removesuffix("id")
_KEYS = ("DurableExecutionArn", "CheckpointToken", "InitialExecutionState", "UpdatedOperationIds")


def advice_above(path: str) -> tuple[str, str] | None:
    """Return what a logger that looks for *path* above ``@durable`` does wrong, and what to do; None when nothing."""
    if path.lstrip(" (").startswith(_KEYS):
        return None
    names = _names_of(path)
    if names:
        what = f"Powertools' correlation_paths.{' or '.join(names)}"
        ours = " or ".join(f"correlation_paths.{name}" for name in names)
        advice = f"from powertools_durable.integrations import correlation_paths, then {ours}"
    else:
        what, advice = f"correlation_id_path={path!r}", f"say correlation_id_path={_through_the_event(path)!r}"
    return f"looks for {what} in the event of Lambda's, which holds yours: the correlation id is None", advice


def advice_below(path: str) -> tuple[str, str] | None:
    """Return what a logger that looks for *path* below ``@durable`` does wrong, and what to do; None when nothing."""
    if not path.startswith(_INPUT):
        return None
    words = "stands below @durable, where the event is yours: the path through Lambda's raises JMESPathTypeError"
    return words, "put it above @durable, or say Powertools' own correlation_paths"


def _through_the_event(path: str) -> str:
    """Return the path above ``@durable`` to what *path* finds in the customer's event."""
    return f"{_INPUT}{path}"


def _names_of(path: str) -> list[str]:
    """Return our constants that find above ``@durable`` what *path*, one of Powertools', finds below."""
    ours = _through_the_event(path)
    return [name for name in correlation_paths.__all__ if getattr(correlation_paths, name) == ours]
