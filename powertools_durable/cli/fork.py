"""``fork``: goes on with a recorded execution from an operation on, on this machine and with other code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from powertools_durable._protocol.operation import ExecutionDetails, Operation, OperationStatus, OperationType
from powertools_durable._protocol.wire import parse_timestamp
from powertools_durable._report import render_fork
from powertools_durable._service.clock import WallClock
from powertools_durable._service.execution import Header, ServiceExecution
from powertools_durable._timeline import read_events
from powertools_durable.cli.forked_history import ForkedHistory, fork_history
from powertools_durable.cli.inputs import STANDARD_INPUT, read_json, refuse_second_standard_input
from powertools_durable.cli.options import DEFAULT_STORE, JsonFlag, Store, Target, absolute_path
from powertools_durable.cli.output import console, one_line, own_output, print_json, write_report
from powertools_durable.cli.run_difference import RunDifference, run_differences
from powertools_durable.cli.running import Answers, Functions, Skip, Wait, parse_targets, resume
from powertools_durable.cli.targets import load_target, resolve_targets
from powertools_durable.cli.usage import UsageError, absolute
from powertools_durable.local import LocalExecution, SqliteStore
from powertools_durable.local.ids import SystemIds

__all__ = ["fork", "start_fork"]

_MOST_FORKS = 1000  # of one execution in one store


def fork(
    target: Target,
    history: Annotated[str, typer.Argument(metavar="HISTORY", help="A file written by `export` or the AWS CLI.")],
    start: Annotated[str, typer.Option("--from", metavar="PATH#N", help="The operation from which on TARGET runs.")],
    edit: Annotated[
        list[str] | None,
        typer.Option("--edit", metavar="OPERATION=JSON", help="Serve this result instead of the recorded one."),
    ] = None,
    store: Store = DEFAULT_STORE,
    skip_time: Skip = False,
    wait: Wait = True,
    answer: Answers = None,
    function: Functions = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write both runs side by side to an HTML file.", callback=absolute_path
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a recorded execution again from an operation on, with the code of TARGET.

    Starts an execution on this machine. What had ended before the operation started is served from HISTORY, and its
    body does not run. Everything else really runs: use fakes. At the end, prints what differs from HISTORY. The exit
    code is that of `run`.

    Example: powertools-durable fork src/orders.py:handler order-42.json --from ship
    """
    refuse_second_standard_input(*(text.partition("=")[2] for text in edit or ()))
    if history == STANDARD_INPUT:
        raise UsageError("fork takes the history from a file: write it to one, and name that")
    edits = dict(_edit(text) for text in edit or ())
    targets = resolve_targets(parse_targets(target, function))
    path = absolute(history)
    opened = SqliteStore(store)
    with own_output():
        forked = fork_history(load_target(targets[""]), path, start, edits, history)
        with opened.transaction():
            one = start_fork(opened, forked)
            opened.remember_targets(one.arn, {name: found.text for name, found in targets.items()})
    try:
        resume(one.arn, store=store, skip_time=skip_time, wait=wait, answer=answer, as_json=as_json)
    finally:
        before = read_events(forked.original, arn=forked.arn, values=True)
        after = read_events(one.history(), arn=one.arn, values=True)
        opened.close()
        differences = run_differences(before, after)
        if html is not None:
            texts = [str(difference) for difference in differences]
            write_report(html, render_fork(before, after, texts, [one.id for one in differences if one.id]))
        _print(differences, history, as_json=as_json or not sys.stdout.isatty())


def _edit(text: str) -> tuple[str, Any]:
    operation, equals, value = text.partition("=")
    if not equals or not operation:
        raise UsageError("--edit takes OPERATION=JSON: the operation and the result to be served")
    return operation, read_json(value, f"--edit {operation}=")


def start_fork(store: SqliteStore, forked: ForkedHistory) -> LocalExecution:
    """Store the fork. It has the original's ARN if that is free: values of ``ctx.random`` are derived from it."""
    arn = _free_arn(store, forked.arn)
    name, identifier = arn.split("/")[-2:]
    started = parse_timestamp(forked.events[0].get("EventTimestamp")) or WallClock().now()
    own = Operation(
        id=identifier,
        type=OperationType.EXECUTION,
        status=OperationStatus.STARTED,
        name=name,
        start_timestamp=started,
        execution_details=ExecutionDetails(input_payload=forked.payload),
    )
    execution = ServiceExecution(Header(arn=arn, name=name, started=started), {}, SystemIds())
    first, *others = forked.events
    execution.records.adopt([own, *forked.records], [{**first, "Id": identifier, "Name": name}, *others])
    store.save(execution)
    execution.saved()
    return LocalExecution(store, arn)


def _free_arn(store: SqliteStore, arn: str) -> str:
    if store.named(arn) is None:
        return arn
    function, name, _ = arn.rsplit("/", 2)
    for number in range(1, _MOST_FORKS):
        fork = f"{function}/{name[:52]}-fork-{number}/{SystemIds().execution_id()}"
        if store.named(fork) is None:
            return fork
    raise UsageError(f"{store.path} has {_MOST_FORKS} forks of {name}: remove some with `powertools-durable prune`")


def _print(differences: list[RunDifference], history: str, *, as_json: bool) -> None:
    if as_json:
        for one in differences:
            fields = {"operation": one.operation, "before": one.before, "after": one.after}
            print_json({"event": "Difference"} | fields)
        return
    page = console(sys.stdout)
    heading = f"what differs from {history}:" if differences else f"nothing differs from {history}"
    page.print(Text(one_line(heading), style="bold"))
    for one in differences:
        page.print(Text(one_line(f"  {one}")))
