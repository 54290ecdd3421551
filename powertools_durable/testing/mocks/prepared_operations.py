"""Prepares the operations that have one record each: the half of `MockDurableContext` that needs no scope."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, Self

from powertools_durable._protocol.operation import (
    CallbackDetails,
    ChainedInvokeDetails,
    ContextDetails,
    ErrorObject,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
    SubType,
    WaitDetails,
)
from powertools_durable.errors import CallbackTimeoutError, ValidationError
from powertools_durable.parser.stored import input_text
from powertools_durable.serdes.base import SerDes
from powertools_durable.testing.mocks.prepared import ANY_NAME, Blueprint, Failure, failure, prepared_text

__all__ = ["OPEN", "Preparing", "record", "shown"]

S = OperationStatus


class Absent(Enum):
    """What was not given, where None is a value."""

    OPEN = "open"


OPEN = Absent.OPEN


class Preparing:
    """What is prepared so far, and how to add what needs no scope of its own."""

    def __init__(self, *, started_at: datetime | None = None) -> None:
        self._started_at = started_at
        self.blueprints: list[Blueprint] = []

    def __repr__(self) -> str:
        return f"<MockDurableContext, {len(self.blueprints)} operations>"

    def with_step_result(
        self,
        name: str | None,
        result: Any = None,
        *,
        serdes: SerDes[Any] | None = None,
        sub_type: str = SubType.STEP,
    ) -> Self:
        """Prepare a step that succeeded; *serdes* and *sub_type* are those of the call, if it has any."""
        details = StepDetails(attempt=1, result=prepared_text(result, shown("step", name), serdes))
        return self._add(OperationType.STEP, sub_type, name, S.SUCCEEDED, step_details=details)

    def with_step_error(
        self,
        name: str | None,
        error: Failure,
        data: object = None,
        *,
        message: str | None = None,
        sub_type: str = SubType.STEP,
    ) -> Self:
        """Prepare a step that failed for good: the call raises `StepError`.

        Parameters
        ----------
        name : str | None
            The step's name.
        error : Exception | ErrorObject | str
            What its function raised, or the ``error_type`` of that.
        data : object
            With a type: what the error carried, for ``StepError.data_as``.
        message : str | None
            With a type: what the error said.
        sub_type : str
            That of the call, if it has one.
        """
        if isinstance(error, str):
            text = None if data is None else input_text(data, "data")
            error = ErrorObject(error_type=error, error_message=message, error_data=text)
        elif data is not None or message is not None:
            told = "data and message go with the name of a type; an exception has its own"
            raise ValidationError(told)
        details = StepDetails(attempt=1, error=failure(error))
        return self._add(OperationType.STEP, sub_type, name, S.FAILED, step_details=details)

    def with_wait(self, name: str | None = None) -> Self:
        """Prepare a wait that is over."""
        return self._add(OperationType.WAIT, SubType.WAIT, name, S.SUCCEEDED, wait_details=WaitDetails())

    def with_callback(
        self,
        name: str | None = None,
        callback_id: str = "mock-callback-id",
        result: object = OPEN,
        *,
        error: Failure | None = None,
        sub_type: str = SubType.CALLBACK,
    ) -> Self:
        """Prepare a callback: answered with *result*, sent as JSON; failed with *error*; or still open.

        `CallbackTimeoutError` as the error is a callback that nobody answered in time. Asking an open one for its
        result raises `SuspendExecution`.
        """
        if error is not None:
            status = S.TIMED_OUT if isinstance(error, CallbackTimeoutError) else S.FAILED
            details = CallbackDetails(callback_id=callback_id, error=failure(error))
        elif result is OPEN:
            status, details = S.STARTED, CallbackDetails(callback_id=callback_id)
        else:
            text = input_text(result, "the answer")
            status, details = S.SUCCEEDED, CallbackDetails(callback_id=callback_id, result=text)
        return self._add(OperationType.CALLBACK, sub_type, name, status, callback_details=details)

    def with_invoke(self, name: str | None = None, result: object = None, *, error: Failure | None = None) -> Self:
        """Prepare another function's answer, sent as JSON; with *error* the call raises `InvokeError`."""
        if error is not None:
            status, details = S.FAILED, ChainedInvokeDetails(error=failure(error))
        else:
            status, details = S.SUCCEEDED, ChainedInvokeDetails(result=input_text(result, "the answer"))
        kind, sub_type = OperationType.CHAINED_INVOKE, SubType.CHAINED_INVOKE
        return self._add(kind, sub_type, name, status, chained_invoke_details=details)

    def with_wait_for_condition(self, name: str | None, state: Any = None, *, error: Failure | None = None) -> Self:
        """Prepare a condition that was met in *state*; with *error* the call raises `WaitForConditionError`."""
        if error is not None:
            status, details = S.FAILED, StepDetails(attempt=1, error=failure(error))
        else:
            text = prepared_text(state, shown("condition", name))
            status, details = S.SUCCEEDED, StepDetails(attempt=1, result=text)
        return self._add(OperationType.STEP, SubType.WAIT_FOR_CONDITION, name, status, step_details=details)

    def with_patch(self, name: str) -> Self:
        """Prepare an execution that takes the new way at ``ctx.patched(name)``, wherever in the order it stands.

        Without it, an execution with prepared operations still ahead takes the old way, as one that runs does.
        """
        details = StepDetails(attempt=1)
        record = Operation(
            id="",
            type=OperationType.STEP,
            sub_type=SubType.PATCH,
            name=name,
            status=S.SUCCEEDED,
            step_details=details,
        )
        self.blueprints.append(Blueprint(record, mark=name))
        return self

    def _add(
        self, kind: OperationType, sub_type: str, name: str | None, status: OperationStatus, **details: Any
    ) -> Self:
        self.blueprints.append(Blueprint(record(kind, sub_type, name, status, **details)))
        return self

    def _context(
        self, sub_type: str, name: str | None, status: OperationStatus, details: ContextDetails, **below: Any
    ) -> Self:
        made = record(OperationType.CONTEXT, sub_type, name, status, context_details=details)
        self.blueprints.append(Blueprint(made, **below))
        return self


def record(kind: OperationType, sub_type: str, name: str | None, status: OperationStatus, **details: Any) -> Operation:
    """Make a record without a place; an empty name is none, None is any."""
    shown = ANY_NAME if name is None else name
    return Operation(id="", type=kind, sub_type=sub_type, name=shown, status=status, **details)


def shown(kind: str, name: str | None) -> str:
    """Name an operation in an error."""
    return f"{kind} {name!r}" if name else f"a {kind}"
