"""An X-Ray daemon for tests: a UDP socket of this machine, and what the SDK sent to it."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Self

from aws_xray_sdk import global_sdk_config  # type: ignore[import-untyped]
from aws_xray_sdk.core import xray_recorder  # type: ignore[import-untyped]
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter  # type: ignore[import-untyped]
from aws_xray_sdk.core.lambda_launcher import LambdaContext  # type: ignore[import-untyped]
from aws_xray_sdk.core.sampling.local.sampler import LocalSampler  # type: ignore[import-untyped]

from powertools_durable.errors import ValidationError

__all__ = ["XRayDaemon", "recording"]

_LARGEST_DATAGRAM = 65_536
_PATIENCE = 30.0  # seconds until a datagram must have arrived; loopback takes microseconds
_ON_THE_WAY = 3  # of the largest documents, what a default buffer holds
_TRACE_HEADER = "_X_AMZN_TRACE_ID"
_SWITCHES = ("POWERTOOLS_TRACE_DISABLED", "AWS_XRAY_SDK_ENABLED", "AWS_SAM_LOCAL", "AWS_CHALICE_CLI_MODE")


_ONE = threading.Lock()
_random = Random()  # noqa: S311 - ids of its own, whatever a test makes of uuid4


def _hex(digits: int) -> str:
    return f"{_random.getrandbits(4 * digits):0{digits}x}"


class XRayDaemon:
    """Receives documents on a port of its own, on loopback.

    Attributes
    ----------
    address : str
        ``host:port``, as ``AWS_XRAY_DAEMON_ADDRESS`` names it.
    trace_id : str
        Of the trace that goes on now; `next_invocation` keeps or changes it.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        host, port = self._socket.getsockname()
        self.address = f"{host}:{port}"
        self.trace_id = ""
        self._received: list[bytes] = []
        self._sent = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._listen, name="xray-daemon-of-a-test", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self._socket.getsockname())  # ends the thread
        self._thread.join(timeout=_PATIENCE)
        self._socket.close()

    def __len__(self) -> int:
        return len(self.documents)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.documents)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Every document that was sent so far, in the order of arrival; subsegments may lie inside of others."""
        self._await_all()
        with self._changed:
            datagrams = list(self._received)
        return [json.loads(data.partition(b"\n")[2]) for data in datagrams]

    @property
    def subsegments(self) -> list[dict[str, Any]]:
        """Every subsegment by itself, also those sent inside of another, parents first."""
        return [found for document in self.documents for found in _flat(document)]

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the subsegments of that name."""
        return [one for one in self.subsegments if one["name"] == name]

    def clear(self) -> None:
        """Forget what was received."""
        self._await_all()
        with self._changed:
            self._received.clear()
            self._sent = 0

    def next_invocation(self, *, new_trace: bool = False, sampled: bool = True) -> str:
        """Set the trace header that Lambda sets before each invocation, and return the parent's id in it.

        Parameters
        ----------
        new_trace : bool
            Begin another trace; the invocations of one execution share theirs.
        sampled : bool
            What was decided about it.
        """
        if new_trace or not self.trace_id:
            self.trace_id = f"1-{_hex(8)}-{_hex(24)}"
        parent = _hex(16)
        os.environ[_TRACE_HEADER] = f"Root={self.trace_id};Parent={parent};Sampled={int(sampled)}"
        return parent

    def noted(self) -> None:
        """Hear from the emitter that a document is on its way; hold it up while too many are.

        A socket's buffer holds some dozens of documents, and drops the next.
        """
        with self._changed:
            self._sent += 1
            self._changed.wait_for(lambda: self._sent - len(self._received) < _ON_THE_WAY, timeout=_PATIENCE)

    # -- the socket ----------------------------------------------------------------------------------------

    def _listen(self) -> None:
        while data := self._socket.recv(_LARGEST_DATAGRAM):
            with self._changed:
                self._received.append(data)
                self._changed.notify_all()

    def _await_all(self) -> None:
        """Wait until everything that was sent has been taken in."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._received) >= self._sent, timeout=_PATIENCE):
                lost = self._sent - len(self._received)
                message = f"{lost} documents were lost: they were sent faster than this machine took them in"
                raise RuntimeError(message)


@contextmanager
def recording() -> Iterator[XRayDaemon]:
    """Have the X-Ray SDK and Powertools' Tracer believe that this is Lambda, and send what they record to a daemon.

    The process's recorder and its environment are as before when the block ends. A `Tracer` must be made inside:
    one that was made outside of Lambda stays disabled.

    Raises
    ------
    ValidationError
        Another thread records already.
    """
    if not _ONE.acquire(blocking=False):
        message = "xray_segments is in use already: the process has one recorder. Use it in one test at a time"
        raise ValidationError(message)
    changed = (*_SWITCHES, "AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_TASK_ROOT", _TRACE_HEADER)
    environment = dict(os.environ)
    before = {name: getattr(xray_recorder, name) for name in ("sampler", "context", "emitter", "streaming")}
    threshold = xray_recorder.streaming_threshold
    enabled = global_sdk_config.sdk_enabled()
    with XRayDaemon() as daemon:
        for switch in _SWITCHES:
            os.environ.pop(switch, None)
        os.environ["AWS_XRAY_DAEMON_ADDRESS"] = daemon.address
        os.environ["LAMBDA_TASK_ROOT"] = "/var/task"
        daemon.next_invocation()
        global_sdk_config.set_sdk_enabled(True)
        emitter = _Emitter(daemon)
        # As the SDK has it in Lambda: others have sampled already, and every subsegment is sent when it is closed.
        xray_recorder.sampler = LocalSampler()
        xray_recorder.context = LambdaContext()
        xray_recorder.emitter = emitter
        xray_recorder.streaming_threshold = 0
        try:
            with _fresh_tracers():
                yield daemon
        finally:
            emitter.close()
            for name in changed:  # and nothing else: it may be of the test's setup
                os.environ.pop(name, None)
            os.environ.update({name: environment[name] for name in changed if name in environment})
            for name, value in before.items():
                setattr(xray_recorder, name, value)
            xray_recorder.streaming_threshold = threshold
            global_sdk_config.set_sdk_enabled(enabled)
            _ONE.release()


class _Emitter(UDPEmitter):  # type: ignore[misc]
    """Sends as the SDK's does; and lets the daemon know, for datagrams may overtake a look."""

    def __init__(self, daemon: XRayDaemon) -> None:
        super().__init__(daemon.address)
        self._daemon = daemon

    def _send_data(self, data: str) -> None:
        super()._send_data(data)
        self._daemon.noted()

    def close(self) -> None:
        self._socket.close()


@contextmanager
def _fresh_tracers() -> Iterator[None]:
    """Let a Tracer made from now on be enabled: all share the settings of the first one, which was not in Lambda."""
    cls: Any = getattr(sys.modules.get("aws_lambda_powertools.tracing.tracer"), "Tracer", None)
    if cls is None:
        yield
        return
    before, cls._config = cls._config, dict(cls._default_config)
    try:
        yield
    finally:
        cls._config = before


def _flat(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield document
    for inner in document.get("subsegments", ()):
        yield from _flat({"trace_id": document.get("trace_id"), "parent_id": document.get("id"), **inner})
