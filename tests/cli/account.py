"""The executions of a store, as the Lambda API tells of them: real HTTP on loopback, for real botocore."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.wire import to_wire
from powertools_durable.errors import ValidationError
from powertools_durable.local import LocalExecution, LocalExecutions
from tests.loopback import LoopbackServer

_PAGE = 2  # so that whoever forgets the other pages is found out
_ROOT = "/2025-12-01/"


@dataclass
class Refusal(Exception):  # noqa: N818 - says what it is
    status: int
    code: str
    message: str = "no"


class LambdaAccount(LoopbackServer):
    """One function of that name, and its executions."""

    def __init__(self, executions: LocalExecutions, function: str = "orders") -> None:
        super().__init__(_Handler)
        self.executions = executions
        self.function = function
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.refusals: dict[str, Refusal] = {}
        self.changes: dict[str, dict[str, Any]] = {}  # what an execution is told to be, by its name

    def asked(self, call: str) -> list[dict[str, str]]:
        return [query for name, query in self.requests if name == call]

    def answer(self, path: str, query: dict[str, list[str]], body: bytes) -> dict[str, Any]:
        kind, _, rest = path.removeprefix(_ROOT).partition("/")
        subject, call = (rest, "get") if "/durable-execution/" in rest and rest.count("/") == 3 else rest.rsplit("/", 1)
        self.requests.append((call, {key: values[0] for key, values in query.items()}))
        if call in self.refusals:
            raise self.refusals[call]
        match kind, call:
            case "functions", "durable-executions":
                return self._list(subject, query)
            case "durable-executions", "get":
                return self._execution(self._found(subject), data=query["IncludeExecutionData"] == ["true"])
            case "durable-executions", "history":
                return self._history(self._found(subject), query)
            case "durable-executions", "stop":
                one = self.executions.stop(self._found(subject).id)
                return {"StopTimestamp": one.ended.timestamp()}
            case "durable-execution-callbacks", _:
                return self._complete(subject, call, body)
        raise AssertionError(path)

    def _list(self, function: str, query: dict[str, list[str]]) -> dict[str, Any]:
        if function != self.function:
            raise Refusal(404, "ResourceNotFoundException", f"Function not found: {function}")
        found = [self._execution(one, data=False) for one in reversed(list(self.executions))]
        if names := query.get("DurableExecutionName"):
            found = [one for one in found if one["DurableExecutionName"] in names]
        if statuses := query.get("Statuses"):
            found = [one for one in found if one["Status"] in statuses]
        return _paged("DurableExecutions", found, query)

    def _found(self, arn: str) -> LocalExecution:
        for one in self.executions:
            if one.arn == arn:
                return one
        raise Refusal(404, "ResourceNotFoundException", f"no {arn}")

    def _execution(self, one: LocalExecution, *, data: bool) -> dict[str, Any]:
        told: dict[str, Any] = {
            "DurableExecutionArn": one.arn,
            "DurableExecutionName": one.name,
            "FunctionArn": f"arn:aws:lambda:eu-west-1:123456789012:function:{self.function}",
            "Status": one.status,
            "StartTimestamp": one.started.timestamp(),
        }
        if one.ended:
            told["EndTimestamp"] = one.ended.timestamp()
        if data:
            told["InputPayload"] = json.dumps(one.input)
            told |= {"Result": json.dumps(one.result)} if one.status == "SUCCEEDED" else {}
            told |= {"Error": to_wire(one.error)} if one.error else {}
        return told | self.changes.get(one.name, {})

    def _history(self, one: LocalExecution, query: dict[str, list[str]]) -> dict[str, Any]:
        data = query["IncludeExecutionData"] == ["true"]
        return _paged("Events", [_as_the_api(event, data=data) for event in one.history()], query)

    def _complete(self, callback_id: str, call: str, body: bytes) -> dict[str, Any]:
        try:
            waiting = self.executions.callback(callback_id)
            assert waiting.record.callback_details.callback_id == callback_id
        except (LookupError, AssertionError):  # here a name is nothing
            raise Refusal(404, "ResourceNotFoundException", f"no callback {callback_id}") from None
        try:
            match call:
                case "succeed":
                    waiting.succeed(json.loads(body) if body else None)
                case "fail":
                    told = json.loads(body)
                    waiting.fail(ErrorObject(error_message=told.get("ErrorMessage"), error_type=told.get("ErrorType")))
                case "heartbeat":
                    waiting.heartbeat()
        except ValidationError as error:
            raise Refusal(400, "CallbackTimeoutException", str(error)) from None
        return {}


def _paged(key: str, items: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
    start = int(query.get("Marker", ["0"])[0])
    page: dict[str, Any] = {key: items[start : start + _PAGE]}
    if start + _PAGE < len(items):
        page["NextMarker"] = str(start + _PAGE)
    return page


def _as_the_api(part: Any, *, data: bool) -> Any:
    """Moments in seconds; no payloads when they are not asked for."""
    if not isinstance(part, dict):
        return part
    return {
        key: value / 1000 if key.endswith("Timestamp") else _as_the_api(value, data=data)
        for key, value in part.items()
        if data or key != "Payload"
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LambdaAccount

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self._answer(200, self.server.answer(unquote(url.path), parse_qs(url.query), body))
        except Refusal as refusal:
            self._answer(refusal.status, {"Message": refusal.message}, refusal.code)

    do_GET = do_POST = _serve  # noqa: N815 - as http.server wants them

    def _answer(self, status: int, told: dict[str, Any], code: str = "") -> None:
        text = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
