"""Runs the same source on both SDKs, on the simulated service, and lets them take turns within an execution."""

from __future__ import annotations

import itertools
import json
import sys
import types
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from pydantic import TypeAdapter

from powertools_durable._hosting import target_of
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable._runtime.environment import Environment
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.host import Host
from powertools_durable._service.invocations import Target
from powertools_durable._service.storage import MemoryStore
from powertools_durable.backends.service import ServiceBackend
from powertools_durable.testing.simulation.simulated_run import SimulatedRun
from powertools_durable.testing.simulation.simulator import SeededIds

OFFICIAL = "aws_durable_execution_sdk_python"
COMPAT = "powertools_durable.compat.aws"
_UPDATE = TypeAdapter(OperationUpdate)


def load(path: Path, *, official: bool) -> types.ModuleType:
    """Run a source that imports the official names; with *official* on that SDK, else on ours.

    Both get the same module name, which is part of what errors are recorded as.
    """
    source = path.read_text(encoding="utf-8")
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    sys.modules[path.stem] = module  # dataclasses look for it
    exec(compile(source if official else source.replace(OFFICIAL, COMPAT), str(path), "exec"), module.__dict__)
    return module


class Client:
    """A boto3 Lambda client for the official SDK: the simulated service answers."""

    def __init__(self, host: Host) -> None:
        self._backend = ServiceBackend(host)

    def checkpoint_durable_execution(self, *, DurableExecutionArn, CheckpointToken, Updates, ClientToken=""):
        updates = [_UPDATE.validate_python(update) for update in Updates]
        return _as_boto(to_wire(self._backend.checkpoint(DurableExecutionArn, CheckpointToken, updates, ClientToken)))

    def get_durable_execution_state(self, *, DurableExecutionArn, CheckpointToken, Marker="", MaxItems=1000):
        page = self._backend.get_execution_state(DurableExecutionArn, CheckpointToken, Marker, MaxItems)
        return _as_boto(to_wire(page))


def _as_boto(answer):
    """Make moments of numbers, as botocore does."""
    if isinstance(answer, list):
        return [_as_boto(each) for each in answer]
    if not isinstance(answer, dict):
        return answer
    return {
        key: datetime.fromtimestamp(part / 1000, UTC)
        if key.endswith("Timestamp") and isinstance(part, int | float)
        else _as_boto(part)
        for key, part in answer.items()
    }


def run(name, modules, event=None, functions=()):
    """Start the handler *name*; each invocation is made on the next one of *modules*, which go round."""
    clock = VirtualClock(datetime.now(UTC))
    random = Random(0)
    host = Host(MemoryStore(), clock, SeededIds(random))
    turns = itertools.cycle(modules)
    invokers = {id(module): _invoker(module, name, host, clock) for module in modules}
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:f:1/durable-execution/{name.replace('_', '-')}/{0:032x}"
    host.start(arn, name.replace("_", "-"), None if event is None else json.dumps(event))
    targets = {f"{each}:1": Target(durable=_invoker(modules[0], each, host, clock)) for each in functions}

    def invoke(event, context):
        return invokers[id(next(turns))](event, context)

    return SimulatedRun(host, clock, arn, invoke, targets).settle()


def _invoker(module, name, host, clock):
    handler = getattr(module, name)
    if module.durable_execution.__module__.startswith(OFFICIAL):
        client = Client(host)

        def invoke(event, context):
            with _cached(client):
                return handler(event, context)

        return invoke
    return target_of(handler, backend=ServiceBackend(host), environment=Environment(clock, Random(0))).durable


@contextmanager
def _cached(client):
    from aws_durable_execution_sdk_python.lambda_service import LambdaClient

    before, LambdaClient._cached_boto_client = LambdaClient._cached_boto_client, client
    try:
        yield
    finally:
        LambdaClient._cached_boto_client = before
