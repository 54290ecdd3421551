"""The table: ratios, what is met, the history of runs, and the page of the documentation made of the last one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import growth
from benchmarks.rows import Figure, Row, Run

__all__ = ["as_text", "keep", "kept_in", "last", "lines", "page", "verdict"]

Results = Mapping[str, Mapping[str, Mapping[str, Any]]]
Line = dict[str, Any]


def lines(row: Row, results: Results, key_of: Callable[[Run], str]) -> list[Line]:
    """Return a line for each figure of *row*."""
    found = results[key_of(row.run)]
    return [_line(row, figure, found, results[key_of(figure.of)] if figure.of else None) for figure in row.figures]


def _line(row: Row, figure: Figure, found: Mapping[str, Any], small: Mapping[str, Any] | None) -> Line:
    line: Line = {"title": row.title, "unit": figure.unit, "figures": {}, "most": figure.most}
    line |= {"stretch": figure.stretch, "absolute": figure.absolute}
    if failures := {peer: values["failed"] for peer, values in found.items() if "failed" in values}:
        line["failed"] = failures
    line["figures"] = {peer: _rounded(values.get(figure.name)) for peer, values in found.items()}
    ours = found["ours"].get(figure.name)
    yardstick = next((values for peer, values in found.items() if peer != "ours"), {}).get(figure.name)
    if small is not None:
        yardstick = small["ours"].get(figure.name)
        line["figures"]["def" if figure.of and figure.of.peer != row.run.peer else "smaller"] = _rounded(yardstick)
    if ours is None or (yardstick is None and not figure.absolute):
        return line | {"value": None, "met": False}
    value = ours if figure.absolute else ours / yardstick
    return line | {"value": _rounded(value), "met": value <= figure.most}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}") if value < 1000 else round(value)


def as_text(line: Line) -> str:
    """Write a line for a terminal."""
    figures = "  ".join(f"{peer} {_shown(value)}" for peer, value in line["figures"].items())
    failures = "".join(f"\n    {peer} failed: {why}" for peer, why in line.get("failed", {}).items())
    return f"{_mark(line):8} {line['title']}, {line['unit']}: {_target(line)}  ({figures}){failures}"


def _mark(line: Line) -> str:
    if not line["met"]:
        return "NOT MET"
    return "stretch" if line["stretch"] is not None and line["value"] <= line["stretch"] else "met"


def _target(line: Line) -> str:
    sign = "" if line["absolute"] else "x"
    stretch = f", stretch {sign}{line['stretch']:g}" if line["stretch"] is not None else ""
    return f"{sign}{_shown(line['value'])} of at most {sign}{line['most']:g}{stretch}"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,g}"


def verdict(report: Iterable[Line]) -> str:
    """Say how many lines are met."""
    report = list(report)
    met = sum(line["met"] for line in report)
    return f"{met} of {len(report)} met" + "".join(
        f"\n  not met: {line['title']}, {line['unit']}: {_target(line)}" for line in report if not line["met"]
    )


# -- kept -----------------------------------------------------------------------------------------------------


def keep(folder: Path, head: Mapping[str, Any], report: Iterable[Line]) -> None:
    """Add a run to the history."""
    folder.mkdir(exist_ok=True, parents=True)
    runs = len(list(folder.glob("*.jsonl")))
    path = folder / f"{head['date']}-{runs + 1:03}-{head['commit']}.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in [head, *report]))
    print(f"kept as {path}")


def kept_in(folder: Path, kind: str) -> Path:
    """Return where runs of *kind* are kept: those of ``def`` handlers in *folder* itself."""
    return folder if kind == "def" else folder / kind


def last(folder: Path) -> list[Line]:
    """Return the newest run: its head, then its lines."""
    newest = max(folder.glob("*.jsonl"), key=lambda path: path.name.split("-")[:4])
    return [json.loads(line) for line in newest.read_text().splitlines()]


PAGE = """\
# Performance

`make bench` printed every figure on this page. It runs the same programs on this library (*ours*), on the official
SDK 3.0.0 (*official*), on async-durable-execution 2.5.0 (*async*), and on a *floor*: the least Python that speaks the
protocol. All of them use the same fake service in the same run, which refuses what Lambda would refuse.

The ratio is ours to official, unless the unit says otherwise. Compare ratios, not milliseconds: those depend on the
machine ({machine}; Python {python}; {date}, commit {commit}; medians of {rounds} rounds taken in turns).

On Lambda, a checkpoint takes about 30 ms. What you notice most is therefore how an execution suspends and resumes, how
fast a long history replays, how large values are written, how fast a wide map runs, and how long a cold start takes.

