"""``run`` and ``resume``: stay with an execution until it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import typer

from powertools_durable._hosting import durable_inside, record_stack_traces
from powertools_durable.cli.diagnosis.decorations import decorators
from powertools_durable.cli.diagnosis.finding import Level
from powertools_durable.cli.inputs import read_json, refuse_second_standard_input
from powertools_durable.cli.interrupts import Interrupt, answering_interrupts
from powertools_durable.cli.main import INTERRUPTED
from powertools_durable.cli.options import DEFAULT_STORE, JsonFlag, Store, Target, open_store, store_option
from powertools_durable.cli.output import LossyStream, own_output
from powertools_durable.cli.targets import ResolvedTarget, load_targets, resolve_targets
from powertools_durable.cli.timeline import JsonLines, Timeline
from powertools_durable.cli.trace import Through, traced
from powertools_durable.cli.usage import UsageError, our_command
from powertools_durable.local import LocalExecution, LocalExecutions, LocalRunner, SqliteStore

__all__ = ["Answers", "Functions", "inputs_of", "resume", "run", "targets_of"]

_FAILED, _SUSPENDED = 1, 3

Display: TypeAlias = Timeline | JsonLines

Answers = Annotated[
    list[str] | None,
    typer.Option("--answer", metavar="NAME=JSON", help="Answer the callback NAME with JSON as soon as it waits."),
]
Functions = Annotated[
    list[str] | None,
    typer.Option("--function", metavar="NAME=TARGET", help="What ctx.invoke(NAME) runs: a handler on this machine."),
]
Skip = Annotated[bool, typer.Option("--skip-time", help="Waits and delays take no time.")]
TraceFlag = Annotated[
    bool, typer.Option("--trace", help="Show what X-Ray would be sent of each invocation, as a tree.")
]
Wait = Annotated[bool, typer.Option(help="Wait for callbacks; --no-wait ends with exit code 3 instead.")]


def run(
    target: Target,
    event: Annotated[
        str, typer.Option("--event", metavar="JSON|@FILE|-", help="The input; - is standard input.")
    ] = "null",
    name: Annotated[
        str | None, typer.Option(help="The execution's name. The same name and input go on with it.")
    ] = None,
    store: Store = DEFAULT_STORE,
    skip_time: Skip = False,
    wait: Wait = True,
    answer: Answers = None,
    function: Functions = None,
    trace: TraceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Start an execution of TARGET and stay with it until it ends."""
    payload, answers = inputs_of(event, answer)
    targets = resolve_targets(targets_of(target, function))
    with _display(store, as_json=as_json) as display, traced(display, wanted=trace) as through:
        runner = _runner(targets, store, through, skip_time=skip_time)
        with runner.store.transaction():  # an execution that exists can be resumed
            one = runner.start(payload, name=name)
            runner.store.remember_targets(one.arn, {key: found.text for key, found in targets.items()})
        code = _stay(runner, one, display, answers, wait=wait)
    raise typer.Exit(code)


