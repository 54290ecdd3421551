"""The customer's payload: text, envelope, model.

Three rules. A model reads the JSON *text*: strict models take ISO dates as text, but not from loaded JSON. The
adapter is built once, when the handler is decorated. And an error tells where and why, never what was sent:
errors go into the execution's history and into logs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from pydantic import ValidationError as PydanticValidationError

from powertools_durable.errors import PayloadModelChangedError, PayloadValidationError
from powertools_durable.parser.annotations import adapter_of, is_plain, name_of
from powertools_durable.parser.enveloped import MisfitError, items_of, opener
from powertools_durable.parser.validation_errors import Unfit, failure_of, from_pydantic, unexpected

__all__ = ["PayloadParser", "model_changed"]


class PayloadParser:
    """Turns the execution's input into what the handler's first parameter asks for.

    Parameters
    ----------
    model : type | TypeAdapter
        What to make of the input. ``Any``, ``dict`` and the like: the loaded JSON. A Powertools data class: made
        from the loaded JSON. Anything else: what pydantic makes of it.
    envelope : type | None
        A Powertools envelope class: it takes the loaded JSON and validates its inner part with *model*.
    handed : bool
        *model* is the annotation of what the handler gets. Where the envelope makes a list, it is that list's.
    include_input : bool
        Copy offending values into the errors' ``data``, as JSON text. Off, because histories are read by
        operators.

    Raises
    ------
    DurableConfigError
        *model* or *envelope* can't be used.
    """

    __slots__ = ("_include_input", "_read", "name")

    def __init__(
        self, model: Any = Any, envelope: Any = None, *, handed: bool = False, include_input: bool = False
    ) -> None:
        whole = None
        if handed:
            model, whole = items_of(model, envelope)
        self._read = _reader(model) if envelope is None else _through(envelope, model, whole)
        self.name = name_of(model)
        self._include_input = include_input

    def parse(self, text: str | None) -> Any:
        """Read the input.

        Parameters
        ----------
        text : str | None
            The EXECUTION record's input; None and blank text count as ``{}``.

        Returns
        -------
        Any
            The handler's first argument.

        Raises
        ------
        PayloadValidationError
            The text is no JSON, is nested too deeply, or does not fit.
        """
        # Raised outside the except blocks, so that not even __context__ leads to an error that holds the input.
        failure: PayloadValidationError
        try:
            return self._read(text if text and not text.isspace() else "{}")
        except PydanticValidationError as error:
            failure = from_pydantic(error, include_input=self._include_input)
        except MisfitError as misfit:
            failure = self._in_envelope(misfit)
        except Unfit as error:
            failure = failure_of(self.name, 1, [error.entry])
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - validators, envelopes and data classes may raise anything
            failure = failure_of(self.name, 1, [unexpected(error)])
        raise failure

    def _in_envelope(self, misfit: MisfitError) -> PayloadValidationError:
        place = {"envelope": misfit.envelope} | ({} if misfit.record is None else {"record": misfit.record})
        if isinstance(misfit.reason, PydanticValidationError):
            return from_pydantic(misfit.reason, place=place, include_input=self._include_input)
        return failure_of(self.name, 1, [unexpected(misfit.reason)], place=place)


def model_changed(error: PayloadValidationError) -> PayloadModelChangedError:
    """Say the same of a running execution: its input fitted once, so a deployment changed the model."""
    return PayloadModelChangedError(
        f"the input of this running execution does not fit the model deployed now: {error}. Deploy a model that "
        "still takes it; until then Lambda tries again",
        data=error.data,
    )


# -- ways to read ------------------------------------------------------------------------------------------

_Reader = Callable[[str], Any]


def _reader(model: Any) -> _Reader:
    if is_plain(model):
        return _load
    if _is_data_class(model):
        return lambda text: model(_load_object(text))
    adapter = adapter_of(model, "the model")

    def read(text: str) -> Any:
        try:
            return adapter.validate_json(text)
        except NotImplementedError:  # some schemas can't read text (pydantic issue 8890)
            return adapter.validate_python(_load(text))

    return read


def _through(envelope: Any, model: Any, whole: Any) -> _Reader:
    opened = opener(envelope, model, whole)
    return lambda text: opened(_load(text))


def _is_data_class(model: Any) -> bool:
    """Recognise Powertools' data classes without importing them."""
    bases = model.__mro__ if isinstance(model, type) else ()
    return any(f"{base.__module__}.{base.__name__}" == _DICT_WRAPPER for base in bases)


_DICT_WRAPPER = "aws_lambda_powertools.utilities.data_classes.common.DictWrapper"


def _load_object(text: str) -> dict[str, Any]:
    data = _load(text)
    if not isinstance(data, dict):
        raise Unfit("dict_type", "Input should be a valid dictionary")
    return data


def _load(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        reason = f"{error.msg.partition(':')[0]} at line {error.lineno} column {error.colno}"
    except RecursionError:
        reason = "nested too deeply"
    except ValueError:  # an integer with more digits than Python reads
        reason = "number out of range"
    raise Unfit("json_invalid", f"Invalid JSON: {reason}")


def _no_constant(name: str) -> NoReturn:
    raise Unfit("json_invalid", f"Invalid JSON: {name} is no JSON number")
