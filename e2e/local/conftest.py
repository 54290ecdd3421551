from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from e2e.order_story import EXAMPLES

HERE = Path(__file__).parent
NEEDED = ("awslambdaric", "aws_durable_execution_sdk_python_testing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            if missing:
                reason = f"not installed: {' and '.join(missing)}; pip install --group e2e"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from e2e.local.emulator import Emulator

    emulator = Emulator(tmp_path_factory.mktemp("emulator") / "emulator.log", {"echo": {"DurableConfig": {}}})
    yield emulator
    emulator.close()


@pytest.fixture
def deploy(tmp_path: Path, emulator: Any) -> Iterator[Callable[..., Any]]:
    """Make a function of the example, and of *files* beside it."""
    from e2e.local.function import Function

    functions = []

    def deploy(handler: str, *files: Path, **environment: str) -> Function:
        for file in (EXAMPLES / "order.py", *files):
            shutil.copy(file, tmp_path)
        function = Function("order", tmp_path, handler, AWS_ENDPOINT_URL_LAMBDA=emulator.url, **environment)
        functions.append(function)
        return function

    yield deploy
    for function in functions:
        function.close()
