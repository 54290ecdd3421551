"""One operation in this invocation: its identity, its record and its updates."""

from __future__ import annotations

from datetime import datetime
from types import CodeType
from typing import Any, TypeVar

from powertools_durable._protocol.limits import MAX_INVOKE_PAYLOAD_BYTES
from powertools_durable._protocol.operation import (
    ErrorObject,
    Operation,
    OperationStatus,
    OperationType,
)
from powertools_durable._protocol.update import (
    CallbackOptions,
    ChainedInvokeOptions,
    ContextOptions,
    OperationAction,
    OperationUpdate,
    StepOptions,
    WaitOptions,
)
from powertools_durable._replay.engine import RandomSource, ReplayEngine
from powertools_durable.errors import (
    InvalidStateError,
    OperationError,
    PayloadTooLargeError,
    RetryableSerDesError,
    SerDesError,
)
from powertools_durable.errors.places import call_site, line_of_user, without_folders
from powertools_durable.errors.rebuilding import rebuild
from powertools_durable.errors.recording import to_error_object
from powertools_durable.serdes.base import SerDes, SerDesContext, UnkeptError, prove, read, write
from powertools_durable.serdes.wrapping import as_read

__all__ = ["OperationHandle"]

E = TypeVar("E", bound=OperationError)
_STARTED, _READY = OperationStatus.STARTED, OperationStatus.READY
_KIND = {OperationType.CHAINED_INVOKE: "invoke"}
_NAMED = (SerDesError, RetryableSerDesError)
_OURS = frozenset({OperationType.STEP, OperationType.CONTEXT})  # errors of other types were written elsewhere


