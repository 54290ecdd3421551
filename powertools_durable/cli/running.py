"""``run`` and ``resume``: run an execution until it ends or waits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import typer

from powertools_durable._hosting import program_of, record_stack_traces
from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable._timeline import Kind, read_execution
from powertools_durable.cli.diagnosis.coroutines import coroutines
from powertools_durable.cli.diagnosis.decorations import decorators
from powertools_durable.cli.diagnosis.durable_calls import calls
from powertools_durable.cli.diagnosis.finding import Level
from powertools_durable.cli.diagnosis.handler import formats
from powertools_durable.cli.diagnosis.source import Source
from powertools_durable.cli.inputs import read_json, refuse_second_standard_input
from powertools_durable.cli.interrupts import Interrupt, handle_interrupts
from powertools_durable.cli.json_lines import JsonLines
from powertools_durable.cli.live import LiveTree
from powertools_durable.cli.main import INTERRUPTED
from powertools_durable.cli.moments import format_moment
from powertools_durable.cli.options import DEFAULT_STORE, AllFlag, JsonFlag, Store, Target, open_store, store_option
from powertools_durable.cli.output import LossyStream, own_output, silenced
from powertools_durable.cli.targets import ResolvedTarget, load_targets, resolve_target, resolve_targets
from powertools_durable.cli.trace import HandlerWrapper, tracing
from powertools_durable.cli.usage import UsageError, command_line
from powertools_durable.local import LocalExecution, LocalExecutions, LocalRunner, SqliteStore

__all__ = ["Answers", "Functions", "parse_targets", "read_inputs", "resume", "run"]

_FAILED, _WRONG, _SUSPENDED = 1, 2, 3

Display: TypeAlias = LiveTree | JsonLines

Answers = Annotated[
    list[str] | None,
    typer.Option("--answer", metavar="NAME=JSON", help="Answer the callback NAME with JSON as soon as it is open."),
]
Functions = Annotated[
    list[str] | None,
    typer.Option("--function", metavar="NAME=TARGET", help="The handler that ctx.invoke(NAME) runs on this machine."),
]
Skip = Annotated[
    bool,
    typer.Option(
        "--skip-time", help="Waits and delays take no time, nor do the deadlines of callbacks that nobody answers."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Drop what the handler prints and logs.")]
TraceFlag = Annotated[bool, typer.Option("--trace", help="Print what each invocation would send to X-Ray, as a tree.")]
Wait = Annotated[
    bool, typer.Option(help="Wait for callbacks; with --no-wait the command ends with exit code 3 instead.")
]


def run(
    target: Target,
    event: Annotated[
        str, typer.Option("--event", metavar="JSON|@FILE|-", help="The input; - is standard input.")
    ] = "null",
    name: Annotated[
        str | None, typer.Option(help="The execution's name. A name that exists, with the same input, continues it.")
    ] = None,
    store: Store = DEFAULT_STORE,
    skip_time: Skip = False,
    wait: Wait = True,
    answer: Answers = None,
    function: Functions = None,
    trace: TraceFlag = False,
    everything: AllFlag = False,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
) -> None:
    """Start an execution of TARGET and run it until it ends."""
    payload, answers = read_inputs(event, answer)
    targets = resolve_targets(parse_targets(target, function))
    with (
        _display(store, as_json=as_json, skip_time=skip_time, quiet=quiet, unfolds=everything) as display,
        tracing(display, wanted=trace) as wrap,
    ):
        runner = _make_runner(targets, store, wrap, display, skip_time=skip_time)
        with runner.store.transaction():  # so that every execution in the store can be resumed
            one = runner.start(payload, name=name)
            runner.store.remember_targets(one.arn, {key: found.text for key, found in targets.items()})
        code = _run_to_end(runner, one, display, answers, wait=wait)
    raise typer.Exit(code)


def resume(
    execution: Annotated[
        str | None,
        typer.Argument(
            help="Its id, a prefix of the id, or its name; default: the last one that has not ended.", metavar="ID"
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
    target: Annotated[str | None, typer.Option(help="Where the handler is now, if it was moved.")] = None,
    skip_time: Skip = False,
    wait: Wait = True,
    answer: Answers = None,
    function: Functions = None,
    trace: TraceFlag = False,
    everything: AllFlag = False,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
) -> None:
    """Continue an execution where it was when its process ended."""
    _, answers = read_inputs("null", answer)
    opened = open_store(store)
    one = LocalExecutions(opened).find(execution)
    texts = one.targets | parse_targets(target, function)
    if "" not in texts:
        raise UsageError(f"{one.name} was not started by this command; pass its handler: --target TARGET")
    targets = {key: _resolve_again(key, text) for key, text in texts.items()}
    with (
        _display(store, as_json=as_json, skip_time=skip_time, quiet=quiet, unfolds=everything) as display,
        tracing(display, wanted=trace) as wrap,
    ):
        runner = _make_runner(targets, opened, wrap, display, skip_time=skip_time)
        opened.remember_targets(one.arn, {key: found.text for key, found in targets.items()})
        code = _run_to_end(runner, one, display, answers, wait=wait)
    raise typer.Exit(code)


def _resolve_again(name: str, text: str) -> ResolvedTarget:
    """Resolve a target that an earlier command was given; *name* is empty for the handler itself."""
    try:
        return resolve_target(text)
    except UsageError as error:
        option = f"--function {name}=TARGET" if name else "--target TARGET"
        raise UsageError(f"{error}; if it was moved, pass {option}") from None


def parse_targets(target: str | None, functions: list[str] | None) -> dict[str, str]:
    """Return the targets by the names that ``ctx.invoke`` uses; the execution's own handler has the name ``""``.

    Raises
    ------
    UsageError
        One of *functions* is not ``NAME=TARGET``.
    """
    targets = {} if target is None else {"": target}
    for text in functions or ():
        name, equals, where = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--function {text!r} is not NAME=TARGET: the name in ctx.invoke(NAME), and its handler")
        targets[name] = where
    return targets


def _make_runner(
    targets: dict[str, ResolvedTarget],
    store: Path | SqliteStore,
    wrap: HandlerWrapper,
    display: Display,
    *,
    skip_time: bool,
) -> LocalRunner:
    loaded = load_targets(targets)
    for handler in loaded.values():
        _refuse_errors(handler)
        record_stack_traces(handler)  # only the owner of the store can read them
    loaded = {name: wrap(handler) for name, handler in loaded.items()}
    runner = LocalRunner(loaded.pop(""), store, functions=loaded, skip_time=skip_time)
    runner.sightings = display.sightings

    def on_deadline(callbacks: list[tuple[LocalExecution, Operation]], moment: datetime) -> None:
        display.note(_describe_skipped(callbacks, moment))

    runner.on_deadline = on_deadline
    return runner


def _describe_skipped(callbacks: list[tuple[LocalExecution, Operation]], moment: datetime) -> str:
    """Return the sentence about deadlines that `--skip-time` skips; *moment* is when they would have come."""
    names = [
        f"{one.label(record)} of {one.function}" if one.is_a_child else one.label(record) for one, record in callbacks
    ]
    whose = "its" if len(names) == 1 else "their"
    when = format_moment(moment, datetime.now(UTC))
    return f"--skip-time: nobody answers {', '.join(names)}, so {whose} deadline has come, {when}"


def _refuse_errors(handler: Callable[..., Any]) -> None:
    """Refuse what `doctor` calls an error and finds in the code alone; later it would fail in the middle of a run."""
    program = program_of(handler)
    if program is None:
        return
    source = Source(program.handler)
    checks = (decorators(handler), formats(program, source.functions), calls(source), coroutines(source))
    for finding in chain.from_iterable(checks):
        if finding.level is Level.ERROR:
            raise UsageError(f"{finding.message}; {finding.advice}" if finding.advice else finding.message)


@contextmanager
def _display(store: Path, *, as_json: bool, skip_time: bool, quiet: bool, unfolds: bool) -> Iterator[Display]:
    """Draw on a terminal, print JSON lines anywhere else."""
    if sys.stdout.isatty() and not as_json:
        with LiveTree(store, sys.stdout, quiet=quiet, unfolds=unfolds) as tree:
            yield tree
    else:
        with own_output() as output, silenced() if quiet else nullcontext():
            yield JsonLines(store, output, skips_time=skip_time)


def read_inputs(event: str, answers: list[str] | None) -> tuple[Any, dict[str, Any]]:
    """Return the value of ``--event``, and those of ``--answer`` by the callbacks' names.

    Raises
    ------
    UsageError
        One of them is not JSON, or can't be read.
    """
    pairs = [_split_answer(text) for text in answers or ()]
    refuse_second_standard_input(event, *(value for _, value in pairs))
    return read_json(event, "--event"), {name: read_json(value, f"--answer {name}=") for name, value in pairs}


def _split_answer(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError("--answer takes NAME=JSON: the callback's name and its result")
    return name, value


class _Watcher:
    """Passes an execution's changes to the display. If that fails, the command ends as after Ctrl-C."""

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
        except Exception as error:  # noqa: BLE001 - printed once the execution has stopped
            self.error = error
            self._interrupt.press()


