"""Checks a SAM or CloudFormation template for what keeps a function from being durable once it is deployed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from powertools_durable._protocol.limits import MAX_TIMER_SECONDS
from powertools_durable.backends.lambda_ import CONNECT_TIMEOUT, READ_TIMEOUT
from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.cli.diagnosis.templates.callers import unqualified_callers
from powertools_durable.cli.diagnosis.templates.functions import Function, functions_of, resources_of
from powertools_durable.cli.diagnosis.templates.intrinsics import UNKNOWN, number_of, text_of
from powertools_durable.cli.diagnosis.templates.permissions import invoke_permissions, permissions
from powertools_durable.cli.diagnosis.templates.reading import Section, line_of, read_template
from powertools_durable.cli.usage import UsageError

__all__ = ["Step", "check_template"]

# https://docs.aws.amazon.com/lambda/latest/dg/durable-supported-runtimes.html
_RUNTIMES = ("python3.13", "python3.14")
_OLD_RUNTIMES = ("python3.8", "python3.9", "python3.10", "python3.11", "python3.12")
_DEFAULT_TIMEOUT = 3  # seconds, of a function that says nothing
_API_CALL = CONNECT_TIMEOUT + READ_TIMEOUT  # seconds that one checkpoint may take before it is repeated
_MAX_SYNCHRONOUS = 900  # seconds; https://docs.aws.amazon.com/lambda/latest/dg/durable-invoking.html
_MAX_RETENTION = 90  # days
_SYNCHRONOUS_EVENTS = {"Api", "HttpApi", "Alexa", "Cognito"}


class Step(NamedTuple):
    """A step of the handler that limits its own time.

    Attributes
    ----------
    seconds : float
        The limit.
    place : str
        ``file:line`` of the call.
    """

    seconds: float
    place: str


def check_template(path: str | Path, handler: str = "", steps: Iterable[Step] = ()) -> list[Finding]:
    """Return what is wrong with a template.

    Parameters
    ----------
    path : str | Path
        The file, YAML or JSON.
    handler : str
        The value of ``Handler`` of the function that is durable, if it is known: ``app.handler``.
    steps : iterable of Step
        Its steps that have a timeout.

    Raises
    ------
    UsageError
        The file can't be read, is no template, or has no Lambda function.
    """
    template = read_template(path)
    file = Path(path).name
    functions = functions_of(template)
    if not functions:
        raise UsageError(
            f"{path} has no Lambda function: no resource of type AWS::Serverless::Function or AWS::Lambda::Function"
        )
    findings = [*_not_durable(functions, handler, file)]
    longest = max(steps, default=None)
    for function in functions:
        if function.is_durable:
            problems = [*_check(function, file)]
            if longest is not None and (not handler or _runs(function, handler)):
                problems += _step_timeout(function, longest, file)
            findings += problems
            if all(one.level.value == "ok" for one in problems):
                findings.append(Finding.ok(function.name, f"{file}:{function.line}: is durable and can be invoked"))
    return findings


def _check(function: Function, file: str) -> Iterator[Finding]:
    yield from _runtime(function, file)
    yield from _durable_config(function, file)
    yield from _timeout(function, file)
    yield from _version(function, file)
    yield from permissions(function, file)
    yield from unqualified_callers(function, file)
    yield from invoke_permissions(function, file)


def _not_durable(functions: list[Function], handler: str, file: str) -> Iterator[Finding]:
    """Yield functions that should have a ``DurableConfig``: the one that runs *handler*, or all if none has one."""
    named = [one for one in functions if handler and _runs(one, handler)]
    expected = named or ([] if any(one.is_durable for one in functions) else functions)
    for function in expected:
        if not function.is_durable:
            yield Finding.error(
                function.name,
                f"{file}:{function.line}: has no DurableConfig, so Lambda runs it as an ordinary function",
                "write DurableConfig: {ExecutionTimeout: 86400, RetentionPeriodInDays: 14}; Lambda takes it only when "
                "a function is created, so a function that exists needs a new name",
            )


def _runs(function: Function, handler: str) -> bool:
    return function.handler == handler or function.handler.endswith((f".{handler}", f"/{handler}"))


def _runtime(function: Function, file: str) -> Iterator[Finding]:
    if function.runtime in _OLD_RUNTIMES:
        yield Finding.error(
            function.name,
            f"{file}:{function.line_of('Runtime')}: {function.runtime} has no durable functions",
            f"write Runtime: {_RUNTIMES[0]} or later, or deploy a container image",
        )


def _durable_config(function: Function, file: str) -> Iterator[Finding]:
    config = function.section("DurableConfig")
    if config is None:
        return  # an intrinsic function whose value only AWS knows
    line = function.line_of("DurableConfig", "ExecutionTimeout")
    if "ExecutionTimeout" not in config:
        if not any(key.startswith(("Fn::", "Ref")) for key in config):
            yield Finding.error(
                function.name,
                f"{file}:{line}: DurableConfig has no ExecutionTimeout, which Lambda requires",
                "write ExecutionTimeout: the seconds that an execution may take at most, waits included",
            )
        return
    seconds = number_of(config["ExecutionTimeout"], function.template)
    is_known = "${" not in text_of(config["ExecutionTimeout"])
    if (seconds is None and is_known) or (seconds is not None and not 1 <= seconds <= MAX_TIMER_SECONDS):
        yield _out_of_range(function, f"{file}:{line}", "ExecutionTimeout", config, MAX_TIMER_SECONDS, "seconds")
    elif seconds is not None:
        yield from _too_long_for_callers(function, seconds, file, line)
    days = number_of(config.get("RetentionPeriodInDays"), function.template)
    if days is not None and not 1 <= days <= _MAX_RETENTION:
        place = f"{file}:{function.line_of('DurableConfig', 'RetentionPeriodInDays')}"
        yield _out_of_range(function, place, "RetentionPeriodInDays", config, _MAX_RETENTION, "days")


def _out_of_range(function: Function, place: str, name: str, config: Section, highest: int, unit: str) -> Finding:
    number = number_of(config[name], function.template)
    return Finding.error(
        function.name,
        f"{place}: {name} is {text_of(config[name]) if number is None else number}",
        f"write a whole number of {unit} from 1 to {highest}",
    )


def _too_long_for_callers(function: Function, seconds: int, file: str, line: int) -> Iterator[Finding]:
    """Yield callers that wait for the whole execution, which they do for 15 minutes at most."""
    if seconds <= _MAX_SYNCHRONOUS:
        return
    waiting = [(f"the {kind} event on line {at}", "an event source mapping") for kind, at in function.polled_events()]
    for _, event, at in function.events():
        kind = text_of(event.get("Type"))
        if kind in _SYNCHRONOUS_EVENTS:
            waiting.append((f"the {kind} event on line {at}", "a synchronous invocation"))
    for name, resource in resources_of(function.template):
        if resource.get("Type") == "AWS::Lambda::EventSourceMapping" and _is_mapped(function, resource):
            at = line_of(function.template, "Resources", name)
            waiting.append((f"{name} on line {at}", "an event source mapping"))
    for what, kind in waiting:
        yield Finding.error(
            function.name,
            f"{file}:{line}: ExecutionTimeout is {seconds} seconds, but {what} is {kind}, which waits for the whole "
            f"execution and allows {_MAX_SYNCHRONOUS}",
            f"write at most {_MAX_SYNCHRONOUS}, or let an ordinary function start the execution with "
            "InvocationType='Event'",
        )


def _is_mapped(function: Function, resource: Section) -> bool:
    properties = resource.get("Properties")
    if not isinstance(properties, Section):
        return False
    target = text_of(properties.get("FunctionName"))
    aliases = {f"${{{name}}}" for name, _ in function.qualifiers()}
    bare = target.rpartition(":")[0]
    return function.is_unqualified(target) or target in aliases or (bool(bare) and function.is_unqualified(bare))


def _timeout(function: Function, file: str) -> Iterator[Finding]:
    value = function.get("Timeout")
    seconds = _DEFAULT_TIMEOUT if value is None else number_of(value, function.template)
    if seconds is None:
        return
    place = f"{file}:{function.line_of('Timeout')}"
    said = f"has no Timeout, and Lambda's default is {seconds} seconds" if value is None else f"Timeout is {seconds}"
    if seconds <= CONNECT_TIMEOUT:
        yield Finding.error(
            function.name,
            f"{place}: {said}; loading the function and one call to Lambda already take longer",
            f"write Timeout: the seconds that one invocation may take, {_API_CALL + 5} or more",
        )
    elif seconds < _API_CALL:
        yield Finding.warning(
            function.name,
            f"{place}: {said}; one call to Lambda may take {_API_CALL} seconds before it is given up",
            f"write Timeout: the time of your longest step, {_API_CALL + 5} or more",
        )


def _step_timeout(function: Function, step: Step, file: str) -> Iterator[Finding]:
    seconds = number_of(function.get("Timeout"), function.template)
    if seconds is not None and seconds < step.seconds:
        yield Finding.error(
            function.name,
            f"{file}:{function.line_of('Timeout')}: Timeout is {seconds} seconds, but the step at {step.place} may "
            f"take {step.seconds:g}: Lambda ends the invocation before the step can",
            "write a Timeout that is longer than the longest step, or split the step",
        )


def _version(function: Function, file: str) -> Iterator[Finding]:
    if not function.has_qualifier:
        advice = (
            "write AutoPublishAlias: live"
            if function.is_sam
            else "add an AWS::Lambda::Version and an AWS::Lambda::Alias, and invoke the alias"
        )
        yield Finding.error(
            function.name,
            f"{file}:{function.line}: has no version or alias; Lambda refuses to invoke a durable function without "
            "one, and executions that run need the code they started with",
            advice,
        )
    for name, resource in function.qualifiers():
        is_version = resource.get("Type") == "AWS::Lambda::Version"
        kept = {text_of(resource.get(policy)) for policy in ("DeletionPolicy", "UpdateReplacePolicy")}
        if is_version and kept & {UNKNOWN, "Delete"}:
            line = line_of(function.template, "Resources", name)
            yield Finding.warning(
                function.name,
                f"{file}:{line}: the version {name} is deleted when a new one replaces it, together with the code that "
                "running executions need",
                "write DeletionPolicy: Retain and UpdateReplacePolicy: Retain",
            )
