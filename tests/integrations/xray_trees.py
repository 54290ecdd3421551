"""What X-Ray would make of what it was sent: the rules of its documents, and the tree below each invocation."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

NAME = re.compile(r"[\w\s.:/%&#=+\\\-@]{1,200}")
MAX_BYTES = 64 * 1024


class Traced:
    """A handler, Lambda around it, and the daemon that hears it.

    ``header`` chooses what is decided about an invocation, by its number from 1.
    """

    def __init__(self, daemon, handler, sampled=lambda number: True):
        self.daemon = daemon
        self.parents: list[str] = []

        @functools.wraps(handler)
        def invoked(event, context):
            number = len(self.parents) + 1
            self.parents.append(daemon.next_invocation(sampled=sampled(number)))
            return handler(event, context)

        self.handler = invoked

    def trees(self) -> list[Any]:
        """One tree for each invocation, as names: ``{"## handler": {"## durable": {}}}``; checked by the rules."""
        check(self.daemon, self.parents)
        return [tree(self.daemon, parent) for parent in self.parents]


def check(daemon, parents):
    """Hold everything that was sent against the rules of X-Ray's segment documents."""
    for document in daemon.documents:
        assert len(json.dumps(document)) < MAX_BYTES
    found = daemon.subsegments
    ids = {one["id"]: one for one in found}
    assert len(ids) == len(found), "an id is used twice"
    for one in found:
        assert re.fullmatch(r"[0-9a-f]{16}", one["id"]), one
        assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", one["trace_id"]), one
        assert one["type"] == "subsegment", one
        assert NAME.fullmatch(one["name"]), one["name"]
        assert one["parent_id"] in {*ids, *parents}, f"{one['name']} hangs nowhere"
        assert one["start_time"] <= one["end_time"], one
        assert one["start_time"] >= ids.get(one["parent_id"], one)["start_time"], f"{one['name']} is before its parent"
        assert not one.get("in_progress"), one
        for key, value in one.get("annotations", {}).items():
            assert re.fullmatch(r"[A-Za-z0-9_]+", key), key
            assert isinstance(value, (str, int, float, bool)), value
            assert len(str(value)) <= 1000, value


def below(daemon, parent):
    return sorted((one for one in daemon.subsegments if one["parent_id"] == parent), key=lambda one: one["start_time"])


def tree(daemon, parent):
    """Names below *parent*, in the order in which they began; a name that is there twice gets a prime."""
    found: dict[str, Any] = {}
    for one in below(daemon, parent):
        name = one["name"]
        while name in found:
            name += "'"
        found[name] = tree(daemon, one["id"])
    return found


def told(one, key):
    """What a subsegment says in our namespace."""
    return one["metadata"]["powertools_durable"][key]


def flags(one):
    return {flag for flag in ("error", "fault", "throttle") if one.get(flag)}
