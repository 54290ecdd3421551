"""What belongs to the deployment, from arguments or environment."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from powertools_durable._frozen import frozen
from powertools_durable.errors import DurableConfigError

__all__ = ["PREFIX", "DurableConfig", "variables"]

PREFIX = "POWERTOOLS_DURABLE_"
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})  # what Powertools reads as true ...
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})  # ... and as false

OnModelChange: TypeAlias = Literal["raise", "fail"]
OnUnconsumed: TypeAlias = Literal["warn", "fail", "ignore"]
TraceOperations: TypeAlias = Literal["off", "summary", "live", "all"]


class _Unset:
    """Stands for "not given": None is a value."""

    def __repr__(self) -> str:
        return "<from the environment>"


UNSET: Any = _Unset()


def _flag(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in _TRUE or lowered in _FALSE:
        return lowered in _TRUE
    message = f"one of {', '.join(sorted(_TRUE | _FALSE))}"
    raise ValueError(message)


def _whole(text: object) -> int:
    try:
        number = int(text) if isinstance(text, (int, str)) else 0
    except ValueError:
        number = 0
    if isinstance(text, bool) or number < 1:
        message = "a whole number of at least 1"
        raise ValueError(message)
    return number


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 900:
        message = "seconds, from 0 to less than 900"
        raise ValueError(message)
    return float(value)


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            message = f"one of {', '.join(choices)}"
            raise ValueError(message)
        return text

    return read


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        message = "True or False"
        raise ValueError(message)  # noqa: TRY004 - every reader says what it wants by ValueError
    return value


@frozen
class _Setting:
    variable: str | None
    read: Callable[[Any], Any]
    default: Any


_SETTINGS: dict[str, _Setting] = {
    "log_replays": _Setting("LOG_REPLAYS", _flag, default=False),
    "instrument_root_logger": _Setting("ROOT_LOGGER", _flag, default=True),
    "consistent_sampling": _Setting("CONSISTENT_SAMPLING", _flag, default=True),
    "buffer_replayed": _Setting("BUFFER_REPLAYED", _flag, default=False),
    "trace_operations": _Setting("TRACE_OPERATIONS", _one_of("off", "summary", "live", "all"), "live"),
    "trace_max_subsegments": _Setting("TRACE_MAX_SUBSEGMENTS", _whole, 20),
    "trace_backend_calls": _Setting("TRACE_BACKEND", _flag, default=False),
    "engine_metrics": _Setting("METRICS", _flag, default=False),
    "include_validation_input": _Setting("VALIDATION_INPUT", _flag, default=False),
    "on_model_change": _Setting("ON_MODEL_CHANGE", _one_of("raise", "fail"), "raise"),
    "on_unconsumed": _Setting("ON_UNCONSUMED", _one_of("warn", "fail", "ignore"), "warn"),
    "max_payload_bytes": _Setting("MAX_PAYLOAD_BYTES", _whole, 1024 * 1024),
    "max_threads": _Setting(None, _whole, 32),
    "stack_traces": _Setting(None, _flag, default=False),
    "log_failures": _Setting(None, _flag, default=True),
    "plain_await_grace": _Setting(None, _seconds, 1.0),
}


def variables() -> list[str]:
    """Return the names of the environment variables that are read here."""
    return [PREFIX + setting.variable for setting in _SETTINGS.values() if setting.variable]


@frozen(kw_only=True, repr=False)
class DurableConfig:
    """Settings of a deployment. What is given wins over the environment, the environment over the default.

    Parameters
    ----------
    log_replays : bool
        Emit log lines of replayed code too. ``POWERTOOLS_DURABLE_LOG_REPLAYS``, false.
    instrument_root_logger : bool
        Also filter the root logger's handlers. ``POWERTOOLS_DURABLE_ROOT_LOGGER``, true.
    consistent_sampling : bool
        Decide debug sampling once an execution. ``POWERTOOLS_DURABLE_CONSISTENT_SAMPLING``, true.
    buffer_replayed : bool
        Keep replayed lines in the log buffer. ``POWERTOOLS_DURABLE_BUFFER_REPLAYED``, false.
    trace_operations : str
        ``"off"``, ``"summary"``, ``"live"`` or ``"all"``. ``POWERTOOLS_DURABLE_TRACE_OPERATIONS``, ``"live"``.
    trace_max_subsegments : int
        Subsegments an invocation. ``POWERTOOLS_DURABLE_TRACE_MAX_SUBSEGMENTS``, 20.
    trace_backend_calls : bool
        A subsegment for each API call. ``POWERTOOLS_DURABLE_TRACE_BACKEND``, false.
    engine_metrics : bool
        Metrics of the engine itself. ``POWERTOOLS_DURABLE_METRICS``, false.
    include_validation_input : bool
        Copy values that fail validation into the error's data. ``POWERTOOLS_DURABLE_VALIDATION_INPUT``, false.
    on_model_change : str
        A running execution's input no longer fits the model: ``"raise"``, so that Lambda retries and nothing is
        lost, or ``"fail"``. ``POWERTOOLS_DURABLE_ON_MODEL_CHANGE``, ``"raise"``.
    on_unconsumed : str
        Recorded operations the code no longer asks for: ``"warn"``, ``"fail"`` or ``"ignore"``.
        ``POWERTOOLS_DURABLE_ON_UNCONSUMED``, ``"warn"``.
    max_payload_bytes : int
        Largest result of one operation. ``POWERTOOLS_DURABLE_MAX_PAYLOAD_BYTES``, 1 MiB.
    max_threads : int
        Threads of a map or parallel, 32.
    stack_traces : bool
        Record shortened stack traces with errors, in place of the one line where it was raised; false.
    log_failures : bool
        Log a failed attempt of a step as a warning, and the execution's failure as an error with its traceback; true.
    plain_await_grace : float
        Seconds for which an ``async def`` handler stays open, after its last durable progress, while a task awaits
        something that is not durable; 1.

    Raises
    ------
    DurableConfigError
        A value, or a variable's text, is not one of those allowed.
    """

    log_replays: bool = UNSET
    instrument_root_logger: bool = UNSET
    consistent_sampling: bool = UNSET
    buffer_replayed: bool = UNSET
    trace_operations: TraceOperations = UNSET
    trace_max_subsegments: int = UNSET
    trace_backend_calls: bool = UNSET
    engine_metrics: bool = UNSET
    include_validation_input: bool = UNSET
    on_model_change: OnModelChange = UNSET
    on_unconsumed: OnUnconsumed = UNSET
    max_payload_bytes: int = UNSET
    max_threads: int = UNSET
    stack_traces: bool = UNSET
    log_failures: bool = UNSET
    plain_await_grace: float = UNSET

    def __post_init__(self) -> None:
        for name, setting in _SETTINGS.items():
            object.__setattr__(self, name, _resolved(name, setting, getattr(self, name)))

    def __repr__(self) -> str:
        given = (f.name for f in dataclasses.fields(self) if getattr(self, f.name) != _SETTINGS[f.name].default)
        return f"DurableConfig({', '.join(f'{name}={getattr(self, name)!r}' for name in given)})"


def _resolved(name: str, setting: _Setting, given: object) -> object:
    """Return the value in force, or refuse it by the name under which it was given."""
    variable = PREFIX + setting.variable if setting.variable else None
    try:
        if given is not UNSET:
            source = f"DurableConfig({name}=...)"
            return (_boolean if isinstance(setting.default, bool) else setting.read)(given)
        if variable is None or not (text := os.environ.get(variable, "")):
            return setting.default
        source = variable
        return setting.read(text)
    except ValueError as problem:
        shown = given if given is not UNSET else os.environ[variable or ""]
        message = f"{source} must be {problem}, not {shown!r}"
        raise DurableConfigError(message) from None
