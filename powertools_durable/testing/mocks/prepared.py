"""Records as a test prepares them: values in place of text, and names that need not be said.

What a step returned is recorded in the format that its function's annotation asks for, which a test that prepares
the record does not know. So a prepared text is plain JSON, as models are read, and keeps its value for the tagged
format, in which everything else is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from powertools_durable._protocol.operation import ErrorObject, Operation, OperationStatus, OperationType
from powertools_durable._replay.frame import operation_id
from powertools_durable.batch import BatchItem, BatchResult, to_mapping
from powertools_durable.errors import SerDesError, ValidationError
from powertools_durable.errors.recording import answer_error
from powertools_durable.parser.result_writer import ResultWriter
from powertools_durable.serdes.base import SerDes, SerDesContext
from powertools_durable.serdes.tagged import TaggedJson

__all__ = [
    "ANY_NAME",
    "OPEN",
    "Blueprint",
    "Failure",
    "PreparedTagged",
    "batch_text",
    "callback_failure",
    "failure",
    "prepared_text",
    "record",
    "records",
    "shown",
]

Failure = Exception | ErrorObject | str

_TAGGED, _PLAIN = TaggedJson(), ResultWriter()
_NOWHERE = SerDesContext("", "")
_TIMED_OUT = "Callback.Timeout"  # what the service names as the type of such a failure


class Absent(Enum):
    """What was not given, where None is a value."""

    OPEN = "open"


OPEN = Absent.OPEN


class AnyName(str):
    """A recorded name that is equal to every name, and to none; see docs/contributing/protocol.md#determinism-check."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


ANY_NAME = AnyName("any")


class PreparedText(str):
    """A recorded text, and the value that it stands for."""

    __slots__ = ("value",)
    value: Any

    @classmethod
    def of(cls, text: str, value: Any) -> PreparedText:
        made = cls(text)
        made.value = value
        return made


class PreparedTagged(TaggedJson):
    """The tagged format, which also takes prepared texts: as if their values had just been written in it."""

    def deserialize(self, text: str, context: SerDesContext) -> Any:
        """Read *text*; a prepared value that the format does not take is refused, as the function's own would be."""
        if isinstance(text, PreparedText):
            text = super().serialize(text.value, context)
        return super().deserialize(text, context)


def prepared_text(value: Any, what: str, serdes: SerDes[Any] | None = None) -> str | None:
    """Return the text of a prepared result.

    Parameters
    ----------
    value : object
        What the operation shall return.
    what : str
        Names the operation in an error.
    serdes : SerDes | None
        That of the call, if it is given one.

    Raises
    ------
    ValidationError
        No step could have returned *value*: nothing can record it.
    SerDesError
        *serdes* does not take it.
    """
    if serdes is not None:
        return serdes.serialize(value, _NOWHERE)
    return PreparedText.of(_json(value, what), value)


def batch_text(given: Sequence[Any], reason: str, what: str) -> str:
    """Return the text of a prepared fan-out; an exception among what is *given* is a failed branch."""
    items = (
        BatchItem(index, None, "FAILED", error=part)
        if isinstance(part, Exception)
        else BatchItem(index, None, "SUCCEEDED", result=part)
        for index, part in enumerate(given)
    )
    value = given if isinstance(given, BatchResult) else BatchResult(tuple(items), reason)
    if not value.items:  # none has a type that would ask for plain JSON
        return _TAGGED.serialize(value, _NOWHERE)
    return PreparedText.of(_json(to_mapping(value), what), value)


def _json(value: Any, what: str) -> str:
    for write in (_PLAIN.write, lambda value: _TAGGED.serialize(value, _NOWHERE)):
        try:
            return write(value)
        except SerDesError as error:
            problem = str(error)
    message = f"the result prepared for {what} can't be recorded, so no such call returns it: {problem}"
    raise ValidationError(message)


def failure(error: Failure) -> ErrorObject:
    """Return what is recorded of *error*; text is the message of one without a type."""
    return answer_error(error)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One operation, without the place at which it is found.

    Attributes
    ----------
    record : Operation | None
        Its record; None where it leaves none: a virtual context, or a flat branch.
    inside : Sequence[Blueprint]
        The operations of its context.
    branches : Mapping[int, Blueprint]
        Its branches by index.
    mark : str
        Stands beside the counter under this name.
    """

    record: Operation | None
    inside: Sequence[Blueprint] = ()
    branches: Mapping[int, Blueprint] = field(default_factory=dict)
    mark: str = ""

    def at(self, identifier: str, parent_id: str | None) -> Iterator[Operation]:
        """Return its records, and those of all that is inside."""
        if self.record is not None:
            yield replace(self.record, id=identifier, parent_id=parent_id)
            parent_id = identifier
        yield from records(self.inside, identifier, parent_id)
        for index, branch in self.branches.items():
            yield from branch.at(operation_id(f"{identifier}-{index}"), parent_id)


def records(
    blueprints: Sequence[Blueprint], context_id: str | None = None, parent_id: str | None = None
) -> Iterator[Operation]:
    """Return the records of what one context does in this order; ids count as `Frame` counts them."""
    prefix, number = f"{context_id}-" if context_id else "", 0
    for blueprint in blueprints:
        if blueprint.mark:
            place = f"patch-{blueprint.mark}"
        else:
            number += 1
            place = f"{number}"
        yield from blueprint.at(operation_id(prefix + place), parent_id)


def record(kind: OperationType, sub_type: str, name: str | None, status: OperationStatus, **details: Any) -> Operation:
    """Make a record without a place; an empty name is none, None is any."""
    shown = ANY_NAME if name is None else name
    return Operation(id="", type=kind, sub_type=sub_type, name=shown, status=status, **details)


def shown(kind: str, name: str | None) -> str:
    """Name an operation in an error."""
    return f"{kind} {name!r}" if name else f"a {kind}"


def callback_failure(error: Failure) -> ErrorObject:
    """Return what the context of a callback records: the type tells which of its operations failed."""
    written = failure(error)
    kind, bracket, raised = (written.error_type or "").partition("(")
    match kind:
        case "CallbackExternalError" | "":
            recorded = written.error_type or "CallbackExternalError"
        case "CallbackTimeoutError":
            recorded = f"CallbackTimeoutError({raised or f'{_TIMED_OUT})'}"
        case "CallbackSubmitterError":
            recorded = f"StepError{bracket}{raised}"
        case _:
            recorded = f"CallbackExternalError({written.error_type})"
    return replace(written, error_type=recorded)
