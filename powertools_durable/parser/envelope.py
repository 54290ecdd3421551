"""Powertools envelopes over durable events, for ``parse()``, ``@event_parser`` and tests."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from aws_lambda_powertools.utilities.parser.envelopes import BaseEnvelope
from pydantic import ConfigDict, TypeAdapter
from pydantic import ValidationError as PydanticValidationError
from pydantic_core import PydanticCustomError

from powertools_durable.parser.event import DurableInvocationEvent, execution_record

__all__ = ["DurableEnvelope"]

_JSON: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(hide_input_in_errors=True))


class DurableEnvelope(BaseEnvelope):
    """Finds the customer's payload in a raw durable event.

    For code that holds the event itself: tests, log readers, a function behind another runtime::

        order = parse(event, model=Order, envelope=DurableEnvelope)
        orders = parse(event, model=Order, envelope=DurableEnvelope.of(SqsEnvelope))

    Under ``@durable`` give the plain envelope instead: ``@durable(envelope=SqsEnvelope)``.
    """

    inner: ClassVar[type[BaseEnvelope] | None] = None
    reads_durable_events: ClassVar[bool] = True

    @staticmethod
    def of(envelope: type[BaseEnvelope]) -> type[DurableEnvelope]:
        """Return the envelope that opens the durable event first and *envelope* inside it."""
        return _composed(envelope)

    def parse(self, data: Any, model: Any) -> Any:
        """Validate the payload of a durable event.

        Parameters
        ----------
        data : dict
            Lambda's event. Its first page must hold the EXECUTION record; further pages can't be loaded here.
        model : type | TypeAdapter
            What the payload, or the inner envelope's part of it, should be.

        Returns
        -------
        Any
            What the model, or the inner envelope, makes of it.

        Raises
        ------
        pydantic.ValidationError
            The event is not durable, its input is on a later page, or the payload does not fit.
        """
        text = _payload(DurableInvocationEvent.model_validate(getattr(data, "raw_event", data)))
        if self.inner is None:
            return self._parse(data=text, model=model)
        return self.inner().parse(data=_JSON.validate_json(text), model=model)


@cache  # `parse` gets the same class for the same envelope, however often it is asked for
def _composed(envelope: type[BaseEnvelope]) -> type[DurableEnvelope]:
    return type(f"Durable{envelope.__name__}", (DurableEnvelope,), {"inner": envelope})


def _payload(event: DurableInvocationEvent) -> str:
    record = execution_record(event.initial_execution_state.operations or (), event.durable_execution_arn)
    if record is None:
        missing = PydanticCustomError("execution_record_missing", "The first page of the event has no EXECUTION record")
        raise PydanticValidationError.from_exception_data(
            "DurableInvocationEvent",
            [{"type": missing, "loc": ("InitialExecutionState", "Operations"), "input": None}],
            hide_input=True,
        )
    text = record.execution_details.input_payload if record.execution_details else None
    return text if text and not text.isspace() else "{}"