class OperationHandle:
    """An operation, for its flow.

    The properties read the record on each access, because a checkpoint may have changed it.
    """

    __slots__ = ("_proved", "engine", "id", "losses", "name", "number", "parent_id", "place", "sub_type", "type")

    def __init__(
        self,
        engine: ReplayEngine,
        identifier: str,
        kind: OperationType,
        sub_type: str,
        name: str | None,
        *,
        parent_id: str | None,
        number: int,
    ) -> None:
        self.engine = engine
        self.id = identifier
        self.type = kind
        self.sub_type = sub_type
        self.name = name
        self.parent_id = parent_id
        self.number = number
        self.losses: list[str] = []  # parts of a failure that could not be recorded
        self.place: str | tuple[CodeType, int] | None = None  # the user's line, where the stack does not show it
        self._proved: tuple[str, Any] | None = None  # a text and the value that `encode` read from it, for `decode`

    @property
    def label(self) -> str:
        """Name of the operation in messages, such as ``step 'charge' (#3)``."""
        kind = _KIND.get(self.type, self.type.value.lower())
        return f"{kind} {self.name!r} (#{self.number})" if self.name else f"{kind} #{self.number}"

    # -- the record ----------------------------------------------------------------------------------------

    @property
    def record(self) -> Operation | None:
        """The newest version of the record; None if there is none."""
        return self.engine.state.operations.get(self.id)

    @property
    def status(self) -> OperationStatus | None:
        """Status of the record; None if there is none."""
        record = self.engine.state.operations.get(self.id)
        return record.status if record is not None else None

    @property
    def is_over(self) -> bool:
        """True once the record is terminal."""
        status = self.status
        return status is not None and status.is_terminal

    @property
    def runs_body(self) -> bool:
        """True when the user's function is about to run: there is no record yet, or an attempt is due or unfinished."""
        record = self.engine.state.operations.get(self.id)
        return record is None or record.status is _STARTED or record.status is _READY

    @property
    def attempts(self) -> int:
        """Number of finished attempts."""
        record = self.engine.state.operations.get(self.id)
        return record.attempts if record is not None else 0

    @property
    def next_attempt(self) -> datetime | None:
        """Time when a scheduled retry is due."""
        record = self.record
        return record.step_details.next_attempt_timestamp if record is not None and record.step_details else None

    @property
    def scheduled_end(self) -> datetime | None:
        """Time when a wait ends."""
        record = self.record
        return record.wait_details.scheduled_end_timestamp if record is not None and record.wait_details else None

    @property
    def callback_id(self) -> str | None:
        """The callback id that the service has created."""
        record = self.record
        return record.callback_details.callback_id if record is not None and record.callback_details else None

    @property
    def replays_children(self) -> bool:
        """True when the result of this context was too large to record."""
        record = self.engine.state.operations.get(self.id)
        return record is not None and bool(getattr(record.details, "replay_children", None))

    @property
    def error(self) -> ErrorObject | None:
        """The recorded failure."""
        record = self.record
        return record.error if record is not None else None

    def failure(self, cls: type[E]) -> E | SerDesError | PayloadTooLargeError | InvalidStateError:
        """Build the exception for the recorded failure, or an `InvalidStateError` if the status is unknown."""
        status = self.status
        if status is None or not status.is_terminal:
            return InvalidStateError(
                f"{self.label} is {status.value if status else 'absent'}, which this version does not know how to "
                "handle; deploy a newer version of powertools-durable"
            )
        error = self.error
        if error is None:  # CANCELLED, STOPPED and TIMED_OUT may come without one
            error = ErrorObject(error_message=f"{self.label} is {status.value}", error_type=status.value)
        return rebuild(
            error,
            cls,
            operation=self.name or self.id,
            attempts=self.attempts,
            foreign=self.type not in _OURS,
        )

    # -- values --------------------------------------------------------------------------------------------

    def encode(self, value: Any, serdes: SerDes[Any], *, promised: bool = True) -> tuple[str | None, Any]:
        """Write *value* and read it back, to prove that every replay can read it.

        Parameters
        ----------
        value, serdes
            The value, and its format.
        promised : bool
            The value was returned by the function whose annotation decided about *serdes*, so it must fit that type.

        Returns
        -------
        tuple[str | None, Any]
            The text, and the value as read back.

        Raises
        ------
        SerDesError
            The value can't be written, or is not equal when read back. Names the operation and the user's line.
        """
        try:
            text, decoded = prove(value, serdes, self.serdes_context, promised=promised)
        except SerDesError as error:
            raise self._named(error) from None
        self._proved = None if text is None or getattr(serdes, "reads_back", False) else (text, decoded)
        return text, decoded

    def as_read(self, value: Any, serdes: SerDes[Any], *, promised: bool = True) -> Any:
        """Return *value* as every replay will see it, where nothing is recorded; see `encode`."""
        try:
            return as_read(value, serdes, self.serdes_context, promised=promised)
        except SerDesError as error:
            raise self._named(error) from None

    def reread(self, value: Any, serdes: SerDes[Any]) -> Any:
        """Return *value*, written and read back; an earlier invocation has proved an equal value by `encode`.

        Raises
        ------
        SerDesError
            The value can't be written or read.
        """
        try:
            return read(write(value, serdes, self.serdes_context), serdes, self.serdes_context)
        except SerDesError as error:
            raise self._named(error) from None

    def _named(self, error: SerDesError) -> SerDesError:
        """Return *error* with the operation and the user's line in its message; unchanged if it is a subclass."""
        if isinstance(error, UnkeptError):
            message = error.about(self.label)
        elif type(error) in _NAMED:
            message = f"{self.label}: {error}"
        else:
            return error
        place = self.place if self.place is not None else call_site()
        place = without_folders(place if isinstance(place, str) else line_of_user(*place))
        named = RetryableSerDesError if isinstance(error, RetryableSerDesError) else SerDesError
        return named(f"{message} (at {place})" if place else message)

    def encode_event(self, value: Any, serdes: SerDes[Any]) -> str | None:
        """Write *value* as the event of another function.

        Raises
        ------
        SerDesError
            The value can't be written.
        PayloadTooLargeError
            The text is too large for a chained invoke.
        """
        failure = ""
        try:
            text = write(value, serdes, self.serdes_context)
        except SerDesError as error:
            if type(error) is not SerDesError:  # a class of the serdes' own
                raise
            failure = f"{self.label}: {error}"
        if failure:
            raise SerDesError(failure)
        if text is not None and len(text.encode()) > MAX_INVOKE_PAYLOAD_BYTES:
            message = (
                f"the event of {self.label} is more than the {MAX_INVOKE_PAYLOAD_BYTES:,} bytes that an invoke takes"
            )
            raise PayloadTooLargeError(message)
        return text

    def check_size(self, text: str | None) -> str | None:
        """Return *text* if it is small enough to be recorded.

        Raises
        ------
        PayloadTooLargeError
            The text is larger than `DurableConfig.max_payload_bytes` in UTF-8.
        """
        limit = self.engine.rules.max_payload_bytes
        if text is None or len(text) * 4 <= limit:
            return text
        size = len(text) if text.isascii() else len(text.encode())
        if size > limit:
            message = (
                f"the result of {self.label} is {size:,} bytes, more than the {limit:,} that one operation may hold; "
                "store it elsewhere (for example in S3) and return a reference"
            )
            raise PayloadTooLargeError(message)
        return text

    def decode(self, serdes: SerDes[Any]) -> Any:
        """Read the recorded result; None if no result is recorded.

        Raises
        ------
        SerDesError
            The text does not have the format of *serdes*. Names the operation.
        """
        record = self.engine.state.operations.get(self.id)
        text = record.result if record is not None else None
        proved, self._proved = self._proved, None
        if proved is not None and proved[0] == text:  # `encode` has read this very text
            return proved[1]
        try:
            return read(text, serdes, self.serdes_context)
        except SerDesError as error:
            if type(error) not in _NAMED:  # a class of the serdes' own
                raise
            failure = type(error)(f"{self.label}: {error}")
        raise failure

    @property
    def is_proved(self) -> bool:
        """Whether `encode` has read back what is recorded now."""
        return self._proved is not None

    @property
    def serdes_context(self) -> SerDesContext:
        """The information about this operation that a serdes gets."""
        return SerDesContext(self.id, self.engine.state.durable_execution_arn)

    @property
    def random(self) -> RandomSource:
        """Source of jitter."""
        return self.engine.random

    # -- updates -------------------------------------------------------------------------------------------

    def start(
        self,
        *,
        wait: WaitOptions | None = None,
        callback: CallbackOptions | None = None,
        invoke: ChainedInvokeOptions | None = None,
        payload: str | None = None,
    ) -> OperationUpdate:
        """Build the START update."""
        return self._update(
            OperationAction.START,
            wait_options=wait,
            callback_options=callback,
            chained_invoke_options=invoke,
            payload=payload,
        )

    def succeed(self, payload: str | None, *, replay_children: bool | None = None) -> OperationUpdate:
        """Build the SUCCEED update; None is no payload."""
        options = None if replay_children is None else ContextOptions(replay_children=replay_children)
        return self._update(OperationAction.SUCCEED, payload=payload, context_options=options)

    def fail(self, error: BaseException) -> OperationUpdate:
        """Build the FAIL update."""
        return self._update(OperationAction.FAIL, error=self.error_object(error))

    def retry(self, error: BaseException, delay: int) -> OperationUpdate:
        """Build the RETRY update for another attempt in *delay* seconds."""
        options = StepOptions(next_attempt_delay_seconds=delay)
        return self._update(OperationAction.RETRY, error=self.error_object(error), step_options=options)

    def retry_with(self, state: str | None, delay: int) -> OperationUpdate:
        """Build the RETRY update of a polling step: records the state, for another check in *delay* seconds."""
        return self._update(
            OperationAction.RETRY, payload=state, step_options=StepOptions(next_attempt_delay_seconds=delay)
        )

    def error_object(self, error: BaseException) -> ErrorObject:
        """Return an exception in the form in which it is recorded."""
        rules = self.engine.rules
        return to_error_object(
            error, stack_traces=rules.stack_traces, include_input=rules.include_validation_input, losses=self.losses
        )

    def _update(self, action: OperationAction, **fields: Any) -> OperationUpdate:
        return OperationUpdate(
            id=self.id,
            type=self.type,
            action=action,
            parent_id=self.parent_id,
            name=self.name,
            sub_type=self.sub_type,
            **fields,
        )
