"""The environment: versions against those that the package asks for, boto3's model, variables, plugins."""

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
_OF_THE_COMMAND = f"{PREFIX}STORE"
_POWERTOOLS = "POWERTOOLS_"
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[^]]*\])?([^;]*)(?:;.*extra == ['\"](\w+)['\"])?")
_LIMIT = re.compile(r"(>=|<)\s*([\d.]+)")


def environment() -> Iterator[Finding]:
    """Yield what there is to say before a handler is looked at."""
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
            _PACKAGE, "is not installed, it runs from its folder: versions are not compared", "pip install it"
        )
        return
    yield Finding.ok(_PACKAGE, metadata.version(_PACKAGE))
    for text in required:
        found = _REQUIREMENT.fullmatch(text)
        if found is not None and found[3] in {None, "tracer"}:
            yield from _version(found[1], found[2].strip(), is_extra=found[3] is not None)


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
            yield Finding.warning(name, f"{version} is newer than what this version was tested with", advice)
            return
    yield Finding.ok(name, f"{version} ({limits})")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _model() -> Finding:
    subject = "Lambda API"
    advice = "install a newer boto3 and botocore, and package them with the function"
    try:
        from botocore.session import get_session

        known = get_session().get_service_model("lambda").operation_names
    except Exception as error:  # noqa: BLE001 - whatever a broken installation raises
        return Finding.error(subject, f"botocore does not load: {type(error).__name__}", advice)
    missing = [call for call in _CALLS if call not in known]
    if missing:
        return Finding.error(subject, f"botocore has no {' and no '.join(missing)}", advice)
    return Finding.ok(subject, f"botocore knows {' and '.join(_CALLS)}")


def _variables() -> Iterator[Finding]:
    known = {*variables(), PLUGINS, _OF_THE_COMMAND}
    for name, value in sorted(os.environ.items()):
        if name in known or (name.startswith(_POWERTOOLS) and not name.startswith(PREFIX)):
            yield Finding.ok("environment", f"{name}={value}")
        elif name.startswith(PREFIX):
            close = get_close_matches(name, known, n=1)
            advice = f"it should be {close[0]}" if close else f"known are {', '.join(sorted(known))}"
            yield Finding.warning("environment", f"{name} means nothing", advice)


def _plugins() -> Iterator[Finding]:
    offered = sorted(point.name for point in metadata.entry_points(group=GROUP))
    named = [name.strip() for name in os.environ.get(PLUGINS, "").split(",") if name.strip()]
    for name in named:
        if name not in offered:
            words = f"{PLUGINS} names {name!r}, which no installed package offers"
            yield Finding.error("plugins", words, f"offered: {', '.join(offered) or 'none'}")
    off = [name for name in offered if name not in named]
    if offered:
        words = f"on: {', '.join(name for name in named if name in offered) or 'none'}; off: {', '.join(off) or 'none'}"
        yield Finding.ok("plugins", words)
