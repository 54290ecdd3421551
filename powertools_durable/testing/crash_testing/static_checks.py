"""Code that a crash will break, seen without one: what a handler asks outside of steps, and how it orders things."""

from __future__ import annotations

import ast
import inspect
import os
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from types import CodeType, FrameType, TracebackType
from typing import Any, Self

from powertools_durable._analysis.handler_analysis import analyze
from powertools_durable._contexts.awaited import DURABLE_METHODS
from powertools_durable._functions import innermost
from powertools_durable.parser.determinism import (
    SHARED_RANDOM,
    limits_by_clock,
    source_of,
    unstable_name,
)
from powertools_durable.scope import current_scope
from powertools_durable.testing.crash_testing.compare import Deviation
from powertools_durable.testing.crash_testing.module_globals import is_users
from powertools_durable.testing.crash_testing.process_state import profiling
from powertools_durable.testing.crash_testing.side_effects import listening

__all__ = ["Inspector", "unordered"]

_CHANCE = {random.__file__, uuid.__file__}
_ENVIRON = type(os.environ).__getitem__.__code__


class Inspector:
    """Profiles one run: what is asked of the clock, of chance and of the environment outside of steps.

    Attributes
    ----------
    asked : dict[str, str]
        ``file:line`` of a call, and what is called.
    variables : dict[str, str]
        Environment variables that were read, and where.
    codes : set[CodeType]
        The user's code that ran outside of steps.
    done : dict[str, str]
        ``file:line`` of an effect outside of steps, and what it does.
    """

    def __init__(self) -> None:
        self.asked: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self.codes: set[CodeType] = set()
        self.done: dict[str, str] = {}
        self._watching = ExitStack()

    def __enter__(self) -> Self:
        self._watching.enter_context(listening(self.done.setdefault))
        self._watching.enter_context(profiling(self._profile))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._watching.close()

    def limits(self) -> Iterator[tuple[str, str]]:
        """Yield where the code limits durable calls by asyncio's clock, and by which function."""
        for code in sorted(self.codes, key=lambda one: (one.co_filename, one.co_firstlineno)):
            tree = source_of(code) if code.co_flags & inspect.CO_COROUTINE else None
            if tree is not None:
                is_durable = partial(_is_durable, contexts=_contexts_in(tree))
                for name, node in limits_by_clock(ast.walk(tree), is_durable):
                    yield f"{code.co_filename}:{code.co_firstlineno + node.lineno - 1}", f"{name}()"

    def deeds(self) -> Iterator[Deviation]:
        """Yield what was done outside of steps."""
        for location, does in self.done.items():
            words = f"{does} outside of any step, so each replay does it again. Move it into ctx.step(...)"
            yield Deviation("the handler", location, words, "deed")

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            name = unstable_name(arg)
            if name:
                self._note(frame, name)
        elif event == "call":
            code = frame.f_code
            if code is _ENVIRON:
                self._note_variable(frame)
            elif code.co_filename in _CHANCE:
                self._note_chance(frame)
            elif code not in self.codes and is_users(code.co_filename) and _is_outside():
                self.codes.add(code)

    def _note(self, frame: FrameType | None, name: str) -> None:
        if frame is not None and is_users(frame.f_code.co_filename) and _is_outside():
            self.asked.setdefault(f"{frame.f_code.co_filename}:{frame.f_lineno}", name)

    def _note_chance(self, frame: FrameType) -> None:
        source = frame.f_locals.get("self")
        if frame.f_code.co_filename == uuid.__file__:
            if frame.f_code.co_name in {"uuid1", "uuid4", "uuid7"}:
                self._note(frame.f_back, f"uuid.{frame.f_code.co_name}()")
        elif source is SHARED_RANDOM:
            self._note(frame.f_back, f"random.{frame.f_code.co_name}()")

    def _note_variable(self, frame: FrameType) -> None:
        caller = frame.f_back
        while caller is not None and _is_of_os(caller.f_code.co_filename):
            caller = caller.f_back
        if caller is not None and is_users(caller.f_code.co_filename) and _is_outside():
            name = frame.f_locals.get("key")
            if isinstance(name, str):
                self.variables.setdefault(name, f"{caller.f_code.co_filename}:{caller.f_lineno}")


def _is_of_os(file: str) -> bool:
    """Tell whether a file is part of `os`, whose modules are frozen: ``os.getenv`` reads ``os.environ``."""
    return file in {"<frozen os>", "<frozen _collections_abc>"} or file.replace("\\", "/").endswith(
        ("/os.py", "/_collections_abc.py")
    )


def _is_outside() -> bool:
    scope = current_scope()
    return scope is not None and scope.step is None


_NAMES = {"ctx", "context", "child"}  # what has no annotation, and is taken for a context


def _contexts_in(tree: ast.AST) -> set[str]:
    """Return the names of what may be a context."""
    arguments = (node for node in ast.walk(tree) if isinstance(node, ast.arg) and node.annotation is not None)
    return _NAMES | {one.arg for one in arguments if "DurableContext" in ast.unparse(one.annotation or one)}


def _is_durable(call: ast.Call, contexts: set[str]) -> bool:
    """Tell whether a method of a context is called, or a function that is given one."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in contexts:
            return attr in DURABLE_METHODS
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    return any(isinstance(one, ast.Name) and one.id in contexts for one in given)


def unordered(handler: Callable[..., Any]) -> Iterator[Deviation]:
    """Yield where a handler depends on the order of a set, which differs between processes."""
    for found in analyze(handler) or ():
        if found.rule == "set-order":
            yield Deviation(
                innermost(handler).__name__,
                f"{found.file}:{found.line}",
                "depends on the order of a set, which differs from process to process: operations would change "
                "places after a crash. Use sorted(...)",
                "order",
            )
