"""What two histories of the same program must have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any


def told(history: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return what a history tells of each operation, in order."""
    found: dict[str, list[Any]] = defaultdict(list)
    for event in history:
        kind = event["EventType"]
        if kind in {"InvocationCompleted", "ExecutionStarted"}:
            continue
        identity = [kind, event.get("ParentId"), event.get("Name"), str(event.get("SubType"))]
        key = "execution" if kind.startswith("Execution") else event["Id"]
        found[key].append([*identity, _details(event.get(f"{kind}Details") or {})])
    return found


def differences(ours: dict[str, list[Any]], theirs: dict[str, list[Any]]) -> Iterator[tuple[str, Any, Any]]:
    for key in ours.keys() | theirs.keys():
        for our, their in zip_longest(ours.get(key, []), theirs.get(key, [])):
            if our != their:
                yield key[:8], our, their


def _details(details: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name in ("Result", "Error", "Input"):
        payload = (details.get(name) or {}).get("Payload")
        if isinstance(payload, dict):  # an error; the official SDK records no place of it
            payload = {key: part for key, part in payload.items() if key != "StackTrace"}
        if payload:
            shown[name] = payload
    retry = details.get("RetryDetails") or {}
    if retry.get("NextAttemptDelaySeconds"):  # the stock emulator tells of attempts only when another one follows
        shown |= {"attempt": retry["CurrentAttempt"], "delay": retry["NextAttemptDelaySeconds"]}
        shown.pop("Result", None)  # nor does it show the state of a poll that goes on
    shown |= {"Duration": details["Duration"]} if details.get("Duration") else {}
    return shown
