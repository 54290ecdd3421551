"""`compat` stands on the public API alone, never imports the official package, and is loaded by nobody else."""

from __future__ import annotations

import pytest

from tests.architecture.test_floors import FILES, PACKAGE, imports
from tests.architecture.test_imports import loaded_by

COMPAT = [file for file in FILES if file.startswith(f"{PACKAGE}/compat/")]


def private(file, source):
    """The imports of a part of this package that is no public module: one whose name begins with an underscore."""
    for module in imports(file, source):
        path = module.split(".")
        own = path[:2] == [PACKAGE, "compat"]
        if path[0] == PACKAGE and not own and any(part.startswith("_") and part != "__version__" for part in path):
            yield module
        if path[0].startswith("aws_durable_execution"):
            yield module


def test_there_is_something_to_look_at():
    assert len(COMPAT) > 10


@pytest.mark.parametrize("file", COMPAT)
@pytest.mark.sampled(99)
def test_it_imports_the_public_api_alone(file):
    assert list(private(file, FILES[file].read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "from powertools_durable._contexts.blocking import DurableContext",
        "from powertools_durable import _hosting",
        "def lazily():\n    import powertools_durable._service.host",
        "import aws_durable_execution_sdk_python",
        "from aws_durable_execution_sdk_python.plugin import PluginExecutor",
    ],
)
def test_a_private_import_is_found(source):
    assert list(private(f"{PACKAGE}/compat/aws/context.py", source))


def test_nothing_else_of_the_package_imports_it():
    importers = {
        file
        for file, path in FILES.items()
        if file not in COMPAT
        and any(".".join(module.split(".")[:2]) == f"{PACKAGE}.compat" for module in imports(file, path.read_text()))
    }
    assert importers <= {f"{PACKAGE}/__init__.py"}


def test_decorating_a_handler_loads_none_of_it():
    source = "import powertools_durable\n@powertools_durable.durable\ndef handler(event, ctx): ..."
    probe = f"{source}\nassert not [name for name in sys.modules if '.compat' in name], 'compat is loaded'"
    assert PACKAGE in loaded_by(probe)


def test_importing_the_names_loads_nothing_heavy():
    loaded = loaded_by("import powertools_durable.compat.aws")
    assert (
        loaded & {"boto3", "botocore", "aws_lambda_powertools", "asyncio", "aws_durable_execution_sdk_python"} == set()
    )


def test_no_file_is_too_long():
    lines = {file: len(FILES[file].read_text(encoding="utf-8").splitlines()) for file in COMPAT}
    long = {file for file, count in lines.items() if count > 400}
    assert long <= {f"{PACKAGE}/compat/aws/context.py"}  # a method for each operation, with its docstring
