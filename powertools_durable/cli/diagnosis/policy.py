"""The IAM policy that the function's role needs (docs/reliability.md#security-list, item 7)."""

from __future__ import annotations

from typing import Any

from powertools_durable._runtime.session import Program
from powertools_durable.cli.diagnosis.source import Source

__all__ = ["policy"]

_ARN = "arn:aws:lambda:REGION:ACCOUNT:function"


def policy(program: Program | None, source: Source | None) -> dict[str, Any]:
    """Return an IAM policy with REGION, ACCOUNT and NAME to fill in.

    Parameters
    ----------
    program : Program | None
        The durable function; it may have a tracer.
    source : Source | None
        Its source, which may name the functions that it invokes.
    """
    statements = [
        _allow(["lambda:CheckpointDurableExecution", "lambda:GetDurableExecutionState"], [f"{_ARN}:NAME:*"]),
        _allow(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            ["arn:aws:logs:REGION:ACCOUNT:log-group:/aws/lambda/NAME:*"],
        ),
    ]
    if source is not None and "invoke" in source.operations:
        targets = [name if name.startswith("arn:") else f"{_ARN}:{name}" for name in sorted(source.targets)]
        statements.append(_allow(["lambda:InvokeFunction"], targets or [f"{_ARN}:INVOKED:*"]))
    if program is not None and program.tracer is not None:
        statements.append(_allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"]))
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
