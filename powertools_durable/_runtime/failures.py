"""Logs failures; no other module does.

Lines go through the user's logger, so that they carry its keys and reach its handlers. Messages of this package contain
no payload; the message and the traceback of an exception that user code raised are logged unchanged. A failure is
logged when it happens, not when it is replayed: the failure of an attempt before it is recorded, the failure of the
execution before it is returned to Lambda.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from powertools_durable._functions import code_of
from powertools_durable._protocol.operation import ErrorObject, OperationType, SubType
from powertools_durable._protocol.update import OperationAction
from powertools_durable._replay.effects import Checkpoint, FailedAttempt
from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.tracebacks import exc_info_of
from powertools_durable.errors import (
    CallbackSubmitterError,
    ChildContextError,
    OperationError,
    StepError,
    WaitForConditionError,
)
from powertools_durable.errors.places import log_level_of_the_user, traceback_of, user_frames
from powertools_durable.errors.rebuilding import raised_at_first
from powertools_durable.errors.recording import to_error_object
from powertools_durable.scope import SCOPE, ReplayState, ScopeInfo

if TYPE_CHECKING:
    from powertools_durable._runtime.session import Program

__all__ = ["Failures"]

logger = logging.getLogger(__name__)

LINES_OF_A_FAN_OUT: Final = 20  # further ones are only counted
_NEST_LESS = "Contexts inside contexts count towards Python's recursion limit: nest less deeply, or loop"
_LOGGED_BEFORE = (StepError, WaitForConditionError, CallbackSubmitterError, ChildContextError)


class Failures:
    """The log lines of one invocation's failures.

    Parameters
    ----------
    program : Program
        Its settings say whether failures are logged, and by which logger.
    execution_arn, execution_name : str
        The execution.
    """

    def __init__(self, program: Program, execution_arn: str, execution_name: str) -> None:
        self._program = program
        self._scope: dict[str, Any] = {"execution_arn": execution_arn, "execution_name": execution_name}
        self._fan_outs: dict[Frame, int] = {}  # the running ones, with the number of lines logged for each
        self._lock = threading.Lock()

    # -- failures ------------------------------------------------------------------------------------------

    def log_recorded(self, frame: Frame, effect: Checkpoint, losses: list[str]) -> None:
        """Log a failure that is about to be recorded, of a step's attempt or of a context's code.

        Parameters
        ----------
        frame : Frame
            The context of the operation.
        effect : Checkpoint
            The update, with the exception that it records.
        losses : list[str]
            Parts of the exception that could not be recorded; the list is emptied.
        """
        error, update = effect.failure, effect.update
        if error is None or update.error is None or frame.engine.revoked:
            return
        name = update.name or update.id[:8]
        if losses:
            kind = update.type.value.lower()
            logger.warning("the failure of %s %r is recorded without %s", kind, name, " and ".join(losses))
            losses.clear()
        if update.type is OperationType.CONTEXT:
            self.log_context(frame, update.id, update.name, error, update.error)
            return
        record = frame.engine.state.operations.get(update.id)
        attempt = (record.attempts if record is not None else 0) + 1
        scope = self._scope_in(frame, operation_id=update.id, operation_name=update.name, attempt=attempt)
        if update.action is OperationAction.RETRY and update.step_options is not None:
            seconds = update.step_options.next_attempt_delay_seconds
            summary = _summary(update.error)
            text = f"attempt {attempt} of step {name!r} failed, the next one is in {seconds} s: {summary}"
            self._log_within(frame, text, error, scope, with_traceback=False)
            return
        cls = WaitForConditionError if update.sub_type == SubType.WAIT_FOR_CONDITION else StepError
        self._log_within(frame, _described(cls, update.error, name, attempt), error, scope)

    def log_context(
        self, frame: Frame, context_id: str, name: str | None, error: BaseException, record: ErrorObject | None = None
    ) -> None:
        """Log the failure of a child context, a branch or an item, unless it was logged for a step inside."""
        if isinstance(error, _LOGGED_BEFORE) or frame.engine.revoked:
            return
        described = _described(ChildContextError, record or self._error_object(error), name or context_id, None)
        scope = self._scope_in(frame, operation_id=context_id, operation_name=name)
        self._log_within(frame, described, error, scope)

    def log_virtual_context(self, frame: Frame, error: BaseException) -> None:
        """Log the failure of a context without a record, whose code runs again on every replay."""
        is_virtual = frame.context_id is not None and frame.context_id != frame.parent_id
        if is_virtual and frame.code_state is ReplayState.LIVE and frame.context_id is not None:
            self.log_context(frame, frame.context_id, None, error)

    def log_retried_calls(self, frame: Frame, failed: FailedAttempt) -> None:
        """Log that `with_retry` will run its function again, unless this is a replay."""
        name, attempt, delay, error = failed.name, failed.number, failed.delay, failed.error
        if isinstance(error, _LOGGED_BEFORE) or frame.engine.revoked or frame.next_record() is not None:
            return
        summary = _summary(self._error_object(error))
        text = f"attempt {attempt} of {name or 'with_retry'!r} failed, the next one is in {delay} s: {summary}"
        self._log_within(frame, text, error, self._scope_in(frame, attempt=attempt), with_traceback=False)

    def log_execution(self, error: BaseException) -> ErrorObject:
        """Log that the execution has failed, and return its error for Lambda."""
        losses: list[str] = []
        written = self._error_object(error, is_answer=True, losses=losses)
        if isinstance(error, RecursionError):
            message = f"{written.error_message}. {_NEST_LESS}"
            written = ErrorObject(error_message=message, error_type="RecursionError", stack_trace=written.stack_trace)
        if losses:
            logger.warning("the failure of the execution is returned without %s", " and ".join(losses))
        described = _summary(written)
        if isinstance(error, OperationError) and type(error).__module__ == OperationError.__module__:
            described = error.describe()
        with_traceback = not isinstance(error, _LOGGED_BEFORE)
        text = f"the execution failed: {described}"
        self._log(logging.ERROR, text, error, ScopeInfo(**self._scope), with_traceback=with_traceback)
        return written

    # -- fan-outs ------------------------------------------------------------------------------------------

    @contextmanager
    def limit_lines(self, frame: Frame, name: str) -> Iterator[None]:
        """Log only the first failures below *frame*; at the end or suspension, log the number of the others."""
        with self._lock:
            self._fan_outs[frame] = 0
        try:
            yield
        finally:
            with self._lock:
                more = self._fan_outs.pop(frame, 0) - LINES_OF_A_FAN_OUT
            if more > 0:
                text = f"{more} more failures in {name!r} are not logged, after the first {LINES_OF_A_FAN_OUT}"
                self._log(logging.WARNING, text, None, self._scope_in(frame))

    def _has_room(self, frame: Frame) -> bool:
        """Count a line for the outermost fan-out around *frame*; return whether it may be logged."""
        outermost: Frame | None = None
        around: Frame | None = frame
        while around is not None:
            if around in self._fan_outs:
                outermost = around
            around = around.parent
        if outermost is None:
            return True
        with self._lock:
            self._fan_outs[outermost] += 1
            return self._fan_outs[outermost] <= LINES_OF_A_FAN_OUT

    # -- logging -------------------------------------------------------------------------------------------

    def _scope_in(self, frame: Frame, **own: Any) -> ScopeInfo:
        return ScopeInfo(**self._scope, context_id=frame.context_id, **own)

    def _error_object(self, error: BaseException, **options: Any) -> ErrorObject:
        config = self._program.config
        return to_error_object(
            error, stack_traces=config.stack_traces, include_input=config.include_validation_input, **options
        )

    def _log_within(
        self, frame: Frame, text: str, error: BaseException, scope: ScopeInfo, *, with_traceback: bool = True
    ) -> None:
        if self._has_room(frame):
            self._log(logging.WARNING, text, error, scope, with_traceback=with_traceback)

    def _log(
        self, level: int, text: str, error: BaseException | None, scope: ScopeInfo, *, with_traceback: bool = True
    ) -> None:
        """Log with the method `log` of the user's logger, which neither fills nor flushes Powertools' buffer."""
        config = self._program.config
        if not config.log_failures:
            return
        from powertools_durable.integrations.loggers import logger_of_failures

        token = SCOPE.set(scope)
        try:
            exc_info = None
            if error is not None and with_traceback:
                exc_info = exc_info_of(error, include_input=config.include_validation_input)
            users = logger_of_failures(self._program.handler, self._program.logger)
            at = 1 if self._program.is_async else log_level_of_the_user()
            if at == 1 and hasattr(users, "makeRecord"):  # this stack has no line of the user's code
                _log_at(self._line_of_call() or self._line_of(error), users, level, text, exc_info)
            else:
                users.log(level, text, exc_info=exc_info, stacklevel=at)
        except Exception as broken:  # noqa: BLE001 - the failure is recorded, even if the logger raises
            logger.warning("a failure could not be logged: the logger raised %s", type(broken).__name__)
        finally:
            SCOPE.reset(token)

    def _line_of_call(self) -> tuple[str, int, str] | None:
        """Return file, line and function of the durable call that failed, in an ``async def`` handler."""
        if not self._program.is_async:
            return None
        from powertools_durable._runtime.task_places import line_of_call  # loads asyncio

        line = line_of_call()
        return None if line is None else (line[0].co_filename, line[1], line[0].co_name)

    def _line_of(self, error: BaseException | None) -> tuple[str, int, str]:
        """Return file, line and function of the user's innermost frame in *error*, else those of the handler."""
        frames = list(user_frames(traceback_of(error))) if error is not None else []
        if frames:
            frame, line = frames[-1]
            return frame.f_code.co_filename, line, frame.f_code.co_name
        code = code_of(self._program.handler)
        return (code.co_filename, code.co_firstlineno, code.co_name) if code else ("(unknown file)", 0, "(unknown)")


def _log_at(line: tuple[str, int, str], users: Any, level: int, text: str, exc_info: Any) -> None:
    """Log with *line* as the origin, for stacks without a frame of the user's code, such as that of a branch."""
    if users.isEnabledFor(level):
        file, number, function = line
        users.handle(users.makeRecord(users.name, level, file, number, text, (), exc_info, function))


def _described(cls: type[OperationError], record: ErrorObject, name: str, attempts: int | None) -> str:
    error = cls(record.error_message or "", error_type=raised_at_first(record))
    return error.named(name, attempts).describe()


def _summary(record: ErrorObject) -> str:
    message = f": {record.error_message}" if record.error_message else ""
    return f"{raised_at_first(record)}{message}"
