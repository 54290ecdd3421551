"""Checks the formats of input and results, and the telemetry that ``@durable`` was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from powertools_durable._functions import innermost, return_annotation
from powertools_durable._runtime.session import Program
from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.errors import DurableConfigError
from powertools_durable.integrations.loggers import logger_for
from powertools_durable.serdes.models import annotation_of, serdes_of
from powertools_durable.serdes.tagged import TaggedJson

__all__ = ["formats", "telemetry"]

_POWERTOOLS = "aws_lambda_powertools."


def formats(program: Program, functions: list[Callable[..., Any]]) -> Iterator[Finding]:
    """Yield the formats of the input, the result and the results of steps."""
    reader, writer = getattr(program.read_payload, "__self__", None), getattr(program.write_result, "__self__", None)
    input_, output = getattr(reader, "name", "any JSON"), getattr(writer, "name", "any JSON")
    yield Finding.ok("payload", f"input {input_}, result {output}")
    typed = []
    for function in functions:
        name = getattr(function, "__name__", type(function).__name__)
        raw, _ = return_annotation(function)
        if isinstance(raw, str) and raw not in {"None", "Any"} and annotation_of(function) is None:
            message = f"{name}() -> {raw}: the annotation can't be resolved, so its result is written without it"
            yield Finding.warning("results", message, "import the type outside 'if TYPE_CHECKING:'")
            continue
        try:
            serdes = serdes_of(function)
        except DurableConfigError as error:
            yield Finding.error(
                "results", f"{name}(): {error}", "annotate a type that pydantic can write, or pass serdes="
            )
            continue
        if not isinstance(serdes, TaggedJson):
            typed.append(name)
    if typed:
        yield Finding.ok("results", f"typed by annotation: {', '.join(dict.fromkeys(typed))}")


def telemetry(program: Program) -> Iterator[Finding]:
    """Yield the logger, tracer and metrics, and which of them ``@durable`` was not given."""
    yield _logger(program)
    for option, kind in (("tracer", "Tracer"), ("metrics", "Metrics")):
        passed = getattr(program, option)
        if passed is not None:
            yield Finding.ok(option, f"passed to @durable: {type(passed).__name__}")
        elif name := _named(program, kind):
            effect = "traces show no operations" if option == "tracer" else "metrics are counted again at each replay"
            yield Finding.warning(
                option,
                f"the module has {name}, which @durable was not given: {effect}",
                f"write @durable({option}={name})",
            )


def _logger(program: Program) -> Finding:
    if program.logger is False:
        return Finding.ok("logger", "logger=False: each replay logs its lines again")
    if program.logger is not None:
        return Finding.ok("logger", "passed to @durable: each line is logged once")
    logger = logger_for(program.handler, None)
    if not type(logger).__module__.startswith(_POWERTOOLS):
        return Finding.ok("logger", "no Powertools Logger; ctx.logger is a logger of the standard library")
    service = getattr(logger, "service", None)
    if service == "service_undefined":
        message = "the Powertools Logger has no service name: its lines have service 'service_undefined'"
        return Finding.warning("logger", message, "write Logger(service=...), or set POWERTOOLS_SERVICE_NAME")
    return Finding.ok("logger", f"the Powertools Logger of service {service!r}: each line is logged once")


def _named(program: Program, kind: str) -> str | None:
    """Return the module's name for an instance of that Powertools class; None if there is none."""
    for name, value in getattr(innermost(program.handler), "__globals__", {}).items():
        ancestors = type(value).__mro__
        if any(cls.__name__ == kind and cls.__module__.startswith(_POWERTOOLS) for cls in ancestors):
            return str(name)
    return None
