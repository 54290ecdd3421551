"""Runs the tests of a module for both kinds of handlers: its source is translated by `tests.twins`.

A module that is listed in `MODULES` is collected twice; the twin's tests are ``test_file.py::async::test_name``. In a
test, the fixture ``kind`` is ``"def"`` or ``"async"``. What only one kind can show is marked ``only("def", "why")``.
"""

from __future__ import annotations

import ast
import hashlib
import marshal
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import CodeType, ModuleType
from typing import cast

import pytest
from _pytest.assertion.rewrite import rewrite_asserts
from _pytest.python import importtestmodule

from powertools_durable._contexts.awaited import DURABLE_METHODS
from tests import twins
from tests.twins import twin, twin_module

__all__ = ["HELPERS", "MODULES", "AsyncFile", "concerns", "file_of", "kind_of"]

MODULES = frozenset(
    {
        "contexts/test_binding.py",
        "contexts/test_misuse.py",
        "integrations/test_decorator_order.py",
        "integrations/test_engine_metrics.py",
        "integrations/test_entry_points.py",
        "integrations/test_first_invocation.py",
        "integrations/test_instrumentation.py",
        "integrations/test_log_buffer.py",
        "integrations/test_log_context.py",
        "integrations/test_log_keys.py",
        "integrations/test_log_properties.py",
        "integrations/test_logger.py",
        "integrations/test_metrics.py",
        "integrations/test_neighbours.py",
        "integrations/test_one_handler.py",
        "integrations/test_otel.py",
        "integrations/test_replay_states.py",
        "integrations/test_uncaught_options.py",
        "integrations/test_xray.py",
        "integrations/test_xray_context.py",
        "runtime/test_failures_logged.py",
        "runtime/test_failures_recorded.py",
        "runtime/test_fan_out_mistakes.py",
        "runtime/test_groups_recorded.py",
        "runtime/test_observers.py",
        "runtime/test_plugin_factories.py",
        "runtime/test_plugin_infos.py",
        "runtime/test_retry_invocation.py",
        "runtime/test_swallowed.py",
        "runtime/test_undo.py",
        "serdes/test_annotation_added.py",
        "serdes/test_annotations_behind_wrappers.py",
        "serdes/test_equal_or_refused.py",
        "serdes/test_promises.py",
        "serdes/test_unreadable.py",
    }
)
"""The modules that are run for both kinds, below this folder."""
HELPERS = frozenset({"tests.serdes.places"})
"""Modules with handlers that they import, and are translated with them."""
_TRANSLATOR = Path(twins.__file__).read_bytes()


class AsyncFile(pytest.File):
    """Collects the twin of a file."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        yield _AsyncModule.from_parent(self, path=self.path, name="async", nodeid=self.nodeid)


class _AsyncModule(pytest.Module):
    def _getobj(self) -> ModuleType:
        original = importtestmodule(self.path, self.config)
        module = ModuleType(original.__name__, original.__doc__)
        module.__file__ = original.__file__
        for name in HELPERS & set(_imported(self.path.read_text(encoding="utf-8"))):
            twin_module(import_module(name))
        exec(self._code(), module.__dict__)
        return module

    def _code(self) -> CodeType:
        """Return the compiled twin, which is kept in ``__pycache__``: to translate takes longer than to import."""
        source = self.path.read_bytes()
        of = (source, _TRANSLATOR, sys.version, pytest.__version__, sorted(HELPERS), sorted(DURABLE_METHODS))
        key = hashlib.sha256(repr(of).encode()).hexdigest()[:16]
        kept = self.path.parent / "__pycache__" / f"{self.path.stem}.async-{key}.code"
        with suppress(OSError):
            return cast("CodeType", marshal.loads(kept.read_bytes()))
        tree = twin(source.decode())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in HELPERS:
                node.module = f"{node.module}_async"
        rewrite_asserts(tree, source, str(self.path), self.config)
        code = compile(tree, self.path, "exec", dont_inherit=True)
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                kept.parent.mkdir(exist_ok=True)
                writing = kept.with_suffix(f".{os.getpid()}")
                writing.write_bytes(marshal.dumps(code))
                writing.replace(kept)
        return code


def _imported(source: str) -> list[str]:
    return re.findall(r"^from (\S+) import", source, re.MULTILINE)


def kind_of(item: pytest.Item) -> str:
    """Return of which kind the handlers of a test are."""
    return "async" if item.getparent(_AsyncModule) else "def"


def concerns(item: pytest.Item) -> bool:
    """Return whether a test is one for the kind of its handlers."""
    kind = kind_of(item)
    return all(mark.args[0] == kind for mark in item.iter_markers("only"))


def file_of(path: Path, parent: pytest.Collector) -> AsyncFile | None:
    """Return what collects the twin of *path*, if it is to have one."""
    below = path.relative_to(Path(__file__).parent).as_posix() if path.is_relative_to(Path(__file__).parent) else ""
    if below not in MODULES:
        return None
    file: AsyncFile = AsyncFile.from_parent(
        parent, path=path, nodeid=f"{path.relative_to(parent.config.rootpath).as_posix()}::async"
    )
    return file
