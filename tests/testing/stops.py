"""Stops at every operation of every golden history; run by `test_stop_at.py` as a process of its own.

Its standard input are the commands for the debugger: the same two at each stop.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType

from powertools_durable._service.history_reader import rebuild_execution
from powertools_durable.errors import ValidationError
from powertools_durable.testing import replay
from powertools_durable.testing.replays.addresses import addresses_in
from tests.histories import official_equivalents, programs
from tests.twins import twin, twin_module

HISTORIES = Path(programs.__file__).parent
COMMANDS = "p 'locals:', sorted(locals())\nc\n"


def handlers(folder: str, kind: str) -> dict:
    if folder == "ours":
        module = programs if kind == "def" else twin_module(programs)
        return {name: program.handler for name, program in module.PROGRAMS.items()}
    return official_equivalents.HANDLERS if kind == "def" else _official_twins()


def _official_twins() -> dict:
    """Return the handlers as ``async def``; contexts have other names in that file."""
    source = Path(official_equivalents.__file__).read_text(encoding="utf-8")
    source = re.sub(r"\bbranch\b", "child", re.sub(r"\bouter(?=[:.])", "deeper", source))
    module = ModuleType("official_equivalents_async")
    sys.modules[module.__name__] = module
    exec(compile(twin(source), official_equivalents.__file__, "exec"), vars(module))
    return module.HANDLERS


def main(folder: str, kind: str) -> None:
    for name, handler in handlers(folder, kind).items():
        file = HISTORIES / folder / f"{name}.json"
        found = rebuild_execution(json.loads(file.read_text(encoding="utf-8"))["Events"])
        for address, _ in addresses_in(found.operations):
            sys.stdout.write(f"\nAT {name} {address}" + "\n")
            try:
                verdict = replay(handler, file, stop_at=address)
            except ValidationError as error:
                sys.stdout.write(f"\nNOT REACHED {error}" + "\n")
            else:
                sys.stdout.write(f"\nEND {verdict.status}" + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
