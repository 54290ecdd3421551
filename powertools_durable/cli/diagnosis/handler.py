"""The handler as it was decorated: what it reads and writes, and whom its telemetry goes to."""

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
    """Yield what the input, the result and the results of steps are written as."""
    reader, writer = getattr(program.read_payload, "__self__", None), getattr(program.write_result, "__self__", None)
    input_, output = getattr(reader, "name", "any JSON"), getattr(writer, "name", "any JSON")
    yield Finding.ok("payload", f"input {input_}, result {output}")
    typed = []
    for function in functions:
        name = getattr(function, "__name__", type(function).__name__)
        raw, _ = return_annotation(function)
        if isinstance(raw, str) and raw not in {"None", "Any"} and annotation_of(function) is None:
            words = f"{name}() -> {raw}: the annotation can't be resolved, so its result is written without it"
            yield Finding.warning("results", words, "import the type, not under TYPE_CHECKING")
            continue
        try:
            found = serdes_of(function)
        except DurableConfigError as error:
            yield Finding.error("results", f"{name}(): {error}", "annotate what pydantic can write, or give serdes=")
            continue
        if not isinstance(found, TaggedJson):
            typed.append(name)
    if typed:
        yield Finding.ok("results", f"typed by annotation: {', '.join(dict.fromkeys(typed))}")


def telemetry(program: Program) -> Iterator[Finding]:
    """Yield what logger, tracer and metrics there are, and which of them ``@durable`` was not told of."""
    yield _logger(program)
    for word, kind in (("tracer", "Tracer"), ("metrics", "Metrics")):
        given = getattr(program, word)
        if given is not None:
            yield Finding.ok(word, f"given to @durable: {type(given).__name__}")
        elif name := _named(program, kind):
            harm = "traces show no operations" if word == "tracer" else "metrics are counted again at each replay"
            yield Finding.warning(
                word, f"the module has {name}, which @durable does not know: {harm}", f"say @durable({word}={name})"
            )


def _logger(program: Program) -> Finding:
    if program.logger is False:
        return Finding.ok("logger", "logger=False: lines come again at each replay")
    if program.logger is not None:
        return Finding.ok("logger", "given to @durable: its lines come once")
    found = logger_for(program.handler, None)
    if not type(found).__module__.startswith(_POWERTOOLS):
        return Finding.ok("logger", "there is no Powertools logger; ctx.logger is one of the standard library")
    service = getattr(found, "service", None)
    if service == "service_undefined":
        words = "Powertools' logger has no service name: its lines are those of 'service_undefined'"
        return Finding.warning("logger", words, "say Logger(service=...), or set POWERTOOLS_SERVICE_NAME")
    return Finding.ok("logger", f"Powertools' logger of service {service!r}: its lines come once")


def _named(program: Program, kind: str) -> str | None:
    """Return the name of the module's object of a class of Powertools."""
    for name, value in getattr(innermost(program.handler), "__globals__", {}).items():
        ancestors = type(value).__mro__
        if any(cls.__name__ == kind and cls.__module__.startswith(_POWERTOOLS) for cls in ancestors):
            return str(name)
    return None
