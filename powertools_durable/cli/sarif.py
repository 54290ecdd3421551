"""Writes findings as SARIF 2.1.0, which GitHub's code scanning and editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from powertools_durable._version import __version__
from powertools_durable.cli.usage import UsageError

__all__ = ["SarifResult", "sarif_log", "write_sarif"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_WEBSITE = "https://powertools-durable.github.io/powertools-durable/"
_ROOT = "%SRCROOT%"  # the name that GitHub's code scanning gives to the repository's folder


class SarifResult(NamedTuple):
    """A finding in the user's code.

    Attributes
    ----------
    rule : str
        The id of its rule, such as ``clock``.
    message : str
        What was found, and what to do. Never a payload.
    file : str
        The path of the file, absolute or relative to the current folder; empty without a place.
    line : int
        The line, from 1.
    level : str
        ``error``, ``warning`` or ``note``.
    """

    rule: str
    message: str
    file: str
    line: int
    level: str = "warning"


def write_sarif(path: str | Path, results: Iterable[SarifResult], rules: Mapping[str, str], page: str = "") -> None:
    """Write a SARIF log to *path*; see `sarif_log`.

    Raises
    ------
    UsageError
        The file can't be written.
    """
    text = json.dumps(sarif_log(results, rules, page=page), indent=2) + "\n"
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--sarif {path}: {error.strerror or error}; name a file in a folder that exists") from None


def sarif_log(
    results: Iterable[SarifResult], rules: Mapping[str, str], *, root: Path | None = None, page: str = ""
) -> dict[str, Any]:
    """Return a SARIF log with one run.

    Parameters
    ----------
    results : Iterable[SarifResult]
        The findings.
    rules : Mapping[str, str]
        What each rule is about, by its id. A rule that only *results* name is described by its id.
    root : Path | None
        The folder that paths are relative to; default: the current one.
    page : str
        The page of the documentation that explains the rules, such as ``troubleshooting/doctor/``.
    """
    found = list(results)
    root = (root or Path.cwd()).resolve()
    ids = list(dict.fromkeys([*rules, *(result.rule for result in found)]))
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "powertools-durable",
                        "version": __version__,
                        "informationUri": _WEBSITE,
                        "rules": [
                            {
                                "id": rule,
                                "shortDescription": {"text": rules.get(rule, rule)},
                                "helpUri": _WEBSITE + page,
                            }
                            for rule in ids
                        ],
                    }
                },
                "originalUriBaseIds": {_ROOT: {"uri": root.as_uri().rstrip("/") + "/"}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(result, ids, root) for result in found],
            }
        ],
    }


def _result(result: SarifResult, ids: list[str], root: Path) -> dict[str, Any]:
    written: dict[str, Any] = {
        "ruleId": result.rule,
        "ruleIndex": ids.index(result.rule),
        "level": result.level,
        "message": {"text": result.message},
    }
    if result.file:
        location = {
            "artifactLocation": _artifact(Path(result.file), root),
            "region": {"startLine": max(1, result.line)},
        }
        written["locations"] = [{"physicalLocation": location}]
    return written


def _artifact(file: Path, root: Path) -> dict[str, str]:
    absolute = (root / file).resolve()
    if absolute.is_relative_to(root):
        return {"uri": quote(absolute.relative_to(root).as_posix()), "uriBaseId": _ROOT}
    return {"uri": absolute.as_uri()}
