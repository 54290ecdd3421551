"""What goes wrong between a process and the service, by a plan that a seed decides; and how often each did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from powertools_durable._protocol.operation import Operation, OperationStatus, OperationType
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable.backends import lambda_
from powertools_durable.errors import BackendError

__all__ = ["CALLS", "CLASSES", "NONE", "PAGES", "FaultPlan", "Faults"]

# Faults of one request. What is behind a name is decided in `Faults.before`, `Faults.after` and `Faults.changed`.
BEFORE = ("reset before", "429", "throttling", "503", "stale token", "overlap")
AFTER = ("reset after", "read timeout", "500 after")
ANSWERS = ("no token", "null delta", "partial delta", "duplicates in delta", "unknown type in delta")
CALLS = (*BEFORE, *AFTER, *ANSWERS)
PAGES = ("page reset", "page 429", "page 503", "page stale", "page duplicates", "page regressed")
ALWAYS = ("paged state", "clock ahead", "clock behind", "unknown fields", "unknown type", "duplicates in event")
CLASSES = (*CALLS, *PAGES, *ALWAYS)

_HTTP = {
    "429": (429, "TooManyRequestsException", "Rate exceeded"),
    "throttling": (400, "ThrottlingException", "Rate exceeded"),
    "503": (503, "ServiceUnavailableException", "Service unavailable"),
    "500 after": (500, "ServiceException", "Internal error"),
}
_URL = "https://lambda.us-east-1.amazonaws.com"
_ENDED = frozenset(status.value for status in OperationStatus if status.is_terminal)


@dataclass(frozen=True)
class FaultPlan:
    """What goes wrong in a run.

    Attributes
    ----------
    calls : Mapping[int, str]
        The fault of each checkpoint that has one, by its number in the run, from 0.
    pages : Mapping[int, str]
        The same for pages of records.
    page_items : int
        Records on a page; 0 is as many as there are.
    skew : float
        Seconds that the process's clock is ahead of the service's.
    unknown : bool
        Events have fields and a type of record that nobody knows.
    duplicates : bool
        Events tell records twice; on their first page the second time as they were before.
    """

    calls: Mapping[int, str] = field(default_factory=dict)
    pages: Mapping[int, str] = field(default_factory=dict)
    page_items: int = 0
    skew: float = 0.0
    unknown: bool = False
    duplicates: bool = False

    @classmethod
    def drawn(cls, seed: int, *, requests: int = 40, chance: float = 0.12) -> FaultPlan:
        """Draw a plan: each of the first *requests* has a fault with that *chance*."""
        random = Random(f"faults/{seed}")
        draw = random.random
        return cls(
            calls={at: random.choice(CALLS) for at in range(requests) if draw() < chance},
            pages={at: random.choice(PAGES) for at in range(requests) if draw() < chance},
            page_items=random.choice((0, 0, 1, 2, 3)),
            skew=random.choice((0.0, 0.0, 2.0, -2.0)),
            unknown=draw() < 0.3,
            duplicates=draw() < 0.3,
        )


NONE = FaultPlan()


class Faults:
    """A plan that is carried out, and what came of it.

    Attributes
    ----------
    count : Counter[str]
        How often each class happened.
    forgives : bool
        The fault was the service's, so it does not count the invocation as failed, and invokes again.
    """

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self.count: Counter[str] = Counter()
        self.forgives = False
        self._calls = 0
        self._pages = 0
        if plan.skew:
            self.count["clock ahead" if plan.skew > 0 else "clock behind"] += 1

    def of_call(self) -> str:
        """Return the fault of the next checkpoint, if it has one."""
        found = self.plan.calls.get(self._calls, "")
        self._calls += 1
        return found

    def of_page(self) -> str:
        """Return the fault of the next page, if it has one."""
        found = self.plan.pages.get(self._pages, "")
        self._pages += 1
        return found.removeprefix("page ")

    def happened(self, fault: str) -> None:
        """Count *fault*."""
        self.count[fault] += 1
        self.forgives = True

    # -- errors as `LambdaBackend` raises them -----------------------------------------------------------------

    def error(self, fault: str, operation: str, updates: Sequence[OperationUpdate] = ()) -> BackendError:
        """Return what the engine is told."""
        if fault in _HTTP:
            status, code, text = _HTTP[fault]
            response = {
                "Error": {"Code": code, "Message": text},
                "ResponseMetadata": {"HTTPStatusCode": status},
            }
            return lambda_._refused(operation, response, updates, ())  # noqa: SLF001 - as it would come about there
        gone: Exception = ConnectionClosedError(endpoint_url=_URL)
        if fault == "read timeout":
            gone = ReadTimeoutError(endpoint_url=_URL)
        return lambda_._unreached(operation, gone)  # noqa: SLF001

    # -- answers that are legal, but not what one expects ------------------------------------------------------

    def changed(self, fault: str, response: CheckpointResponse, updates: Sequence[OperationUpdate]) -> tuple[str, Any]:
        """Return the fault that came of *fault*, if it can happen here, and the answer."""
        page = response.new_execution_state
        records = (page.operations or ()) if page else ()
        told: tuple[Operation, ...] | None = records
        match fault:
            case "no token" if response.checkpoint_token:
                return fault, replace(response, checkpoint_token=None)
            case "null delta" if all(_follows(record, updates) for record in records):
                told = None
            case "partial delta":
                told = tuple(record for record in records if not _follows(record, updates))
            case "duplicates in delta":
                told = (*records, *records)
            case "unknown type in delta":
                told = (*records, _UNKNOWN)
        if told == records:
            return "", response
        state = None if told is None else StatePage(operations=told, next_marker=page.next_marker if page else None)
        return fault, replace(response, new_execution_state=state)

    def paged(self, fault: str, page: StatePage) -> tuple[str, StatePage]:
        """Do so for a page."""
        records = page.operations or ()
        if fault == "duplicates" and records:
            return fault, replace(page, operations=(*records, *records))
        if fault == "regressed" and any(record.status.is_terminal for record in records):
            return fault, replace(page, operations=(*records, *map(_before, records)))
        return "", page

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event of an invocation as it comes."""
        state = event["InitialExecutionState"]
        if state["NextMarker"]:
            self.count["paged state"] += 1
        records = state["Operations"]
        if self.plan.duplicates and len(records) > 1:
            self.count["duplicates in event"] += 1
            records = [*records, *({**r, "Status": "STARTED"} if r["Status"] in _ENDED else r for r in records)]
        if self.plan.unknown:
            self.count["unknown fields"] += 1
            self.count["unknown type"] += 1
            records = [{**record, "Mood": {"Colour": "blue"}} for record in records]
            if len(records) > 1:
                records.append({"Id": _UNKNOWN.id, "Type": "TELEPORT", "Status": "BEAMED", "TeleportDetails": {}})
            event = {**event, "Weather": ["fine"]}
        return {**event, "InitialExecutionState": {**state, "Operations": records}}


_UNKNOWN = Operation(id="beam", type=OperationType("TELEPORT"), status=OperationStatus("BEAMED"))


def _follows(record: Operation, updates: Sequence[OperationUpdate]) -> bool:
    """Tell whether whoever sent *updates* knows *record* without being told: it holds no more than they did."""
    if record.type not in {OperationType.STEP, OperationType.CONTEXT}:
        return False
    last = next((update for update in reversed(updates) if update.id == record.id), None)
    became = {"START": "STARTED", "SUCCEED": "SUCCEEDED", "FAIL": "FAILED", "RETRY": "PENDING"}
    return last is not None and became.get(last.action.value) == record.status.value


def _before(record: Operation) -> Operation:
    """Return *record* as it was before its end."""
    return replace(record, status=OperationStatus.STARTED) if record.status.is_terminal else record
