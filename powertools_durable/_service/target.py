"""The functions that an invoke may name (docs/contributing/protocol.md#statuses-and-transitions, #operation-updates).

The service also refuses a function of another account or region. This module does not: an execution here belongs to
no account, and its ARN is made up.
"""

from __future__ import annotations

import re

from powertools_durable._protocol.update import ChainedInvokeOptions

__all__ = ["objection_to"]

_MAX_LENGTH = 256  # [M] of either
_TARGET = re.compile(
    r"(?P<arn>arn:(aws[a-zA-Z-]*)?:lambda:)?"
    r"((?P<region>(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}):)?"
    r"((?P<account>\d{12}):)?"
    r"(function:)?[a-zA-Z0-9-_\.]+(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)  # [M] a name, a name with its qualifier, a part of an ARN, an ARN
_TENANT = re.compile(r"[a-zA-Z0-9\._:\/=+\-@ ]{1,256}")  # [M]


def objection_to(options: ChainedInvokeOptions) -> str | None:
    """Return why the service can't invoke this; None if it can."""
    name = options.function_name
    match = _TARGET.fullmatch(name) if len(name) <= _MAX_LENGTH else None
    if match is None or (match["arn"] and not (match["region"] and match["account"])):
        return f"Invalid function ARN '{name}'"
    if options.tenant_id is not None and not _TENANT.fullmatch(options.tenant_id):
        return "TenantId must be 1 to 256 characters matching [a-zA-Z0-9._:/=+-@ ]."
    return None
