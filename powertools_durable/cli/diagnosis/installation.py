"""Checks the environment: versions of the dependencies, boto3's model of the API, variables, plugins."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import metadata

from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.config import PREFIX, variables
from powertools_durable.integrations.entry_points import GROUP
from powertools_durable.integrations.entry_points import VARIABLE as PLUGINS

__all__ = ["environment"]

_PACKAGE = "powertools-durable"
_CALLS = ("CheckpointDurableExecution", "GetDurableExecutionState")
_STORE = f"{PREFIX}STORE"  # of the command line
_POWERTOOLS = "POWERTOOLS_"
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[^]]*\])?([^;]*)(?:;.*extra == ['\"](\w+)['\"])?")
_LIMIT = re.compile(r"(>=|<)\s*([\d.]+)")


def environment() -> Iterator[Finding]:
    """Yield what does not depend on the handler."""
    yield Finding.ok("Python", platform.python_version())
    yield from _versions()
    yield _model()
    yield from _variables()
    yield from _plugins()


def _versions() -> Iterator[Finding]:
    try:
        required = metadata.requires(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        yield Finding.warning(
            _PACKAGE, "is imported from its folder, not installed: versions are not checked", "pip install it"
        )
        return
    yield Finding.ok(_PACKAGE, metadata.version(_PACKAGE))
    for text in required:
        match = _REQUIREMENT.fullmatch(text)
        if match is not None and match[3] in {None, "tracer"}:
            yield from _version(match[1], match[2].strip(), is_extra=match[3] is not None)


def _version(name: str, limits: str, *, is_extra: bool) -> Iterator[Finding]:
    advice = f"pip install '{name}{limits}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        if not is_extra:
            yield Finding.error(name, "is not installed", advice)
        return
    for relation, bound in _LIMIT.findall(limits):
        if relation == ">=" and _release(version) < _release(bound):
            yield Finding.error(name, f"{version} is older than {bound}", advice)
            return
        if relation == "<" and _release(version) >= _release(bound):
            yield Finding.warning(name, f"{version} is newer than the versions that {_PACKAGE} was tested with", advice)
            return
    yield Finding.ok(name, f"{version} ({limits})")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _model() -> Finding:
    subject = "Lambda API"
    advice = "install newer versions of boto3 and botocore, and package them with the function"
    try:
        from botocore.session import get_session

        known = get_session().get_service_model("lambda").operation_names
    except Exception as error:  # noqa: BLE001 - whatever a broken installation raises
        return Finding.error(subject, f"botocore does not load: {type(error).__name__}", advice)
    missing = [call for call in _CALLS if call not in known]
    if missing:
        return Finding.error(subject, f"botocore does not know {' and '.join(missing)}", advice)
    return Finding.ok(subject, f"botocore knows {' and '.join(_CALLS)}")


def _variables() -> Iterator[Finding]:
    known = {*variables(), PLUGINS, _STORE}
    for name, value in sorted(os.environ.items()):
        if name in known or (name.startswith(_POWERTOOLS) and not name.startswith(PREFIX)):
            yield Finding.ok("environment", f"{name}={value}")
        elif name.startswith(PREFIX):
            close = get_close_matches(name, known, n=1)
            advice = f"did you mean {close[0]}?" if close else f"the known variables are {', '.join(sorted(known))}"
            yield Finding.warning("environment", f"{name} is not a variable of {_PACKAGE}", advice)


def _plugins() -> Iterator[Finding]:
    offered = sorted(point.name for point in metadata.entry_points(group=GROUP))
    named = [name.strip() for name in os.environ.get(PLUGINS, "").split(",") if name.strip()]
    for name in named:
        if name not in offered:
            message = f"{PLUGINS} names {name!r}, which no installed package offers"
            yield Finding.error("plugins", message, f"offered: {', '.join(offered) or 'none'}")
    off = [name for name in offered if name not in named]
    if offered:
        message = (
            f"on: {', '.join(name for name in named if name in offered) or 'none'}; off: {', '.join(off) or 'none'}"
        )
        yield Finding.ok("plugins", message)