def resume(
    execution: Annotated[
        str | None, typer.Argument(help="Its id or name; default: the last one.", metavar="ID")
    ] = None,
    store: Store = DEFAULT_STORE,
    target: Annotated[str | None, typer.Option(help="Where the handler is now, if it moved.")] = None,
    skip_time: Skip = False,
    wait: Wait = True,
    answer: Answers = None,
    function: Functions = None,
    trace: TraceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Go on with an execution where it was when its process ended."""
    _, answers = inputs_of("null", answer)
    kept = open_store(store)
    one = LocalExecutions(kept).find(execution)
    names = one.targets | targets_of(target, function)
    if "" not in names:
        raise UsageError(f"{one.name} was not started by this command; say where its handler is: --target TARGET")
    targets = resolve_targets(names)
    with _display(store, as_json=as_json) as display, traced(display, wanted=trace) as through:
        runner = _runner(targets, kept, through, skip_time=skip_time)
        kept.remember_targets(one.arn, {key: found.text for key, found in targets.items()})
        code = _stay(runner, one, display, answers, wait=wait)
    raise typer.Exit(code)


def targets_of(target: str | None, functions: list[str] | None) -> dict[str, str]:
    """Return where the handlers are, by the names they are invoked by; the execution's own has none."""
    targets = {} if target is None else {"": target}
    for text in functions or ():
        name, equals, where = text.partition("=")
        if not equals or not name:
            raise UsageError("--function takes NAME=TARGET: as ctx.invoke() names it, and where its handler is")
        targets[name] = where
    return targets


def _runner(
    targets: dict[str, ResolvedTarget], store: Path | SqliteStore, through: Through, *, skip_time: bool
) -> LocalRunner:
    loaded = load_targets(targets)
    for handler in loaded.values():
        _refuse_wrong_decorators(handler)
        record_stack_traces(handler)  # on this machine the one who reads them is the one who wrote the code
    loaded = {name: through(handler) for name, handler in loaded.items()}
    return LocalRunner(loaded.pop(""), store, functions=loaded, skip_time=skip_time)


def _refuse_wrong_decorators(handler: Callable[..., Any]) -> None:
    """Say what can't work before anything is started: some decorators fail in words of their own."""
    if durable_inside(handler) is None:
        return
    for finding in decorators(handler):
        if finding.level is Level.ERROR:
            raise UsageError(f"{finding.words}; {finding.advice}")


@contextmanager
def _display(store: Path, *, as_json: bool) -> Iterator[Display]:
    """Draw on a terminal, print JSON anywhere else."""
    if sys.stdout.isatty() and not as_json:
        with Timeline(store, sys.stdout) as timeline:
            yield timeline
    else:
        with own_output() as output:
            yield JsonLines(store, output)


def inputs_of(event: str, answers: list[str] | None) -> tuple[Any, dict[str, Any]]:
    """Return what ``--event`` says, and what ``--answer`` says by the callbacks' names.

    Raises
    ------
    UsageError
        One of them is not JSON, or can't be read.
    """
    pairs = [_pair(text) for text in answers or ()]
    refuse_second_standard_input(event, *(value for _, value in pairs))
    return read_json(event, "--event"), {name: read_json(value, f"--answer {name}=") for name, value in pairs}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError("--answer takes NAME=JSON: the callback's name and what to answer")
    return name, value


class _Watcher:
    """Has an execution shown; when that fails, the command ends as by Ctrl-C, and the execution knows nothing of it."""

    def __init__(self, display: Display, interrupt: Interrupt) -> None:
        self._display = display
        self._interrupt = interrupt
        self.error: Exception | None = None

    def __call__(self, one: LocalExecution, events: list[dict[str, Any]]) -> None:
        self._interrupt.check()
        if self.error is not None:
            return
        try:
            self._display.watch(one, events)
        except Exception as error:  # noqa: BLE001 - told when the execution is safe
            self.error = error
            self._interrupt.press()


def _stay(runner: LocalRunner, one: LocalExecution, display: Display, answers: dict[str, Any], *, wait: bool) -> int:
    name, command = one.name, our_command(f"resume {one.id[:8]}{store_option(runner.store.path)}")
    output = cast("LossyStream", display.output)
    with answering_interrupts(lambda: display.interrupted(name, command)) as interrupt:
        watcher = _Watcher(display, interrupt)
        if one.status == "RUNNING":  # one that has ended is only shown; its exit code stays what it is
            output.on_loss = interrupt.press
        try:
            display.begin(one)
            runner.resume(one.id, answers=answers, wait=wait, watch=watcher)
        except KeyboardInterrupt:
            if not interrupt.pressed:  # raised by code of the user's
                display.interrupted(name, command)
            return INTERRUPTED
        finally:
            output.on_loss = None
            if watcher.error is not None:
                print(f"the display failed: {type(watcher.error).__name__}: {watcher.error}", file=sys.stderr)
    display.end(one)
    return {"SUCCEEDED": 0, "RUNNING": _SUSPENDED}.get(one.status, _FAILED)
