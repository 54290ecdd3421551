"""A Powertools logger of one test, and the lines it wrote."""

from __future__ import annotations

import io
import itertools
import json
import logging
from typing import Any

import pytest
from aws_lambda_powertools import Logger

NUMBERS = itertools.count()
DEF_CALLS = pytest.mark.only("def", "this library calls the code from a function that awaits nothing")
DEF_BLOCKS = pytest.mark.only("def", "branches of an async handler share a thread, so none may block")
DEF_BELOW = pytest.mark.only("def", "a decorator below @durable ends before an 'async def' handler begins")


class Log:
    """A name is one logger for the life of a process, so each has one of its own."""

    def __init__(self, service: str | None = None, **options: Any) -> None:
        self.stream = io.StringIO()
        options.setdefault("level", "DEBUG")
        self.logger = Logger(service=service or f"orders-{next(NUMBERS)}", stream=self.stream, **options)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def messages(self) -> list[Any]:
        return [line["message"] for line in self.lines]

    def count(self, message: object) -> int:
        return self.messages.count(message)

    def forget(self) -> None:
        registered = logging.Logger.manager.loggerDict
        for name in [name for name in registered if name.startswith(self.logger.name)]:
            del registered[name]
