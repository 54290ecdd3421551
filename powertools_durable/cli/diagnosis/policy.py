"""The IAM policy that the function's role needs (docs/reliability.md#security-list, item 7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from powertools_durable._runtime.session import Program
from powertools_durable.cli.chains import links_of
from powertools_durable.cli.diagnosis.source import Source
from powertools_durable.serdes.encrypting import EncryptingSerDes
from powertools_durable.serdes.s3 import S3SerDes

__all__ = ["policy"]

_ARN = "arn:aws:lambda:REGION:ACCOUNT:function"
_KEY = "arn:aws:kms:REGION:ACCOUNT:key/KEY"


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
    if program is not None:
        statements += _of_serdes(program)
    return {"Version": "2012-10-17", "Statement": statements}


def _of_serdes(program: Program) -> Iterator[dict[str, Any]]:
    """Yield what the serdes of a handler need: for objects of S3, and for keys of KMS."""
    objects: set[str] = set()
    keys: set[str] = set()
    for link in links_of(program):
        if isinstance(link, S3SerDes):
            bucket = f"{link.bucket}/object" if link.bucket.startswith("arn:") else f"arn:aws:s3:::{link.bucket}"
            objects.add(f"{bucket}/{link.prefix}*")
        elif isinstance(link, EncryptingSerDes):
            keys.update(link.keys or [_KEY])
    if objects:
        yield _allow(["s3:PutObject", "s3:PutObjectTagging", "s3:GetObject"], sorted(objects))
    if keys:
        yield _allow(["kms:GenerateDataKey", "kms:Decrypt"], sorted(keys))


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
