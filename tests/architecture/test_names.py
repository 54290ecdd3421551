"""A name means one thing: file names and class names stand once, no class is split into a base and its only subclass.

And threads are started and waited for in the files that are about them only. Each check is a function from the
package's sources, by file, to its sins, so that bad sources can show that the check is able to fail.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from tests.architecture.test_doors import DOORS, opened

ROOT = Path(__file__).parents[2]
PACKAGE = "powertools_durable"
EVERYTHING = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / PACKAGE).rglob("*.py"))
}
# The classes of compat have the names of the official SDK, and so have these modules of compat.aws.
SOURCES = {file: source for file, source in EVERYTHING.items() if not file.startswith(f"{PACKAGE}/compat/")}
OFFICIAL = {"config.py", "execution.py", "models.py"}
NAMED_HERE = {
    file: source for file, source in EVERYTHING.items() if file in SOURCES or PurePosixPath(file).name not in OFFICIAL
}

ROLES = {"__init__", "__main__", "base"}  # said of the folder, not of the file
PUBLIC = {name for door in DOORS for name in opened(door).__all__}
KEPT = {
    # A plugin hears of the hooks that its class has. To hear of replayed operations costs something for each of them.
    "OperationTracing",
}

THREADS = {
    "asyncio": (
        *("_runtime/async_", "_runtime/body_threads.py", "_runtime/durable_task.py", "_runtime/idle.py"),
        *("_runtime/loop.py", "_runtime/racing.py", "_runtime/task_places.py", "_runtime/wakeups.py"),
        "testing/simulation/body_ends.py",  # loaded with the loop of an async handler, as is the next
        "testing/replays/async_performer.py",
    ),
    "concurrent": (
        "_runtime/loop.py",  # the type of an executor
        "cli/gating/history_sources.py",  # histories are read side by side
    ),
    "multiprocessing": (),
    "queue": (),
    "threading": (
        "_runtime/",  # the sender, the threads of a fan-out, a step with a timeout
        *("_service/clock.py", "_service/host.py", "local/store.py"),  # several runs at once
        "backends/clients.py",  # one client for the process
        "serdes/s3.py",  # branches write and read side by side
        *("cli/interrupts.py", "cli/json_lines.py", "cli/live.py", "cli/region.py"),
        "integrations/",  # branches are threads that count and draw in one object
        "testing/",
    ),
}


# ---------------------------------------------------------------------------------------------- the checks


parsed = cache(ast.parse)


def twice_named_files(sources) -> Iterator[str]:
    files = defaultdict(list)
    for file in sources:
        files[PurePosixPath(file).name].append(file)
    for name, places in files.items():
        if len(places) > 1 and name.removesuffix(".py") not in ROLES:
            yield f"{name} stands in {', '.join(places)}"


def classes(sources) -> Iterator[tuple[str, str, ast.ClassDef]]:
    """Each class of a module's own level, also below ``if`` and ``try``: its file, its name and its definition."""
    for file, source in sources.items():
        waiting: list[ast.stmt] = list(parsed(source).body)
        while waiting:
            node = waiting.pop(0)
            match node:
                case ast.ClassDef():
                    yield file, node.name, node
                case ast.If(body=body, orelse=others):
                    waiting += [*body, *others]
                case ast.Try(body=body, orelse=others, handlers=handlers):
                    waiting += [*body, *others, *(line for handler in handlers for line in handler.body)]
                case _:
                    pass


def twice_named_classes(sources) -> Iterator[str]:
    places = defaultdict(list)
    for file, name, _ in classes(sources):
        places[name].append(file)
    for name, files in places.items():
        if len(files) > 1:
            yield f"class {name} stands in {', '.join(files)}"


def base_names(node):
    for base in node.bases:
        match base.value if isinstance(base, ast.Subscript) else base:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case _:
                pass


