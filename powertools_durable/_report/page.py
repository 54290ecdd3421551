"""The report as one HTML file."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from powertools_durable._report.data import Fields, describe
from powertools_durable._timeline import Timeline

__all__ = ["Pair", "render_fork", "render_pair", "render_report"]

# In a script element, text ends at "</script" and changes its meaning at "<!--". JSON may write these in another way.
_ESCAPES: Final = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029\u007f"})
# Characters that hide or turn round what stands beside them, and those that can't be written as UTF-8.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Pair:
    """A run in which processes died, beside one in which none did.

    Attributes
    ----------
    title : str
        What was explored.
    crash : str
        When the processes died.
    differences : Sequence[str]
        What differed.
    clean : Timeline
        The run without a crash.
    crashed : Timeline | None
        The run with it; None if none is needed to see the mistake.
    operations : Sequence[str]
        The ids of the operations that differ.
    """

    title: str
    crash: str
    differences: Sequence[str]
    clean: Timeline
    crashed: Timeline | None
    operations: Sequence[str] = ()


def render_report(timeline: Timeline, *, values: bool = False) -> str:
    """Return the report of an execution: a page that loads nothing.

    Parameters
    ----------
    timeline : Timeline
        The execution.
    values : bool
        Show the payloads that *timeline* holds.
    """
    title = f"{timeline.name} ({timeline.status})"
    return _page(title, {"runs": [describe(timeline, values=values)]})


def render_pair(pair: Pair) -> str:
    """Return the report of a crash: the run with the crash beside the one without. It contains no payloads."""
    runs = [describe(pair.clean, values=False) | {"heading": "Without a crash"}]
    if pair.crashed is not None:
        runs.append(describe(pair.crashed, values=False) | {"heading": "With the crash"})
    crash = {"title": pair.title, "where": pair.crash, "differences": list(pair.differences)}
    return _page(f"{pair.title} does not survive", {"runs": runs, "crash": crash, "differs": list(pair.operations)})


def render_fork(original: Timeline, fork: Timeline, differences: Sequence[str], operations: Sequence[str]) -> str:
    """Return the report of a fork: the recorded run beside the one that went on with it. It contains no payloads.

    Parameters
    ----------
    original, fork : Timeline
        The two runs.
    differences : Sequence[str]
        What differs.
    operations : Sequence[str]
        The ids of the operations that differ.
    """
    runs = [
        describe(original, values=False) | {"heading": "As it was recorded"},
        describe(fork, values=False) | {"heading": "The fork"},
    ]
    verdict = {"verdict": fork.status, "badge": fork.status}
    what = {"title": f"fork of {original.name}", "where": "What differs", "differences": list(differences)} | verdict
    return _page(f"fork of {original.name} ({fork.status})", {"runs": runs, "crash": what, "differs": list(operations)})


def _page(title: str, fields: Fields) -> str:
    data = json.dumps(fields, ensure_ascii=True, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)
    template = _template()
    policy = (
        f"default-src 'none'; script-src {_hash('script', template)}; style-src {_hash('style', template)}; "
        "base-uri 'none'; form-action 'none'"
    )
    texts = {"POLICY": policy, "TITLE": html.escape(_CONTROLS.sub(_write_out, title)), "DATA": data}
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda match: texts[match[1]], template)


def _write_out(character: re.Match[str]) -> str:
    return f"\\u{ord(character[0]):04x}"


@cache
def _template() -> str:
    return files(__package__).joinpath("template.html").read_text(encoding="utf-8")


def _hash(element: str, template: str) -> str:
    """Return the Content-Security-Policy's name of what the page's only such element contains."""
    (text,) = re.findall(rf"<{element}>(.*?)</{element}>", template, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
