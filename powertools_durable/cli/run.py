"""``run`` and ``resume``: stay with an execution until it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from powertools_durable.cli.options import DEFAULT_STORE, JsonFlag, Store, Target, open_store, read_json, store_option
from powertools_durable.cli.targets import UsageError, load_target, settled_target
from powertools_durable.cli.timeline import JsonLines, Timeline
from powertools_durable.cli.trace import Through, traced
from powertools_durable.decorator import record_stack_traces
from powertools_durable.local import LocalExecution, LocalExecutions, LocalRunner, SqliteStore

__all__ = ["Answers", "Functions", "answers_of", "resume", "run", "targets_of"]

_FAILED, _SUSPENDED, _INTERRUPTED = 1, 3, 130

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
    payload = read_json(event, "--event")
    answers = answers_of(answer)
    with _display(store, as_json=as_json) as display, traced(display, wanted=trace) as through:
        targets = targets_of(target, function)
        runner = _runner(targets, store, through, skip_time=skip_time)
        one = runner.start(payload, name=name)
        runner.store.remember_targets(one.arn, {key: settled_target(where) for key, where in targets.items()})
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
    answers = answers_of(answer)
    kept = open_store(store)
    one = LocalExecutions(kept).find(execution)
    targets = one.targets | targets_of(target, function)
    if "" not in targets:
        raise UsageError(f"{one.name} was not started by this command; say where its handler is: --target TARGET")
    with _display(store, as_json=as_json) as display, traced(display, wanted=trace) as through:
        runner = _runner(targets, kept, through, skip_time=skip_time)
        kept.remember_targets(one.arn, {key: settled_target(where) for key, where in targets.items()})
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


def _runner(targets: dict[str, str], store: Path | SqliteStore, through: Through, *, skip_time: bool) -> LocalRunner:
    loaded = {name: load_target(target, durable=name == "") for name, target in targets.items()}
    for handler in loaded.values():
        record_stack_traces(handler)  # on this machine the one who reads them is the one who wrote the code
    loaded = {name: through(handler) for name, handler in loaded.items()}
    return LocalRunner(loaded.pop(""), store, functions=loaded, skip_time=skip_time)


def _display(store: Path, *, as_json: bool) -> Timeline | JsonLines:
    timeline = Timeline(store)
    return timeline if timeline.is_live and not as_json else JsonLines(store)


def answers_of(given: list[str] | None) -> dict[str, Any]:
    """Return what ``--answer`` says, by the callbacks' names."""
    answers = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError("--answer takes NAME=JSON: the callback's name and what to answer")
        answers[name] = read_json(value, f"--answer {name}=")
    return answers


def _stay(
    runner: LocalRunner, one: LocalExecution, display: Timeline | JsonLines, answers: dict[str, Any], *, wait: bool
) -> int:
    display.begin(one)
    try:
        runner.resume(one.id, answers=answers, wait=wait, watch=display.watch)
    except KeyboardInterrupt:
        display.interrupted(one, f"powertools-durable resume {one.id[:8]}{store_option(runner.store.path)}")
        return _INTERRUPTED
    display.end(one)
    return {"SUCCEEDED": 0, "RUNNING": _SUSPENDED}.get(one.status, _FAILED)
