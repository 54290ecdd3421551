"""Lambda's event in one pydantic pass, records included.

The records are the engine's own classes (`_protocol/operation.py`), so nothing is parsed twice. A function that
is not durable, or an event that is broken, ends here, before a call to the service is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import ValidationError as PydanticValidationError

from powertools_durable._protocol.limits import MAX_ARN_LENGTH, MAX_TOKEN_LENGTH
from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable._protocol.result import StatePage
from powertools_durable._protocol.wire import WIRE
from powertools_durable.errors import DecoratorOrderError, DurableError, NotADurableInvocationError
from powertools_durable.errors.wording import class_name
from powertools_durable.parser.order import culprit
from powertools_durable.parser.validation_errors import places

__all__ = ["DurableInvocationEvent", "execution_name", "execution_record", "parse_event"]

_TYPES = frozenset(kind.value for kind in OperationType)
_DURABLE_KEYS = ("DurableExecutionArn", "CheckpointToken")


def _or_empty(value: object) -> object:
    return {} if value is None else value


def _or_none(value: object) -> object:
    return () if value is None else value


def _whole(page: StatePage) -> StatePage:
    return StatePage(operations=page.operations or (), next_marker=page.next_marker or None)


class DurableInvocationEvent(BaseModel):
    """What Lambda hands to a durable function.

    Unknown fields are ignored, and a type or status that this package does not know is kept as text, so a newer
    service breaks nothing. A validation error's text never shows what was sent.

    Attributes
    ----------
    durable_execution_arn : str
        The execution.
    checkpoint_token : str
        The first token of this invocation. It is a secret: it is in no repr.
    initial_execution_state : StatePage
        The first page of records: ``operations``, empty when there are none, and ``next_marker``, None on the
        last page.
    updated_operation_ids : tuple[str, ...]
        What the service changed since the last invocation. To look at only: it must not steer anything.
    """

    model_config = ConfigDict(
        alias_generator=WIRE["alias_generator"],
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    durable_execution_arn: str = Field(min_length=1, max_length=MAX_ARN_LENGTH)
    checkpoint_token: str = Field(min_length=1, max_length=MAX_TOKEN_LENGTH, repr=False)
    initial_execution_state: Annotated[StatePage, BeforeValidator(_or_empty), AfterValidator(_whole)] = StatePage(
        operations=()
    )
    updated_operation_ids: Annotated[tuple[str, ...], BeforeValidator(_or_none)] = ()

    @property
    def has_state(self) -> bool:
        """Tell whether the event has the key of the state, be it null: only without it the execution may be new."""
        return "initial_execution_state" in self.model_fields_set


def parse_event(event: object) -> DurableInvocationEvent:
    """Read what Lambda handed over.

    Parameters
    ----------
    event : object
        The event, or a Powertools data class around it: an outer ``@event_source`` makes one.

    Returns
    -------
    DurableInvocationEvent
        The event with its first page of records.

    Raises
    ------
    DecoratorOrderError
        The event is no dict: a decorator above ``@durable`` replaced it.
    NotADurableInvocationError
        The event lacks what makes an invocation durable, or is malformed. An empty token counts as malformed:
        it leaves the Lambda handler like any other, so the service invokes again.
        The message names fields and kinds of error, never a value.
    """
    raw = getattr(event, "raw_event", event)
    if not isinstance(raw, dict):
        raise _replaced(event)
    missing = [key for key in _DURABLE_KEYS if raw.get(key) is None]
    if missing:
        raise _ordinary(missing)
    # Raised outside the except block, so that not even __context__ leads to an error that holds the token.
    failure: DurableError
    try:
        return DurableInvocationEvent.model_validate(raw)
    except PydanticValidationError as error:
        failure = _malformed(error)
    raise failure


def execution_record(operations: Iterable[Operation], arn: str) -> Operation | None:
    """Find the record that holds the customer's input (docs/contributing/protocol.md#the-customers-input).

    Ask when all pages are there: it may be on the last one (docs/reliability.md#fault-rows, row 41).

    Parameters
    ----------
    operations : Iterable[Operation]
        Every record known.
    arn : str
        The execution; its last segment is the id that the record should have.

    Returns
    -------
    Operation | None
        The record of type EXECUTION with that id, else the first of that type, else None.
    """
    candidates = [record for record in operations if record.type is OperationType.EXECUTION]
    wanted = arn.rpartition("/")[2]
    return next((record for record in candidates if record.id == wanted), candidates[0] if candidates else None)


def execution_name(arn: str) -> str:
    """Return the name in ``…/durable-execution/<name>/<id>``; of any other text the last segment."""
    segments = arn.split("/")
    return segments[-2] if len(segments) > 2 else segments[-1]


def _replaced(event: object) -> DecoratorOrderError:
    likely = "@event_parser" if isinstance(event, BaseModel) else "@event_parser or @validator(envelope=...)"
    return DecoratorOrderError(
        f"@durable was handed {class_name(event)} instead of Lambda's event. Most likely {culprit() or likely} "
        "stands above it: put @durable above it, or say @durable(model=..., envelope=...). If no decorator stands "
        "there, the function was invoked as an ordinary one, without DurableConfig. In tests use "
        "powertools_durable.testing"
    )


def _ordinary(missing: list[str]) -> NotADurableInvocationError:
    above = culprit()
    remedy = (
        f"{above} stands above @durable and hands down something else than Lambda's event: put @durable above it"
        if above
        else "Create the function with DurableConfig (it can't be added later) and invoke it with a version, an alias "
        "or $LATEST. In tests use powertools_durable.testing"
    )
    return NotADurableInvocationError(
        f"the event has no {' and no '.join(missing)}, so this is no durable invocation. {remedy}"
    )


def _malformed(error: PydanticValidationError) -> NotADurableInvocationError:
    return NotADurableInvocationError(
        f"the event of a durable invocation is malformed: {places(error, tags=_TYPES)}. It should come from Lambda "
        "as it is; look for a decorator or a test that changes it"
    )
