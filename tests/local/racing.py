"""A process that does what it is told at the moment it is told: several of them race for one execution.

``python racing.py STORE LEDGER`` reads one JSON object a line and answers each with one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from powertools_durable import DurableContext, durable
from powertools_durable.errors import DurableError
from powertools_durable.local import LocalExecutions, LocalRunner
from powertools_durable.local.housekeeping import prune

STORE, LEDGER = (Path(path) for path in sys.argv[1:3])


def charge(name: str) -> str:
    """Append a line in one write: what is in the file was charged."""
    ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, f"{name}\n".encode())
    os.close(ledger)
    return name


@durable
def charges(event: str, ctx: DurableContext) -> str:
    return ctx.step(charge, event, name="charge")


@durable
def asks(event: str, ctx: DurableContext) -> str:
    answer = ctx.create_callback(name="approval").result()
    ctx.step(charge, event, name="charge")
    return answer


HANDLERS = {"charges": charges, "asks": asks}


def act(what: str, name: str, handler: str, value: object) -> str:
    """Do one thing and return how the execution stands then."""
    runner = LocalRunner(HANDLERS[handler], STORE, skip_time=True)
    match what:
        case "start":
            return runner.start(name, name=name).id
        case "run":
            return runner.run(name, name=name, wait=False).status
        case "resume":
            return runner.resume(name, wait=False).status
        case "stop":
            return runner.executions.stop(name).status
        case "callback":
            LocalExecutions(runner.store).callback("approval", execution=name).succeed(value)
            return "answered"
        case "prune":
            return f"{prune(runner.store, name=name).executions} removed"
        case _:
            raise NotImplementedError(what)


def main() -> None:
    for line in sys.stdin:
        task = json.loads(line)
        time.sleep(max(0.0, task["at"] - time.time()))
        try:
            answer = {"done": act(task["what"], task["name"], task.get("handler", "charges"), task.get("value"))}
        except (DurableError, LookupError) as refusal:
            answer = {"refused": f"{type(refusal).__name__}: {refusal}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
