"""Reports that the tests read, and the executions in them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from powertools_durable._report.page import render_report
from powertools_durable._timeline import read_events

HISTORIES = Path(__file__).parents[1] / "histories"

# Ten executions: ours and the official SDK's, def and async def handlers record the same.
GOLDEN = (
    "ours/order_flow",
    "ours/map_with_failures",
    "ours/map_flat",
    "ours/retried_step",
    "ours/saga",
    "ours/with_retry",
    "ours/wait_for_callback_running",
    "official/order_flow",
    "official/parallel_running",
    "official/step_interrupted",
)

HOSTILE = (
    "</script><script>document.title='taken'</script>",
    "<!--<script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "{{DATA}} {{POLICY}} ${location} &lt;b&gt; \u2028\u2029",
    "\x1b[31mred\x1b[0m \u202egnp.exe \ud800",
    "javascript:document.title='taken'//",
)


def events_of(name):
    return json.loads((HISTORIES / f"{name}.json").read_text(encoding="utf-8"))["Events"]


def timeline_of(name, **options):
    return read_events(events_of(name), **options)


def data_of(page):
    """Return what the page's script is told."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def hostile_events(text):
    """Return a history in which each text that somebody else wrote is *text*."""
    moment = datetime(2026, 1, 1, tzinfo=UTC).isoformat()

    def event(number, kind, **fields):
        details = fields.pop("details", {})
        common = {"EventId": number, "EventType": kind, "EventTimestamp": moment, f"{kind}Details": details}
        return common | fields

    error = {"Payload": {"ErrorType": text, "ErrorMessage": text, "StackTrace": [text, text]}}
    payload = {"Payload": json.dumps(text)}
    step, call = {"Id": "a", "Name": text, "SubType": "Step"}, {"Id": "b", "Name": text, "SubType": text}
    again = {"NextAttemptDelaySeconds": 1, "CurrentAttempt": 1}
    ran = {"StartTimestamp": moment, "EndTimestamp": moment, "RequestId": text}
    return [
        event(1, "ExecutionStarted", Id="execution", Name=text, details={"Input": payload}),
        event(2, "StepStarted", **step),
        event(3, "StepFailed", **step, details={"Error": error, "RetryDetails": again}),
        event(4, "StepStarted", **step),
        event(5, "StepSucceeded", **step, details={"Result": payload}),
        event(6, "ChainedInvokeStarted", **call, details={"FunctionName": text, "Input": payload}),
        event(7, "ChainedInvokeFailed", **call, details={"Error": error}),
        event(8, "InvocationCompleted", details={**ran, "Error": error}),
        event(9, "ExecutionFailed", Id="execution", Name=text, details={"Error": error}),
    ]


def hostile_page(text):
    return render_report(read_events(hostile_events(text), arn=text, values=True), values=True)
