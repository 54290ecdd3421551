"""Hear what happens in an execution, and change nothing of it.

A `Plugin` has one method for each moment; override those you need. An `Around` has one generator for each thing that
lasts: before, ``yield``, after, so that ``with``, ``try`` and local variables do the bookkeeping. Give either to
``@durable(plugins=[...])``: an instance is shared by all invocations, a class or another factory without arguments
makes a fresh one for each.

A hook runs on the thread of the code it is about, and that code waits for it. What a hook raises is logged and
ignored: a plugin never changes how an execution ends. Source: docs/contributing/protocol.md#plugin-hooks.
"""

from __future__ import annotations

from powertools_durable.plugins.hooks import Around, Listening, Plugin, PluginFactory, PluginSource
from powertools_durable.plugins.infos import (
    AttemptEnd,
    AttemptInfo,
    BackendCalls,
    ChangeInfo,
    ErrorObject,
    InvocationEnd,
    InvocationInfo,
    OperationEnd,
    OperationInfo,
    PropagationInfo,
    ReplayInfo,
)

__all__ = [
    "Around",
    "AttemptEnd",
    "AttemptInfo",
    "BackendCalls",
    "ChangeInfo",
    "ErrorObject",
    "InvocationEnd",
    "InvocationInfo",
    "Listening",
    "OperationEnd",
    "OperationInfo",
    "Plugin",
    "PluginFactory",
    "PluginSource",
    "PropagationInfo",
    "ReplayInfo",
]