| Scenario | Figure | ours | official | async | floor | Ratio | At most |
|---|---|--:|--:|--:|--:|--:|--:|
{rows}

A figure in bold is higher than its limit. These are the known reasons; profiles from before and after are in
`benchmarks/profiles`:

* *New steps* are sent by one thread of the invocation, so that a call that hangs can be abandoned. Each update is
  passed to this thread, and its response is passed back. The rows above are older than this design. Measured since
  then, on a busier machine: x0.143 wall and x0.371 CPU without latency, x0.368 at 5 ms a call, x0.622 over HTTP.
* *Maps* run each branch on a thread, 32 at once, so that your code can block in it. Python runs one thread at a time,
  so a map takes as long as the work of its items. A third of that are the requests: one is made when everything that
  runs waits for it. Twice as many requests, for half of the items each, would overlap with the work at 5 ms a call,
  but would take longer at Lambda's 30 ms.
* *The replay of a map* opens a context for each branch, on one thread. All of its time is that work.
* *A log line that replays* is dropped after the standard library has created its record, which takes most of the time.
* *Memory* of a replay: half of it are the results that your code holds, the rest is a record for each operation.
* *Import* loads what the annotations of a handler need. Decorating loads what runs it. Both are part of the cold start.
  In Lambda, the first invocation loads nothing more.

## `async def` handlers

These are the same programs as `async def` handlers, next to our own `def` handlers. Their steps are `async def` too,
unless a row says otherwise. The ratio is to `def`, or to what the row says. {async_machine}; Python {async_python};
{async_date}, commit {async_commit}; medians of {async_rounds} rounds taken in turns.

| Scenario | Figure | `async def` | `def` | official | async | Ratio | At most |
|---|---|--:|--:|--:|--:|--:|--:|
{async_rows}

{async_notes}

## How costs grow

`make growth` prints the cost at the largest size, and the exponent between the two largest sizes. The table shows both
as they were before and as they are now. With an exponent of 1, the cost grows with n; with 0, it stays the same. Memory
and bytes are counted. Milliseconds are from a busy machine.

| What | n | Cost | before | exponent | now | exponent |
|---|--:|---|--:|--:|--:|--:|
{growth}

To measure it yourself, on a quiet machine:

```shell
make bench
make growth
```

Figures that don't depend on the machine are tests in `tests/guards`: the number of calls, updates and threads, and the
number of Python function calls that one replayed operation costs.
"""


ASYNC_NOTES = """\
The machine was busy with other work at the time. So trust what is counted most, then CPU time, and the clock least.
Since then, a durable call makes fewer function calls, and a replay reads fewer times; that was not measured again.
These are the reasons for bold figures (profiles are in `benchmarks/profiles`):

* *Steps one after another* take five turns of the event loop each: the operation starts, its function ends, the service
  has answered, the result is handed over, and the code that awaits it continues. A `def` handler blocks instead.
* *A replay* needs no turn of the loop for a step. It creates a future for each, and finds the task that asks. If
  results wait for each other, it reads when each operation ended, because results are handed over in that order.
* *`def` functions* run on threads, so each call is passed to a thread and back.
* *Concurrently*, a request takes what all tasks have queued by the time the loop has nothing left to run. A gather of
  1,000 steps needs no more requests than the service's limit of 250 updates requires. The items of the map sleep for a
  millisecond each, and so end one by one. Each end that finds no open request makes one. How long such a request takes
  depends on the machine's other work: in a quieter moment the map took 659 ms, and as `def` 816 ms.
"""


def page(folder: Path) -> str:
    """Write the page of the documentation, from the last runs that were kept in *folder*."""
    head, *report = last(folder)
    async_head, *async_report = last(kept_in(folder, "async"))
    return PAGE.format(
        **head,
        rows="\n".join(_row(line, ("ours", "official", "async", "floor")) for line in report),
        **{f"async_{name}": value for name, value in async_head.items()},
        async_rows="\n".join(_row(line, ("ours", "def", "official", "async")) for line in async_report),
        async_notes=ASYNC_NOTES.strip(),
        growth=growth.section(),
    )


def _row(line: Line, peers: Iterable[str]) -> str:
    figures = line["figures"]
    cells = [_shown(figures.get(peer)) for peer in peers]
    sign = "" if line["absolute"] else "x"
    value, most = f"{sign}{_shown(line['value'])}", f"{sign}{line['most']:g}"
    return f"| {' | '.join((line['title'], line['unit'], *cells, value if line['met'] else f'**{value}**', most))} |"
