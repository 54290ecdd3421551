"""How `gate` reports: as text, as JSON lines, as annotations of GitHub, as SARIF."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from powertools_durable.cli.gating.verdicts import Cause, GateVerdict, Judgement, Tally
from powertools_durable.cli.output import one_line
from powertools_durable.cli.sarif import SarifResult

__all__ = ["PAGE", "RULES", "github_annotations", "judgement_fields", "print_tally", "sarif_results", "tally_fields"]

_MOST_CAUSES = 20  # that are printed in full
_STYLES = {GateVerdict.BROKEN: "red bold", GateVerdict.UNKNOWN: "yellow bold"}


def print_tally(tally: Tally, counted: Callable[[int], str], page: Console) -> None:
    """Print the causes, and the counts last."""
    for outcome in (GateVerdict.UNKNOWN, GateVerdict.BROKEN):
        causes = tally.causes(outcome)
        for cause, count, names in causes[:_MOST_CAUSES]:
            _print_cause(outcome, cause, count, names, page)
        if len(causes) > _MOST_CAUSES:
            page.print(Text(f"and {len(causes) - _MOST_CAUSES} more causes; --json prints all", style="dim"))
    if tally.may_be_of_another_handler:
        page.print(Text("all break at their first operation: are these executions of another handler?", style="yellow"))
    if tally.pinned and tally.counts[GateVerdict.BROKEN]:
        page.print(Text(_pinned(tally), style="dim"))
    good = not tally.counts[GateVerdict.BROKEN] and not tally.counts[GateVerdict.UNKNOWN]
    page.print(Text(_counts(tally, counted), style="green bold" if good else "bold"))


def _print_cause(outcome: GateVerdict, cause: Cause, count: int, names: list[str], page: Console) -> None:
    where = f" at {cause.location}" if cause.location else ""
    head = f"{cause.operation}{where}" if cause.operation else cause.reason + where
    page.print(Text.assemble((f"{outcome.name:<8}", _STYLES[outcome]), one_line(f"{_executions(count)}: {head}")))
    lines = [f"recorded {_value(cause.recorded, key)}, asked {_value(cause.asked, key)}" for key in _keys(cause)]
    lines += [cause.reason] if cause.operation and not lines else []
    lines += [cause.advice] if outcome is GateVerdict.BROKEN else []
    more = f" and {count - len(names)} more" if count > len(names) else ""
    for line in (*lines, f"{', '.join(names)}{more}"):
        page.print(Text(one_line(f"        {line}")))


def _keys(cause: Cause) -> list[str]:
    return list(dict([*cause.recorded, *cause.asked]))


def _value(pairs: tuple[tuple[str, str | None], ...], key: str) -> str:
    value = dict(pairs).get(key)
    return f"no {key}" if value is None else f"{key} {value!r}"


def _executions(count: int) -> str:
    return f"{count} execution{'s' * (count != 1)}"


def _counts(tally: Tally, counted: Callable[[int], str]) -> str:
    ended = tally.counts[GateVerdict.ENDED]
    judged = sum(tally.counts.values()) - ended
    parts = ", ".join(
        f"{outcome.value} {tally.counts[outcome]}" for outcome in GateVerdict if outcome is not GateVerdict.ENDED
    )
    after = f"; {ended} ended meanwhile" if ended else ""
    return one_line(f"{parts}: {counted(judged)}{after}")


def _pinned(tally: Tally) -> str:
    return (
        f"{_executions(tally.pinned)} started on a numbered version and stay on it while it exists: this code reaches "
        "them only where it replaces that version"
    )


# -- JSON --------------------------------------------------------------------------------------------------------


def judgement_fields(judgement: Judgement) -> dict[str, Any]:
    """Return one execution's line of the JSON output."""
    fields = {"event": "Execution", "name": judgement.source.name, "verdict": judgement.outcome.value}
    if judgement.source.version:
        fields["version"] = judgement.source.version
    return fields | judgement.cause.fields()


def tally_fields(tally: Tally) -> dict[str, Any]:
    """Return the last line of the JSON output."""
    causes = [
        {"verdict": outcome.value, "executions": count}
        | cause.fields()
        | ({"advice": cause.advice} if outcome is GateVerdict.BROKEN else {})
        for outcome in (GateVerdict.BROKEN, GateVerdict.UNKNOWN)
        for cause, count, _ in tally.causes(outcome)
    ]
    return {"event": "Gate"} | {outcome.value: tally.counts[outcome] for outcome in GateVerdict} | {"causes": causes}


# -- SARIF -------------------------------------------------------------------------------------------------------

RULES: Final = {
    "replay-breaks": "running executions can't continue with this code",
    "replay-unknown": "it is not known whether running executions can continue with this code",
}
PAGE: Final = "deploy/running-executions/"


def sarif_results(tally: Tally) -> Iterator[SarifResult]:
    """Yield a finding for each cause."""
    for outcome, rule, level in (
        (GateVerdict.BROKEN, "replay-breaks", "error"),
        (GateVerdict.UNKNOWN, "replay-unknown", "warning"),
    ):
        for cause, count, _ in tally.causes(outcome):
            file, _, line = cause.location.rpartition(":")
            message = f"{outcome.value}: {_executions(count)}. {_sentence(outcome, cause)}"
            yield SarifResult(rule, message, file, int(line or 0), level)


def _sentence(outcome: GateVerdict, cause: Cause) -> str:
    """Return a cause and what to do about it, for tools that show it at its line."""
    details = "; ".join(
        f"recorded {_value(cause.recorded, key)}, asked {_value(cause.asked, key)}" for key in _keys(cause)
    )
    advice = cause.advice if outcome is GateVerdict.BROKEN else ""
    return one_line(". ".join(filter(None, (f"{cause.operation}: {details}" if details else cause.reason, advice))))


# -- GitHub ------------------------------------------------------------------------------------------------------


def github_annotations(tally: Tally) -> Iterator[str]:
    """Yield the workflow commands that make GitHub show each cause at its line of a pull request."""
    for outcome, command in ((GateVerdict.BROKEN, "error"), (GateVerdict.UNKNOWN, "warning")):
        for cause, count, _ in tally.causes(outcome):
            title = f"{outcome.value}: {_executions(count)}"
            place = _place(cause.location)
            properties = ",".join(f"{key}={_escaped(text, ':,')}" for key, text in (*place, ("title", title)))
            yield f"::{command} {properties}::{_escaped(_sentence(outcome, cause))}"


def _place(location: str) -> tuple[tuple[str, str], ...]:
    file, colon, line = location.rpartition(":")
    if not colon:
        return ()
    root, path = Path(os.environ.get("GITHUB_WORKSPACE") or "."), Path(file)
    with suppress(ValueError):  # it is outside of the repository
        path = path.absolute().relative_to(root.absolute())
    return ("file", path.as_posix()), ("line", line)


def _escaped(text: str, more: str = "") -> str:
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
