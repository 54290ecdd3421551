"""Official plug-ins as plug-ins of this package: each hook is passed on, with the official classes of its argument.

A plug-in that was written for the official package gets the classes of that package, one that was written for
`compat.aws.plugin` those of that module. So the official package is used if the plug-in has imported it, and never
imported from here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from powertools_durable import plugins as ours
from powertools_durable.compat.aws import plugin as words_of_ours
from powertools_durable.compat.aws.operation_errors import OFFICIAL
from powertools_durable.errors import DurableConfigError

__all__ = ["adapted_plugins"]

_BASE = "DurableInstrumentationPlugin"
_FAN_OUTS = frozenset({"Map", "Parallel"})
_ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED", "CANCELLED"})


def adapted_plugins(plugins: Sequence[Any] | None) -> list[ours.PluginSource]:
    """Return plug-ins of the official SDK, or factories of them, as plug-ins of this package.

    Raises
    ------
    DurableConfigError
        One is neither: it has no ``create_plugin`` and no hooks.
    """
    adapted: list[ours.PluginSource] = []
    for plugin in plugins or ():
        if isinstance(plugin, ours.Plugin | ours.PluginFactory):
            adapted.append(plugin)
        elif callable(getattr(plugin, "create_plugin", None)):
            adapted.append(_Factory(plugin))
        elif not isinstance(plugin, type) and hasattr(plugin, "on_invocation_start"):
            adapted.append(_Bridge(plugin, _words_of(type(plugin))))
        else:
            name = getattr(plugin, "__name__", type(plugin).__name__)
            raise DurableConfigError(
                f"durable_execution(plugins=...) takes objects with create_plugin(info), or plug-ins; {name} is "
                "neither. For a plug-in's class, write a factory whose create_plugin() makes one"
            )
    return adapted


def _words_of(cls: type) -> Any:
    """Return the module whose classes a plug-in expects: that of its base class, or one that its own module names."""
    for base in cls.__mro__:
        if base.__name__ == _BASE:
            return sys.modules[base.__module__]
    named = getattr(sys.modules.get(cls.__module__), _BASE, None)
    if named is not None:
        return sys.modules[named.__module__]
    if cls.__module__.startswith(OFFICIAL):
        return sys.modules.get(f"{OFFICIAL}.plugin", words_of_ours)
    return words_of_ours


class _Factory(ours.PluginFactory):
    def __init__(self, factory: Any) -> None:
        self._factory = factory
        self._words = _words_of(factory if isinstance(factory, type) else type(factory))

    def create_plugin(self, info: ours.InvocationInfo) -> ours.Plugin | None:
        plugin = self._factory.create_plugin(_invocation_start(info, self._words))
        return None if plugin is None else _Bridge(plugin, _words_of(type(plugin)))


class _Bridge(ours.Plugin):
    """Passes each hook on.

    Parameters
    ----------
    plugin : object
        The official plug-in.
    words : ModuleType
        The module with the classes that it expects.
    """

    def __init__(self, plugin: Any, words: Any) -> None:
        self._plugin = plugin
        self._words = words
        self._fan_outs: dict[str, Any] = {}  # what was said of the running ones
        self._rebuilt: set[str] = set()  # contexts whose results were too large to record
        self._invokes: dict[str, Any] = {}  # those that begin when their trace header is known

    def on_invocation_start(self, info: ours.InvocationInfo) -> None:
        self._plugin.on_invocation_start(_invocation_start(info, self._words))

    def on_invocation_end(self, info: ours.InvocationEnd) -> None:
        for identifier in list(self._fan_outs):
            self._end_fan_out(identifier, "INCOMPLETE")
        words = self._words
        ended = words.InvocationEndInfo(
            **_invocation(info, words),
            status=words.InvocationStatus(info.outcome),
            error=_error(info.error, words),
            execution_result=info.result,
        )
        self._plugin.on_invocation_end(ended)

    def on_operation_start(self, info: ours.OperationInfo) -> None:
        words = self._words
        fields = _operation(info, words) | {"is_replayed": info.is_replayed}
        for name in ("end_time", "result", "error", "attempt"):
            del fields[name]
        has_ended = info.status in _ENDED  # a context that is rebuilt: only its function runs
        if has_ended:
            self._rebuilt.add(info.id)
        if info.status == "READY":
            fields["status"] = words.OperationStatus.STARTED
        began = words.OperationStartInfo(**fields)
        if info.type == "CHAINED_INVOKE" and info.status is None:
            self._invokes[info.id] = began
        elif not has_ended:
            self._plugin.on_operation_start(began)
        if info.sub_type in _FAN_OUTS:
            fields |= {"is_replayed": False, "status": words.OperationStatus.STARTED}
            fields |= {"start_time": info.started_at or datetime.now(UTC), "is_replay_children": has_ended}
            function = words.UserFunctionStartInfo(**fields, attempt=None if info.is_replayed else 1)
            self._fan_outs[info.id] = function
            self._plugin.on_user_function_start(function)

    def on_operation_end(self, info: ours.OperationEnd) -> None:
        if info.id in self._fan_outs:
            self._end_fan_out(info.id, "SUCCEEDED" if info.outcome == "SUCCEEDED" else "FAILED", info.error)
        words = self._words
        fields = _operation(info, words)
        fields["status"] = words.OperationStatus(info.outcome)
        if info.id in self._rebuilt:
            self._rebuilt.discard(info.id)
            fields |= {"is_replayed": True, "result": None}
        self._plugin.on_operation_end(words.OperationEndInfo(**fields))

    def on_user_function_start(self, info: ours.AttemptInfo) -> None:
        self._plugin.on_user_function_start(self._words.UserFunctionStartInfo(**_attempt(info, self._words)))

    def on_user_function_end(self, info: ours.AttemptEnd) -> None:
        for identifier, function in list(self._fan_outs.items()):
            if function.parent_id == info.id:
                self._end_fan_out(identifier, "INCOMPLETE")
        words = self._words
        ended = words.UserFunctionEndInfo(
            **_attempt(info, words),
            end_time=info.ended_at,
            error=_error(info.error, words),
            outcome=words.UserFunctionOutcome(info.outcome),
        )
        self._plugin.on_user_function_end(ended)

    def _end_fan_out(self, identifier: str, outcome: str, error: ours.ErrorObject | None = None) -> None:
        """Say that the function of a fan-out has ended; the official SDK takes the fan-out itself for one."""
        words, function = self._words, self._fan_outs.pop(identifier, None)
        if function is None:
            return
        names = ("operation_id", "operation_type", "sub_type", "name", "parent_id", "start_time", "is_replayed")
        same = {name: getattr(function, name) for name in (*names, "status", "is_replay_children", "attempt")}
        ended = words.UserFunctionEndInfo(
            **same,
            end_time=datetime.now(UTC),
            error=_error(error, words),
            outcome=words.UserFunctionOutcome(outcome),
        )
        self._plugin.on_user_function_end(ended)

    def on_operation_change(self, info: ours.ChangeInfo) -> None:
        words = self._words
        changed = words.OperationChangeInfo(
            info.execution_arn, _operations(info.updated, words), _operations(info.operations, words)
        )
        self._plugin.on_operation_change(changed)

    def provide_propagation_metadata(self, info: ours.PropagationInfo) -> str | None:
        asked = self._words.PropagationInput(info.execution_arn, info.operation_id, info.function_name, info.parent_id)
        metadata = self._plugin.provide_propagation_metadata(asked)
        header: str | None = None if metadata is None else metadata.x_amzn_trace_id
        if (began := self._invokes.pop(info.operation_id, None)) is not None:
            self._plugin.on_operation_start(began)
        return header


def _invocation_start(info: ours.InvocationInfo, words: Any) -> Any:
    return words.InvocationStartInfo(**_invocation(info, words), updated_operations=_operations(info.updated, words))


def _invocation(info: ours.InvocationInfo, words: Any) -> dict[str, Any]:
    return {
        "request_id": info.request_id,
        "execution_arn": info.execution_arn,
        "is_first_invocation": info.is_first,
        "execution_start_time": info.started_at,
        "execution_input": info.input,
        "operations": _operations(info.operations, words),
    }


def _operations(infos: Mapping[str, ours.OperationInfo], words: Any) -> dict[str, Any]:
    return {identifier: words.OperationInfo(**_operation(info, words)) for identifier, info in infos.items()}


def _operation(info: ours.OperationInfo, words: Any) -> dict[str, Any]:
    return {
        "operation_id": info.id,
        "operation_type": words.OperationType(str(info.type)),
        "sub_type": None if info.sub_type is None else str(info.sub_type),  # an enum's member is no plain text
        "name": info.name,
        "parent_id": info.parent_id,
        "start_time": info.started_at,
        "is_replayed": False,
        "status": words.OperationStatus(str(info.status or "STARTED")),
        "end_time": info.ended_at,
        "result": info.result,
        "error": _error(info.error, words),
        "attempt": info.attempt,
    }


def _attempt(info: ours.AttemptInfo, words: Any) -> dict[str, Any]:
    fields = _operation(info, words) | {"status": words.OperationStatus.STARTED}
    for name in ("end_time", "result", "error"):
        del fields[name]
    if info.type == "CONTEXT":
        fields["attempt"] = None if info.is_replayed else 1
    return fields | {"is_replay_children": info.is_replay_children}


def _error(error: ours.ErrorObject | None, words: Any) -> Any:
    if error is None:
        return None
    stack = None if error.stack_trace is None else list(error.stack_trace)
    return words.ErrorObject(error.error_message, error.error_type, error.error_data, stack)
