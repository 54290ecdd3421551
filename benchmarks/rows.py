"""The rows of the table: what is measured, against whom, and what it should be at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ASYNC_ROWS", "ROWS", "Figure", "Row", "Run"]

Case = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One scenario, as one process executes it.

    Attributes
    ----------
    scenario : str
        A function of the harness's ``scenarios.py``, or of ``extras.py``.
    case : Mapping
        Its keyword arguments.
    http : bool
        With the SDK's own client over loopback in place of a client that is called directly.
    peer : str
        Which of our adapters runs it.
    others : tuple[str, ...]
        Who else runs it; the first is what ratios are against.
    """

    scenario: str
    case: Case = field(default_factory=dict)
    http: bool = False
    peer: str = "ours"
    others: tuple[str, ...] = ("official", "async", "floor")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a run and its target: a ratio to the first peer, or with ``absolute`` the figure itself.

    ``of`` sets it in relation to the same figure of another run of ours, for how a cost grows.
    """

    name: str
    unit: str
    most: float
    stretch: float | None = None
    absolute: bool = False
    of: Run | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    title: str
    run: Run
    figures: Sequence[Figure]


def _growth(title: str, scenario: str, figure: str, **more: Any) -> Row:
    small = Run(scenario, {"n": 500, **more}, others=())
    return Row(
        f"growth: {title}, 5,000 against 500",
        Run(scenario, {"n": 5000, **more}, others=()),
        (Figure(figure, "us", 1.3, of=small),),
    )


_REPLAY = Run("replay", {"n": 1000})
_STEPS = Run("executing", {"n": 1000, "latency_ms": 0})
_STEPS_5_MS = Run("executing", {"n": 100, "latency_ms": 5})
_COLD = Run("cold", {"program": "{peer}"}, others=("official",))

_STORED = Run("large_values", {"stored": True}, others=())
_PLAIN = Run("large_values", {"stored": False}, others=())

ROWS: Sequence[Row] = (
    Row("replay of 1,000 steps", _REPLAY, (Figure("us_per_op", "us CPU an operation", 0.20, 0.12),)),
    Row("replay of 1,000 steps", _REPLAY, (Figure("py_peak_kb", "KB traced at most", 0.60, 0.45),)),
    Row(
        "replay of 5,000 over 5 pages over HTTP",
        Run("replay", {"n": 5000, "paged": True}, http=True),
        (Figure("us_per_op", "us CPU an operation", 0.50, 0.20),),
    ),
    Row(
        "1,000 new steps, no latency",
        _STEPS,
        (Figure("wall_ms", "ms wall", 0.12, 0.03), Figure("cpu_us_per_step", "us CPU a step", 0.33, 0.12)),
    ),
    Row(
        "new steps, 5 ms a call",
        _STEPS_5_MS,
        (
            Figure("overhead_us_per_step", "us over the latency a step", 0.30, 0.15),
            Figure("calls_per_step", "calls a step", 1.0, absolute=True),
        ),
    ),
    Row(
        "1,000 new steps inside ctx.batch()",
        Run("executing", {"n": 1000, "latency_ms": 0}, peer="ours_batched", others=()),
        (Figure("calls_per_step", "calls a step", 0.02, absolute=True),),
    ),
    Row(
        "new steps over HTTP",
        Run("executing", {"n": 300, "latency_ms": 0}, http=True),
        (Figure("cpu_us_per_step", "us CPU a step", 0.80, 0.70),),
    ),
    Row(
        "map over 1,000, concurrency 100, 5 ms a call",
        Run("fan_out", {"n": 1000, "concurrency": 100, "latency_ms": 5}),
        (Figure("wall_ms", "ms wall", 0.35, 0.25), Figure("cpu_us_per_item", "us CPU an item", 0.40, 0.30)),
    ),
    Row(
        "map over 1,000, concurrency 10, 5 ms a call",
        Run("fan_out", {"n": 1000, "concurrency": 10, "latency_ms": 5}),
        (Figure("calls", "calls", 0.60, 0.51),),
    ),
    Row(
        "map over 1,000, no limit",
        Run("fan_out", {"n": 1000, "latency_ms": 5}),
        (Figure("threads", "threads at most", 34, absolute=True),),
    ),
    Row(
        "map over 3,000, no limit",
        Run("fan_out", {"n": 3000, "latency_ms": 5}),
        (Figure("threads", "threads at most", 34, absolute=True),),
    ),
    Row(
        "replay of a map over 1,000 with one left",
        Run("fan_out_replay", {"n": 1000}),
        (Figure("us_per_item", "us CPU an item", 0.20, 0.08), Figure("wall_ms", "ms wall", 0.10, 0.08)),
    ),
    Row(
        "suspend at a wait; resume and finish",
        Run("waiting", {"latency_ms": 0}),
        (
            Figure("suspend_wall_ms", "ms wall to suspend", 0.03, 0.01),
            Figure("resume_wall_ms", "ms wall to finish", 0.03, 0.01),
        ),
    ),
    Row(
        "50 steps of 100 KB, typed by annotation",
        Run("payload", peer="ours_typed"),
        (Figure("execute_cpu_ms", "ms CPU", 0.10, 0.05), Figure("replay_cpu_ms", "ms CPU replayed", 0.12, 0.05)),
    ),
    Row(
        "50 steps of 100 KB, tagged",
        Run("payload", others=("official",)),
        (Figure("execute_cpu_ms", "ms CPU", 0.40, 0.25), Figure("replay_cpu_ms", "ms CPU replayed", 0.40, 0.25)),
    ),
    Row(
        "50 steps of 100 KB of dates, Decimals, UUIDs and tuples",
        Run("tagged_values", others=("official",)),
        (Figure("execute_cpu_ms", "ms CPU", 0.40, 0.25), Figure("replay_cpu_ms", "ms CPU replayed", 0.40, 0.25)),
    ),
    Row(
        "50 steps of 1 MB through gzip and S3, to plain records",
        _STORED,
        (
            Figure("execute_cpu_ms", "ms CPU", 8, of=_PLAIN),
            Figure("replay_cpu_ms", "ms CPU replayed", 20, of=_PLAIN),
            Figure("state_kb", "KB of state", 64, absolute=True),
            Figure("execute_values", "MB traced at most", 4.5, absolute=True),
            Figure("replay_values", "MB traced at most replayed", 4.5, absolute=True),
        ),
    ),
    Row(
        "a log line of code that replays",
        Run("logger", {"n": 500}),
        (Figure("suppressed_us", "us suppressed", 6.0, absolute=True),),
    ),
    Row(
        "a log line of Powertools that comes out",
        Run("powertools_line", others=()),
        (Figure("emitted_over_alone", "times Powertools alone", 1.15, absolute=True),),
    ),
    Row(
        "import: our own modules alone",
        Run("own_modules", others=()),
        (Figure("own_ms", "ms CPU", 12.0, absolute=True),),
    ),
    Row(
        "import with Powertools' Logger, boto3 deferred",
        Run("imported", {"program": "{peer}"}, others=("official",)),
        (Figure("cpu_ms", "ms CPU", 0.45),),
    ),
    Row("cold start, equal features", _COLD, (Figure("cpu_ms", "ms CPU", 1.0, 0.8),)),
    Row("resident memory, idle handler, equal features", _COLD, (Figure("resident_mb", "MB", 1.0),)),
    _growth("replay", "replay", "us_per_op"),
    _growth("map", "fan_out", "cpu_us_per_item", concurrency=100),
    _growth("replay of a map", "fan_out_replay", "us_per_item"),
)

# -- `async def` handlers: ratios are to our own `def` handlers, or where the title says so to the official SDK -------

_OUR_MAP = Run("fan_out_replay", {"n": 1000}, others=())
_WIDE = {"n": 1000, "concurrency": 100, "latency_ms": 5}


def _awaited(scenario: str, peer: str = "ours_async", others: tuple[str, ...] = ("ours", "async"), **case: Any) -> Run:
    return Run(scenario, case, peer=peer, others=others)


ASYNC_ROWS: Sequence[Row] = (
    Row(
        "replay of 1,000 steps",
        _awaited("replay", n=1000),
        (Figure("us_per_op", "us CPU an operation", 1.35),),
    ),
    Row(
        "replay of a gather of 1,000 steps, to a map's replay",
        _awaited("gather_replay", "ours_gather", (), n=1000),
        (Figure("us_per_item", "us CPU an operation", 2.5, of=_OUR_MAP),),
    ),
    Row(
        "1,000 new steps, no latency",
        _awaited("executing", n=1000, latency_ms=0),
        (Figure("cpu_us_per_step", "us CPU a step", 1.3),),
    ),
    Row(
        "1,000 new steps with def bodies, no latency",
        _awaited("executing", "ours_async_blocking", ("ours",), n=1000, latency_ms=0),
        (Figure("cpu_us_per_step", "us CPU a step", 1.8),),
    ),
    Row(
        "gather of 1,000 steps, 5 ms a call, to official's map",
        _awaited("fan_out", "ours_gather", ("official", "async", "ours"), **_WIDE),
        (
            Figure("calls", "calls", 12, absolute=True),
            Figure("wall_ms", "ms wall", 0.20),
            Figure("cpu_us_per_item", "us CPU a step", 0.30),
        ),
    ),
    Row(
        "map over 1,000, concurrency 100, 5 ms a call, to official's",
        _awaited("fan_out", "ours_async", ("official", "async", "ours"), **_WIDE),
        (Figure("wall_ms", "ms wall", 0.35), Figure("cpu_us_per_item", "us CPU an item", 0.30)),
    ),
    Row(
        "map over 3,000, no limit",
        _awaited("fan_out", n=3000, latency_ms=5),
        (Figure("threads", "threads at most", 2, absolute=True),),
    ),
    Row(
        "map over 3,000, no limit, def bodies",
        _awaited("fan_out", "ours_async_blocking", ("ours",), n=3000, latency_ms=5),
        (Figure("threads", "threads at most", 34, absolute=True),),
    ),
    Row(
        "suspend at a wait; resume and finish",
        _awaited("waiting", latency_ms=0),
        (
            Figure("suspend_wall_ms", "ms wall to suspend", 3, absolute=True),
            Figure("suspend_cpu_ms", "ms CPU to suspend", 3, absolute=True),
            Figure("resume_wall_ms", "ms wall to finish", 3, absolute=True),
            Figure("resume_cpu_ms", "ms CPU to finish", 3, absolute=True),
        ),
    ),
    Row(
        "threads left after an invocation, def bodies",
        _awaited("threads_left", "ours_async_blocking", ()),
        (
            Figure("suspended", "threads after a suspension", 0, absolute=True),
            Figure("finished", "threads after the end", 0, absolute=True),
        ),
    ),
    Row(
        "10,000 waits due at one moment, to 1,000",
        _awaited("parked", n=10_000, others=()),
        (
            Figure("cpu_us_per_op", "us CPU a wait", 1.3, of=_awaited("parked", n=1000, others=())),
            Figure("wall_us_per_op", "us wall a wait", 1.3, of=_awaited("parked", n=1000, others=())),
            Figure("py_peak_kb_per_op", "KB traced at most a wait", 1.3, of=_awaited("parked", n=1000, others=())),
        ),
    ),
)
