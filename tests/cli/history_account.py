"""An account with any histories, by real HTTP on loopback: what runs there is a list of events."""

from __future__ import annotations

import threading
from typing import Any

from tests.cli.account import Refusal, _Handler
from tests.loopback import LoopbackServer

_ROOT = "/2025-12-01/"


class HistoryAccount(LoopbackServer):
    """A function whose executions are histories, all of which are listed as RUNNING.

    Parameters
    ----------
    histories : Mapping[str, list]
        Events by the execution's name.
    page : int
        Items in one response.
    version : str
        The function's version that the executions run on.
    """

    def __init__(self, histories: dict[str, list[Any]], *, page: int = 100, version: str = "$LATEST") -> None:
        super().__init__(_Handler)
        self.histories = histories
        self.page = page
        self.version = version
        self.refusals: dict[str, Refusal] = {}  # by execution
        self.throttled = 0  # requests for histories that are still to be throttled
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def answer(self, path: str, query: dict[str, list[str]], body: bytes) -> dict[str, Any]:
        call = path.rpartition("/")[2]
        with self._lock:
            self.asked.append((call, {key: values[0] for key, values in query.items()}))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self._history(path, query) if call == "history" else self._list(query)
        finally:
            with self._lock:
                self.at_once -= 1

    def _arn(self, name: str) -> str:
        function = f"arn:aws:lambda:eu-west-1:123456789012:function:orders:{self.version}"
        return f"{function}/durable-execution/{name}/0a1b-{name}"

    def _list(self, query: dict[str, list[str]]) -> dict[str, Any]:
        if "list" in self.refusals:
            raise self.refusals["list"]
        assert query["Statuses"] == ["RUNNING", "PAUSING", "PAUSED"]
        items = [
            {
                "DurableExecutionArn": self._arn(name),
                "DurableExecutionName": name,
                "FunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:orders",
                "Status": "RUNNING",
                "StartTimestamp": 1_760_000_000.0,
            }
            for name in self.histories
        ]
        return self._paged("DurableExecutions", items, query)

    def _history(self, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        name = path.removeprefix(_ROOT).split("/")[-3]
        with self._lock:
            self.throttled -= 1
            throttled = self.throttled >= 0
        if throttled:
            raise Refusal(429, "TooManyRequestsException")
        if name in self.refusals:
            raise self.refusals[name]
        assert query["IncludeExecutionData"] == ["true"]
        return self._paged("Events", self.histories[name], query)

    def _paged(self, key: str, items: list[Any], query: dict[str, list[str]]) -> dict[str, Any]:
        start = int(query.get("Marker", ["0"])[0])
        page: dict[str, Any] = {key: items[start : start + self.page]}
        if start + self.page < len(items):
            page["NextMarker"] = str(start + self.page)
        return page
