"""Programs as plain data, and the Python that each stands for: what is run is what is printed."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from tests.properties.bodies import FUNCTIONS
from tests.properties.line_kinds import GESTURES, KINDS, SWALLOWS
from tests.twins import twin

_HERE = "<the code>"

Program: TypeAlias = "tuple[Line, ...]"

IMPORTS = """\
import contextlib
import logging
from datetime import timedelta

from powertools_durable import (
    CallbackTimeoutError,
    ChildContextError,
    Completion,
    InvokeError,
    Nesting,
    OperationError,
    Polling,
    Retry,
    StepError,
    StepInterruptedError,
    StepSemantics,
    WaitForConditionError,
    durable,
)
from tests.properties.bodies import (
    KEPT,
    Closing,
    Thing,
    does,
    does_at_last,
    does_in_a_thread,
    enters,
    expects,
    has_passed,
    leaves,
    marks,
    misplaces,
    misplaces_on_a_thread,
    misuses,
    reads,
    refused,
    refused_on_another_thread,
    refuses,
    refuses_again,
    submits,
    undoes,
)

log = logging.getLogger("program")
"""
ASYNC_IMPORTS = IMPORTS.replace("tests.properties.bodies", "tests.properties.async_bodies")


class Line(NamedTuple):
    """One line of a program.

    ``number`` is what a kind has to vary: seconds, attempts, items. ``gesture`` is what the user wrote around it.
    """

    kind: str
    name: str
    number: int = 1
    inside: tuple[Program, ...] = ()
    gesture: str = ""


def lines_of(program: Program) -> Iterator[Line]:
    """Yield every line, those inside others too."""
    for line in program:
        yield line
        for inside in line.inside:
            yield from lines_of(inside)


def swallows(program: Program) -> bool:
    """Tell whether it catches suspensions."""
    return any(line.gesture in SWALLOWS for line in lines_of(program))


def callbacks_of(program: Program) -> dict[str, dict[str, str]]:
    """Return what its callbacks are answered with."""
    return {line.name: {"told": line.name} for line in lines_of(program) if line.kind in {"callback", "answer"}}


def functions_of(program: Program) -> Mapping[str, Callable[..., Any]]:
    """Return the functions that it invokes."""
    return FUNCTIONS if any(line.kind in {"invoke", "nested", "denied"} for line in lines_of(program)) else {}


# -- as Python -------------------------------------------------------------------------------------------------


def source(program: Program, *, awaits: bool = False) -> str:
    """Return the handler as Python; with *awaits* as ``async def``."""
    body = _body(program, "handler", "ctx")
    text = f"@durable\ndef handler(event, ctx):\n{textwrap.indent(body, '    ')}"
    return ast.unparse(twin(text)) if awaits else text


def _body(program: Program, name: str, ctx: str) -> str:
    parts = ["told = []", *(_line(line, ctx) for line in program), f'return {{"{name}": told}}']
    return "\n".join(parts) + "\n"


def _line(line: Line, ctx: str) -> str:
    identifier = line.name.replace("-", "_").replace(" ", "_")
    functions, inside = [], []
    for at, program in enumerate(line.inside):
        inside.append(f"{identifier}_{at}")
        body = _body(program, f"{line.name} {at}", f"{ctx}1")
        functions.append(f"def {inside[-1]}({ctx}1):\n{textwrap.indent(body, '    ')}\n")
    words = {
        "ctx": ctx,
        "name": line.name,
        "n": str(line.number),
        "id": identifier,
        "inside": ", ".join(inside),
        "wrong": "refused(KEPT.uuid4)",
    }
    code = KINDS[line.kind].code.strip("\n").format(**words)
    if line.gesture:
        around = GESTURES[line.gesture].strip("\n").format(**words, code=_HERE)
        code = "\n".join(_around(around, code))
    return "\n".join(["", *functions, "got = None", code, f'told.append(["{line.name}", got])'])


def _around(gesture: str, code: str) -> Iterator[str]:
    for line in gesture.splitlines():
        indent, here, _ = line.partition(_HERE)
        yield textwrap.indent(code, indent) if here else line


@cache
def _imported(imports: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(imports, namespace)
    return namespace


class Written:
    """A program as a handler: its ``source``, and what that makes."""

    def __init__(self, program: Program, name: str = "program", *, awaits: bool = False) -> None:
        self.program = program
        self.source = source(program, awaits=awaits)
        namespace = {**_imported(ASYNC_IMPORTS if awaits else IMPORTS), "__name__": name}
        exec(compile(self.source, f"/{name}.py", "exec"), namespace)
        self.handler: Callable[..., Any] = namespace["handler"]