def _run_to_end(
    runner: LocalRunner, one: LocalExecution, display: Display, answers: dict[str, Any], *, wait: bool
) -> int:
    name, command = one.name, command_line(f"resume {one.id[:8]}{store_option(runner.store.path)}")
    output = cast("LossyStream", display.output)
    with handle_interrupts(lambda: display.interrupted(name, command)) as interrupt:
        watcher = _Watcher(display, interrupt)
        if one.status == "RUNNING":  # lost output does not change the exit code of one that has ended
            output.on_loss = interrupt.press
        try:
            display.begin(one)
            runner.resume(one.id, answers=answers, wait=wait, watch=watcher)
        except KeyboardInterrupt:
            if not interrupt.pressed:  # raised by the user's code
                display.interrupted(name, command)
            return INTERRUPTED
        finally:
            output.on_loss = None
            if watcher.error is not None:
                print(f"the display failed: {type(watcher.error).__name__}: {watcher.error}", file=sys.stderr)
    display.end(one)
    problems = [*_unknown_answers(one, answers), *_missing_functions(one)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if any(problem.startswith("error:") for problem in problems):
        return _WRONG
    return {"SUCCEEDED": 0, "RUNNING": _SUSPENDED}.get(one.status, _FAILED)


def _unknown_answers(one: LocalExecution, answers: dict[str, Any]) -> Iterator[str]:
    """Yield an error for each prepared answer for which there was no callback; a note if it may yet be opened."""
    callbacks = [record for record in one.operations if record.type is OperationType.CALLBACK]
    for name in answers:
        if not any(one.is_called(record, name) for record in callbacks):
            names = ", ".join(dict.fromkeys(repr(one.label(record)) for record in callbacks)) or "none"
            if one.status == "RUNNING":
                yield f"--answer {name}: no callback of that name is open yet; those that were opened: {names}"
            else:
                yield f"error: --answer {name}: no callback of that name was opened; those that were: {names}"


def _missing_functions(one: LocalExecution) -> Iterator[str]:
    """Yield how to run the functions that were invoked and are not on this machine."""
    for invoke in read_execution(one).walk():
        failure = invoke.failure
        if invoke.kind is Kind.INVOKE and failure is not None and failure.type == "ResourceNotFoundException":
            yield f"{invoke.function} is not on this machine; run it here too: --function {invoke.function}=TARGET"
