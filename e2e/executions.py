"""What a caller asks the service about executions; the same calls for AWS and the emulator."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED"})


class Executions:
    """Asks by a boto3 Lambda client."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def get(self, arn: str) -> dict[str, Any]:
        execution: dict[str, Any] = self.client.get_durable_execution(DurableExecutionArn=arn)
        return execution

    def history(self, arn: str) -> list[dict[str, Any]]:
        paginator = self.client.get_paginator("get_durable_execution_history")
        pages = paginator.paginate(DurableExecutionArn=arn, IncludeExecutionData=True)
        return [event for page in pages for event in page["Events"]]

    def story(self, arn: str) -> list[tuple[str, str]]:
        """Return what happened to named operations, in order."""
        named = [(event["EventType"], event["Name"]) for event in self.history(arn) if event.get("Name")]
        return [(kind, name) for kind, name in named if not kind.startswith("Execution")]

    def answer(self, arn: str, answer: str | Callable[[Any, str], object], seconds: float = 30) -> str:
        """Answer the first callback, once there is one, with a text or by a call on the client; return its id."""

        def callback_id() -> str | None:
            details = (event.get("CallbackStartedDetails") for event in self.history(arn))
            return next((found["CallbackId"] for found in details if found), None)

        found = _wait_for(callback_id, "callback", seconds)
        if isinstance(answer, str):
            self.client.send_durable_execution_callback_success(CallbackId=found, Result=answer)
        else:
            answer(self.client, found)
        return found

    def suspended(self, arn: str, seconds: float = 30) -> list[dict[str, Any]]:
        """Return the history, once an invocation is over."""

        def suspended() -> list[dict[str, Any]] | None:
            history = self.history(arn)
            return history if any(event["EventType"] == "InvocationCompleted" for event in history) else None

        return _wait_for(suspended, "suspension", seconds)

    def end(self, arn: str, seconds: float = 30) -> dict[str, Any]:
        """Return the execution, once it has ended."""

        def ended() -> dict[str, Any] | None:
            execution = self.get(arn)
            return execution if execution["Status"] in _ENDED else None

        return _wait_for(ended, "end", seconds)


def _wait_for(ask: Callable[[], T | None], what: str, seconds: float) -> T:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (answer := ask()) is not None:
            return answer
        time.sleep(0.2)
    raise TimeoutError(f"no {what} after {seconds} s")