def foreign_names(source):
    """The names that a file imports from elsewhere than the package."""
    for node in ast.walk(parsed(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=names, level=0) if module.partition(".")[0] != PACKAGE:
                yield from (alias.asname or alias.name for alias in names)
            case ast.Attribute(value=ast.Name(id="asyncio"), attr=name):
                yield name
            case _:
                pass


def split_classes(sources) -> Iterator[str]:
    known = {name: node for _, name, node in classes(sources)}
    foreign = {file: set(foreign_names(source)) for file, source in sources.items()}
    heirs = defaultdict(set)
    for file, name, node in classes(sources):
        for base in base_names(node):
            if base in known and base not in foreign[file]:
                heirs[base].add((file, name))
    for base, (*all_heirs,) in sorted(heirs.items()):
        if len(all_heirs) == 1 and base not in PUBLIC | KEPT and not exempt(base, known):
            (file, name), *_ = all_heirs
            yield f"{file}: {name} is the only subclass of {base}: one class, or a part that the other one has"


def exempt(name, known):
    """Whether a class is an exception, a Protocol or a TypedDict, by what it derives from in the end."""
    if name not in known:
        return name in {"Protocol", "TypedDict"} or name.endswith(("Exception", "Error", "Warning"))
    return any(exempt(base, known) for base in base_names(known[name]))


def stray_threads(sources) -> Iterator[str]:
    for file, source in sources.items():
        inside = file.removeprefix(f"{PACKAGE}/")
        for node in ast.walk(parsed(source)):
            match node:
                case ast.Import(names=names):
                    modules = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module), level=0):
                    modules = [module]
                case _:
                    modules = []
            for module in {module.partition(".")[0] for module in modules} & set(THREADS):
                if not inside.startswith(THREADS[module] or ("nowhere/",)):
                    yield f"{file} imports {module}"


# ------------------------------------------------------------------------------------------------ the house


@pytest.mark.parametrize(
    ("check", "sources"),
    [
        (twice_named_files, NAMED_HERE),
        (twice_named_classes, SOURCES),
        (split_classes, SOURCES),
        (stray_threads, EVERYTHING),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_the_package_has_no(check, sources):
    assert list(check(sources)) == []


@pytest.mark.slow
def test_what_is_kept_is_still_split(monkeypatch):
    kept = set(KEPT)
    monkeypatch.setattr(f"{__name__}.KEPT", set())
    text = " ".join(split_classes(SOURCES))
    assert [name for name in kept if f" subclass of {name}:" not in text] == []


# ------------------------------------------------------------------------------------ the checks can fail

ONE, OTHER = f"{PACKAGE}/_replay/one.py", f"{PACKAGE}/_runtime/other.py"


def test_a_file_name_that_stands_twice_is_found():
    assert list(twice_named_files({f"{PACKAGE}/_replay/batch.py": "", f"{PACKAGE}/batch.py": ""}))
    assert list(twice_named_files({f"{PACKAGE}/serdes/base.py": "", f"{PACKAGE}/backends/base.py": ""})) == []


@pytest.mark.parametrize(
    "other", ["class Task: ...", "if True:\n    class Task: ...", "try:\n    class Task: ...\nfinally: ..."]
)
def test_a_class_name_that_stands_twice_is_found(other):
    assert list(twice_named_classes({ONE: "class Task: ...", OTHER: other}))


def test_a_class_inside_a_class_or_function_does_not_count():
    assert list(twice_named_classes({ONE: "class Task: ...", OTHER: "def f():\n    class Task: ..."})) == []


@pytest.mark.parametrize(
    "heir",
    [
        "class Heir(Base): ...",
        "class Heir(Base[int]): ...",
        f"from {PACKAGE}._replay import one\nclass Heir(one.Base): ...",
        "class Between(Base): ...\nclass Heir(Between): ...",
    ],
)
def test_a_base_with_one_subclass_is_found(heir):
    assert list(split_classes({ONE: "class Base: ...", OTHER: heir}))


@pytest.mark.parametrize(
    ("base", "heir"),
    [
        ("class Base: ...", "class Heir(Base): ...\nclass Second(Base): ..."),
        ("class Base(Exception): ...", "class Heir(Base): ..."),
        ("class Base(Protocol): ...", "class Heir(Base): ..."),
        ("class Base(TypedDict): ...", "class Heir(Base, total=False): ..."),
        ("class Retry: ...", "class Heir(Retry): ..."),  # public
        ("class Base: ...", "from aws_xray_sdk import Base\nclass Heir(Base): ..."),  # another one
    ],
)
def test_a_base_that_may_have_one_is_fine(base, heir):
    assert list(split_classes({ONE: base, OTHER: heir})) == []


@pytest.mark.parametrize(
    "line", ["import threading", "from queue import Queue", "import asyncio", "import concurrent.futures"]
)
def test_a_stray_thread_is_found(line):
    assert list(stray_threads({ONE: line}))
    assert list(stray_threads({OTHER: f"def f():\n    {line}"})) or line == "import threading"
