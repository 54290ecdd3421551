"""I19 to I23, and G8: how invocations end, and what they keep to themselves."""

from __future__ import annotations

from tests.properties.events import digest
from tests.properties.views import Found, View

__all__ = [
    "nothing_survives",
    "passing_faults_pass",
    "requests_are_small",
    "secrets_are_kept",
    "the_same_seed_is_the_same_run",
    "waits_end_in_time",
]

_MOST_UPDATES = 250
_MOST_BYTES = 750 * 1024
_SLACK = 0.002  # seconds: moments are whole milliseconds on the wire
_TOO_LATE = 60  # seconds before its deadline in which an invocation may refuse to call once more
_LIBRARY = "powertools_durable"


def nothing_survives(view: View) -> Found:
    """I19: no library thread, socket, or file handle survives the invocation."""
    if view.is_first and view.trace.handles > 0:
        yield 0, f"{view.trace.handles} files or sockets are left open"
    for invocation, (_, ended) in view.one.ended.items():
        if ended.threads:
            yield invocation, f"threads are left: {', '.join(ended.threads)}"


def waits_end_in_time(view: View) -> Found:
    """I20: every blocking wait ends <= deadline."""
    one = view.one
    for invocation, (_, ended) in one.ended.items():
        if ended.at > one.began[invocation][1].ends + _SLACK:
            yield invocation, "the invocation ends after its deadline"
    for request in one.requests:
        if request.sent.at > one.began[request.sent.invocation][1].ends + _SLACK:
            yield request.sent.invocation, "a request is sent after the deadline"


def secrets_are_kept(view: View) -> Found:
    """I21: no payload, token or callback id in the library's lines and errors, in metrics and traces."""
    one, trace = view.one, view.trace
    texts = [(line.invocation, line.message) for _, line in one.lines if line.logger.startswith(_LIBRARY)]
    texts += [(number, ended.words) for number, (_, ended) in one.ended.items() if ended.answer == "raised"]
    if view.is_first:
        texts += [(0, metric) for metric in trace.metrics]
    for invocation, text in texts:
        if any(secret in text for secret in trace.canaries) or any(secret in text for secret in one.secrets):
            yield invocation, "a secret is told in a log line, an error or a metric"


def requests_are_small(view: View) -> Found:
    """I22: request sizes <= documented limit, ops per request <= 250."""
    for request in view.one.requests:
        updates = request.sent.updates
        if len(updates) > _MOST_UPDATES:
            yield request.sent.invocation, f"a request of {len(updates)} updates"
        if len(updates) > 1:
            size = sum(len((update.get("Payload") or "").encode()) for update in updates)
            if size > _MOST_BYTES:
                yield request.sent.invocation, f"a request of {size} bytes"


def the_same_seed_is_the_same_run(view: View) -> Found:
    """I23: same seed => identical trace hash."""
    if view.is_first and view.trace.again is not None and view.trace.again != digest(view.trace):
        yield 0, "another run with the same seed is another"


def passing_faults_pass(view: View) -> Found:
    """G8: one transient API fault causes neither a re-run of a body nor a failed invocation."""
    one = view.one
    for invocation, (at, ended) in one.ended.items():
        if ended.answer != "raised" or ended.at > one.began[invocation][1].ends - _TOO_LATE:
            continue
        mine = [request for request in one.requests if request.sent.invocation == invocation]
        last = mine[-1].answer if mine else None
        if last is None or last.answer not in {"lost", "refused"} or not last.fault or not one.knows(at, invocation):
            continue
        if sum(request.sent.client_token == mine[-1].sent.client_token for request in mine) < 2:
            yield invocation, f"the invocation fails with one {last.fault}, and has not tried again"
