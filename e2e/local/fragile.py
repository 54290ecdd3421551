"""Deployed beside order.py: the same handler, whose steps leave traces, and one of them kills the process once."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import order

TRACES = Path(os.environ["TRACES"])
FATAL = os.environ["FATAL"]  # the trace that is the process's last


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def leave_trace(*args: Any) -> Any:
        trace = f"{function.__name__} {args[0]}" if isinstance(args[0], str) else function.__name__
        before = TRACES.read_text(encoding="utf-8").splitlines() if TRACES.exists() else []
        with TRACES.open("a", encoding="utf-8") as file:
            file.write(f"{trace}\n")
        if trace == FATAL and trace not in before:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args)

    return leave_trace


for name in ("reserve", "charge", "ask_for_approval", "label"):
    setattr(order, name, traced(getattr(order, name)))

handler = order.handler
