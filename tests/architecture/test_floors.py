"""Laws 1 and 2: imports go down only, and the pure floors stay pure.

Every import counts: those under ``TYPE_CHECKING``, those inside functions, and ``import_module("...")`` with a
literal name. Each check is a function from one file's source to its sins, so that a bad source can show that the
check is able to fail.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

PACKAGE = "powertools_durable"
ROOT = Path(__file__).parents[2]
FILES = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}

FLOORS = (
    {"_frozen", "_lazy", "_version"},
    {"_protocol"},
    {"errors"},
    {"_functions"},
    {"retry", "completion", "batch", "config", "scope", "plugins", "backends", "_service"},
    {"serdes", "parser", "integrations"},
    {"_replay"},
    {"_operations", "_runtime"},
    {"_contexts"},
    {"_hosting"},
    {"decorator"},
    {"_timeline"},
    {"_analysis"},
    {"_report"},
    {"testing", "local", "compat"},
    {"cli"},
    {"__main__"},
)
ROOF = f"{PACKAGE}/__init__.py"  # only re-exports, so it may import everything and stands beside the decorator
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
FLOOR_OF[PACKAGE] = FLOOR_OF["decorator"]
ONLY = {"_service": {"_protocol", "_frozen"}}  # fits `DurableBackend` by shape, not by inheritance

IMPURE_SERVICE = ("clock.py", "invocations.py", "host.py", "storage.py")
PURE = (
    *(f"{PACKAGE}/{room}/" for room in ("_protocol", "_replay", "_operations")),
    *(file for file in FILES if file.startswith(f"{PACKAGE}/_service/") and not file.endswith(IMPURE_SERVICE)),
)
IMPURE_MODULES = {
    *("threading", "asyncio", "concurrent", "multiprocessing", "queue", "sched", "signal"),
    *("time", "random", "secrets", "uuid"),
    *("os", "io", "pathlib", "shutil", "tempfile", "sqlite3", "subprocess", "socket", "select", "selectors", "ssl"),
    *("http", "urllib", "logging", "warnings"),
}
IMPURE_CALLS = {"open", "print", "input", "breakpoint"}
CLOCKS = {"now", "utcnow", "today"}

PLACES = {
    "aws_lambda_powertools": ("integrations/", "parser/envelope.py", "parser/lint.py", "serdes/masking.py"),
    "aws_xray_sdk": ("integrations/xray.py", "integrations/xray_context.py", "testing/fixtures/xray_daemon.py"),
    "boto3": ("backends/lambda_.py", "cli/"),
    "botocore": ("backends/lambda_.py", "cli/", "serdes/s3.py"),
    "opentelemetry": ("integrations/otel",),
    "pydantic": ("parser/", "serdes/models.py", "backends/lambda_.py", "errors/", "_contexts/option_types.py"),
    "pydantic_core": ("parser/", "serdes/models.py", "backends/lambda_.py"),
    "pytest": ("testing/pytest_plugin.py",),
    "rich": ("cli/",),
    "time_machine": ("testing/crash_testing/chaos.py",),
    "typer": ("cli/",),
    "yaml": ("cli/diagnosis/templates/",),
    "zstandard": ("serdes/compressing.py",),
    "typing_extensions": ("_contexts/option_types.py",),  # for type checkers, which know it without its being installed
}


# ------------------------------------------------------------------------------------------- reading a file


@cache
def nodes(source: str) -> list[ast.AST]:
    """Return all nodes of a file. They are asked for by each law."""
    return list(ast.walk(ast.parse(source)))


def imports(file: str, source: str) -> Iterator[str]:
    """Every module that *source* names, absolute; ``from a import b`` gives ``a.b``."""
    package = file.split("/")[:-1]
    for node in nodes(source):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                start = package[: len(package) - level + 1] if level else []
                yield from (".".join([*start, *filter(None, [module]), alias.name]) for alias in names)
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]
            ):
                if called in {"import_module", "__import__"}:
                    yield name
            case _:
                pass


def room(module: str) -> str:
    """``powertools_durable.serdes.base.SerDes`` lies in ``serdes``; a name of the package itself in the package."""
    first = module.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]
    return first if first in FLOOR_OF else PACKAGE


def own_room(file: str) -> str:
    return file.split("/")[1].removesuffix(".py")


def is_ours(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE


# ---------------------------------------------------------------------------------------------- the checks


def upward(file: str, source: str) -> Iterator[str]:
    here = own_room(file)
    if here not in FLOOR_OF:
        yield f"{file}: {here!r} is on no floor"
        return
    for there in {room(module) for module in imports(file, source) if is_ours(module)} - {here}:
        if FLOOR_OF[there] > FLOOR_OF[here]:
            yield f"{file} (floor {FLOOR_OF[here]}) imports upward from {there} (floor {FLOOR_OF[there]})"
        elif FLOOR_OF[there] == FLOOR_OF[here]:
            yield f"{file} imports from {there}, its neighbour on floor {FLOOR_OF[here]}"
        elif there not in ONLY.get(here, {there}):
            yield f"{file} imports from {there}, but {here} may only import from {sorted(ONLY[here])}"


def impure(file: str, source: str) -> Iterator[str]:
    for module in imports(file, source):
        top = module.partition(".")[0]
        if top in IMPURE_MODULES or (top not in sys.stdlib_module_names and top != PACKAGE):
            yield f"{file} is pure, but imports {module}"
    for node in nodes(source):
        match node:
            case ast.Call(func=ast.Name(id=called)) if called in IMPURE_CALLS:
                yield f"{file}:{node.lineno} is pure, but calls {called}()"
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=attr) if attr in CLOCKS:
                if owner in {"datetime", "date", "dt"}:
                    yield f"{file}:{node.lineno} is pure, but asks {owner}.{attr} for the time: take it as an argument"
            case _:
                pass


def misplaced(file: str, source: str) -> Iterator[str]:
    inside = file.removeprefix(f"{PACKAGE}/")
    for module in imports(file, source):
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top != PACKAGE and not inside.startswith(PLACES.get(top, ())):
            yield f"{file} imports {module}, which belongs in {PLACES.get(top, 'no file of this package')}"


# ------------------------------------------------------------------------------------------------ the house


def sins(check, files=FILES):
    return [sin for file in files for sin in check(file, FILES[file].read_text(encoding="utf-8"))]


def test_there_is_a_house():
    assert len(FILES) > len(FLOORS)


def test_a_file_imports_from_lower_floors_only():
    assert sins(upward, [file for file in FILES if file != ROOF]) == []


def test_a_pure_file_does_no_io_and_tells_no_time():
    assert sins(impure, [file for file in FILES if file.startswith(PURE)]) == []


def test_third_parties_are_imported_in_their_place_only():
    assert sins(misplaced) == []


# ------------------------------------------------------------------------------------ the checks can fail

STEP = f"{PACKAGE}/_operations/step.py"


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (STEP, "from powertools_durable._contexts.core import ContextCore"),
        (STEP, "import powertools_durable._contexts.core"),
        (STEP, "from .._contexts import core"),
        (STEP, "from .. import _contexts"),
        (STEP, "from powertools_durable import DurableContext"),
        (STEP, "from powertools_durable import cli"),
        (STEP, "from powertools_durable._runtime.driver import BlockingDriver"),
        (STEP, "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from powertools_durable import decorator"),
        (STEP, "def lazily():\n    from powertools_durable.testing import Simulator"),
        (STEP, "import importlib\nimportlib.import_module('powertools_durable.cli.main')"),
        (f"{PACKAGE}/retry.py", "from powertools_durable.config import DurableConfig"),
        (f"{PACKAGE}/serdes/models.py", "from powertools_durable.parser.payload import PayloadParser"),
        (f"{PACKAGE}/testing/run.py", "from powertools_durable.local import LocalRunner"),
        (f"{PACKAGE}/decorator.py", "from powertools_durable import DurableContext"),
        (f"{PACKAGE}/_service/host.py", "from powertools_durable.errors import BackendError"),
        (f"{PACKAGE}/attic.py", ""),
    ],
)
def test_an_import_that_does_not_go_down_is_found(file, source):
    assert list(upward(file, source))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (STEP, "from powertools_durable._replay.effects import Checkpoint"),
        (STEP, "from powertools_durable._operations.wait import wait"),
        (STEP, "from . import wait"),
        (STEP, "from ..errors import StepError"),
        (f"{PACKAGE}/_service/host.py", "from powertools_durable._protocol.update import OperationUpdate"),
        (f"{PACKAGE}/testing/simulator.py", "from powertools_durable import DurableError"),
    ],
)
def test_an_import_that_goes_down_is_fine(file, source):
    assert list(upward(file, source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import threading",
        "import os.path",
        "from time import monotonic",
        "def f():\n    import logging",
        "import concurrent.futures",
        "import pydantic",
        "from datetime import UTC, datetime\nnow = datetime.now(UTC)",
        "import datetime\nnow = datetime.datetime.utcnow()",
        "from datetime import date, datetime\nclock = datetime.now",
        "def f(path):\n    return open(path)",
    ],
)
def test_impurity_is_found(source):
    assert list(impure(STEP, source))


@pytest.mark.parametrize(
    "source",
    [
        "import json\nimport sys\nfrom datetime import UTC, datetime\nnoon = datetime(2026, 1, 1, 12, tzinfo=UTC)",
        "def apply(record, now):\n    return record.at(now)",
    ],
)
def test_pure_code_is_fine(source):
    assert list(impure(STEP, source)) == []


@pytest.mark.parametrize("module", list(PLACES))
def test_a_third_party_out_of_place_is_found(module):
    assert list(misplaced(f"{PACKAGE}/scope.py", f"import {module}.something"))


@pytest.mark.parametrize(
    ("module", "place"), list(chain.from_iterable(((m, p) for p in ps) for m, ps in PLACES.items()))
)
def test_a_third_party_in_its_place_is_fine(module, place):
    file = f"{PACKAGE}/{place}" + ("main.py" if place.endswith("/") else "")
    assert list(misplaced(file, f"from {module} import something")) == []


def test_a_third_party_nobody_asked_for_is_found():
    assert list(misplaced(f"{PACKAGE}/cli/main.py", "import requests"))
