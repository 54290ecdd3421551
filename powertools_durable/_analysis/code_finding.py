"""What the analysis finds: a rule, a line, why it matters, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from powertools_durable._analysis.abstract_values import Taint

__all__ = ["RULES", "CodeFinding", "of_effect", "of_taint", "of_write"]

RULES = {
    "clock": "The time is read outside of a step",
    "random": "A random value is drawn outside of a step",
    "environment": "An environment variable decides which operations run, or their names",
    "process": "A value that differs from process to process decides which operations run, or their names",
    "invocation": "A value that differs from invocation to invocation decides which operations run, or their names",
    "global": "A variable that outlives the invocation decides which operations run, or their names",
    "set-order": "Operations depend on the order of a set",
    "io": "A file, a process or the network is used outside of a step",
    "sleep": "Code outside of a step sleeps",
    "print": "Code outside of a step prints",
    "step-write": "A step changes something other than its result",
}
_ADVICE = {
    "clock": "use ctx.now(), ctx.uuid4(), ctx.random, or a step",
    "random": "use ctx.now(), ctx.uuid4(), ctx.random, or a step",
    "environment": "read it in a step, which records the value: ctx.step(lambda: os.environ[...], name=...)",
    "process": "use a value of the input or of a step",
    "invocation": "decide by the input or by the result of a step",
    "global": "keep it in a local variable, or return it from a step",
    "set-order": "use sorted(...)",
    "io": "move it into ctx.step(...), which records the result",
    "print": "log it with ctx.logger",
    "step-write": "return the value from the step, and use what ctx.step(...) returns",
}
_WHY = {
    "environment": "and a deployment changes it while executions run",
    "process": "and differs from process to process",
    "invocation": "and differs from invocation to invocation",
    "global": "and a new process does not have the same value",
}


class CodeFinding(NamedTuple):
    """A line of the user's code that a replay does not repeat.

    Attributes
    ----------
    rule : str
        One of `RULES`.
    file : str
        The file's path.
    line : int
        The line, from 1.
    message : str
        What was found, with ``file:line``.
    advice : str
        What to do.
    """

    rule: str
    file: str
    line: int
    message: str
    advice: str


def _place(file: str, line: int) -> str:
    return f"{Path(file).name}:{line}"


def of_taint(taint: Taint, effect: str) -> CodeFinding:
    """Return the finding for a value of *taint*; *effect* says what it decides, or is empty."""
    place = _place(taint.file, taint.line)
    if taint.rule == "set-order":
        message = f"{place} depends on the order of a set, which differs from process to process"
    elif taint.rule in _WHY:
        message = f"{taint.what} at {place} {effect}, {_WHY[taint.rule]}"
    else:
        message = f"{taint.what} at {place} returns something else at each replay"
        message += f", and {effect}" if effect else ""
    return CodeFinding(taint.rule, taint.file, taint.line, message, _ADVICE[taint.rule])


def of_effect(rule: str, what: str, file: str, line: int, *, is_async: bool = False) -> CodeFinding:
    """Return the finding for a call that does something at each replay."""
    place = _place(file, line)
    advice = _ADVICE.get(rule, "")
    if rule == "print":
        message = f"{what} at {place} prints again at each replay"
    elif rule == "sleep":
        message = f"{what} at {place} sleeps again at each replay, at your cost"
        advice = f"suspend instead: {'await ' * is_async}ctx.wait(...)"
    else:
        message = f"{what} at {place} is called outside of a step, so each replay calls it again"
    return CodeFinding(rule, file, line, message, advice)


def of_write(what: str, file: str, line: int, step: str) -> CodeFinding:
    """Return the finding for a step that changes *what*, which code outside of it reads."""
    message = (
        f"{what} at {_place(file, line)} is changed in the body of {step}: a replay takes the result from the record "
        "and does not repeat the change"
    )
    return CodeFinding("step-write", file, line, message, _ADVICE["step-write"])
