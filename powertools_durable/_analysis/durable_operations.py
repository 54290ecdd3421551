"""Which methods of a context make durable operations, and where each runs its functions."""

from __future__ import annotations

__all__ = ["OPERATIONS", "REPLAYED", "STEPS", "VALUES_OF_INVOCATION"]

STEPS = {"step", "wait_for_condition", "wait_for_callback", "step_with_compensation"}  # record what a function returns
REPLAYED = {  # run a function that makes operations of its own, and what it gets before its arguments
    "run_in_child_context": ("context",),
    "child_context": ("context",),
    "with_retry": ("context",),
    "map": ("context", "item"),
    "parallel": ("context",),
    "race": ("context",),
}
OPERATIONS = {
    *STEPS,
    *REPLAYED,
    *("wait", "wait_until", "now", "create_callback", "invoke", "patched", "run_compensations"),
}
VALUES_OF_INVOCATION = {"is_replaying", "execution_mode", "remaining_time", "checkpoint_token"}
