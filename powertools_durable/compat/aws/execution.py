"""The decorator of ``aws_durable_execution_sdk_python.execution``, over `powertools_durable.durable`."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import powertools_durable
from powertools_durable import DurableFunction, durable
from powertools_durable.compat.aws.context import DurableContext
from powertools_durable.compat.aws.elsewhere import elsewhere
from powertools_durable.compat.aws.injected import backend_of, event_of, is_injected
from powertools_durable.compat.aws.plugin_bridge import adapted_plugins
from powertools_durable.compat.aws.plugin_discovery import load_configured_plugins
from powertools_durable.compat.aws.translation import run_branch
from powertools_durable.errors import DurableConfigError

__all__ = ["durable_execution"]
__getattr__ = elsewhere(
    __name__,
    {
        "exceptions": (
            "BackgroundThreadError BotoClientError CheckpointError ExecutionError InvocationError SuspendExecution"
        ),
        "lambda_service": "ErrorObject InvocationStatus",
        "plugin": "DurableInstrumentationPluginFactory",
    },
)


class _Text:
    """The handler's result, as JSON already."""

    def __init__(self, text: str) -> None:
        self.text = text


class _AsWritten:
    """The format of the handler's result."""

    def serialize(self, value: _Text, _: object) -> str:
        return value.text

    def deserialize(self, text: str, _: object) -> Any:
        return json.loads(text)


def durable_execution(
    func: Callable[[Any, DurableContext], Any] | None = None,
    *,
    boto3_client: Any = None,
    plugins: Sequence[Any] | None = None,
) -> Any:
    """Make a Lambda handler of a function.

    Parameters
    ----------
    func : Callable
        Takes the execution's input and a `DurableContext`, returns something that JSON has.
    boto3_client : object | None
        A Lambda client.
    plugins : Sequence | None
        Factories of plug-ins of the official SDK, or plug-ins. Those that ``DURABLE_EXECUTION_PLUGINS`` names come
        after them.

    Returns
    -------
    Callable
        The handler.

    Raises
    ------
    DurableConfigError
        *func* is an ``async def`` function, which the official SDK does not have either; or a plug-in is none.
    """
    if func is None:
        return functools.partial(durable_execution, boto3_client=boto3_client, plugins=plugins)
    if inspect.iscoroutinefunction(func):
        code = func.__code__
        raise DurableConfigError(
            f"{code.co_filename}:{code.co_firstlineno}: {func.__name__}() is an 'async def' function, and "
            "@durable_execution takes 'def' functions, as the official SDK does. Use powertools_durable.durable for it"
        )

    @functools.wraps(func, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    def handler(event: Any, context: powertools_durable.DurableContext) -> _Text:
        if event is None and _has_no_input(context):
            event = {}
        result = run_branch(functools.partial(func, event), DurableContext(context))
        return _Text(json.dumps(result))

    made: DurableFunction[Any] = durable(
        model=Any,
        output=Any,
        logger=False,
        boto3_client=boto3_client,
        result_serdes=_AsWritten(),
        plugins=adapted_plugins(load_configured_plugins(plugins)),
    )(handler)

    @functools.wraps(made)
    def entry(event: Any, context: Any) -> dict[str, Any]:
        if is_injected(event):  # by the test runner of the official SDK
            return made.invoke(event_of(event), context, backend=backend_of(event))
        return made(event, context)

    return entry


def _has_no_input(context: powertools_durable.DurableContext) -> bool:
    records: Mapping[str, Any] = context.state.operations
    inputs = (record.execution_details for record in records.values() if record.type == "EXECUTION")
    return not any(details is not None and (details.input_payload or "").strip() for details in inputs)
